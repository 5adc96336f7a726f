"""The rows of the first 3D benchmark (Bergmann's thesis, tables 9.3 and 9.4), and how much training each gets."""

from __future__ import annotations

from typing import Any, NamedTuple

from geoad import _check

ITERATIONS = 500
"""Of each gradient stage at the size `small`; the thesis has, by category, 6 600 (depth AE) to 180 500 (critics)."""
TEACHER = "3d-st-64-thesis"
"""The teacher of 3D-ST at the size `full`: pretrained for the thesis's 250 000 steps."""
BATCH = 4
"""Of the depth autoencoder at the size `small`: the thesis's 32 take ten times as long on a CPU."""
LIMITS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Integration limits of AU-PRO: 0.3 for the table, all of them for the curve of figure 9.6."""
SIZES = ("tiny", "small", "full")
LATENTS = {
    ("Voxel GAN", 128): 0.536, ("Voxel GAN", 512): 0.583, ("Voxel GAN", 2048): 0.555,
    ("Voxel AE", 128): 0.348, ("Voxel AE", 512): 0.269, ("Voxel AE", 2048): 0.305,
    ("Depth GAN", 128): 0.143, ("Depth GAN", 512): 0.137, ("Depth GAN", 2048): 0.135,
    ("Depth AE", 128): 0.199, ("Depth AE", 512): 0.203, ("Depth AE", 2048): 0.199,
}  # fmt: skip
"""Table 9.5: mean AU-PRO@0.3 on MVTec 3D-AD, 3D data only, by latent dimension."""


class Method(NamedTuple):
    """One of the tables' methods: its name and source there, the detector, and the keywords that are not its defaults.

    `trained` rows have gradient steps, and depend on the seed.

    >>> METHODS["depth-ae"].name, METHODS["depth-ae-rgb"].source
    ('Depth AE', '3D+RGB')
    """

    name: str
    source: str
    detector: str
    params: dict[str, Any]
    trained: bool


def _pair(key: str, name: str, trained: bool = True) -> dict[str, Method]:
    """Return the rows of a detector without and with colours."""
    geometry = "xyz" if key.startswith("voxel") else "depth"
    return {
        key: Method(name, "3D", key, {}, trained),
        f"{key}-rgb": Method(name, "3D+RGB", key, {"source": f"{geometry}+rgb"}, trained),
    }


METHODS: dict[str, Method] = {
    **_pair("voxel-fanogan", "Voxel GAN"),
    **_pair("voxel-ae", "Voxel AE"),
    **_pair("voxel-vm", "Voxel VM", trained=False),
    **_pair("depth-fanogan", "Depth GAN"),
    **_pair("depth-ae", "Depth AE"),
    **_pair("depth-vm", "Depth VM", trained=False),
    "voxel-vae": Method("Voxel VAE", "3D", "voxel-vae", {}, True),
    "3d-st": Method("3D-ST-64", "3D", "3d-st", {}, True),
}


def keywords(key: str, size: str, iterations: int = ITERATIONS, latent: int | None = None) -> dict[str, Any]:
    """Return the keywords of a method's detector at a size of the benchmark.

    `full` is the thesis's training, of 3D-ST with the teacher of its 250 000 steps; `small` cuts gradient stages to
    `iterations` and the batches of 32 to 4, and takes 3D-ST's defaults; `tiny` takes the detector's `tiny()`: it shows
    that everything runs.

    >>> keywords("depth-ae-rgb", "small")
    {'source': 'depth+rgb', 'steps': 500, 'batch_size': 4}
    """
    from geoad.detectors import detector_class

    _check.one_of("method", key, METHODS)
    _check.one_of("size", size, SIZES)
    method = METHODS[key]
    params = dict(method.params)
    if latent is not None:
        params["latent"] = latent
    made = detector_class(method.detector)
    if size == "tiny":
        return {**made.tiny(), **params}
    thesis = getattr(made, "thesis", None)  # whose defaults are another training
    if size == "full":
        return {**({"teacher": TEACHER, **thesis()} if thesis else {}), **params}
    if thesis or not method.trained:
        return params
    return {**params, "steps": iterations, **({"batch_size": BATCH} if method.detector == "depth-ae" else {})}


def budget(size: str, iterations: int = ITERATIONS) -> str:
    """Return in one line how much training stands behind the numbers of a size.

    >>> budget("full")
    'full: trained as in the thesis'
    """
    return {
        "full": "full: trained as in the thesis",
        "small": f"small: {iterations} iterations of each stage of autoencoders and GANs, where the thesis has 50 "
        f"epochs of 20 copies of each scan; depth autoencoders in batches of {BATCH}, not 32; 3D-ST as its "
        "defaults say",
        "tiny": "tiny: small networks, a few steps: it shows that everything runs, the numbers mean nothing",
    }[size]
