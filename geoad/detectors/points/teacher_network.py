"""The network that teaches in 3D-ST: a pretrained one, or one that has learnt nothing."""

from __future__ import annotations

from geoad import _check
from geoad.descriptors.teacher import Teacher, shipped_teachers
from geoad.nn.local_features import LocalFeatures

RANDOM = "random"
K = 32  # neighbours, in the thesis


def teacher_network(
    teacher: str, *, width: int | None = None, blocks: int | None = None, coordinates: str | None = None
) -> Teacher:
    """Return the frozen teacher of a shipped one's name, of a file that `geoad pretrain` wrote, or "random".

    The other keywords make the random one (by default the thesis's: 64 features, k = 32), its weights drawn from
    torch's generator. Of a pretrained one they may be left out; ValueError says what contradicts it.

    >>> teacher_network("random", width=8, blocks=1).network.width
    8
    >>> teacher_network("3d-st-64", width=128)
    Traceback (most recent call last):
    ValueError: width must be 64 like that of teacher '3d-st-64', got 128: pretrain one, or take teacher='random'
    """
    asked = {"width": width, "blocks": blocks, "coordinates": coordinates}
    given = {name: value for name, value in asked.items() if value is not None}
    if teacher == RANDOM:
        return Teacher(LocalFeatures(**given), K).eval().requires_grad_(False)  # type: ignore[arg-type]
    if not teacher.endswith(".safetensors"):
        known = [*shipped_teachers(), RANDOM]
        if teacher not in known:
            other = "or a .safetensors file, or package.module:function"
            raise ValueError(f"unknown teacher {teacher!r}{_check.likely(teacher, known)}, {other}")
    loaded = Teacher.from_pretrained(teacher)
    network = loaded.network
    own = {"width": network.width, "blocks": len(network.blocks), "coordinates": network.coordinates}
    for name, value in given.items():
        if value != own[name]:
            raise ValueError(
                f"{name} must be {own[name]} like that of teacher {teacher!r}, got {value}: "
                "pretrain one, or take teacher='random'"
            )
    return loaded
