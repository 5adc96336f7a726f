"""What stages make of prepared samples: once each, in memory, and the same after an interruption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from geoad.training.stage import Batch, Descend, Stage, Update, Visit
from geoad.training.trainer import Trainer
from tests.training.toys import numbers, states_equal


class Centred(nn.Module):
    """A regression of what is left of large samples without their mean, which a stage before finds."""

    prepared_on_disk = False

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 4)
        self.register_buffer("mean", torch.zeros(4))
        self.made, self.refined, self.seen = Counter[str](), Counter[int](), list[Batch]()
        self.stop_at = -1

    def prepare(self, sample: Tensor) -> Batch:
        self.made["prepared"] += 1
        return {"many": sample.expand(100, 4).clone()}

    def stages(self) -> Iterator[Stage]:
        self.net.reset_parameters()
        yield Visit("mean", self._see)
        yield Visit("look", self.seen.append, refine=self.centred)
        update = Update(self.net, self._loss, partial(torch.optim.Adam, lr=1e-2))
        yield Descend("one", [update], epochs=2, batch_size=5, refine=self.centred, select="best")
        yield Descend("two", [update], epochs=2, batch_size=5, refine=self.centred)

    def centred(self, item: Batch) -> Batch:
        self.refined["all"] += 1
        return {"x": item["many"][0] - self.mean}

    def _see(self, batch: Batch) -> None:
        self.mean += batch["many"][0, 0] / 12

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        self.stop_at -= 1
        if self.stop_at == 0:
            raise KeyboardInterrupt
        return {"total": (self.net(batch["x"]) - batch["x"]).square().mean()}


def trained(module: Centred, **keywords: Any) -> Centred:
    trainer = Trainer(device="cpu", **{"memory": 0, **keywords})
    return trainer.run(module, numbers(), numbers(3, seed=1))


def test_a_sample_is_refined_once_for_all_stages_that_ask_for_the_same(tmp_path: Path) -> None:
    module = trained(Centred(), folder=tmp_path)
    assert module.refined["all"] == 12 + 3  # those held out too
    assert module.made["prepared"] == 2 + 12 + 12 + 3  # a first each to measure; once for the mean; once to refine
    assert not (tmp_path / "geoad-cache").exists()
    torch.testing.assert_close(module.seen[3]["x"][0], numbers()[3] - module.mean)


def test_nothing_changes_in_memory_or_in_files() -> None:
    lean, roomy, in_files = trained(Centred()), trained(Centred(), memory=1e9), Centred()
    in_files.prepared_on_disk = True
    assert states_equal(lean, roomy) and states_equal(lean, trained(in_files))
    assert roomy.made["prepared"] == in_files.made["prepared"] == 12 + 3


def test_an_interrupted_training_refines_again_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    cut = Centred()
    cut.stop_at = 7
    with pytest.raises(KeyboardInterrupt):
        trained(cut, folder=tmp_path, checkpoint_every=2)
    resumed = trained(Centred(), folder=tmp_path, checkpoint_every=2)
    assert states_equal(resumed, trained(Centred())) and not resumed.seen


@pytest.mark.slow
def test_two_devices_refine_each_its_own() -> None:
    lean, apart = trained(Centred()), trained(Centred(), devices=2)
    for name, tensor in lean.state_dict().items():
        torch.testing.assert_close(tensor, apart.state_dict()[name])
