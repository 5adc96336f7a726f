"""What the words of the command line mean."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from geoad.cli import arguments as a


def test_a_dataset_is_a_name_and_a_folder() -> None:
    assert a.dataset("mvtec3d:some/where:else") == ("mvtec3d", Path("some/where:else"))


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (a.dataset, "mvtec3d", "must be NAME:ROOT"),
        (a.dataset, "mvtec3d:", "must be NAME:ROOT"),
        (
            a.dataset,
            "mvtec:scans",
            r"unknown dataset 'mvtec' \(did you mean 'mvtec3d'\?\); known: folder, mvtec3d, sim3d",
        ),
        (a.detector, "3d-ts", r"unknown detector '3d-ts' \(did you mean '3d-st'\?\); known: 3d-st"),
        (a.setting, "points", "must be KEY=VALUE"),
        (a.setting, "=8", "must be KEY=VALUE"),
        (a.limits, "0.3,x", r"numbers in \(0, 1\]"),
        (a.limits, "0,0.3", r"numbers in \(0, 1\]"),
        (a.limits, "nan", r"numbers in \(0, 1\]"),
        (a.device, "gpu", "cuda:NUMBER, got 'gpu'"),
        (a.count, "0", "at least 1, got '0'"),
        (a.count, "2.5", "whole number"),
        (a.natural, "-1", "at least 0"),
        (a.kernel, "knnn", r"unknown kernel 'knnn' \(did you mean 'knn'\?\); known: aggregate, all"),
        (a.sizes, "64,", "such as 4096,64k,1M, got '64,'"),
        (a.sizes, "0", "whole numbers with commas"),
        (a.sizes, "1.5k", "whole numbers with commas"),
        (a.seconds, "0", "above 0"),
        (a.seconds, "soon", "a number of seconds"),
    ],
)
def test_a_wrong_word_is_named_with_what_was_expected(read, text: str, message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("points=8192", 8192),
        ("lr=1e-3", 1e-3),
        ("source=xyz", "xyz"),
        ("source=depth+rgb", "depth+rgb"),
        ("teacher=None", None),
        ("rotate=true", True),
        ("patch=none", None),
        ("rotate=False", False),
        ("rotate=off", "off"),
        ("widths=(32, 64)", (32, 64)),
        ("path=a=b", "a=b"),
    ],
)
def test_a_setting_is_a_literal_or_a_string(text: str, value: object) -> None:
    assert a.setting(text) == (text.partition("=")[0], value)


def test_limits_and_counts() -> None:
    assert a.limits("0.05,0.3") == (0.05, 0.3)
    assert (a.count("3"), a.natural("0"), a.seconds("0.5")) == (3, 0, 0.5)


def test_sizes_and_names() -> None:
    assert a.sizes("4096,64k,1M") == (4096, 65_536, 1_000_000)
    assert a.words("scan, cube") == ("scan", "cube")
    assert (a.kernel("knn"), a.kernel("all")) == ("knn", "all")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("scan.tiff: bad\n  file"), "scan.tiff: bad file"),
        (FileNotFoundError(2, "No such file or directory", "scan.tiff"), "scan.tiff: no such file or directory"),
        (FileNotFoundError("scans: no such folder"), "scans: no such folder"),
        (KeyError("x"), "KeyError: 'x' (--debug shows where)"),
        (ValueError(), "ValueError (--debug shows where)"),
    ],
)
def test_an_error_is_one_line(error: Exception, line: str) -> None:
    assert a.describe(error) == line
