"""The pretrained teacher as a descriptor: kinds and devices, invariances, scans, and what a tired user gives it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from geoad.descriptors import Teacher, fpfh, teacher_fpfh
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.local_features import LocalFeatures
from geoad.nn.point_graph import neighbour_distance, point_graph
from geoad.ops.knn import knn


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher.from_pretrained("3d-st-64")


def surface(n: int = 1000, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 1, (n, 2))
    return np.column_stack([xy, 0.1 * np.sin(6 * xy[:, 0]) + rng.normal(0, 0.002, n)]).astype(np.float32)


class Data:
    """A cloud of others, which looks like a list of its parts."""

    def __init__(self, **parts: Any) -> None:
        self.parts = list(parts.items())

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, at: int) -> Any:
        return self.parts[at]


def test_kinds_go_out_as_they_came_in(teacher: Teacher) -> None:
    points = surface()
    described = teacher(points)
    assert isinstance(described, np.ndarray) and described.shape == (1000, 64) and described.dtype == np.float32
    tensor = teacher(torch.from_numpy(points))
    assert isinstance(tensor, torch.Tensor) and np.array_equal(tensor.numpy(), described)


def test_the_layout_and_type_of_an_array_do_not_count(teacher: Teacher) -> None:
    points = surface()
    described = teacher(points)
    frozen = points.copy()
    frozen.flags.writeable = False
    backwards = np.ascontiguousarray(points[::-1])[::-1]
    for same in (points.astype(np.float64), points.astype(">f4"), np.asfortranarray(points), points.tolist(), frozen):
        assert np.array_equal(teacher(same), described)
    assert backwards.strides[0] < 0 and np.array_equal(teacher(backwards), described)
    assert torch.equal(teacher(torch.from_numpy(points).double()), torch.from_numpy(described))


def test_small_types(teacher: Teacher) -> None:
    half = surface().astype(np.float16)
    described = teacher(half.astype(np.float32))
    assert np.array_equal(teacher(half), described)
    assert torch.equal(teacher(torch.from_numpy(half)), torch.from_numpy(described))
    whole = (surface() * 10_000).astype(np.int32)  # tenths of a millimetre
    assert np.array_equal(teacher(whole), teacher(whole.astype(np.float32)))


def test_the_input_is_left_alone_and_no_gradient_flows(teacher: Teacher) -> None:
    points = surface()
    tensor = torch.from_numpy(points.copy()).requires_grad_()
    described = teacher(tensor)
    assert not described.requires_grad and np.array_equal(tensor.detach().numpy(), points)


def test_a_head_can_learn_on_top(teacher: Teacher) -> None:
    head = torch.nn.Linear(64, 2)
    head(teacher(torch.from_numpy(surface()))).sum().backward()
    assert head.weight.grad is not None


def test_a_teacher_in_double_precision(teacher: Teacher) -> None:
    double = Teacher.from_pretrained("3d-st-64").double()
    described = double(surface())
    assert described.dtype == np.float64
    np.testing.assert_allclose(described, teacher(surface()), rtol=1e-3, atol=1e-4)


def test_the_order_of_points_changes_no_bit(teacher: Teacher) -> None:
    points = np.round(surface(64_000) * 2**17) / 2**17  # rounded, so that some neighbours are equally distant
    index, sq_dist = knn(points, 33, include_self=False)
    assert (sq_dist[:, 1:32] == sq_dist[:, :31]).any(1).sum() > 5
    undecided = sq_dist[:, 31] == sq_dist[:, 32]  # the numbering of the points decides who is the last neighbour
    for _ in range(teacher.network.hops):
        undecided |= undecided[index[:, :32]].any(1)
    assert undecided.mean() < 0.2
    order = np.random.default_rng(1).permutation(len(points))
    change = (teacher(points[order]) != teacher(points)[order]).any(1)
    assert not change[~undecided[order]].any()


def test_offsets_that_float32_holds_change_no_bit(teacher: Teacher) -> None:
    points = np.round(surface() * 1024) / 1024
    described = teacher(points)
    for offset in ((2.0, -4.0, 8.0), (1000.0, 0.0, -1000.0)):
        moved = points + np.float32(offset)
        assert np.array_equal(moved - np.float32(offset), points)
        assert np.array_equal(teacher(moved), described)


def test_an_outlier_leaves_the_rest_as_it_is(teacher: Teacher) -> None:
    points = np.random.default_rng(0).random((300, 3))
    alone = teacher(points, spacing=0.1)
    beside = teacher(np.vstack([points, [[-1e9, 0, 0]]]), spacing=0.1)
    np.testing.assert_allclose(beside[:-1], alone, atol=1e-4 * np.abs(alone).max())


def test_float64_keeps_a_scan_far_from_the_origin(teacher: Teacher) -> None:
    scan = surface().astype(np.float64) * 0.1
    described = teacher(scan)
    moved = scan + np.array([1e3, -5e5, 4e6])  # metres, as in a national grid; float32 would round to half a metre
    np.testing.assert_allclose(teacher(moved), described, rtol=1e-3, atol=1e-3)
    order = np.random.default_rng(0).permutation(len(scan))
    assert np.array_equal(teacher(moved[order]), teacher(moved)[order])


def test_absolute_coordinates_are_left_absolute() -> None:
    torch.manual_seed(0)
    teacher = Teacher(LocalFeatures(8, 1, "absolute"), k=8).eval()
    points = surface(100).astype(np.float64) + 0.1
    described = teacher(points.astype(np.float32))
    assert np.array_equal(teacher(points), described)


def test_the_unit_does_not_count(teacher: Teacher) -> None:
    points = surface()
    described = teacher(points)
    assert np.array_equal(teacher(points * np.float32(1024)), described)
    np.testing.assert_allclose(teacher(points * np.float32(1000)), described, rtol=1e-3, atol=1e-4)


def test_a_spacing_is_shared(teacher: Teacher) -> None:
    points = surface()
    graph = point_graph(points, 32)
    own = neighbour_distance(graph["points"], graph["index"])
    np.testing.assert_allclose(teacher(points, spacing=own), teacher(points), rtol=1e-4, atol=1e-5)
    assert not np.allclose(teacher(points, spacing=2 * own), teacher(points), atol=1e-2)
    assert np.array_equal(teacher(points * np.float32(4), spacing=4.0), teacher(points, spacing=1.0))


def test_an_organised_scan(teacher: Teacher) -> None:
    xyz = surface(600).reshape(20, 30, 3)
    xyz[0, 0], xyz[3, 4], xyz[5, 6, 2], xyz[7, 8, 0] = 0, np.nan, np.inf, np.nan
    valid = XYZImage(xyz).valid
    assert (~valid).sum() == 4
    described = teacher.apply_organized(xyz)
    assert described.shape == (20, 30, 64) and described.dtype == np.float32
    assert np.isnan(described[~valid]).all() and np.array_equal(described[valid], teacher(xyz[valid]))
    assert np.array_equal(teacher.apply_organized(XYZImage(xyz)), described, equal_nan=True)
    tensor = teacher.apply_organized(torch.from_numpy(xyz))
    assert isinstance(tensor, torch.Tensor) and np.array_equal(tensor.numpy(), described, equal_nan=True)
    shared = teacher.apply_organized(xyz, 0.1, chunk=100)[valid]
    np.testing.assert_array_equal(shared, teacher(xyz[valid], 0.1, chunk=100))


def test_clouds_of_a_few_points(teacher: Teacher) -> None:
    for n in (2, 3, 32, 33, 34):
        described = teacher(surface(n))
        assert described.shape == (n, 64) and np.isfinite(described).all()


def test_points_that_coincide(teacher: Teacher) -> None:
    described = teacher(np.repeat(surface(100), 2, axis=0))
    assert np.isfinite(described).all()
    heap = np.concatenate([np.zeros((50, 3)), surface(50)])  # more equal points than neighbours
    assert np.isfinite(teacher(heap)).all()
    assert np.isfinite(teacher(np.zeros((50, 3)), spacing=1.0)).all()


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        (np.zeros((4, 100)), ValueError, r"points must have shape \(N, 3\), got \(4, 100\)"),
        (np.zeros(3), ValueError, r"points must have shape \(N, 3\), got \(3,\)"),
        ([], ValueError, r"points must have shape \(N, 3\), got \(0,\)"),
        (np.zeros((0, 3)), ValueError, "points must be at least 2, got 0"),
        (torch.zeros(1, 3), ValueError, "points must be at least 2, got 1"),
        (np.zeros((50, 3)), ValueError, "points must not all coincide with their neighbours"),
        (np.full((5, 3), np.nan), ValueError, "points must be finite, got 5 of 5 that are not"),
        ([[0, 0, 0], [1, 0, np.inf]], ValueError, "points must be finite, got 1 of 2 that are not"),
        (np.eye(3) * 1e30, ValueError, "points must be less than 1e19 apart"),
        (np.eye(3) * 1e300, ValueError, "points must be less than 1e19 apart"),
        (np.zeros((5, 3), bool), TypeError, "points must hold real numbers, got bool"),
        (torch.zeros(5, 3, dtype=torch.complex64), TypeError, "points must hold real numbers, got torch.complex64"),
        (np.full((5, 3), "1"), TypeError, "points must hold real numbers, got <U1"),
        ("scan.ply", TypeError, "points must be an array, got str"),
        (None, TypeError, "points must be an array, got NoneType"),
        (XYZImage(np.ones((2, 2, 3))), TypeError, "points must be an array, got XYZImage"),
        ([[0, 0, 0], [1, 0]], ValueError, "points must be an array, got rows of several lengths"),
        (Data(pos=np.zeros((5, 3))), TypeError, "points must be an array, got Data"),
        (Data(pos=np.zeros((5, 3)), normal=np.zeros((5, 2))), TypeError, "points must be an array, got Data"),
        (np.full((5, 3), None), TypeError, "points must hold real numbers, got object"),
        (np.ma.masked_less(np.eye(3), 1), ValueError, "points must be finite, got 3 of 3 that are not"),
        (torch.zeros(5, 3, device="meta"), ValueError, "points must be where the teacher is, on cpu, got points on m"),
    ],
)
def test_bad_points(teacher: Teacher, points: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        teacher(points)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"spacing": -1.0}, r"spacing must be positive and finite, got -1\.0"),
        ({"spacing": 0}, "spacing must be positive and finite, got 0"),
        ({"spacing": float("nan")}, "spacing must be positive and finite, got nan"),
        ({"spacing": float("inf")}, "spacing must be positive and finite, got inf"),
        ({"spacing": 1e-40}, "spacing must be positive and finite, got 1e-40"),
        ({"chunk": 0}, "chunk must be positive, got 0"),
    ],
)
def test_bad_keywords(teacher: Teacher, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        teacher(surface(100), **keywords)


def test_keywords_that_are_no_numbers(teacher: Teacher) -> None:
    with pytest.raises(TypeError, match="spacing must be a number, got '1'"):
        teacher(surface(100), spacing="1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="chunk must be an int, got str"):
        teacher(surface(100), chunk="64")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="chunk must be an int, got float"):
        teacher(surface(100), chunk=0.5)  # type: ignore[arg-type]


def test_teacher_and_histograms_of_a_tensor_are_a_tensor() -> None:
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) + 1
    assert np.array_equal(teacher_fpfh(points).numpy(), teacher_fpfh(points.numpy()))


def test_bad_scans(teacher: Teacher) -> None:
    with pytest.raises(ValueError, match=r"xyz must have shape \(H, W, 3\), got \(3, 4, 5\)"):
        teacher.apply_organized(np.zeros((3, 4, 5)))
    with pytest.raises(ValueError, match="xyz must have at least 2 valid pixels, got 0"):
        teacher.apply_organized(XYZImage(np.zeros((4, 4, 3))))
    with pytest.raises(ValueError, match="xyz must have at least 2 valid pixels, got 0"):
        teacher.apply_organized(torch.zeros(0, 4, 3))


def test_bad_teachers(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"unknown teacher '3d-st-46' \(did you mean '3d-st-64'"):
        Teacher.from_pretrained("3d-st-46")
    with pytest.raises(ValueError, match="no such teacher file"):
        Teacher.from_pretrained(tmp_path / "mine.safetensors")
    with pytest.raises(TypeError, match="a teacher must be a name or a path, got NoneType"):
        Teacher.from_pretrained(None)  # type: ignore[arg-type]
    (tmp_path / "odd.safetensors").write_bytes(save({}, {"geoad": '{"format": "geoad-teacher-1", "k": 4}'}))
    with pytest.raises(ValueError, match=r"odd.safetensors: not a teacher: it does not say its blocks"):
        Teacher.from_pretrained(tmp_path / "odd.safetensors")
    with pytest.raises(ValueError, match="k must be positive, got 0"):
        Teacher(LocalFeatures(8, 1), k=0)
    for device in ("gpu", "cuda:99"):
        with pytest.raises(ValueError, match=f"device must be one that torch has here, got '{device}'") as raised:
            Teacher.from_pretrained("3d-st-64", device)
        assert "\n" not in str(raised.value)


def test_importing_descriptors_is_light() -> None:
    code = "import sys; from geoad import descriptors; assert not {'torch', 'numba', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.gpu
@pytest.mark.parametrize("width", [64, 128])
@pytest.mark.parametrize("chunk", [1 << 20, 10_000])
def test_cpu_and_gpu_agree(width: int, chunk: int) -> None:
    torch.manual_seed(0)
    teacher = Teacher(LocalFeatures(width)).eval()
    points = torch.from_numpy(surface(64_000))
    expected = teacher(points)
    described = teacher.cuda()(points.cuda(), chunk=chunk)
    assert described.is_cuda
    torch.testing.assert_close(described.cpu(), expected, rtol=1e-4, atol=1e-4 * float(expected.std()))


@pytest.mark.gpu
def test_a_teacher_on_a_gpu() -> None:
    teacher, points = Teacher.from_pretrained("3d-st-64", "cuda"), surface()
    expected = Teacher.from_pretrained("3d-st-64")(points)
    described = teacher(points)
    assert isinstance(described, np.ndarray)
    np.testing.assert_allclose(described, expected, rtol=1e-4, atol=1e-4 * float(expected.std()))
    scan = torch.from_numpy(points).reshape(20, 50, 3).cuda()
    scan[0, 0] = 0
    organised = teacher.apply_organized(scan)
    assert organised.is_cuda and organised[0, 0].isnan().all() and organised[0, 1].isfinite().all()
    with pytest.raises(ValueError, match="points must be where the teacher is, on cuda:0, got points on cpu"):
        teacher(torch.from_numpy(points))
    with pytest.raises(ValueError, match="points must be where the teacher is, on cpu, got points on cuda:0"):
        Teacher.from_pretrained("3d-st-64")(scan.reshape(-1, 3))


def test_a_saved_teacher_can_be_loaded(tmp_path: Path) -> None:
    saved = Teacher(LocalFeatures(8, 1, outputs=4), k=4).eval()
    saved.save(tmp_path / "mine.safetensors")
    points = surface(100)
    assert np.array_equal(Teacher.from_pretrained(tmp_path / "mine.safetensors")(points), saved(points))
    with pytest.raises(ValueError, match=r"must be called \*\.safetensors, got mine\.pt"):
        saved.save("mine.pt")


def test_a_teacher_that_cannot_be_opened_is_not_called_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    Teacher(LocalFeatures(8, 1), k=4).save(tmp_path / "mine.safetensors")
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "mine.safetensors").read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"half\.safetensors: not a whole safetensors file"):
        Teacher.from_pretrained(tmp_path / "half.safetensors")
    monkeypatch.setattr(Path, "read_bytes", closed)  # the superuser may read everything
    with pytest.raises(PermissionError, match=r"mine\.safetensors") as caught:
        Teacher.from_pretrained(tmp_path / "mine.safetensors")
    assert "again" not in str(caught.value)


def test_a_teacher_is_loaded_whatever_torchs_default_device_is() -> None:
    with torch.device("meta"):
        loaded = Teacher.from_pretrained("3d-st-64")
    assert {parameter.device.type for parameter in loaded.parameters()} == {"cpu"}
    np.testing.assert_array_equal(loaded(surface(100)), Teacher.from_pretrained("3d-st-64")(surface(100)))


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
def test_a_teacher_cannot_be_traced(teacher: Teacher) -> None:
    points = torch.from_numpy(surface(100))
    with pytest.raises(RuntimeError, match="a teacher cannot be traced"):
        torch.jit.trace(teacher, points, check_trace=False)
    with pytest.raises(RuntimeError, match="a teacher cannot be traced"):
        torch.jit.trace(lambda scan: teacher.apply_organized(scan), points.reshape(10, 10, 3), check_trace=False)


def test_loading_a_teacher_draws_nothing() -> None:
    before = torch.get_rng_state()
    Teacher.from_pretrained("3d-st-64")
    assert torch.equal(torch.get_rng_state(), before)


def test_descriptors_are_the_same_under_autocast_and_halves_are_refused() -> None:
    teacher, points = Teacher(LocalFeatures(8, 1), k=4).eval(), surface(100)
    expected = teacher(points)
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(teacher(points), expected)
    with pytest.raises(TypeError, match=r"float32 or float64, got one in torch\.bfloat16: call its float\(\)"):
        teacher.bfloat16()(points)


def test_it_is_float32_whatever_torchs_default_dtype_is() -> None:
    points = np.random.default_rng(0).random((200, 3), dtype=np.float32)
    torch.set_default_dtype(torch.float64)
    try:
        found = Teacher.from_pretrained("3d-st-64")(points)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(found, Teacher.from_pretrained("3d-st-64")(points))
    assert found.dtype == np.float32


def test_learned_numbers_come_first() -> None:
    points = np.random.default_rng(0).random((200, 3), dtype=np.float32) + 1
    expected = [Teacher.from_pretrained("3d-st-64")(points), fpfh(points)]
    assert np.array_equal(teacher_fpfh(points), np.concatenate(expected, axis=1))
