"""From a detector to maps on disk, from maps on disk to numbers: two loops that meet only in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad._lazy import lazy

if TYPE_CHECKING:
    from geoad.evaluation.curve_picture import write_curves
    from geoad.evaluation.evaluate import Evaluation, Settings, evaluate_folder, evaluate_maps, mean_rows
    from geoad.evaluation.export import Exported, export_maps
    from geoad.evaluation.loco import evaluate_loco
    from geoad.evaluation.map_file import read_map, write_map, write_mask
    from geoad.evaluation.map_folder import MapFolder
    from geoad.evaluation.picture import draw_picture
    from geoad.evaluation.published import Published, against_published, read_published
    from geoad.evaluation.results import environment, format_table, write_results
    from geoad.evaluation.run import Run

_HOME = {
    "Evaluation": "geoad.evaluation.evaluate",
    "Exported": "geoad.evaluation.export",
    "MapFolder": "geoad.evaluation.map_folder",
    "Published": "geoad.evaluation.published",
    "Run": "geoad.evaluation.run",
    "Settings": "geoad.evaluation.evaluate",
    "against_published": "geoad.evaluation.published",
    "draw_picture": "geoad.evaluation.picture",
    "environment": "geoad.evaluation.results",
    "evaluate_folder": "geoad.evaluation.evaluate",
    "evaluate_loco": "geoad.evaluation.loco",
    "evaluate_maps": "geoad.evaluation.evaluate",
    "export_maps": "geoad.evaluation.export",
    "format_table": "geoad.evaluation.results",
    "mean_rows": "geoad.evaluation.evaluate",
    "read_map": "geoad.evaluation.map_file",
    "read_published": "geoad.evaluation.published",
    "write_curves": "geoad.evaluation.curve_picture",
    "write_map": "geoad.evaluation.map_file",
    "write_mask": "geoad.evaluation.map_file",
    "write_results": "geoad.evaluation.results",
}

__all__ = [
    "Evaluation",
    "Exported",
    "MapFolder",
    "Published",
    "Run",
    "Settings",
    "against_published",
    "draw_picture",
    "environment",
    "evaluate_folder",
    "evaluate_loco",
    "evaluate_maps",
    "export_maps",
    "format_table",
    "mean_rows",
    "read_map",
    "read_published",
    "write_curves",
    "write_map",
    "write_mask",
    "write_results",
]

__getattr__, __dir__ = lazy(__name__, _HOME)
