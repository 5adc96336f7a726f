"""Scenes of randomly placed objects, on which the 3D-ST teacher learns local geometry (thesis 10.4.1, 10.4.3)."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast, overload

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad._lazy import load
from geoad.data.surface import sample_surface
from geoad.ops import _arrays

if TYPE_CHECKING:
    import trimesh

SOURCES = {
    "solids": "geoad.data.solids:Solids",
    "modelnet10": "geoad.data.mesh_folder:ModelNet10",
    "modelnet10-download": "geoad.data.modelnet_download:ModelNet10Download",
    "meshes": "geoad.data.mesh_folder:MeshFolder",
    "scans": "geoad.data.scan_folder:ScanFolder",
}
DIVIDED = ("modelnet10", "modelnet10-download", "scans")  # into the splits "train" and "test"


class MeshSource(Protocol):
    """Where the objects of a scene come from.

    >>> callable(open_source("solids").draw)
    True
    """

    def draw(self, rng: np.random.Generator) -> trimesh.Trimesh:
        """Draw one mesh at random; what is drawn follows from the state of `rng` alone."""


class ScanSource(Protocol):
    """Where scans come from that are scenes by themselves.

    >>> ScanSource.scan.__name__
    'scan'
    """

    def scan(self, rng: np.random.Generator, least: int) -> NDArray[np.float32]:
        """Draw one scan (N, 3) at random by the state of `rng` alone; ValueError names one of N < `least` points."""


def open_source(name: str, split: str | None = None) -> MeshSource | ScanSource:
    """Open a source: `solids`, `modelnet10:ROOT`, `modelnet10-download:ROOT`, `meshes:FOLDER` or `scans:FOLDER`.

    `split` is "train" or "test", for the sources in DIVIDED.

    >>> type(open_source("solids")).__name__
    'Solids'
    >>> open_source("meshes")
    Traceback (most recent call last):
    ValueError: source 'meshes' needs a folder: write meshes:FOLDER
    """
    kind, _, root = name.partition(":")
    _check.one_of("source", kind, SOURCES)
    if kind == "solids" and root:
        raise ValueError(f"source 'solids' takes no folder, got {root!r}")
    if kind != "solids" and not root:
        raise ValueError(f"source {kind!r} needs a folder: write {kind}:FOLDER")
    if split is not None and kind not in DIVIDED:
        raise ValueError(f"source {kind!r} has no splits, got split={split!r}")
    words = ([root] if root else []) + ([split] if split is not None else [])
    return cast("MeshSource | ScanSource", load(SOURCES[kind])(*words))


class Scenes(Sequence[NDArray[np.float32]]):
    """A lazy sequence of `count` scenes, each (points, 3) float32 in units of an object's longest side.

    A scene holds `objects` meshes of `source` (a name for `open_source`, or an object with its `draw`), drawn with
    replacement. Each is scaled to a longest bounding-box side of 1, centred at the centre of the box, rotated by
    R = Rz Ry Rx with three independent angles uniform in [0, 2 pi], and moved to a location uniform in [-3, 3]^3.
    `oversample * points` points are drawn uniformly by area on all surfaces together and thinned to `points` by
    farthest point sampling from a random start. Overlaps and hidden surfaces stay. Scene i follows from (seed, i)
    and the settings alone, in any order and process; different seeds give unrelated scenes.

    With a source of scans (`scans:FOLDER`, or an object with `scan`) a scene is one scan as it stands, in its own unit,
    thinned in the same way. `split` is for sources that have splits.

    >>> scenes = Scenes(3, points=500, objects=2, seed=7)
    >>> len(scenes), scenes[1].shape, bool((scenes[1] == Scenes(9, points=500, objects=2, seed=7)[1]).all())
    (3, (500, 3), True)
    """

    def __init__(
        self,
        count: int = 1000,
        *,
        points: int = 64_000,
        objects: int = 10,
        source: str | MeshSource | ScanSource = "solids",
        split: str | None = None,
        seed: int = 0,
        oversample: int = 10,
    ) -> None:
        self.length, self.points = _arrays.whole("count", count), _arrays.whole("points", points)
        self.objects, self.oversample = _arrays.whole("objects", objects), _arrays.whole("oversample", oversample)
        self.seed = _arrays.whole("seed", seed, zero=True)
        if not isinstance(source, str) and not (hasattr(source, "draw") or hasattr(source, "scan")):
            raise TypeError(f"source must be a name or have draw(rng) or scan(rng, least), got {source!r}")
        self.source = open_source(source, split) if isinstance(source, str) else source

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.float32]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"scene {i} of {len(self)}")
        return self._make(np.random.default_rng([self.seed, i % len(self)]))

    def _make(self, rng: np.random.Generator) -> NDArray[np.float32]:
        from geoad.ops import farthest_point_sample

        dense = self._dense(rng)
        start = int(rng.integers(len(dense)))
        return cast(NDArray[np.float32], dense[farthest_point_sample(dense, self.points, start=start)])

    def _dense(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw the points that are then thinned: those of a scan, or of placed objects."""
        if hasattr(self.source, "scan"):
            return self.source.scan(rng, self.points)
        triangles = np.concatenate([place(unit_triangles(self.source.draw(rng)), rng) for _ in range(self.objects)])
        return sample_surface(triangles, self.points * self.oversample, rng)[0].astype(np.float32)


def unit_triangles(mesh: trimesh.Trimesh) -> NDArray[np.float64]:
    """Return the triangles (F, 3, 3) of a mesh, its bounding box centred at 0 and the longest side of it 1.

    >>> import trimesh
    >>> np.ptp(unit_triangles(trimesh.creation.box([1, 2, 4])), axis=(0, 1)).tolist()
    [0.25, 0.5, 1.0]
    """
    triangles = np.asarray(mesh.triangles, np.float64)
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    unit: NDArray[np.float64] = (triangles - (low + high) / 2) / (high - low).max()
    return unit


def place(triangles: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rotate by R = Rz Ry Rx, three angles uniform in [0, 2 pi], then move uniformly within [-3, 3]^3.

    >>> place(np.zeros((1, 3, 3)), np.random.default_rng(0)).shape
    (1, 3, 3)
    """
    a, b, c = rng.uniform(0, 2 * np.pi, 3)
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    moved: NDArray[np.float64] = triangles @ (rz @ ry @ rx).T + rng.uniform(-3, 3, 3)
    return moved
