"""How JupyterLab opens for a reader: on the start page, with Markdown shown as text to read, asking nobody for news."""

from pathlib import Path

c = get_config()  # noqa: F821 (given by Jupyter)
here = Path(__file__).resolve().parent
c.ServerApp.root_dir = str(here.parent)
c.LabApp.default_url = "/lab/tree/START.md"
c.LabApp.app_settings_dir = str(here)  # its overrides.json
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
