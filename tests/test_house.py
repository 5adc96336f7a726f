"""The house rules that a machine can hold: floors, sizes, lazy imports, registries, examples, words."""

from __future__ import annotations

import ast
import importlib
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import geoad

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "geoad"
FILES = sorted(PACKAGE.rglob("*.py"))
FLOOR = {
    "_check": 0, "_digest": 0, "_lazy": 0, "_lock": 1, "_numba_cache": 0, "_optional": 0, "_parent": 0,
    "_safetensors": 1, "_thread_count": 0,
    "_whole_file": 0, "ops": 1, "geometry": 2, "sample": 3,
    "data": 4, "metrics": 4, "nn": 4, "descriptors": 4, "training": 4, "weights": 4,
    "detectors": 5, "evaluation": 6, "checks": 6, "bench": 6, "cli": 7, "__main__": 8, "__init__": 8,
}  # fmt: skip
HEAVY = {
    "torch",
    "numba",
    "scipy",
    "open3d",
    "trimesh",
    "matplotlib",
    "sklearn",
    "pykdtree",
    "lightning_fabric",
    "numpy",
}
REGISTRIES = {"geoad.detectors": "DETECTORS", "geoad.data": "DATASETS"}


def room(module: str) -> str:
    """The room of "geoad.ops.knn" is "ops"."""
    return [*module.split("."), "__init__"][1]


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "geoad":
            yield from (f"geoad.{alias.name}" for alias in node.names if alias.name in FLOOR)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"geoad(\.\w+)+(:\w+)?", node.value)
        ):
            yield node.value.partition(":")[0]  # a registry line or a lazy import


def reaches(source: str, target: str) -> bool:
    """Whether a module in room `source` may import from room `target`."""
    if source == target or (source, target) == ("descriptors", "nn"):
        return True
    return FLOOR[target] < FLOOR[source]


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{file.relative_to(ROOT)}:{node.lineno} {node.name}", node


def test_no_module_reaches_up_or_sideways() -> None:
    wrong = []
    for file in FILES:
        source = room(".".join(file.relative_to(ROOT).with_suffix("").parts))
        assert source in FLOOR, f"{file.relative_to(ROOT)}: room {source!r} has no floor"
        names = (name for name in imported(ast.parse(file.read_text())) if name.startswith("geoad."))
        wrong += [f"{file.relative_to(ROOT)} imports {name}" for name in names if not reaches(source, room(name))]
    assert not wrong


def test_floors_are_read_right() -> None:
    names = set(imported(ast.parse("from geoad import _check, ops\nimport geoad.data.base\nX = 'geoad.nn.mlp:Mlp'")))
    assert names == {"geoad._check", "geoad.ops", "geoad.data.base", "geoad.nn.mlp"}
    assert reaches("detectors", "data") and reaches("descriptors", "nn")
    assert not reaches("data", "metrics") and not reaches("ops", "geometry") and not reaches("nn", "descriptors")


def test_files_are_short() -> None:
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in FILES}
    assert not {name: count for name, count in lines.items() if count > 400}
    assert statistics.median(count for count in lines.values() if count) <= 100


def test_functions_are_short() -> None:
    lengths = {name: node.end_lineno - node.lineno + 1 for name, node in functions()}
    assert not {name: length for name, length in lengths.items() if length > 60}
    bodies = []
    for name, node in functions():
        document = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
        bodies.append(lengths[name] - document)
    assert statistics.median(bodies) <= 10


def test_folders_are_shallow_and_named_for_what_they_hold() -> None:
    folders = {file.parent.relative_to(PACKAGE) for file in FILES}
    assert max(len(folder.parts) for folder in folders) <= 2
    named = {part for file in FILES for part in file.relative_to(PACKAGE).with_suffix("").parts}
    assert not named & {"utils", "util", "common", "helpers", "helper", "misc", "tools"}


def modules_after(*code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    script = ";".join(["import sys", *code, "print('modules', *{name.split('.')[0] for name in sys.modules})"])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "code",
    [
        "import geoad",
        "import geoad; dir(geoad); geoad.__version__",
        "import geoad; geoad.list_detectors(); geoad.list_datasets()",
    ],
)
def test_importing_geoad_imports_nothing_heavy(code: str) -> None:
    assert not modules_after(code) & HEAVY


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["list"], ["--version"]])
def test_the_command_line_answers_before_anything_heavy_is_imported(words: list[str]) -> None:
    code = f"import contextlib, geoad.cli\nwith contextlib.suppress(SystemExit): geoad.cli.main({words!r})\n"
    assert not modules_after(f"exec({code!r})") & HEAVY


def test_public_names_are_there() -> None:
    assert sorted(name for name in geoad.__all__ if name != "__version__") == sorted(geoad._HOME)
    for name in geoad.__all__:
        assert getattr(geoad, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'make_detectors'"):
        geoad.make_detectors  # noqa: B018


@pytest.mark.parametrize(("module", "registry"), REGISTRIES.items())
def test_registry_names_can_be_imported(module: str, registry: str) -> None:
    entries = getattr(importlib.import_module(module), registry)
    assert entries
    for name, place in entries.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name), f"{name} is not kebab-case"
        home, _, symbol = place.partition(":")
        assert isinstance(getattr(importlib.import_module(home), symbol), type)


def is_public(node: ast.stmt) -> bool:
    """A class or function without a leading underscore; the signatures of an overload are not functions."""
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
        return False
    return not any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list)


def test_public_functions_and_classes_have_an_example() -> None:
    without = []
    for file in FILES:
        # A kernel's backends are reached through its public function, and `_name.py` is nobody's business.
        backend = re.search(r"(ops|descriptors)/\w+_(numba|torch|trees|cuda)\.py$", file.as_posix())
        inner = (file.name.startswith("_") and file.name != "_check.py") or backend is not None
        if inner or room(".".join(file.relative_to(ROOT).with_suffix("").parts)) == "cli":
            continue
        nodes = [node for node in ast.parse(file.read_text()).body if is_public(node)]
        named = [f"{file.relative_to(ROOT)}:{node.lineno} {node.name}" for node in nodes]
        documents = [ast.get_docstring(node) or "" for node in nodes]
        without += [name for name, text in zip(named, documents, strict=True) if ">>>" not in text]
    assert not without, "\n".join(without)


def tracked() -> list[Path]:
    """The files git knows (what a demo left lying about is not ours); without git, all of the project's folders."""
    command = ["git", "ls-files"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]
    folders = ("geoad", "tests", "benchmarks", "datasets", "cuda_ext")
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]


def test_no_path_of_one_machine_and_no_unfinished_mark() -> None:
    words = re.compile(r"(?<![\w.])/(work|root|home/\w+|Users/\w+)/|\b(T[O]DO|FIX[M]E|X[X]X)\b")
    kinds = {".py", ".md", ".toml", ".txt", ".cff", ".yaml", ".json", ".cu", ".h", ""}
    found = []
    for path in tracked():
        if path.suffix not in kinds:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if words.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number} {line.strip()[:80]}")
    assert not found


def test_version_and_dependencies_agree_everywhere() -> None:
    assert f"\nversion: {geoad.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert {re.split(r"[<>=]", line)[0] for line in wanted} <= pinned


def test_weights_have_cards() -> None:
    weights = sorted((PACKAGE / "weights").glob("*.safetensors"))
    assert weights
    for file in weights:
        card = file.with_suffix(".md")
        assert card.is_file() and "geoad pretrain" in card.read_text(), f"{file.name}: the card names no command"
