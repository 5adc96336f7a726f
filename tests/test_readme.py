"""The README says what is true: its Python runs, its commands parse, what it names exists."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from geoad import cli

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith(("geoad ", "make"))]


def test_python_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted > 15
    assert done.failed == 0


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("geoad ")])
def test_commands_parse(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    assert cli.build_parser().parse_args(words).module


def test_verbs_are_in_the_makefile() -> None:
    verbs = {shlex.split(line, comments=True)[1] for line in COMMANDS if line.startswith("make ")}
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= verbs
    assert all(re.search(rf"^{verb}:", makefile, re.MULTILINE) for verb in verbs)


def test_places_exist() -> None:
    places = re.findall(r"`((?:geoad|benchmarks|datasets)/[\w./]*)`", README.read_text())
    assert len(places) > 10
    assert not [place for place in places if not (ROOT / place).exists()]
