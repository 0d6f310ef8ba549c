"""Sphinx's settings for the course's site; `build.py` lays the pages out and calls Sphinx."""

import os
import re
import sys
import tomllib
from pathlib import Path

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))
os.environ["TQDM_DISABLE"] = "1"

project = "From Sequences to Sentience"
author = "the course's authors"
copyright = "the course's authors, MIT licence"
html_title = project
repository = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["repository"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
nb_execution_mode = "off"  # the pages show what the committed notebooks hold
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_ref_domains = ["std"]  # [weights](#weights) is the glossary's, never a method
# the targets are raw HTML (<a id=…>), which GitHub and JupyterLab follow too; build.py checks every link in the finished pages
suppress_warnings = ["myst.xref_missing", "mystnb.unknown_mime_type"]
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "exclude-members": "library"}

html_theme = "sphinx_book_theme"
html_static_path = [str(ROOT / "build" / "site-source" / "_static")]
html_css_files = ["course.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "repository_url": repository,
    "repository_branch": "main",
    "path_to_docs": "notebooks",
    "use_repository_button": True,
    "use_download_button": False,
    "launch_buttons": {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com", "notebook_interface": "jupyterlab"},
    "show_toc_level": 2,
    "home_page_in_toc": True,
    **{f"navbar_{where}": [] for where in ("start", "center", "end", "persistent")},  # the search stands in the sidebar
}
html_math_renderer = "mathml"


def inline_math(self, node):
    """Formulas as MathML, which browsers draw by themselves: no script from elsewhere is needed."""
    self.body.append(convert(node.astext()))
    raise SkipNode


def display_math(self, node):
    # a formula wider than a narrow window is scrolled, with the keyboard too
    self.body.append(f'<div class="math" role="group" aria-label="formula" tabindex="0">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


def plain_docstring(app, what, name, obj, options, lines):
    """Our docstrings are plain text with `code`: keep reStructuredText from reading signs of its own into them."""
    text = "\n".join(lines)
    parts = re.split(r"(`[^`\n]+`)", text)
    parts = [f"`{part}`" if part.startswith("`") else re.sub(r"([*|_\\])", r"\\\1", part) for part in parts]
    paragraphs = [line_block(paragraph) for paragraph in "".join(parts).split("\n\n")]
    lines[:] = "\n\n".join(paragraphs).split("\n")


def line_block(paragraph):
    """A list of arguments, its longer items continued on indented lines, as lines that stay lines."""
    if not re.search(r"^\S.*\n +\S", paragraph, flags=re.M):
        return paragraph
    return re.sub(r"^", "| ", re.sub(r"\n +(?=\S)", " ", paragraph), flags=re.M)


def setup(app):
    app.add_html_math_renderer("mathml", (inline_math, None), (display_math, None))
    app.connect("autodoc-process-docstring", plain_docstring)
