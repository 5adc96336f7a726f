"""What lies in a folder, in an order that no file system can change."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from geoad.data.dataset import Fault


def subfolders(folder: Path) -> list[str]:
    """Return the names of the visible folders in `folder`, sorted; [] if it does not exist.

    >>> subfolders(Path("no such folder"))
    []
    """
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the visible files with one of `suffixes` in `folder` and below it, sorted; also in linked folders.

    >>> files_below(Path("no such folder"), (".off",))
    []
    """
    places, links, seen, found = [folder], list[Path](), set[Path](), list[Path]()
    while places or links:  # what is linked to comes last, so that each folder is seen once, where it is
        place = places.pop() if places else links.pop(0)
        if not place.is_dir() or (real := place.resolve()) in seen:
            continue
        seen.add(real)
        for path in sorted(path for path in place.iterdir() if not path.name.startswith(".")):
            if path.is_dir():
                (links if path.is_symlink() else places).append(path)
            elif path.suffix.lower() in suffixes and path.is_file():
                found.append(path)
    return sorted(found)


def files_by_stem(folder: Path, suffixes: Collection[str], faults: list[Fault]) -> dict[str, Path]:
    """Return {stem: path} of the visible files with one of `suffixes`, sorted; two of one stem are added to `faults`.

    >>> files_by_stem(Path("no such folder"), (".tiff",), [])
    {}
    """
    found: dict[str, Path] = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.iterdir(), key=lambda path: (path.stem, path.suffix)):
        if path.suffix.lower() not in suffixes or path.name.startswith(".") or not path.is_file():
            continue
        if path.stem in found:
            faults.append(Fault(str(path), f"has the name of {found[path.stem].name}: rename one of the two"))
        else:
            found[path.stem] = path
    return found


def add_unpaired(scans: dict[str, Path], other: dict[str, Path], folder: Path, what: str, faults: list[Fault]) -> None:
    """Add a fault for every scan without its `what` in `folder`, and for every `what` without a scan.

    >>> faults: list[Fault] = []
    >>> add_unpaired({"000": Path("xyz/000.tiff")}, {}, Path("gt"), "mask", faults)
    >>> print(faults[0])
    gt/000.png: no mask for xyz/000.tiff: add it, or remove the scan
    """
    faults += [
        Fault(str(folder / f"{stem}.png"), f"no {what} for {scans[stem]}: add it, or remove the scan")
        for stem in sorted(scans.keys() - other.keys())
    ]
    faults += [
        Fault(str(other[stem]), f"a {what} without a scan: add the scan, or remove it")
        for stem in sorted(other.keys() - scans.keys())
    ]
