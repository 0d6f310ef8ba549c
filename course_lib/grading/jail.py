"""The first program in a sandbox, its root for a moment: see only what Python needs, then hold no right at all.

Run by `sandbox.py` under `unshare`, with the standard library alone: python -I jail.py '["/usr", …]' USER COMMAND…
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import sys

READ_ONLY, NO_SUID, NO_DEV, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MOUNT_SETATTR, HERE, ALL_BELOW, DETACH = 442, -100, 0x8000, 2  # a system call's number, and flags of three


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2); raises OSError naming the target."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def show_read_only(path: str, root: str) -> None:
    """Let `path` appear below `root`, with everything mounted in it, read-only."""
    target = root + path
    if os.path.islink(path):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "w").close()
    mount(path, target, flags=BIND | RECURSIVE)
    read_only = struct.pack("QQQQ", READ_ONLY | NO_SUID, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(MOUNT_SETATTR, HERE, target.encode(), ALL_BELOW, read_only, len(read_only)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def main(see: list[str], owner: int, command: list[str]) -> None:
    """Build the tree, leave the old one behind, and become `command` without any capability.

    `owner`: the user to become where this is the machine's own root; 0 in a user namespace, whose root owns nothing.
    """
    mount("none", "/", flags=RECURSIVE | PRIVATE)
    root = next(place for place in ("/mnt", "/media", "/srv", "/opt") if os.path.isdir(place) and not any(p.startswith(place) for p in see))
    mount("none", root, "tmpfs", NO_SUID | NO_DEV, "size=1m,mode=755")
    for place, size in (("/tmp", "256m"), ("/home/student", "64m"), ("/dev/shm", "64m")):
        os.makedirs(root + place)
        mount("none", root + place, "tmpfs", NO_SUID | NO_DEV, f"size={size},mode=777")
    for path in see:
        show_read_only(path, root)
    for device in ("null", "zero", "random", "urandom"):
        open(f"{root}/dev/{device}", "w").close()
        mount(f"/dev/{device}", f"{root}/dev/{device}", flags=BIND)
    os.makedirs(root + "/proc")
    mount("proc", root + "/proc", "proc", NO_SUID | NO_DEV)
    if not owner:  # counted for this user namespace; the machine's own root would change it for everybody
        with open(f"{root}/proc/sys/user/max_user_namespaces", "w") as file:
            file.write("0")
    mount("none", root + "/proc", flags=REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEV)
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "."], check=True, stdin=subprocess.DEVNULL)
    ctypes.CDLL(None).umount2(b".", DETACH)
    os.chdir("/tmp")
    mount("none", "/", flags=REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEV)
    identity = [f"--reuid={owner}", f"--regid={owner}", "--clear-groups"] if owner else []
    os.execvp("setpriv", ["setpriv", *identity, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--pdeathsig=KILL", *command])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
