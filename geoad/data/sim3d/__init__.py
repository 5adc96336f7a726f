"""The simulator of industrial 3D scans: parts, defects, a structured-light sensor, written in MVTec 3D-AD's tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad import _check
from geoad._lazy import lazy, load

if TYPE_CHECKING:
    from geoad.data.sim3d.category import Category
    from geoad.data.sim3d.make import make_clouds, make_sim3d

CATEGORIES = {
    "bagel": "geoad.data.sim3d.bagel:BAGEL",
    "cable_gland": "geoad.data.sim3d.cable_gland:CABLE_GLAND",
    "carrot": "geoad.data.sim3d.carrot:CARROT",
    "cookie": "geoad.data.sim3d.cookie:COOKIE",
    "dowel": "geoad.data.sim3d.dowel:DOWEL",
    "foam": "geoad.data.sim3d.foam:FOAM",
    "peach": "geoad.data.sim3d.peach:PEACH",
    "potato": "geoad.data.sim3d.potato:POTATO",
    "rope": "geoad.data.sim3d.rope:ROPE",
    "tire": "geoad.data.sim3d.tire:TIRE",
}

__all__ = ["CATEGORIES", "get_category", "make_clouds", "make_sim3d"]


def get_category(name: str) -> Category:
    """Return a category by name; an unknown one is a ValueError that lists the known.

    >>> get_category("foam").kinds
    ('good', 'color', 'combined', 'contamination', 'cut')
    """
    _check.one_of("category", name, CATEGORIES)
    found: Category = load(CATEGORIES[name])
    return found


__getattr__, __dir__ = lazy(__name__, dict.fromkeys(("make_clouds", "make_sim3d"), "geoad.data.sim3d.make"))
