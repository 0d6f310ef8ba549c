"""Hashes, and the one way by which bytes come out of an archive into the cache.

An archive is a stranger's parcel: members are asked for by the names in our own table, no path from inside
decides where anything is written, every size is bounded before the first byte, and a file appears under
its final name only when all its bytes are there, are the right ones, and are on the disk.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from course_lib.checks import InputError
from course_lib.data.table import Item, Member

__all__ = ["DataMissing", "extract", "put", "sha256"]

CHUNK = 1 << 20


class DataMissing(InputError):
    """A file of the course is absent, damaged or could not be fetched; the message says what to run."""


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def extract(archive: Path, items: Iterable[Item], root: Path, work: Path) -> None:
    """Take the members of `items` out of the zip `archive` into root/<item name>/; `work` holds what is unfinished.

    Raises DataMissing when the archive does not hold exactly the members of the table.
    """
    try:
        with zipfile.ZipFile(archive) as parcel:
            for item in items:
                for member in item.members:
                    target = root / item.name / member.file
                    if "*" in member.path:
                        _take_all(parcel, member, target, work)
                    else:
                        put(_read(parcel, _find(parcel, member.path), member.size), member, target, work)
    except (_Refused, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DataMissing(
            f"{archive.name} does not hold what the course expects ({str(error).rstrip('.')}); fetch it again"
        ) from error


def put(chunks: Iterable[bytes], member: Member, target: Path, work: Path) -> None:
    """Write `chunks` to `target` if they are the bytes of `member`; readers see the whole file or none."""
    unfinished = _new(work)
    with open(unfinished, "xb") as file:
        digest = hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave the new name with old, empty blocks
        size = file.tell()
    if (size, digest.hexdigest()) != (member.size, member.sha256):
        raise _Refused(f"{member.path} has other contents")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)  # whatever put a folder there, os.replace could not take its place
    os.replace(unfinished, target)


class _Refused(Exception):
    """Why an archive is not trusted."""


def _new(work: Path) -> Path:
    # not tempfile: its files are closed to others, and a class may share one cache
    return work / secrets.token_hex(8)


def _find(parcel: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        info = parcel.getinfo(name)
    except KeyError:
        raise _Refused(f"{name} is missing") from None
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _Refused(f"{name} is a link")
    return info


def _read(parcel: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> Iterator[bytes]:
    """The bytes of one member, given up as soon as they are more than `limit`, whatever its header says."""
    left = limit
    with parcel.open(info) as file:
        while chunk := file.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise _Refused(f"{info.filename} is too big")
            yield chunk


def _take_all(parcel: zipfile.ZipFile, member: Member, target: Path, work: Path) -> None:
    """All members that match a pattern go into one plain zip, the same to the byte everywhere: one file, one hash."""
    before, after = member.path.split("*")
    names = [n for n in parcel.namelist() if n.startswith(before) and n.endswith(after) and "/" not in n[len(before) :]]
    if len(names) != member.count or len(set(names)) != member.count:
        raise _Refused(f"{len(names)} files match {member.path} where {member.count} were expected")
    gathered = _new(work)
    left = member.size
    # stored, sorted, one fixed date and one fixed origin: nothing of this machine or this zlib gets into the bytes
    with open(gathered, "xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as bundle:
        for full in sorted(names):
            content = b"".join(_read(parcel, _find(parcel, full), left))
            left -= len(content)
            info = zipfile.ZipInfo(full[full.rindex("/") + 1 :], date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            bundle.writestr(info, content)
    with open(gathered, "rb") as file:
        put(iter(lambda: file.read(CHUNK), b""), member, target, work)
