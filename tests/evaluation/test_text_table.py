"""Text tables."""

from __future__ import annotations

from geoad.evaluation.text_table import table


def test_columns_are_aligned_numbers_to_the_right() -> None:
    text = table(["name", "value"], [("bagel", 0.5), ("x", 12.0), ("none", None)])
    assert text.split("\n") == ["name    value", "-----  ------", "bagel   0.500", "x      12.000", "none        -"]


def test_an_empty_table_is_its_head() -> None:
    assert table(["a", "bc"], []) == "a  bc\n-  --"
