"""Run notebooks in place and tidy them for the repository: `make notebooks`, or with names of some.

Committed notebooks are executed, with kernelspec python3, counts 1…n, stable cell ids, no widget state and
no live widget views (a page without the kernel then shows the recorded picture instead), no progress
bars, no machine's paths. The repository's address is written into badges and first cells from pyproject.toml.
"""

from __future__ import annotations

import re
import sys
import time
import tomllib
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python", "pygments_lexer": "ipython3"}


def repository() -> str:
    """Owner and name, from the one place that states them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]["urls"]["repository"].removeprefix("https://github.com/")


def address(text: str, repo: str) -> str:
    """Put the repository's address into Colab, Binder and pip lines."""
    text = re.sub(r"(colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+(/blob)", rf"\g<1>{repo}\g<2>", text)
    text = re.sub(r"(mybinder\.org/v2/gh/)[\w.-]+/[\w.-]+(/)", rf"\g<1>{repo}\g<2>", text)
    return re.sub(r"(git\+https://github\.com/)[\w.-]+/[\w.-]+", rf"\g<1>{repo}", text)


def tidy(notebook, repo: str) -> None:
    """Normalise in place; see the module's docstring."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for number, cell in enumerate(notebook.cells):
        cell.id = f"c{number:03d}"
        cell.source = address(cell.source, repo)
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in ("tags", "jupyter")})
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = [output for output in cell.outputs if not progress_bar(output)]
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if "data" in output:
                output.data.pop(WIDGET, None)
                if "text/plain" in output.data:  # an object's place in memory says nothing, and differs every time
                    output.data["text/plain"] = re.sub(r" at 0x[0-9a-f]+>", ">", output.data["text/plain"])


def progress_bar(output) -> bool:
    """tqdm's line on stderr, or its widget."""
    if output.output_type == "stream" and output.name == "stderr":
        return bool(re.search(r"\d+%\|", output.text))
    return output.output_type == "display_data" and "%|" in output.get("data", {}).get("text/plain", "")


def build(path: Path) -> float:
    """Execute and tidy one notebook; returns the seconds it ran."""
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    seconds = time.perf_counter() - start
    tidy(notebook, repository())
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return seconds


def main(paths: list[str]) -> int:
    for path in paths:
        print(f"{path}: {build(Path(path)):.0f} s", flush=True)
    readme = ROOT / "README.md"
    readme.write_text(address(readme.read_text(encoding="utf-8"), repository()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
