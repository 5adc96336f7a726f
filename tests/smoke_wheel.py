"""Run in an environment that holds the wheel and not the source tree: does what it ships work?"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path


def geoad(*words: str, cwd: str) -> str:
    command = [str(Path(sys.executable).with_name("geoad")), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    import geoad as package

    home = Path(package.__file__).resolve()
    if not home.is_relative_to(Path(sys.prefix).resolve()):
        raise SystemExit(f"geoad comes from {home}, not from the wheel in {sys.prefix}")
    weights = sorted(path.name for path in (home.parent / "weights").glob("*.safetensors"))
    if not weights or not (home.parent / "py.typed").is_file():
        raise SystemExit(f"the wheel lacks weights or py.typed: {sorted(p.name for p in home.parent.rglob('*'))}")
    from geoad.evaluation import read_published

    if not read_published():
        raise SystemExit("the wheel lacks the published numbers")
    with tempfile.TemporaryDirectory() as folder:
        for verb in ("demo", "list", "info", "data", "pretrain", "fit", "score", "evaluate", "bench"):
            if verb not in geoad("--help", cwd=folder):
                raise SystemExit(f"geoad --help does not mention {verb}")
        if "3d-st" not in geoad("list", cwd=folder) or package.__version__ not in geoad("info", cwd=folder):
            raise SystemExit("geoad list or geoad info does not say what it should")
    print(f"wheel of geoad {package.__version__}: import, --help, list, info, weights ({', '.join(weights)})")


if __name__ == "__main__":
    main()
