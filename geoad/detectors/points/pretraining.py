"""Pretraining of the 3D-ST teacher: decode each point's receptive field from its descriptor (thesis 10.3.2, 10.4.1)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoad import _check
from geoad.data.scene_folder import Scene
from geoad.detectors.base import OddScan
from geoad.detectors.unit import Lengths, check_spacing
from geoad.nn.cone import cone
from geoad.nn.default_dtype import float32_by_default
from geoad.nn.local_features import FieldDecoder, LocalFeatures
from geoad.nn.point_graph import neighbour_distance, point_graph
from geoad.nn.rotation import random_rotation
from geoad.ops.chamfer import chamfer_each
from geoad.ops.receptive_field import receptive_field
from geoad.training.optimizer import OPTIMIZERS, make_optimizer
from geoad.training.stage import Batch, Descend, Stage, Update, Visit


class TeacherPretraining(nn.Module):
    """A teacher and its decoder, trained on point scenes (n, 3) in any unit, or `Scene`s with tables of k neighbours.

    Each step draws `queries` points of one scene and descends the mean Chamfer distance between the decoded points
    and the centred receptive field, in coordinates scaled by 1/s (eqs. 10.2–10.4). Only the points within reach of
    the queries are evaluated; gradients are those of the whole cloud. The defaults are the thesis's (`steps` = 250
    epochs of 1000 scenes). `validate_every` steps the validation scenes are decoded at fixed points, and the best
    teacher is kept.

    Two ablations (thesis 10.4.3): `coordinates="absolute"` gives the teacher the points' places beside their offsets;
    `rotate` turns each training scene, and so what is to be decoded, by a new random rotation each step.

    Beyond the thesis, and off by default: `optimizer="muon"` (`Muon`), which takes a tenth of Adam's steps; `decay`
    lets the learning rate fall linearly to zero over the last half of `steps`, which then cannot be prolonged.

    >>> import numpy as np
    >>> from geoad.training.trainer import Trainer
    >>> scenes = [np.random.default_rng(seed).random((60, 3)) for seed in range(3)]
    >>> module = TeacherPretraining(width=8, blocks=1, k=4, field_points=16, queries=2, steps=2, validate_every=2)
    >>> Trainer(device="cpu").run(module, scenes[:2], scenes[2:]).teacher.width
    8
    """

    spacing_sum: Tensor
    spacing_count: Tensor

    def __init__(
        self,
        *,
        width: int = 64,
        blocks: int = 4,
        k: int = 32,
        queries: int = 16,
        field_points: int = 1024,
        steps: int = 250_000,
        validate_every: int = 1000,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-6,
        optimizer: str = "adam",
        decay: bool = False,
        coordinates: str = "relative",
        rotate: bool = False,
    ) -> None:
        self.config = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        _check.kinds(TeacherPretraining.__init__, self.config)
        super().__init__()
        _check.positive(k=k, queries=queries, field_points=field_points, blocks=blocks, learning_rate=learning_rate)
        _check.not_negative(weight_decay=weight_decay)
        _check.one_of("optimizer", optimizer, OPTIMIZERS)
        self.k, self.queries, self.steps, self.validate_every = k, queries, steps, validate_every
        self.rotate = rotate
        rules: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay, "steps": steps if decay else None}
        self.decay, self.optimizer = decay, partial(make_optimizer, name=optimizer, **rules)
        with float32_by_default():
            self.teacher = LocalFeatures(width, blocks, coordinates)
            self.decoder = FieldDecoder(width, field_points)
        self._lengths = Lengths()
        self.register_buffer("spacing_sum", torch.zeros((), dtype=torch.float64))
        self.register_buffer("spacing_count", torch.zeros((), dtype=torch.int64))
        self._teacher_stage().check()

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return keywords of a training of half an hour of one core, once the scenes are drawn."""
        return {"steps": 12_000, "optimizer": "muon", "learning_rate": 2e-3, "decay": True}

    @property
    def spacing(self) -> float:
        """The normalisation factor s of eq. (10.4): the mean neighbour distance over all training scenes."""
        return float(self.spacing_sum / self.spacing_count)

    def prepare(self, sample: NDArray[Any] | Scene) -> Batch:
        """Return a scene's points and neighbour table; a table that it brings along must be of k neighbours."""
        if not isinstance(sample, Scene):
            return point_graph(sample, self.k)
        _check.shape("index", sample.index, (len(sample.points), self.k))
        return {"points": torch.from_numpy(sample.points), "index": torch.from_numpy(sample.index)}

    def collate(self, items: list[Batch]) -> Batch:
        """Return the one scene of a step; queries come from a single scene, so there is no larger batch."""
        (item,) = items
        # A step picks rows here and there: out of a memory map that takes longer than one sweep over all of it does.
        return {name: tensor.clone() for name, tensor in item.items()}

    def stages(self) -> Iterator[Stage]:
        """Measure s, then descend."""
        self._lengths = Lengths()
        yield Visit("neighbour distance", self._see_spacing)
        check_spacing("scenes", self.spacing)
        yield self._teacher_stage()

    def _teacher_stage(self) -> Descend:
        update = Update(self, self._loss, self.optimizer)
        return Descend(
            "teacher",
            [update],
            steps=self.steps,
            select="best",
            validate_every=self.validate_every,
            prolongs=not self.decay,
        )

    def _see_spacing(self, batch: Batch) -> None:
        own = neighbour_distance(batch["points"], batch["index"])
        self.spacing_sum += own
        self.spacing_count += 1
        if (odd := self._lengths.see(float(own), "neighbours {} apart")) is not None:
            warnings.warn(f"scene {int(batch['sample'][0])} (from 0) {odd}", OddScan, stacklevel=2)

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of a scene, in training turned if scenes are to be."""
        if self.rotate and self.training:
            batch = {**batch, "points": batch["points"] @ random_rotation(batch["points"])}
        return self.loss(batch)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean Chamfer distance over freshly drawn queries; in evaluation over fixed ones."""
        points, index = batch["points"], batch["index"].cpu()
        queries = self._draw_queries(len(points), batch)
        part = cone(points, index, queries, self.teacher.hops)
        decoded = self.decoder(self.teacher(part.points, part.table, 1 / self.spacing, part.sizes))
        return {"total": chamfer_each(decoded, [self._target(points, index.numpy(), int(q)) for q in queries]).mean()}

    def _draw_queries(self, n: int, batch: Batch) -> Tensor:
        """Return distinct query points: new ones each step of training, the same ones each validation."""
        generator = None if self.training else torch.Generator().manual_seed(int(batch["sample"].flatten()[0]) & 0xFFFF)
        return torch.randperm(n, generator=generator)[: self.queries]

    def _target(self, points: Tensor, index: NDArray[Any], query: int) -> Tensor:
        """Return the receptive field of a point, centred and in units of s."""
        nodes = receptive_field(index, query, self.teacher.hops).nodes
        field = points[torch.from_numpy(nodes).to(points.device)]
        return (field - field.mean(0)) / self.spacing
