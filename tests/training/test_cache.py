"""Prepared samples: once, in memory or in files, never of another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from geoad.training.cache import Cache


class Cook:
    """Prepares numbers and remembers which."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor, self.calls = factor, []

    def __call__(self, sample: int) -> dict[str, torch.Tensor]:
        self.calls.append(sample)
        return {"x": torch.full((10,), sample * self.factor), "draw": torch.rand(1)}


SAMPLES = [3, 1, 4]


def test_items_are_made_when_asked_for_and_kept(tmp_path: Path) -> None:
    cook = Cook()
    cache = Cache(SAMPLES, cook, 1e6, tmp_path / "cache")
    assert cache.in_memory and cache.bytes == 3 * 44 and cook.calls == [3]
    assert [float(cache[i]["x"][0]) for i in (2, 0, 2)] == [4, 3, 4]
    assert cook.calls == [3, 4] and not (tmp_path / "cache").exists()


def test_beyond_the_memory_items_go_to_files(tmp_path: Path) -> None:
    cook = Cook()
    cache = Cache(SAMPLES, cook, 3 * 44 - 1, tmp_path / "cache")
    assert not cache.in_memory
    assert [float(cache[i]["x"][0]) for i in (2, 0, 2, 1)] == [4, 3, 4, 1] and cook.calls == [3, 4, 1]
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["000000.pt", "000001.pt", "000002.pt"]


def test_files_of_an_interrupted_run_are_taken_up_if_they_are_its_own(tmp_path: Path) -> None:
    full = Cache(SAMPLES, Cook(), 0, tmp_path)
    drawn = [float(full[i]["draw"]) for i in range(3)]
    again = Cook()
    taken = Cache(SAMPLES, again, 0, tmp_path)
    assert [float(taken[i]["draw"]) for i in range(3)] == drawn and again.calls == [3]
    other = Cook(factor=2.0)
    assert float(Cache(SAMPLES, other, 0, tmp_path)[2]["x"][0]) == 8 and other.calls == [3, 4]


def test_a_torn_file_is_made_again(tmp_path: Path) -> None:
    full = Cache(SAMPLES, Cook(), 0, tmp_path)
    value = float(full[1]["draw"])
    (tmp_path / "000001.pt").write_bytes((tmp_path / "000001.pt").read_bytes()[:100])
    assert float(full[1]["draw"]) == value


def test_what_a_preparation_draws_does_not_depend_on_when_it_is_made(tmp_path: Path) -> None:
    one, two = Cache(SAMPLES, Cook(), 1e6, tmp_path), Cache(SAMPLES, Cook(), 1e6, tmp_path)
    torch.manual_seed(3)
    assert [float(one[i]["draw"]) for i in (1, 2)] == [float(two[i]["draw"]) for i in (2, 1)][::-1]


@pytest.mark.parametrize(
    ("made", "error"), [([], "list"), ({"x": 3}, "dict"), ({"sample": torch.zeros(1)}, "reserved")]
)
def test_what_is_not_a_dict_of_tensors_is_refused(tmp_path: Path, made: Any, error: str) -> None:
    with pytest.raises(TypeError, match=error):
        Cache(SAMPLES, lambda sample: made, 0, tmp_path)


def test_without_files_what_does_not_fit_is_made_again(tmp_path: Path) -> None:
    cook = Cook()
    cache = Cache(SAMPLES, cook, 0, tmp_path / "cache", shared=True, files=False)
    for position in range(3):
        cache.fill(position)
    assert [float(cache[i]["x"][0]) for i in (2, 0, 2)] == [4, 3, 4]
    assert cook.calls == [3, 4, 3, 4] and not (tmp_path / "cache").exists()
    cook.calls.clear()
    kept = Cache(SAMPLES, cook, 1e6, tmp_path / "cache", shared=True, files=False)
    assert [float(kept[i]["x"][0]) for i in (2, 2)] == [4, 4] and cook.calls == [3, 4]
