"""A calibrated camera: HALCON's area-scan division model, as MVTec 3D-AD ships it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad._whole_file import write_whole
from geoad.ops import _arrays

TYPE = "area_scan_division"
CHUNK = 1 << 14
"""Points projected at a time, so that what is computed of them stays in the cache."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Intrinsics: `focus`, pixel pitch `sx`, `sy` in metres, distortion `kappa` in 1/m², centre `cx`, `cy` in pixels.

    A pixel's integer coordinates are its centre. kappa = 0 is the ideal pinhole. Raises ValueError if a length or a
    size is not positive.

    >>> import numpy as np
    >>> camera = Camera.pinhole(focal=100.0, shape=(64, 64))
    >>> camera.project(np.array([[0.5, 0.0, 5.0]])).tolist()
    [[41.5, 31.5]]
    """

    focus: float
    kappa: float
    sx: float
    sy: float
    cx: float
    cy: float
    image_width: int
    image_height: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _arrays.real(name, value)
        for name in ("focus", "sx", "sy", "image_width", "image_height"):
            _check.positive(**{name: getattr(self, name)})
        if not np.isfinite(list(asdict(self).values())).all():
            raise ValueError(f"camera parameters must be finite, got {self}")
        for name in ("image_width", "image_height"):
            size = getattr(self, name)
            if size != int(size):
                raise ValueError(f"{name} must be a whole number of pixels, got {size}")
            object.__setattr__(self, name, int(size))  # 800.0 in a file is 800
        for name in ("focus", "kappa", "sx", "sy", "cx", "cy"):
            object.__setattr__(self, name, float(getattr(self, name)))  # also what JSON would not write

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of its images."""
        return self.image_height, self.image_width

    @classmethod
    def pinhole(cls, focal: float, shape: tuple[int, int], centre: tuple[float, float] | None = None) -> Camera:
        """Return an undistorted camera of focal length `focal` (pixels) for images of `shape` (H, W)."""
        height, width = shape
        cx, cy = centre if centre is not None else ((width - 1) / 2, (height - 1) / 2)
        return cls(focal, 0.0, 1.0, 1.0, cx, cy, width, height)

    @classmethod
    def load(cls, path: str | Path) -> Camera:
        """Read a `camera_parameters.json`; raise ValueError that names the file and what is wrong with it."""
        try:
            fields = json.loads(Path(path).read_text(encoding="utf-8"))
            kind = fields.pop("camera_type", TYPE)
            if kind != TYPE:
                raise ValueError(f"camera_type must be {TYPE!r}, got {kind!r}")
            values = {name: fields[name] for name in cls.__dataclass_fields__}
            for name, value in values.items():
                if not isinstance(value, int | float):
                    raise ValueError(f"{name} must be a number, got {value!r}")
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"{path}: not a camera file ({what}): restore the one that came with the scans") from error

    def save(self, path: str | Path) -> None:
        """Write the parameters in MVTec's JSON form; the file appears whole or not at all."""
        write_whole(path, (json.dumps({"camera_type": TYPE, **asdict(self)}, indent=2) + "\n").encode())

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the pixel coordinates (N, 2), column then row, of points (N, 3) in the sensor frame.

        What does not lie in front of the camera (z > 0) gets NaN. The inverse of HALCON's division model:
        v = 2 u / (1 + sqrt(1 - 4 kappa |u|²)) takes the ideal image point u to the distorted one.
        """
        p = _arrays.to_vectors("points", points, 3)
        rows, pixels = p.reshape(-1, 3), np.empty((p.size // 3, 2))
        for start in range(0, len(rows), CHUNK):
            self._project(*rows[start : start + CHUNK].T.copy(), *pixels[start : start + CHUNK].T)
        return pixels.reshape(*p.shape[:-1], 2)

    def _project(self, x: Values, y: Values, z: Values, column: Values, row: Values) -> None:
        """Write the pixel coordinates of points given by coordinate, which are overwritten."""
        scale = self.focus / np.where(z > 0, z, np.nan)
        x *= scale
        y *= scale
        if self.kappa:
            bend = 1 + np.sqrt(np.maximum(1 - 4 * self.kappa * (x * x + y * y), 0))
            x, y = 2 * x / bend, 2 * y / bend
        column[:], row[:] = x / self.sx + self.cx, y / self.sy + self.cy

    def rays(self, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return directions (N, 3) with z = 1 through pixel coordinates (N, 2): the inverse of `project`.

        The division model itself: u = v / (1 + kappa |v|²).
        """
        plane = (_arrays.to_vectors("pixels", pixels, 2) - (self.cx, self.cy)) * (self.sx, self.sy)
        plane = plane / (1 + self.kappa * (plane**2).sum(-1, keepdims=True))
        return np.concatenate([plane / self.focus, np.ones_like(plane[..., :1])], axis=-1)
