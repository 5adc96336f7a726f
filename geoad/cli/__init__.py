"""The command line: what a command is given, and how errors are told. A command is a file, imported when asked."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from geoad._parent import follow_starter
from geoad._thread_count import ask_threads
from geoad.cli.arguments import UsageError, describe
from geoad.cli.parser import build_parser
from geoad.cli.terminating import terminated_as_interrupted
from geoad.cli.warnings_in_a_line import warnings_in_a_line


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 wrongly asked, 130 interrupted."""
    follow_starter()
    words = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may hold what cannot be printed
    arguments = _parse(words)
    arguments.command = shlex.join(["geoad", *words])
    if arguments.threads is not None:  # read by the libraries when they are imported, which is later
        ask_threads(arguments.threads)
    try:
        command = import_module(f"geoad.cli.{arguments.module}")
        with warnings_in_a_line(), terminated_as_interrupted():
            code: int = command.run(arguments)
        if sys.stdout is not None:  # closed by who asks for the exit code alone
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("geoad: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        print(f"geoad: error: {describe(error)}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def _parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse a command; argparse alone takes FILE... only before the options, people write them also behind."""
    arguments, rest = build_parser().parse_known_args(words)
    if rest and (not hasattr(arguments, "files") or any(word.startswith("-") for word in rest)):
        arguments.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.files += rest
    return arguments
