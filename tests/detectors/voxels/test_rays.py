"""Voxels on the rays of pixels: the projection of thesis 9.3.1."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from geoad.detectors.voxels.rays import scores_along_rays
from geoad.geometry.camera import Camera
from geoad.geometry.voxel_grid import VoxelGrid

UNIT = Camera.pinhole(100.0, (65, 65))


def exact(scores: NDArray[np.float32], grid: VoxelGrid, camera: Camera, slack: float = 0.0) -> NDArray[np.float32]:
    """The highest score of all closed boxes that each ray meets in front of the camera: slabs, one by one.

    The boxes are larger by `slack` cells on every side.
    """
    rows, columns = np.indices(camera.shape)
    rays = camera.rays(np.stack([columns, rows], -1).reshape(-1, 2))
    found = np.zeros(len(rays), np.float32)
    for cell in np.ndindex(*grid.shape):
        lower = grid.origin + grid.cell * (np.array(cell) - slack)
        upper = grid.origin + grid.cell * (np.array(cell) + 1 + slack)
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.sort(np.stack([lower / rays, upper / rays]), axis=0)
        hit = np.nanmax(times[0], axis=1) <= np.nanmin(times[1], axis=1)
        found[hit] = np.maximum(found[hit], scores[cell])
    return found.reshape(camera.shape)


def test_the_near_face_decides() -> None:
    grid = VoxelGrid(np.array([-0.5, -0.5, 5.0]), 1.0, (1, 1, 1))
    seen = scores_along_rays(np.ones((1, 1, 1)), grid, UNIT, empty=-7)
    assert np.array_equal(np.unique(np.nonzero(seen == 1)[0]), np.arange(22, 43))
    assert (seen == 1).sum() == 21 * 21 and (seen == -7).sum() == 65 * 65 - 21 * 21


def test_the_higher_of_two_voxels_behind_each_other() -> None:
    grid = VoxelGrid(np.array([-1.0, -1.0, 5.0]), 2.0, (1, 1, 2))
    for scores in ([1.0, 3.0], [3.0, 1.0]):
        seen = scores_along_rays(np.array(scores).reshape(1, 1, 2), grid, UNIT)
        assert seen[32, 32] == 3 and seen[32, 50] == scores[0]  # the far one is smaller, behind the near one's rim


def test_what_lies_behind_the_camera_is_not_seen() -> None:
    grid = VoxelGrid(np.array([-1.0, -1.0, -6.0]), 2.0, (1, 1, 2))
    assert not scores_along_rays(np.ones((1, 1, 2)), grid, UNIT).any()


@settings(max_examples=25, deadline=None)
@example(0, (2.220446049250313e-16, 0.0, 2.0), 0.0)
@given(
    st.integers(0, 10**6),
    st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4), st.floats(2, 6)),
    st.sampled_from([0.0, -0.3]),
)
def test_it_is_the_projection_of_boxes_but_for_their_edges(
    seed: int, centre: tuple[float, float, float], kappa: float
) -> None:
    scores = np.random.default_rng(seed).random((4, 5, 6)).astype(np.float32)
    grid = VoxelGrid(np.array(centre) - 0.4, 0.2, scores.shape)
    camera = Camera(1.0, kappa, 0.02, 0.02, 14.5, 11.5, 30, 24)
    seen, wanted = scores_along_rays(scores, grid, camera), exact(scores, grid, camera)
    # A ray that runs along a face, but for rounding, may be counted to either side of it.
    loose = exact(scores, grid, camera, slack=1e-5)
    assert (seen <= loose).all() and ((seen == wanted) | (seen == loose)).mean() > 0.93
    assert np.array_equal(seen > 0, wanted > 0) or (seen > 0).sum() >= 0.93 * (wanted > 0).sum()
