import csv
import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest

import geoad
from geoad.evaluation import environment, format_table, write_results
from geoad.evaluation.results import _commit, write_json


def row(method, category, metric, value, limit=None, mode="exact", connectivity=None):
    return {
        "method": method, "category": category, "metric": metric, "limit": limit, "mode": mode,
        "connectivity": connectivity, "value": value,
    }  # fmt: skip


ROWS = [
    row("3d-st", "bagel", "au_pro", 0.8333, 0.3, connectivity=8),
    row("3d-st", "bagel", "au_pro", 0.83, 0.3, "official", connectivity=8),
    row("3d-st", "bagel", "image_auroc", math.nan),
    row("voxel-vm", "mean", "au_pro", 0.5, 0.3, connectivity=8),
    row("voxel-vm", "mean", "au_pro", 0.25, 0.3, connectivity=4),
]


def test_both_files_hold_every_row(tmp_path):
    files = write_results(tmp_path / "new", ROWS, "geoad evaluate maps")
    assert [path.name for path in files] == ["metrics.json", "metrics.csv"]
    content = json.loads(files[0].read_text())
    assert list(content) == ["machine", "commit", "versions", "command", "rows"]
    assert content["command"] == "geoad evaluate maps"
    assert content["rows"][0] == ROWS[0] and content["rows"][2]["value"] is None
    with files[1].open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(ROWS) and table[0]["value"] == "0.8333" and table[2]["value"] == ""
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["metrics.csv", "metrics.json"]


def test_numpy_numbers_are_numbers(tmp_path):
    rows = [{"metric": "au_pro", "value": np.float64(0.5)}, {"metric": "au_pro", "value": np.float64("nan")}]
    content = json.loads(write_results(tmp_path, rows, "")[0].read_text())
    assert [row["value"] for row in content["rows"]] == [0.5, None]
    row = {"seed": np.int64(3), "value": np.float32(0.5), "low": np.float32("nan"), "method": Path("maps")}
    files = write_results(tmp_path, [row], "")
    assert json.loads(files[0].read_text())["rows"] == [{"seed": 3, "value": 0.5, "low": None, "method": "maps"}]
    assert files[1].read_text() == "seed,value,low,method\n3,0.5,,maps\n"


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": math.nan})
    assert not list(tmp_path.iterdir())


def test_environment_names_commit_and_versions():
    found = environment()
    assert found["versions"]["geoad"] == geoad.__version__ and found["versions"]["numpy"] == np.__version__
    root = Path(geoad.__file__).parents[1]
    head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    expected = head.stdout.strip() if (root / ".git").exists() and head.returncode == 0 else geoad.__version__
    assert found["commit"].removesuffix("-dirty") == expected
    json.dumps(found)


def test_table_has_a_line_a_category_and_a_column_a_protocol():
    lines = format_table(ROWS).splitlines()
    assert lines == [
        "method    category  au_pro@0.3  au_pro@0.3 official  image_auroc  au_pro@0.3 4-connected",
        "3d-st     bagel          0.833                0.830          nan                       -",
        "voxel-vm  mean           0.500                    -            -                   0.250",
    ]


def test_table_has_intervals_where_there_are():
    value = {"metric": "au_pro", "value": 0.5}
    table = format_table([{"category": "a", **value, "low": 0.25, "high": 0.75}, value])
    assert "0.500 [0.250, 0.750]" in table and table.startswith("category")


@pytest.mark.parametrize(("changed", "told"), [("", "c0ffee"), ("geoad/a.py", "c0ffee-dirty")])
def test_a_checkout_with_changes_is_called_dirty(tmp_path, monkeypatch, changed, told):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(geoad, "__file__", str(tmp_path / "geoad" / "__init__.py"))
    said = {"rev-parse": "c0ffee", "diff": changed}
    monkeypatch.setattr("geoad.evaluation.results._git", lambda root, word, *_: said[word])
    assert _commit.__wrapped__() == told
