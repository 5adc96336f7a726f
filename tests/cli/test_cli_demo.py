"""The demo: what it runs, how it fails, what it reports; the whole of it is slow."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoad._lock import locked
from geoad.cli import demo as cli_demo
from geoad.cli.demo import CATEGORIES, Job, evaluate, last_line, simulate, train, work
from geoad.cli.demo_report import METHODS, METRICS, report
from geoad.cli.parser import build_parser
from geoad.data.sim3d import CATEGORIES as SIMULATED


def test_every_command_of_the_demo_is_a_command(tmp_path: Path) -> None:
    jobs = [*simulate(tmp_path, 2), *train(tmp_path, []), *evaluate(tmp_path)]
    for job in jobs:
        for words in job.commands:
            assert build_parser().parse_args(words).module
    assert len({job.log for job in jobs}) == len(jobs)
    assert set(CATEGORIES) <= set(SIMULATED)


def test_jobs_that_fail_are_returned_and_the_others_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = Job("good", [["list"], ["--version"]], tmp_path / "good.log")
    bad = Job("bad", [["fit"], ["list"]], tmp_path / "bad.log")
    assert work([bad, good], 2, time.monotonic()) == [bad]
    assert last_line(good.log).startswith("geoad ")
    assert last_line(bad.log).startswith("geoad: error: ")  # and nothing was run after it
    assert "good: " in capsys.readouterr().out


def test_a_failed_job_fails_the_demo(geoad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_demo, "simulate", lambda out, _: [Job("sim3d", [["fit"]], out / "logs" / "sim3d.log")])
    said = geoad("demo", "--out", tmp_path / "demo")
    assert said.code == 1 and said.err.startswith("geoad: error: sim3d: ") and said.err.count("\n") == 1
    assert str(tmp_path / "demo" / "logs" / "sim3d.log") in said.err


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\nsecond\n\n")
    assert (last_line(log), last_line(log, 6), last_line(log, 14)) == ("second", "second", "")


def test_the_report_holds_every_number_and_a_sheet_of_pictures(tmp_path: Path) -> None:
    for m, method in enumerate(METHODS):
        rows = []
        for c, category in enumerate((*CATEGORIES, "mean")):
            for i, (metric, limit) in enumerate(METRICS):
                row = {"category": category, "metric": metric, "limit": limit}
                rows.append({**row, "value": m / 2 + c / 10 + i / 100 + 0.005})
            picture = tmp_path / "maps" / method / category / "test" / "hole" / "000.png"
            picture.parent.mkdir(parents=True)
            Image.fromarray(np.full((20, 30 + c, 3), 100 * m + c, np.uint8)).save(picture)
            Image.fromarray(np.zeros((20, 30), np.uint8)).save(picture.with_name("000.mask.png"))  # no picture
        (tmp_path / "results" / method).mkdir(parents=True)
        (tmp_path / "results" / method / "metrics.json").write_text(json.dumps({"rows": rows}))
    lines = [line.split() for line in report(tmp_path, CATEGORIES).splitlines()]
    assert ["bagel", "3d-st", "0.005", "0.015", "0.025", "0.035"] in lines
    assert ["mean", "voxel-vm", "0.805", "0.815", "0.825", "0.835"] in lines
    sheet = np.asarray(Image.open(tmp_path / "pictures.png"))
    assert sheet.shape == (6 * 20, 110 + 32, 3)
    assert [int(sheet[20 * i + 10, 115, 0]) for i in range(6)] == [0, 100, 1, 101, 2, 102]


def test_a_killed_demo_leaves_nobody_at_work(tmp_path: Path) -> None:
    scans = tmp_path / "sim3d"
    job = f"Job('sim3d', [['data', 'make', 'sim3d', {str(scans)!r}]], Path({str(tmp_path / 'log')!r}))"
    code = f"from pathlib import Path\nfrom geoad.cli.demo import Job, work\nwork([{job}], 1, 0)"
    demo = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    assert within(60, lambda: (scans / "manifest.json").exists())
    with pytest.raises(ValueError, match="in use by another process"), locked(scans):
        pass
    demo.kill()
    demo.wait()
    assert within(20, lambda: is_free(scans))


def within(seconds: float, happens: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not happens() and time.monotonic() < end:
        time.sleep(0.1)
    return happens()


def is_free(folder: Path) -> bool:
    try:
        with locked(folder):
            return True
    except ValueError:
        return False


@pytest.mark.slow
def test_a_quick_demo_from_beginning_to_end_and_again(geoad, tmp_path: Path) -> None:
    for _ in range(2):
        said = geoad("demo", "--quick", "--out", tmp_path / "demo")
        assert said.code == 0, said.err
        lines = said.out.splitlines()
        assert sum(line.split()[1:2] == [method] for line in lines for method in METHODS) == 8
        assert (tmp_path / "demo" / "pictures.png").is_file()
    assert "trained already" in (tmp_path / "demo" / "logs" / "3d-st-bagel.log").read_text()
