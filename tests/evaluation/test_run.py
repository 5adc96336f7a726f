import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from geoad._lock import locked
from geoad.detectors import DETECTORS
from geoad.evaluation import Run
from geoad.training.trainer import Trainer
from tests.evaluation.toys import MeanDepth, ToyDataset

CONFIG = {"detector": "mean-depth", "params": {"width": 3}, "seed": 0, "data": "toy:ROOT"}


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setitem(DETECTORS, "mean-depth", "tests.evaluation.toys:MeanDepth")


@pytest.fixture
def trained(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG)
    detector = run.make_detector().fit(ToyDataset(("good",) * 4), trainer=Trainer(device="cpu"))
    run.save_detector(detector)
    return run, detector


def test_a_new_folder_holds_config_and_environment(tmp_path):
    run = Run.create(tmp_path / "a" / "run", {**CONFIG, "limits": (0.05, 0.3)})
    assert json.loads((run.folder / "config.json").read_text()) == {**CONFIG, "limits": [0.05, 0.3]}
    assert "versions" in json.loads((run.folder / "environment.json").read_text())
    assert not run.is_trained and run.maps == run.folder / "maps"


def test_the_same_config_resumes(tmp_path):
    first = Run.create(tmp_path, {**CONFIG, "limits": (0.05, 0.3)})
    (tmp_path / "checkpoint.pt").write_bytes(b"kept")
    assert Run.create(tmp_path, {**CONFIG, "limits": [0.05, 0.3]}) == first
    assert (tmp_path / "checkpoint.pt").read_bytes() == b"kept"


def test_a_killed_creation_can_be_repeated(tmp_path):
    (tmp_path / "environment.json").write_text("{}")
    (tmp_path / ".half.json").write_text("{")
    assert Run.create(tmp_path, CONFIG).config == CONFIG


def test_another_config_is_refused_and_its_keys_named(tmp_path):
    Run.create(tmp_path, CONFIG).checkpoint.touch()
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(ValueError) as caught:
        Run.create(tmp_path, {"detector": "mean-depth", "params": {"width": 4}, "seed": 0, "category": "bagel"})
    message = str(caught.value)
    assert "params.width = 3 there, 4 now" in message
    assert 'data = "toy:ROOT" there, absent now' in message and 'category = absent there, "bagel" now' in message
    assert "seed" not in message and "\n" not in message
    assert (tmp_path / "config.json").read_bytes() == before


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(ValueError, match=r"is no run folder and holds thesis\.txt"):
        Run.create(tmp_path, CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_no_run_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is no run folder \(no config\.json\)"):
        Run.open(tmp_path)
    (tmp_path / "config.json").write_text('{"detector": ')
    with pytest.raises(ValueError, match=r"config\.json: not readable as JSON"):
        Run.open(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="a config is a JSON object, got list"):
        Run.open(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="names no detector"):
        Run.open(tmp_path).make_detector()


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="cannot be made: a file is in the way"):
        Run.create(tmp_path / "file" / "run", CONFIG)


def test_a_loaded_detector_scores_the_same(trained):
    run, detector = trained
    again = Run.open(run.folder).load_detector()
    assert type(again) is MeanDepth and not again.training and len(again.depths) == 4
    sample = ToyDataset()[1]
    assert torch.equal(torch.from_numpy(again.score(sample).pixels), torch.from_numpy(detector.score(sample).pixels))


def test_a_run_keeps_the_weights_that_its_detector_was_made_of(tmp_path, monkeypatch):
    from geoad.checks import synthetic_scan
    from geoad.descriptors.teacher import Teacher
    from geoad.nn.local_features import LocalFeatures

    monkeypatch.chdir(tmp_path)
    Teacher(LocalFeatures(8, 1), k=4).save("mine.safetensors")
    params = {"teacher": "mine.safetensors", "points": 60, "k": 4, "steps": 2}
    run = Run.create("run", {"detector": "3d-st", "params": params, "seed": 0})
    detector = run.make_detector()
    (tmp_path / "mine.safetensors").unlink()  # while it learns
    run.save_detector(detector.fit([synthetic_scan(0)], trainer=Trainer(device="cpu")))
    (tmp_path / "run").rename(tmp_path / "moved")
    loaded = Run.open(tmp_path / "moved").load_detector()
    assert loaded.score(synthetic_scan(1)).score == detector.score(synthetic_scan(1)).score
    assert Run.open(tmp_path / "moved").config["params"] == params


def test_loading_before_the_end_of_training(tmp_path):
    with pytest.raises(FileNotFoundError, match="training has not ended; repeat the fit command"):
        Run.create(tmp_path, CONFIG).load_detector()


def test_a_checkpoint_of_another_detector(trained, tmp_path):
    other = Run.create(tmp_path / "other", {"detector": "voxel-vm"})
    other.checkpoint.write_bytes(trained[0].checkpoint.read_bytes())
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors: is of detector 'mean-depth', expected 'voxel-vm'"):
        other.load_detector()


def test_a_checkpoint_of_other_shapes(trained, tmp_path):
    other = Run.create(tmp_path / "other", {**CONFIG, "params": {"width": 5}})
    other.checkpoint.write_bytes(trained[0].checkpoint.read_bytes())
    with pytest.raises(ValueError, match=r"is of other parameters: scale must have shape \(5,\), got \(3,\)"):
        other.load_detector()


@pytest.mark.parametrize("length", [0, 5, 40, -1])
def test_a_truncated_checkpoint(trained, length):
    run = trained[0]
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors: is truncated or no safetensors file") as caught:
        run.load_detector()
    assert "\n" not in str(caught.value)


def closed(path):
    raise PermissionError(13, "Permission denied", str(path))


def test_a_checkpoint_that_cannot_be_opened_is_not_called_truncated(trained, monkeypatch):
    monkeypatch.setattr("pathlib.Path.read_bytes", closed)  # the superuser may read everything
    with pytest.raises(PermissionError, match=r"checkpoint\.safetensors") as caught:
        trained[0].load_detector()
    assert "remove" not in str(caught.value)


def test_a_run_may_lie_where_the_name_is_no_utf_8(trained, tmp_path):
    run, detector = trained
    moved = run.folder.rename(tmp_path / os.fsdecode(b"l\xe4ufe"))
    assert torch.equal(Run.open(moved).load_detector().depths, detector.depths)


def test_a_run_is_read_in_utf_8_wherever_one_lives(tmp_path):
    Run.create(tmp_path, {**CONFIG, "data": "toy:Prüf"})
    code = "import sys; from geoad.evaluation import Run; print(ascii(Run.open(sys.argv[1]).config['data']))"
    there = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    said = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env=there, capture_output=True, text=True, check=False
    )
    assert said.stdout == "'toy:Pr\\xfcf'\n", said.stderr


def test_loading_a_detector_draws_nothing(tmp_path):
    run = Run.create(tmp_path, {"detector": "depth-ae", "params": {"size": 64, "latent": 4, "width": 4}})
    torch.manual_seed(1)
    run.save_detector(run.make_detector())
    before = torch.get_rng_state()
    run.load_detector()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_that_has_learnt_nothing_takes_another_config(tmp_path):
    first = tmp_path / "first.safetensors"
    first.write_bytes(b"weights")
    run = Run.create(tmp_path / "run", {"detector": "3d-st", "params": {"teacher": str(first)}})
    assert (run.folder / "teacher.safetensors").exists()
    (run.folder / "log").write_text("of the first attempt")
    with pytest.raises(ValueError, match="holds a run with another config"):
        Run.create(run.folder, CONFIG)
    other = Run.create(run.folder, {"detector": "3d-st", "params": {"teacher": "3d-st-64"}}, mended=True)
    assert not (run.folder / "log").exists()
    assert Run.open(run.folder).config == other.config and other.config["params"] == {"teacher": "3d-st-64"}
    assert not (run.folder / "teacher.safetensors").exists()  # or it would be taken for the new one
    with locked(run.folder / "training"), pytest.raises(ValueError, match="in use by another process"):
        Run.create(run.folder, CONFIG, mended=True)


@pytest.mark.parametrize("made", ["checkpoint.safetensors", "training/checkpoint.pt", "cell.json"])
def test_what_was_learnt_keeps_its_config(tmp_path, made):
    run = Run.create(tmp_path, CONFIG)
    (tmp_path / made).parent.mkdir(exist_ok=True)
    (tmp_path / made).touch()
    with pytest.raises(ValueError, match="holds a run with another config"):
        Run.create(tmp_path, {**CONFIG, "seed": 99}, mended=True)
    assert Run.open(tmp_path).config == run.config


def test_numbers_that_are_equal_are_the_same_config(tmp_path):
    Run.create(tmp_path, {"detector": "voxel-vm", "params": {"floor": 1}}).checkpoint.touch()
    Run.create(tmp_path, {"detector": "voxel-vm", "params": {"floor": 1.0}})
    with pytest.raises(ValueError, match=r"params\.floor = 1 there, 2 now"):
        Run.create(tmp_path, {"detector": "voxel-vm", "params": {"floor": 2}})


def test_a_digest_tells_other_weights_and_other_parameters(trained):
    run, detector = trained
    before = run.digest()
    assert Run.open(run.folder).digest() == before != Run(run.folder, {**CONFIG, "params": {"width": 4}}).digest()
    detector.depths += 1
    run.save_detector(detector)
    assert run.digest() != before


def test_weights_that_are_kept_stay_what_they_were(tmp_path):
    given = tmp_path / "mine.safetensors"
    config = {"detector": "3d-st", "params": {"teacher": str(given)}, "seed": 0}
    for content in (b"old", b"new"):
        given.write_bytes(content)
        Run.create(tmp_path / "run", config)
    assert (tmp_path / "run" / "teacher.safetensors").read_bytes() == b"old"


def test_a_folder_removed_while_it_learnt_is_a_run_again(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG)
    detector = run.make_detector().fit(ToyDataset(("good",) * 4), trainer=Trainer(device="cpu"))
    shutil.rmtree(run.folder)
    run.save_detector(detector)
    again = Run.open(run.folder)
    assert again.config == CONFIG and len(again.load_detector().depths) == 4
