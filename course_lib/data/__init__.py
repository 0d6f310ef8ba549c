"""The course's data: fetched once, verified, and then read from the cache with no network.

    from course_lib.data import fetch, open_file
    fetch()                        # or, in a terminal: python -m course_lib fetch
    path = open_file("corpus")     # a pathlib.Path to a file whose hash was just checked
"""

from course_lib.data.archive import DataMissing
from course_lib.data.commands import add_arguments, run
from course_lib.data.download import fetch, pack
from course_lib.data.store import available, cache_folder, open_file
from course_lib.data.table import TABLE

__all__ = ["DataMissing", "TABLE", "add_arguments", "available", "cache_folder", "fetch", "open_file", "pack", "run"]
