"""A calibrated camera: HALCON's area-scan division model, as MVTec 3D-AD ships it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TYPE = "area_scan_division"


@dataclass(frozen=True)
class Camera:
    """Intrinsics: focal length `focus` and pixel pitch `sx`, `sy` in metres, distortion `kappa` in 1/m², centre in pixels.

    A pixel's integer coordinates are its centre. kappa = 0 is the ideal pinhole.

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
            fields = json.loads(Path(path).read_text())
            kind = fields.pop("camera_type", TYPE)
            if kind != TYPE:
                raise ValueError(f"camera_type must be {TYPE!r}, got {kind!r}")
            return cls(**{name: fields[name] for name in cls.__dataclass_fields__})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"{path}: not a camera file: {what}") from error

    def save(self, path: str | Path) -> None:
        """Write the parameters in MVTec's JSON form."""
        Path(path).write_text(json.dumps({"camera_type": TYPE, **asdict(self)}, indent=2) + "\n")

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the pixel coordinates (N, 2), column then row, of points (N, 3) in the sensor frame, z > 0."""
        p = np.asarray(points, dtype=np.float64)
        plane = p[..., :2] * (self.focus / p[..., 2:])
        squared = (plane**2).sum(-1, keepdims=True)
        distorted = 2 * plane / (1 + np.sqrt(np.maximum(1 - 4 * self.kappa * squared, 0)))
        return np.asarray(distorted / (self.sx, self.sy) + (self.cx, self.cy))

    def rays(self, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return directions (N, 3) with z = 1 through pixel coordinates (N, 2): the inverse of `project`."""
        plane = (np.asarray(pixels, dtype=np.float64) - (self.cx, self.cy)) * (self.sx, self.sy)
        plane = plane / (1 + self.kappa * (plane**2).sum(-1, keepdims=True))
        return np.concatenate([plane / self.focus, np.ones_like(plane[..., :1])], axis=-1)
