"""The 3D-ST network: parameter counts, invariances, receptive field (spec 7.1, 7.2, 7.5, 7.6)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from geoad.descriptors.teacher import Teacher
from geoad.nn.local_features import FieldDecoder, LocalFeatures
from geoad.nn.point_graph import neighbour_distance, point_graph
from geoad.ops import _aggregate_op, aggregate_torch
from geoad.ops.receptive_field import receptive_field, relabel


def graph(n: int = 300, k: int = 8, seed: int = 0) -> tuple[Tensor, Tensor, float]:
    batch = point_graph(np.random.default_rng(seed).random((n, 3), dtype=np.float32), k)
    points = batch["points"].double()
    return points, batch["index"], 1 / float(neighbour_distance(points, batch["index"]))


def network(width: int = 16, blocks: int = 4, coordinates: str = "relative") -> LocalFeatures:
    torch.manual_seed(1)
    return LocalFeatures(width, blocks, coordinates).double()


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts() -> None:
    assert [count(m) for m in (LocalFeatures(64), LocalFeatures(128))] == [46_720, 183_552]
    assert [count(m) for m in (FieldDecoder(64), FieldDecoder(128))] == [421_120, 429_312]


def test_decoder_shape_and_slopes() -> None:
    decoder = FieldDecoder(64)
    assert decoder(torch.zeros(16, 64)).shape == (16, 1024, 3)
    assert [layer.negative_slope for layer in decoder.layers if isinstance(layer, nn.LeakyReLU)] == [0.05, 0.05]


def by_hand(state: dict[str, np.ndarray], points: np.ndarray, index: np.ndarray, scale: float) -> np.ndarray:
    """Figure 10.4 and equation 10.1, line by line."""

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def shared(x: np.ndarray, name: str) -> np.ndarray:
        y = linear(x, name)
        return np.where(y > 0, y, 0.2 * y)

    def aggregate(features: np.ndarray, name: str) -> np.ndarray:
        own, near = np.broadcast_to(points[:, None], points[index].shape), points[index]
        offset = own - near
        distance = np.linalg.norm(offset, axis=2, keepdims=True)
        absolute = state[f"{name}.embed.weight"].shape[1] == 10
        geometry = np.concatenate([own, near, offset, distance] if absolute else [offset, distance], axis=2) * scale
        return np.concatenate([shared(geometry, f"{name}.embed"), features[index]], axis=2).mean(1)

    features = np.zeros((len(points), state["hidden.weight"].shape[1]))
    for block in (f"blocks.{number}." for number in range(4)):
        hidden = aggregate(shared(features, block + "enter"), block + "first")
        hidden = aggregate(hidden, block + "second")
        features = shared(hidden, block + "leave") + shared(features, block + "skip")
    return linear(shared(features, "hidden"), "output")


@pytest.mark.parametrize("which", ["3d-st-64", "relative", "absolute"])
def test_the_network_is_that_of_the_figure(which: str) -> None:
    points, index, scale = graph(k=8)
    net = Teacher.from_pretrained(which).network.double() if which == "3d-st-64" else network(coordinates=which)
    state = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    found = net(points, index, scale).detach().numpy()
    np.testing.assert_allclose(found, by_hand(state, points.numpy(), index.numpy(), scale), rtol=0, atol=1e-10)
    assert np.abs(found).max() > 0.01


def test_translation_permutation_and_scale() -> None:
    points, index, scale = graph()
    net = network()
    features = net(points, index, scale)
    torch.testing.assert_close(net(points + 100, index, scale), features, rtol=0, atol=1e-11)
    scaled = points * 7.3
    again = 1 / float(neighbour_distance(scaled, index))
    torch.testing.assert_close(net(scaled, index, again), features, rtol=0, atol=1e-12)
    order = torch.randperm(len(points))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    assert torch.equal(net(points[order], place[index[order].long()], scale), features[order])


def test_rotation_changes_features() -> None:
    points, index, scale = graph()
    net = network()
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    change = (net(points @ turn, index, scale) - net(points, index, scale)).abs().mean()
    assert change > 1e-3


def test_float32_offsets_are_exact_far_from_the_origin() -> None:
    """Half a metre away, in coordinates that float32 can hold: offsets are subtracted before anything is scaled."""
    points, index, _ = graph(seed=3)
    near = (points * 0.0625).float()
    far = near + 0.5
    near = far - 0.5  # what float32 keeps of it
    net = network().float()
    assert torch.equal(net(near, index, 50.0), net(far, index, 50.0))


def test_gradient_support_is_the_receptive_field() -> None:
    points, index, scale = graph(n=500, k=4)
    net = network()
    leaf = points.clone().requires_grad_()
    plain = [m for m in net.modules() if hasattr(m, "coordinates")]
    assert plain
    query = 17
    features = torch_forward(net, leaf, index, scale)
    (gradient,) = torch.autograd.grad(features[query].sum(), leaf)
    support = set(gradient.abs().sum(1).nonzero().flatten().tolist())
    assert support == set(receptive_field(index.numpy(), query, 8).nodes.tolist())
    torch.testing.assert_close(features, net(points, index, scale), rtol=1e-10, atol=1e-10)


def torch_forward(net: LocalFeatures, points: Tensor, index: Tensor, scale: float) -> Tensor:
    """The same network through the plain aggregation, which also differentiates the coordinates."""
    from geoad.nn import local_features

    original = local_features.aggregate
    try:
        local_features.aggregate = lambda *a, **kw: original(*a, **kw, backend="torch")  # type: ignore[assignment]
        return net(points, index, scale)
    finally:
        local_features.aggregate = original


def test_without_a_kernel_the_network_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    points, index, scale = graph()
    net = network()
    leaves = list(net.parameters())
    fused = net(points, index, scale)
    fused_gradients = torch.autograd.grad(fused.square().sum(), leaves)
    monkeypatch.delitem(_aggregate_op.KERNELS, "cpu")
    calls = []
    forward = aggregate_torch.forward
    monkeypatch.setattr(aggregate_torch, "forward", lambda *a: calls.append(1) or forward(*a))
    plain = net(points, index, scale)
    assert len(calls) == net.hops
    torch.testing.assert_close(plain, fused, rtol=1e-11, atol=1e-12)
    for a, b in zip(torch.autograd.grad(plain.square().sum(), leaves), fused_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_point_outside_the_field_changes_no_bit() -> None:
    points, index, scale = graph(n=500, k=4)
    net = network()
    nodes = receptive_field(index.numpy(), 17, 8).nodes
    moved = points.clone()
    outside = np.setdiff1d(np.arange(len(points)), nodes)
    moved[outside] += 3
    before, after = net(points, index, scale), net(moved, index, scale)
    assert torch.equal(before[17], after[17])
    assert not torch.equal(before[outside], after[outside])


def test_cone_equals_the_whole_cloud_and_its_gradients() -> None:
    points, index, scale = graph(n=2000, k=8)
    net, queries = network(), np.array([3, 500, 1999])
    field = receptive_field(index.numpy(), queries, net.hops)
    assert field.sizes[-1] < len(points)
    table = torch.from_numpy(relabel(index.numpy(), field.nodes, int(field.sizes[-2])))
    weights = torch.randn(3, 16, dtype=torch.float64)
    both = net(points, index, scale)[queries], net(points[field.nodes], table, scale, field.sizes.tolist())
    gradients = [torch.autograd.grad((features * weights).sum(), list(net.parameters())) for features in both]
    for whole, cone in zip(*gradients, strict=True):
        torch.testing.assert_close(cone, whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("coordinates", ["relative", "absolute"])
def test_a_neighbour_that_is_none_is_refused(coordinates: str) -> None:
    with pytest.raises(ValueError, match=r"index must lie in \[0, 5\), got values from -1 to 4"):
        LocalFeatures(8, 1, coordinates)(torch.rand(5, 3), torch.tensor([[1], [2], [3], [4], [-1]]))


def test_absolute_coordinates_lose_translation_invariance() -> None:
    points, index, scale = graph()
    net = network(coordinates="absolute")
    assert (net(points + 1, index, scale) - net(points, index, scale)).abs().mean() > 1e-3


def test_normalised_distances_have_mean_one() -> None:
    points, index, scale = graph()
    assert float(neighbour_distance(points * scale, index)) == pytest.approx(1, abs=1e-12)


def test_bad_widths() -> None:
    with pytest.raises(ValueError, match="positive multiple of 4, got 30"):
        LocalFeatures(30)
    with pytest.raises(ValueError, match="unknown coordinates 'rel'"):
        LocalFeatures(32, coordinates="rel")


def test_what_is_not_a_cloud_with_its_table_is_refused() -> None:
    """The kernels take memory as it comes: what they are given is looked at before."""
    points, index, _ = graph()
    net = network()
    with pytest.raises(ValueError, match=r"points must have shape \(n, 3\), got \(300, 2\)"):
        net(points[:, :2], index)
    with pytest.raises(ValueError, match=r"index must have shape \(n, k\), got \(300,\)"):
        net(points, index[:, 0])
    for kind in (torch.float64, torch.int16):
        with pytest.raises(TypeError, match=f"index must be int32 or int64, got {kind}"):
            net(points, index.to(kind))
    for wrong in (-1, 300):
        with pytest.raises(ValueError, match=r"index must lie in \[0, 300\), got values from"):
            net(points, torch.where(index == index[7, 3], wrong, index))


def test_descriptors_of_another_length() -> None:
    points, index, _ = graph()
    torch.manual_seed(1)
    net = LocalFeatures(16, 2, outputs=0)
    assert net.outputs == 0 and net(points.float(), index).shape == (300, 0)
    net.double().grow(33)
    assert net.outputs == 33 and net(points, index).shape == (300, 33) and net.output.weight.dtype == torch.float64
    assert (LocalFeatures(16).outputs, LocalFeatures(16, outputs=7).outputs) == (16, 7)
    with pytest.raises(ValueError, match="blocks must be positive, got 0"):
        LocalFeatures(16, 0)


@pytest.mark.slow
def test_the_laws_at_the_size_of_the_thesis() -> None:
    """Spec 7.1 with 64 000 points, k = 32, d = 64: translation, unit, order of the points (bit for bit), rotation."""
    points, index, scale = graph(n=64_000, k=32)
    net = network(64)
    with torch.no_grad():
        features = net(points, index, scale)
        torch.testing.assert_close(net(points + 100, index, scale), features, rtol=0, atol=1e-11)
        again = 1 / float(neighbour_distance(points * 7.3, index))
        torch.testing.assert_close(net(points * 7.3, index, again), features, rtol=0, atol=1e-12)
        order = torch.randperm(len(points))
        shuffled = point_graph(points[order].float().numpy(), 32)  # its own neighbour search
        net.float()
        assert torch.equal(net(shuffled["points"], shuffled["index"], scale), net(points.float(), index, scale)[order])
        turn = torch.linalg.qr(torch.randn(3, 3)).Q
        change = net(points.float() @ turn, index, scale) - features
        assert change.abs().mean() > 0.01 * features.abs().mean()


@pytest.mark.slow
def test_cones_at_the_size_of_the_thesis() -> None:
    """Spec 7.2 with 64 000 points, k = 32: the field of a point holds all that it depends on, gradients too."""
    points, index, scale = graph(n=64_000, k=32)
    net, queries = network(16), np.argsort(((points - points.mean(0)) ** 2).sum(1).numpy())[:3]
    field = receptive_field(index.numpy(), queries, net.hops)
    outside = np.setdiff1d(np.arange(len(points)), field.nodes)
    assert 1000 < len(field.nodes) < len(points) - 1000
    moved = points.clone()
    moved[outside] += 3
    with torch.no_grad():
        before, after = net(points, index, scale), net(moved, index, scale)
    assert torch.equal(before[queries], after[queries]) and not torch.equal(before[outside], after[outside])
    table = torch.from_numpy(relabel(index.numpy(), field.nodes, int(field.sizes[-2])))
    both = net(points, index, scale)[queries], net(points[field.nodes], table, scale, field.sizes.tolist())
    gradients = [torch.autograd.grad(features.square().sum(), list(net.parameters())) for features in both]
    for whole, cone in zip(*gradients, strict=True):
        torch.testing.assert_close(cone, whole, rtol=1e-9, atol=1e-12)
