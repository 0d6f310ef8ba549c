"""`python -m course_lib fetch`: the arguments, the table on the screen, the exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from course_lib.checks import InputError, require
from course_lib.data.download import fetch, pack
from course_lib.data.store import available, cache_folder
from course_lib.data.table import TABLE, Item

__all__ = ["add_arguments", "listing", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fetch` to `parser`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets to fetch (default: all)")
    parser.add_argument("--list", action="store_true", help="show what there is, and what of it is here")
    parser.add_argument("--small", action="store_true", help="leave out the optional pretrained models (176 MB)")
    parser.add_argument("--pack", metavar="FOLDER", help="write the downloads to FOLDER, for a class without a network")
    parser.add_argument("--wheels", action="store_true", help="with --pack: the pinned Python packages too")
    parser.add_argument("--from", dest="source", metavar="FOLDER", help="take the downloads from FOLDER, with no network")


def run(args: argparse.Namespace, table: Mapping[str, Item] = TABLE) -> int:
    """Do what `args` ask for. 0 if all is there; 2, with one sentence on standard error, if not."""
    try:
        names, seen = args.names or None, sys.stderr.isatty()  # no progress bar into a log file
        require(not (names and args.small), "--small goes without names: it means all but the optional models")
        require(not (args.pack and args.source), "--pack writes a folder and --from reads one: take one of them")
        require(args.pack or not args.wheels, "--wheels goes with --pack FOLDER")
        if args.list:
            print(listing(table))
            return 0
        if args.pack:
            problems = pack(args.pack, names, small=args.small, wheels=args.wheels, progress=seen, table=table)
            done = f"Packed; a class takes it with `python -m course_lib fetch --from {args.pack}`."
        else:
            problems = fetch(names, source=args.source, small=args.small, progress=seen, table=table)
            done = f"The data is in {cache_folder()}, every file verified."
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; run the same line again to go on.", file=sys.stderr)
        return 2
    for problem in problems:
        print(f"Optional, and left out: {problem}", file=sys.stderr)
    print(done)
    return 0


def listing(table: Mapping[str, Item] = TABLE) -> str:
    """The table as text: name, carrier and its MB, MB in the cache, licence, parts, whether it is here."""
    rows = [("name", "comes with", "kept", "licence", "parts", "here", "what")]
    for item in table.values():
        download = "–" if item.carrier is None else f"{item.carrier}, {item.carrier.size / 1e6:.1f} MB"
        here = "yes" if available(item.name, table=table) else "no (optional)" if item.optional else "no"
        parts = ", ".join(map(str, item.parts))
        rows.append((item.name, download, f"{item.size / 1e6:.1f} MB", item.licence, parts, here, item.what))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    total = sum(carrier.size for carrier in {item.carrier for item in table.values() if item.carrier})
    return "\n".join([*lines, f"All together {total / 1e6:.0f} MB; names that come with the same package share its download."])
