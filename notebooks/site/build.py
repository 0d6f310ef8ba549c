"""`make site`: the executed notebooks, the glossary and the library's reference as web pages, in build/site.

Nothing is run again and nothing is loaded from the internet, while building or while reading. Sphinx
warnings, links that lead nowhere and pictures without words are faults: exit status 1.
"""

from __future__ import annotations

import base64
import contextlib
import html
import importlib
import inspect
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat

HERE = Path(__file__).resolve().parent
NOTEBOOKS = HERE.parent
ROOT = NOTEBOOKS.parent
STAGE, PAGES = ROOT / "build" / "site-source", ROOT / "build" / "site"
# the library's modules in the order in which data flows through them, each with a word on what it is for
REFERENCE = {
    "models": "The architectures, written to be read",
    "data": "Verified files: fetch and open",
    "pretrained": "Real weights in the course's own classes",
    "tasks": "What the models learn from",
    "measure": "Honest measurement: time, operations, memory, the longest chain",
    "training": "One training loop for all notebooks",
    "race": "Contestants, lengths, one table",
    "scaling": "What a large model costs",
    "style": "One look for all plots",
    "plotting": "Tables as plots",
    "drawing": "The architectures as drawings",
    "panels": "The interactive part",
    "claims": "From a measurement to a verdict",
    "evidence": "The recorded runs over three seeds",
}
BADGES = re.compile(r"^\[!\[(?:Open in )?Colab\].*\n", flags=re.M)


def stage() -> None:
    """Lay out Sphinx's source folder: the notebooks with their figures as files, the Markdown pages, the reference."""
    shutil.rmtree(STAGE, ignore_errors=True)
    (STAGE / "_static" / "figures").mkdir(parents=True)
    shutil.copy(HERE / "course.css", STAGE / "_static")
    shutil.copytree(NOTEBOOKS / "images", STAGE / "images")
    repository = re.search(r'^repository = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), flags=re.M)[1]
    elsewhere = f"]({repository}/tree/main/notebooks/assignments/"  # the assignments are worked on, not read: their links lead to the repository
    for page in NOTEBOOKS.glob("*.md"):
        (STAGE / page.name).write_text(page.read_text(encoding="utf-8").replace("](assignments/", elsewhere), encoding="utf-8")
    (STAGE / "index.md").write_text((HERE / "index.md").read_text(encoding="utf-8").replace("REPOSITORY", repository), encoding="utf-8")
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":  # the page has launch buttons of its own, and no picture from elsewhere
                cell.source = BADGES.sub("", cell.source).replace("](assignments/", elsewhere)
            for number, output in enumerate(cell.get("outputs", [])):
                show_figure(output, f"{path.stem}_{cell.id}_{number}.png")
        nbformat.write(notebook, STAGE / path.name)
    write_reference()


def show_figure(output, name: str) -> None:
    """Put an output's picture into a file and an <img> with its words and width in its place."""
    data = output.get("data", {})
    if "image/png" not in data:
        return
    (STAGE / "_static" / "figures" / name).write_bytes(base64.b64decode(data.pop("image/png")))
    about = output.metadata.pop("image/png", {})
    width = f' width="{about["width"]}"' if "width" in about else ""
    data["text/html"] = f'<div class="course-figure"><img src="_static/figures/{name}" alt="{html.escape(about.get("alt", ""), quote=True)}"{width} loading="lazy"></div>'


def write_reference() -> None:
    """One page for each module, and one that lists them."""
    sys.path.insert(0, str(ROOT))
    (STAGE / "api").mkdir()
    rows, names = [], []
    for name, what in REFERENCE.items():
        module = importlib.import_module(f"course_lib.{name}")
        public = [n for n in module.__all__ if inspect.isfunction(getattr(module, n)) or inspect.isclass(getattr(module, n))]
        public = [n for n in public if n not in ("add_arguments", "run")]
        body = "\n".join(entry(f"course_lib.{name}.{n}", getattr(module, n)) for n in public)
        (STAGE / "api" / f"{name}.rst").write_text(f"{name}\n{'=' * len(name)}\n\n{what}.\n\n.. py:module:: course_lib.{name}\n\n{body}", encoding="utf-8")
        rows.append(f"| [{name}](api/{name}.rst) | {what} | {', '.join(f'`{n}`' for n in public)} |")
        names.append(f"api/{name}")
    text = "# The library, function by function\n\n`course_lib` is small on purpose. Data flows through it one way: data → tasks → models → training and measuring → plots → panels → notebooks. In a notebook, `??Name` shows the source of anything below.\n\n"
    table = "| module | what it is for | holds |\n|---|---|---|\n" + "\n".join(rows)
    (STAGE / "api.md").write_text(f"{text}{table}\n\n```{{toctree}}\n:hidden:\n\n" + "\n".join(names) + "\n```\n", encoding="utf-8")


def entry(name: str, what) -> str:
    """Sphinx's lines for one function or class; of a model also what it has from its base here, not from torch."""
    if inspect.isfunction(what):
        return f".. autofunction:: {name}\n"
    own = any(base.__module__.startswith("course_lib.models") for base in what.__mro__[1:])
    return f".. autoclass:: {name}\n   :members:\n" + ("   :inherited-members: Module\n" if own else "")


class Page(HTMLParser):
    """The links, targets, pictures and loaded files of one page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.wordless: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        said = dict(attributes)
        self.ids |= {said[key] for key in ("id", "name") if said.get(key)}
        if tag == "a" and said.get("href"):
            self.links.append(said["href"])
        if tag in ("img", "script", "iframe") and said.get("src"):
            self.loads.append(said["src"])
        if tag == "link" and "stylesheet" in said.get("rel", ""):
            self.loads.append(said["href"])
        if tag == "img" and not (said.get("alt") or "").strip():
            self.wordless.append(said.get("src", "?")[:80])


def faults() -> list[str]:
    """Every link that leads nowhere, every picture without words, everything a page would load from elsewhere."""
    pages = {path: Page(path) for path in sorted(PAGES.rglob("*.html")) if "_static" not in path.parts}
    found = []
    for path, page in pages.items():
        name = path.relative_to(PAGES)
        found += [f"{name}: a picture without words: {source}" for source in page.wordless]
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme in ("mailto", "javascript", "data"):
                continue
            if parts.scheme or parts.netloc:
                if link in page.loads:
                    found.append(f"{name}: loads {link} from elsewhere")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{name}: {link} leads nowhere")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                found.append(f"{name}: {link} has no such place on its page")
    return found


def main() -> int:
    from sphinx.cmd.build import main as sphinx

    stage()
    shutil.rmtree(PAGES, ignore_errors=True)
    status = sphinx(["-q", "-W", "--keep-going", "-b", "html", "-c", str(HERE), "-d", str(ROOT / "build" / "site-doctrees"), str(STAGE), str(PAGES)])
    for page in PAGES.rglob("*.html"):  # the theme's arrows that open a branch of the sidebar have no name of their own
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace('<summary><span class="toctree-toggle"', '<summary aria-label="the pages below this one"><span class="toctree-toggle"'), encoding="utf-8")
    found = faults()
    for fault in found:
        print(fault, file=sys.stderr)
    if status or found:
        return 1
    with contextlib.suppress(ValueError):
        print(f"The site is in {PAGES.relative_to(Path.cwd())}: open index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
