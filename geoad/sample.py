"""What goes into a detector, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad._digest import digest_of
from geoad.geometry.camera import Camera
from geoad.geometry.xyz_image import XYZImage
from geoad.ops._arrays import from_tensor, to_mask, to_numbers, without_mask


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """One part as the sensors saw it; everything is optional but one of `xyz`, `rgb` and `views`.

    `rgb` (H, W, 3) uint8, by default those of `xyz`; `mask` (H, W) bool, True on defects (ground truth: no unsupervised
    detector may read it); `label` 0 good, 1 defective; `kind` the defect's name; `name` the sample's place in its
    dataset ("test/hole/003"); `path` the file it came from; `views` the same part from several cameras.

    >>> import numpy as np
    >>> Sample(xyz=XYZImage(np.ones((4, 5, 3), np.float32)), name="train/good/000").shape
    (4, 5)
    """

    xyz: XYZImage | None = None
    rgb: NDArray[np.uint8] | None = None
    mask: NDArray[np.bool_] | None = None
    label: int | None = None
    kind: str | None = None
    camera: Camera | None = None
    name: str | None = None
    path: str | None = None
    views: tuple[Sample, ...] = ()

    def __post_init__(self) -> None:
        if self.xyz is None and self.rgb is None and not self.views:
            raise ValueError("a sample needs xyz, rgb or views")
        if not all(isinstance(view, Sample) for view in self.views or ()):
            raise TypeError(f"views must be samples, got {', '.join(type(view).__name__ for view in self.views)}")
        if self.xyz is not None:
            _check.instance("xyz", self.xyz, XYZImage, "XYZImage(array)")
        if self.camera is not None:
            _check.instance("camera", self.camera, Camera, "Camera.load(path)")
        for field, value in (("rgb", self.rgb), ("mask", self.mask)):
            if value is not None and not hasattr(value, "shape"):
                raise TypeError(f"{field} must be an array, got {type(value).__name__}")
            if value is not None and tuple(value.shape[:2]) != self.shape:
                raise ValueError(f"{field} of {self.place} must be {self.shape} like xyz, got {value.shape[:2]}")
        if self.rgb is None and self.xyz is not None:
            object.__setattr__(self, "rgb", self.xyz.rgb)
        if self.rgb is not None:
            self._check_colours(self.rgb)
            object.__setattr__(self, "rgb", _check.colours(f"rgb of {self.place}", self.rgb, (*self.shape, 3)))
        if self.mask is not None:
            _check.shape("mask", self.mask, ("H", "W"))
            object.__setattr__(self, "mask", to_mask(f"mask of {self.place}", self.mask))

    def _check_colours(self, rgb: NDArray[np.uint8]) -> None:
        """Raise ValueError unless colours are red, green and blue in 0..255: others would be scored as wrong ones."""
        if rgb.shape[2:] != (3,) or rgb.dtype != np.uint8:
            mend = "scale shares to 0..255" if rgb.shape[2:] == (3,) else "convert it to RGB"
            got = f"{rgb.dtype} of shape {rgb.shape}: {mend}"
            raise ValueError(f"rgb of {self.place} must be uint8 of shape (H, W, 3), got {got}")

    @property
    def place(self) -> str:
        """What a person knows the sample by: its file, or its name."""
        return self.path or self.name or "sample"

    def scan(self) -> XYZImage:
        """Return `xyz`; raise ValueError that names the sample if there is none, or no valid pixel in it.

        >>> Sample(rgb=np.zeros((4, 5, 3), np.uint8), name="000").scan()
        Traceback (most recent call last):
        ValueError: 000 must have xyz, it has colour alone
        """
        if self.xyz is None:
            raise ValueError(f"{self.place} must have xyz, it has {'views' if self.views else 'colour'} alone")
        if not self.xyz.valid.any():
            raise ValueError(f"{self.place} has no valid pixel: remove it, or scan it again")
        return self.xyz

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels (of the first view, if there are several)."""
        if self.xyz is not None:
            return self.xyz.shape
        if self.rgb is not None:
            return self.rgb.shape[0], self.rgb.shape[1]
        return self.views[0].shape

    def digest(self) -> str:
        """Return a hash of what the sensors saw, and of the camera.

        >>> import numpy as np
        >>> one, two = (Sample(xyz=XYZImage(np.full((4, 5, 3), value))) for value in (1.0, 2.0))
        >>> one.digest() == two.digest()
        False
        """
        arrays = (None if self.xyz is None else self.xyz.xyz, self.rgb)
        seen = [part for a in arrays if a is not None for part in (a.shape, np.ascontiguousarray(a).tobytes())]
        return digest_of([*seen, self.camera, *(view.digest() for view in self.views)])


@dataclass(frozen=True, eq=False)
class AnomalyMap:
    """A score for every pixel, and one for the part.

    `pixels` (H, W) float32, finite, higher = more anomalous, of the scan's native size; `valid` (H, W) bool, True
    where the sensor saw something; `score` the part's score (in the thesis the maximum of the map).

    >>> import numpy as np
    >>> AnomalyMap(np.array([[0.0, 2.0]], np.float32)).score
    2.0
    """

    pixels: NDArray[np.float32]
    valid: NDArray[np.bool_] | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        pixels = without_mask("pixels", np.asanyarray(from_tensor(self.pixels))).astype(np.float32, copy=False)
        _check.shape("pixels", pixels, ("H", "W"))
        if not pixels.size:
            raise ValueError(f"an anomaly map must have pixels, got shape {pixels.shape}")
        if not np.isfinite(pixels).all():
            raise ValueError(f"an anomaly map must be finite, got {np.count_nonzero(~np.isfinite(pixels))} NaN or inf")
        object.__setattr__(self, "pixels", pixels)
        valid = np.ones(pixels.shape, bool) if self.valid is None else self.valid
        _check.shape("valid", valid, pixels.shape)
        object.__setattr__(self, "valid", to_numbers("valid", valid) > 0)  # its own: that of a scan is the scan's
        score = float(pixels.max() if self.score is None else to_numbers("score", self.score).item())
        if not isfinite(score):
            raise ValueError(f"the score of an anomaly map must be finite, got {score}")
        object.__setattr__(self, "score", score)
