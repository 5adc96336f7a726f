"""Numbers with everything that is needed to believe and repeat them: metrics.json, metrics.csv, a table."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import geoad
from geoad import _check
from geoad._whole_file import write_whole
from geoad.evaluation.rows import Rows
from geoad.evaluation.text_table import align

LIBRARIES = ("numpy", "scipy", "numba", "torch", "lightning-fabric", "open3d", "trimesh", "tifffile")
PEERS = ("pykdtree", "faiss-cpu", "fpsample", "torch-cluster")  # with which kernels are compared
PLACE = ("method", "dataset", "category", "subset", "seed")


def write_results(folder: str | Path, rows: Rows, command: str, *, asked: str | None = None) -> tuple[Path, Path]:
    """Write FOLDER/metrics.json and FOLDER/metrics.csv, each whole or not at all, and return their paths.

    `command` is the one that made the numbers, `asked` a hash of what decides them. NaN is null in the one and empty in
    the other.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _, table = write_results(folder, [{"metric": "au_pro", "value": 0.75}], "geoad evaluate maps")
    ...     table.read_text().splitlines()
    ['metric,value', 'au_pro,0.75']
    """
    numbers = [{key: _check.plain(value) for key, value in row.items()} for row in rows]
    plain = [{key: None if _is_nan(value) else value for key, value in row.items()} for row in numbers]
    content = {**environment(), "command": command, **({"asked": asked} if asked else {}), "rows": plain}
    files = Path(folder) / "metrics.json", Path(folder) / "metrics.csv"
    write_json(files[0], content)
    text = _csv(plain).encode(errors="backslashreplace")
    write_whole(files[1], text)
    return files


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON, whole or not at all; raise ValueError for NaN, which JSON has not.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json(f"{folder}/a.json", {"seed": 0})
    ...     json.loads(Path(folder, "a.json").read_text())
    {'seed': 0}
    """
    text = (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(errors="backslashreplace")
    write_whole(path, text)


def environment() -> dict[str, Any]:
    """Return on what the numbers were made: the machine, the commit (without a checkout: the version), the versions.

    >>> sorted(environment())
    ['commit', 'machine', 'versions']
    """
    versions = {"python": platform.python_version(), "geoad": geoad.__version__}
    for library in (*LIBRARIES, *PEERS):
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return {"machine": _machine(), "commit": _commit() or geoad.__version__, "versions": versions}


def format_table(rows: Rows) -> str:
    """Return rows as text: a line for each method, category, subset and seed, a column for each metric, limit and mode.

    Intervals stand behind their values.

    >>> row = {"category": "bagel", "metric": "au_pro", "limit": 0.3, "mode": "exact", "connectivity": 8}
    >>> print(format_table([{**row, "value": 0.83}, {**row, "limit": 0.05, "value": math.nan}]))
    category  au_pro@0.3  au_pro@0.05
    bagel          0.830          nan
    """
    keys = [key for key in PLACE if any(row.get(key) is not None for row in rows)]
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        place = tuple(_text(row.get(key)) for key in keys)
        lines.setdefault(place, {})[_column(row)] = _value(row)
    columns = list(dict.fromkeys(column for cells in lines.values() for column in cells))
    table = [[*keys, *columns], *([*place, *(cells.get(c, "-") for c in columns)] for place, cells in lines.items())]
    return align(table, [False] * len(keys) + [True] * len(columns))


def _value(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "-"
    interval = f" [{row['low']:.3f}, {row['high']:.3f}]" if row.get("low") is not None else ""
    return f"{row['value']:.3f}{interval}"


def _column(row: Mapping[str, Any]) -> str:
    """Return the metric with whatever of its protocol is not the default."""
    limit = "" if row.get("limit") is None else f"@{row['limit']:g}"
    mode = "" if row.get("mode") in (None, "exact") else f" {row['mode']}"
    corners = "" if row.get("connectivity") in (None, 8) else f" {row['connectivity']}-connected"
    return f"{row['metric']}{limit}{mode}{corners}"


def _csv(rows: Rows) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _text(value: Any) -> str:
    return "-" if value is None else str(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


@cache
def _machine() -> str:
    """Describe the machine without naming it."""
    parts = [platform.system(), platform.machine(), _processor(), f"{os.cpu_count()} cores"]
    torch = sys.modules.get("torch")  # who has not imported torch has used no GPU
    if torch is not None and torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(part for part in parts if part)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


@cache
def _commit() -> str | None:
    """Return the commit of the checkout that geoad comes from, "-dirty" behind it if files differ; None without.

    Results are not what makes results: a benchmark may rewrite its own and stay clean.
    """
    root = Path(geoad.__file__).resolve().parents[1]
    if not (root / ".git").exists():  # installed somewhere below another project's checkout is not in a checkout
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "diff", "--name-only", "HEAD", "--", ".", ":(exclude)benchmarks/results")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}-dirty" if changed else head


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
