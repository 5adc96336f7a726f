"""Autoencoder, VAE and f-AnoGAN on voxels: defaults, encodings, losses, projections, bad input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.detectors import make_detector
from geoad.detectors.voxels.voxel_autoencoder import VoxelAutoencoder
from geoad.detectors.voxels.voxel_fanogan import VoxelFAnoGAN
from geoad.detectors.voxels.voxel_reconstruction import VoxelReconstruction
from geoad.detectors.voxels.voxel_vae import VoxelVAE
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample
from geoad.training.stage import Batch, Descend
from geoad.training.trainer import Trainer

SCANS = [synthetic_scan(seed) for seed in range(3)]
FAST: dict[str, Any] = {**VoxelAutoencoder.tiny(), "steps": 2}


def fitted(cls: Any = VoxelAutoencoder, **keywords: Any) -> Any:
    return cls(**{**cls.tiny(), "steps": 2, **keywords}).fit(SCANS, trainer=Trainer(device="cpu"))


def batch_of(detector: Any, *scans: Sample) -> Batch:
    return detector.collate([detector.cells(detector.prepare(scan)) for scan in scans])  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("cls", "latent", "rate"), [(VoxelAutoencoder, 128, 1e-4), (VoxelVAE, 128, 1e-4), (VoxelFAnoGAN, 512, 2e-4)]
)
def test_the_defaults_are_the_thesis_s(cls: Any, latent: int, rate: float) -> None:
    config = cls().config
    wanted = {"resolution": 64, "epochs": 50, "batch_size": 2, "copies": 20, "latent": latent, "learning_rate": rate}
    assert {key: config[key] for key in wanted} == wanted


def test_the_critic_learns_five_times_as_often() -> None:
    detector = VoxelFAnoGAN()
    _, gan, encoder = detector.stages()
    assert isinstance(gan, Descend) and isinstance(encoder, Descend)
    assert [update.every for update in gan.updates] == [1, 5] and detector.networks.penalty == 10
    assert gan.updates[0].module is detector.networks.critic and encoder.updates[0].module is detector.networks.encoder


def test_the_encoder_leaves_generator_and_critic_alone() -> None:
    detector = fitted(VoxelFAnoGAN)
    before = {name: value.clone() for name, value in detector.networks.state_dict().items()}
    batch = batch_of(detector, SCANS[0])
    *_, stage = detector.stages()
    optimizer = stage.updates[0].optimizer(list(stage.updates[0].module.parameters()))
    stage.updates[0].loss(batch)["total"].backward(inputs=list(stage.updates[0].module.parameters()))
    optimizer.step()
    changed = {
        name.split(".")[0] for name, value in detector.networks.state_dict().items() if not before[name].equal(value)
    }
    assert changed == {"encoder"}


class Lattice(VoxelReconstruction):
    """A grid of 4³ cells of which one is occupied."""

    def stages(self) -> Any:
        yield from self.statistics()

    def reconstruct(self, grids: torch.Tensor) -> torch.Tensor:
        return grids


def test_weights_balance_the_rare_occupied_cells() -> None:
    detector = Lattice(resolution=4, copies=0)
    detector.empty.see(torch.tensor([[63 / 64]]))
    grids = torch.full((1, 1, 4, 4, 4), -1.0)
    grids[0, 0, 1, 2, 3] = 1
    assert float(detector.weighted_error(-torch.ones_like(grids), grids)) == pytest.approx(63 / 64 * 4)
    assert float(detector.weighted_error(torch.ones_like(grids), grids)) == pytest.approx(63 * 4 / 64)
    assert float(detector.weighted_error(grids, grids)) == 0


def test_grids_are_one_and_minus_one_or_mean_colours() -> None:
    plain, coloured = fitted(), fitted(source="xyz+rgb")
    grids = plain.grids(batch_of(plain, *SCANS))
    assert grids.shape == (3, 1, 32, 32, 32) and set(grids.unique().tolist()) == {-1.0, 1.0}
    painted = replace(SCANS[0], rgb=np.full((*SCANS[0].shape, 3), 51, np.uint8))
    colours = coloured.grids(batch_of(coloured, painted))[0]
    full = grids[0, 0] == 1
    assert colours[:, full].unique().tolist() == [pytest.approx(0.2)] and (colours[:, ~full] == -1).all()


def test_the_autoencoder_learns_what_is_occupied() -> None:
    detector = VoxelAutoencoder(**{**VoxelAutoencoder.tiny(), "steps": 150}).fit(SCANS, trainer=Trainer(device="cpu"))
    grids = detector.grids(batch_of(detector, SCANS[0]))
    made = detector.reconstruct(grids).detach()
    assert made[grids == 1].mean() > 0.5 and made[grids == -1].mean() < -0.5


def test_a_vae_without_variance_is_an_autoencoder() -> None:
    detector = fitted(VoxelVAE)
    batch = batch_of(detector, SCANS[0])
    grids = detector.grids(batch)
    last = detector.encoder[-1]
    with torch.no_grad():
        last.weight[16:] = 0
        last.bias[16:] = -200
    torch.manual_seed(0)
    detector.eval()
    expected = detector.weighted_error(detector.reconstruct(grids), grids)
    for training in (False, True):
        detector.train(training)
        detector.decoder.eval()  # batch norm sees the same
        detector.encoder.eval()
        torch.testing.assert_close(detector.loss(batch)["error"], expected)


def test_hull_and_gather_agree_where_they_must() -> None:
    hull, gather = (fitted(project=project) for project in ("hull", "gather"))
    gather.load_state_dict(hull.state_dict())
    scan = synthetic_scan(5, defect=True)
    seen, own = hull.score(scan).pixels, gather.score(scan).pixels
    assert (seen >= own).all() and (seen > own).any()
    with pytest.warns(UserWarning, match="has no camera"):
        alone = hull.score(replace(scan, camera=None)).pixels
    assert np.array_equal(alone, own)


def test_points_outside_the_box_are_clipped_or_dropped_and_scored() -> None:
    xyz = SCANS[0].xyz.xyz.copy()  # type: ignore[union-attr]
    xyz[3, 3] = [9, 9, 9]
    stray = replace(SCANS[0], xyz=XYZImage(xyz))
    for outside in ("clip", "drop"):
        detector = fitted(outside=outside)
        corner = bool(detector.grids(batch_of(detector, stray))[0, 0, -1, -1, -1] == 1)
        assert detector.count_outside(stray) == 1 and corner == (outside == "clip")
        assert np.isfinite(detector.score(stray).pixels).all()


def test_reconstructions_are_pictures() -> None:
    pictures = fitted().reconstruction(SCANS[0])
    assert [picture.shape for picture in pictures.values()] == [(32, 32)] * 2
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in pictures.values())
    assert next(iter(pictures.values())).max() > 0.2


@pytest.mark.parametrize(
    ("name", "keywords", "message"),
    [
        ("voxel-ae", {"source": "rgb"}, "source"),
        ("voxel-ae", {"copies": -1}, "copies must be 0 or more, got -1"),
        ("voxel-ae", {"resolution": 20}, "resolution must be a multiple of 16"),
        ("voxel-ae", {"latent": 0}, "latent must be positive, got 0"),
        ("voxel-vae", {"beta": -1.0}, "beta must not be negative, got -1.0"),
        ("voxel-fanogan", {"project": "rays"}, "project"),
        ("voxel-fanogan", {"critic_steps": 0}, "critic_steps must be positive"),
        ("voxel-vm", {"outside": "keep"}, "outside"),
    ],
)
def test_bad_keywords(name: str, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_detector(name, **keywords)


def test_bad_scans() -> None:
    grey = Sample(xyz=XYZImage(np.ones((4, 4, 3), np.float32)), name="grey")
    with pytest.raises(ValueError, match=r"grey must have rgb for source 'xyz\+rgb', it has none"):
        VoxelAutoencoder(**FAST, source="xyz+rgb").fit([grey])
    with pytest.raises(ValueError, match="nothing has no valid pixel"):
        VoxelAutoencoder(**FAST).fit([Sample(xyz=XYZImage(np.zeros((4, 4, 3), np.float32)), name="nothing")])
