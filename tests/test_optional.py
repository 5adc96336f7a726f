"""What is not installed is named with the command that installs it."""

from __future__ import annotations

import pytest

from geoad._optional import INSTALL, need
from geoad.training.progress import Bar, Lines, progress_bar


def test_a_module_of_a_package_is_told_by_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INSTALL, "no_such_package", "no-such-package")
    with pytest.raises(ImportError, match=r"^no_such_package is needed to find planes: pip install no-such-package$"):
        need("no_such_package.linear_model", "find planes")


def test_what_a_package_lacks_itself_is_told() -> None:
    with pytest.raises(ImportError, match=r"^json is needed to add: pip install json \(No module named 'json.sum'\)$"):
        need("json.sum", "add")


def test_progress_without_rich_is_shown_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(progress_bar()) is Bar
    monkeypatch.setattr("geoad.training.progress.find_spec", lambda name: None)
    assert type(progress_bar()) is Lines
