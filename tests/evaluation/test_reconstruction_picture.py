"""Scans and what methods make of them, side by side."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from geoad.evaluation.reconstruction_picture import GAP, LINE, SIDE, draw_reconstructions, draw_rows
from tests.evaluation.toys import ToyDataset


def pixel(sheet, row: int, column: int) -> tuple[int, ...]:
    height = SIDE + 2 * LINE + GAP
    return sheet.getpixel((GAP + column * (SIDE + GAP) + SIDE // 2, row * height + 2 * LINE + SIDE // 2))


def test_a_good_part_first_and_one_of_each_kind() -> None:
    seen = []

    def reconstruction(sample):
        seen.append(sample.name)
        return {"scan": np.full((4, 4), 0.2), "reconstruction": np.full((4, 4, 3), (0, 1, 2.0))}

    test = ToyDataset(("bump", "bump", "good", "dent", "good"))
    sheet = draw_reconstructions(SimpleNamespace(reconstruction=reconstruction), test)
    assert seen == ["test/good/002", "test/bump/000", "test/dent/003"]
    assert sheet is not None and sheet.size[1] == 3 * (SIDE + 2 * LINE + GAP)
    assert pixel(sheet, 2, 0) == (51, 51, 51) and pixel(sheet, 1, 1) == (0, 255, 255)


def test_pixels_are_not_blurred() -> None:
    board = np.indices((8, 8)).sum(0) % 2
    sheet = np.asarray(draw_rows([("board", {"board": board})]))
    drawn = sheet[2 * LINE : 2 * LINE + SIDE, GAP : GAP + SIDE, 0]
    assert np.array_equal(drawn, 255 * board.repeat(32, 0).repeat(32, 1))


def test_a_method_that_does_not_reconstruct_has_no_picture() -> None:
    assert draw_reconstructions(SimpleNamespace(), ToyDataset()) is None
