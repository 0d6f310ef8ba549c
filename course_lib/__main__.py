"""The command line: `python -m course_lib COMMAND`. A mistake ends with one sentence and exit status 2."""

from __future__ import annotations

import argparse
import importlib
import sys

from course_lib.checks import InputError

# name → module with add_arguments(parser) and run(args), imported only when asked for; and one line about it
COMMANDS = {
    "doctor": ("course_lib.doctor", "check this machine: versions, devices, speed, data"),
    "fetch": ("course_lib.data", "get the texts and weights the notebooks read, once"),
    "race": ("course_lib.race_command", "time recurrent step loops against attention"),
    "train": ("course_lib.train_command", "pretrain a small language model and compare it with counting"),
    "domains": ("course_lib.domains", "train the small models of Part 7's five fields that come with the course"),
    "parallel": ("course_lib.parallel_command", "cut one model over several processes and compare with one"),
    "release": ("course_lib.grading.release", "build an assignment's student notebook from its source"),
    "check": ("course_lib.grading.check", "run the public checks on an assignment's notebook"),
    "grade": ("course_lib.grading.grade", "grade a folder of submissions in a sandbox"),
    "evidence": ("course_lib.evidence", "rerun the recorded three-seed experiments"),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(message[0].upper() + message[1:] + f" (help: {self.prog} --help)")


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = _Parser(prog="python -m course_lib", description="The course's tools in a terminal.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name, (module, help_text) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_text)
        if argv and argv[0] == name:
            importlib.import_module(module).add_arguments(sub)
    try:
        args = parser.parse_args(argv)
        return importlib.import_module(COMMANDS[args.command][0]).run(args)
    except InputError as error:
        print(f"course_lib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ncourse_lib: stopped; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # … | head
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
