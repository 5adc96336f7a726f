"""Fast point feature histograms by open3d, as a teacher of 3D-ST: `--set teacher=fpfh_open3d:fpfh`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad._optional import need

open3d = need("open3d", "compute FPFH")
NORMAL, HISTOGRAM = 30, 100  # neighbours


def fpfh(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the histograms (n, 33) of points in the frame of the sensor, which normals point to."""
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.astype(np.float64)))
    cloud.estimate_normals(open3d.geometry.KDTreeSearchParamKNN(NORMAL))
    cloud.orient_normals_towards_camera_location(np.zeros(3))
    search = open3d.geometry.KDTreeSearchParamKNN(HISTOGRAM)
    histograms: NDArray[np.float64] = np.array(open3d.pipelines.registration.compute_fpfh_feature(cloud, search).data)
    return histograms.T
