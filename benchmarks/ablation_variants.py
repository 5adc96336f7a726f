"""What figures 10.6 to 10.8 of Bergmann's thesis compare: variants of 3D-ST, their teachers, and other methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BASE = "baseline"
SWEEPS = {"points": "|P|", "width": "d", "k": "k"}  # figure 10.7, with the thesis's names
GROUPS = {
    "limits": "figure 10.6",
    **dict.fromkeys(SWEEPS, "figure 10.7"),
    "strategy": "figure 10.8, left",
    "pretraining": "figure 10.8, centre",
    "features": "figure 10.8, right",
}


@dataclass(frozen=True)
class Variant:
    """A detector: its registered name, its keywords but for the teacher's file, and the name of that teacher."""

    method: str
    params: dict[str, Any]
    teacher: str | None = None


@dataclass(frozen=True)
class Plan:
    """Groups of figures: {group: {label: name of a variant}}; the variants; and how their teachers are pretrained."""

    groups: dict[str, dict[str, str]]
    variants: dict[str, Variant]
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def only(self, groups: Sequence[str]) -> list[str]:
        """Return the names of the variants in these groups, each once."""
        return list(dict.fromkeys(name for group in groups for name in self.groups[group].values()))


def make_plan(
    base: Mapping[str, int],
    student: Mapping[str, Any],
    *,
    sweeps: Mapping[str, Sequence[int]],
    methods: Sequence[str],
    sources: Mapping[str, str],
    features: Mapping[str, str],
) -> Plan:
    """Return what there is to compare.

    `base` gives points, width and k of the baseline, `student` further keywords of every 3D-ST; `sweeps` the values of
    figure 10.7; `sources` what teachers are pretrained on ("base": the baseline's), `features` functions as teachers.
    """
    common = {"points": base["points"], "k": base["k"], **student}
    recipe = {"width": base["width"], "k": base["k"], "source": sources.get("base", "solids")}
    plan = Plan({group: {} for group in GROUPS}, {BASE: Variant("3d-st", common, "base")}, {"base": recipe})

    def add(group: str, label: str, name: str, teacher: str = "base", **params: Any) -> None:
        plan.groups[group][label] = name
        if name != BASE:
            plan.variants[name] = Variant("3d-st", {**common, **params}, teacher)

    def add_made(group: str, label: str, name: str, teacher: str) -> None:
        plan.groups[group][label] = name
        plan.variants[name] = Variant("3d-st", {**common, "teacher": teacher, "width": base["width"]})

    for axis, values in sweeps.items():
        for value in sorted({*values, base[axis]}):
            if value == base[axis]:
                add(axis, str(value), BASE)
            elif axis == "points":
                add(axis, str(value), f"points {value}", points=value)
            else:  # a teacher of its own: one describes with the width and the neighbours that it has learnt with
                teacher = f"{SWEEPS[axis]}{value}"
                plan.recipes[teacher] = {**recipe, axis: value}
                add(axis, str(value), f"{axis} {value}", teacher, **({"k": value} if axis == "k" else {}))
    add_made("strategy", "random teacher", "random", "random")
    plan.recipes["absolute"] = {**recipe, "coordinates": "absolute"}
    add("strategy", "absolute coordinates", "absolute", "absolute")
    add("strategy", "random rotations", "rotated", rotate=True)
    for name, source in sources.items():
        if name != "base":
            plan.recipes[name] = {**recipe, "source": source}
            add("pretraining", name, f"pretrained on {name}", name)
    for name, function in features.items():
        add_made("features", name, f"features {name}", function)
    for method in methods:
        plan.groups["limits"][method] = method
        plan.variants[method] = Variant(method, {})
    for group in ("limits", "strategy", "features"):
        add(group, "3d-st", BASE)
    add("pretraining", recipe["source"].partition(":")[0], BASE)
    return plan
