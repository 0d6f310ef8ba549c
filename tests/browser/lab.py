"""A JupyterLab to test against, and a page on it: what a reader does, in a few words."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import nbformat

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
TOKEN = "course"
# What JupyterLab 4.6 itself prints on a machine without internet, or about its own page; none of it is ours.
NOT_OURS = ("favicon", "Failed to load resource", "ERR_INTERNET_DISCONNECTED", "ERR_NAME_NOT_RESOLVED", "ResizeObserver loop")


def find_chromium() -> str | None:
    """The browser to drive, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Server:
    """JupyterLab on a free port, with every setting of its own, so that a reader's stay untouched."""

    def __init__(self, home: Path, *options: str, python: str | Path = sys.executable, settings: dict | None = None, root: Path | None = None, environment: dict | None = None):
        self.root = root or home / "notebooks"
        self.root.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        own = {name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
        overrides = Path(own["JUPYTER_CONFIG_DIR"]) / "labconfig" / "default_setting_overrides.json"
        overrides.parent.mkdir(parents=True)
        overrides.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}, **(settings or {})}))
        self.log = open(home / "lab.log", "w")  # noqa: SIM115 (closed in `close`)
        command = [
            str(python), "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={self.port}",
            "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True", *options,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, env=os.environ | own | (environment or {}), stdout=self.log, stderr=subprocess.STDOUT)
        until(lambda: self.api("status") is not None, 60, "JupyterLab to start")

    def api(self, path: str, method: str = "GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", method=method, headers={"Authorization": f"token {TOKEN}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read() or "{}")
        except (OSError, ValueError):
            return None

    def write(self, *cells: str) -> str:
        """A new notebook with these code cells; returns its name."""
        name = f"{uuid.uuid4().hex[:8]}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.root / name)
        return name

    def forget_sessions(self):
        for session in self.api("sessions") or []:
            self.api(f"sessions/{session['id']}", "DELETE")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


@contextlib.contextmanager
def notebooks(browser, server):
    """`open(cell, cell, …)` opens a new notebook with these cells and runs it; `open(name=…)` one that is already there."""
    opened = []

    def open_notebook(*cells, name=None, run=True) -> Lab:
        page = browser.new_page()
        opened.append(page)
        one = Lab(page, server, name or server.write(*cells))
        if run:
            one.run_all()
        return one

    yield open_notebook
    for page in opened:
        page.close()


class Lab:
    """One notebook open in one browser page."""

    def __init__(self, page, server: Server, name: str):
        self.page, self.server, self.name = page, server, name
        self.errors: list[str] = []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" and not any(n in message.text for n in NOT_OURS) else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.open()

    def open(self):
        address = f"http://127.0.0.1:{self.server.port}/lab/workspaces/{uuid.uuid4().hex[:6]}/tree/{self.name}?reset&token={TOKEN}"
        self.page.goto(address)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.quiet()

    def quiet(self, seconds: float = 60):
        """Wait until this notebook's kernel has been idle for a second ("idle" also shows before it has started)."""
        calm_since = None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = next((s["kernel"]["execution_state"] for s in self.server.api("sessions") or [] if s["path"] == self.name), None)
            now = time.monotonic()
            calm_since = (calm_since or now) if state == "idle" else None
            if calm_since and now - calm_since > 1:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("the kernel did not become idle")

    def command(self, name: str):
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)

    def run_all(self):
        self.command("notebook:run-all-cells")
        self.page.wait_for_timeout(300)
        self.quiet()

    def run_cell(self, index: int):
        self.page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".cm-content").click()
        self.command("notebook:run-cell")

    def text_of(self, index: int) -> str:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-OutputArea-output").all_inner_texts().__str__()

    # -- the panel ----------------------------------------------------------------------------------------

    def button(self, name: str):
        return self.page.locator("button.widget-button", has_text=name).first

    def status(self) -> str:
        return self.page.locator(".course-panel [role=status]").first.inner_text()

    def wait_status(self, word: str, seconds: float = 40):
        until(lambda: word in self.status(), seconds, f"status {word!r}", self.page, lambda: self.status())

    def number(self, label: str):
        return self.page.get_by_label(label, exact=True).first

    def picture(self) -> str:
        return self.page.locator(".course-panel .course-plot img").first.get_attribute("src")


def until(condition, seconds: float, what: str, page=None, seen=lambda: ""):
    """Wait for a condition, checked every 50 ms."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        page.wait_for_timeout(50) if page else time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}; last seen: {seen()}")
