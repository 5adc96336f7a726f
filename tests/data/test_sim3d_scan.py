"""What a simulated scan shows: the part, its defect, its shadow, and the sensor's effects one by one."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from geoad.data.sim3d import CATEGORIES, get_category
from geoad.data.sim3d.defects import Anchor
from geoad.data.sim3d.mesh import Mesh, grid
from geoad.data.sim3d.render import cast
from geoad.data.sim3d.scan import AREA, Scan, simulate
from geoad.data.sim3d.scene import DISTANCE, Pose, Station, View
from geoad.data.sim3d.sensor import Sensor, sense
from geoad.geometry.camera import Camera

IDEAL = Sensor.ideal()
KINDS = [(name, kind) for name in CATEGORIES for kind in get_category(name).kinds[1:]]


def scan(name: str, kind: str, seed: int = 0, sensor: Sensor | None = None, pixels: int = 100) -> Scan:
    return simulate(get_category(name), kind, np.random.SeedSequence(seed), pixels=pixels, sensor=sensor)


def valid(xyz: NDArray[np.float32]) -> NDArray[np.bool_]:
    return (xyz != 0).any(-1)


def plate(height: float, half: float) -> Mesh:
    """A thin square plate that floats above the table, mm."""
    side = np.linspace(-half, half, 41)
    x, y = np.meshgrid(side, side, indexing="ij")
    return grid(np.stack([x, y, np.full_like(x, height)], -1), colour=(0.5, 0.5, 0.5))


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_the_mask_is_where_the_part_changed(name: str, kind: str) -> None:
    good, bad = scan(name, "good", 1, IDEAL), scan(name, kind, 1, IDEAL)
    change = np.abs(good.xyz[..., 2] - bad.xyz[..., 2])
    tint = np.abs(good.rgb.astype(int) - bad.rgb).max(-1)
    assert (change[~bad.mask] > 3.1e-4).sum() <= 12  # specks of at most three pixels
    seen = (change > 2.9e-4) | (tint > 3)
    assert seen[bad.mask].mean() > (
        0.5 if kind in ("bent", "open") else 0.8
    )  # a piece that slid along itself is hidden
    assert AREA[0] <= bad.mask.mean() <= AREA[1]
    assert (change.max() < 1e-6) == (kind == "color")
    assert kind == "color" or change.max() > 8e-4  # a defect stands out of 0.06 mm of noise
    assert not good.mask.any()


def test_combined_parts_have_defects_of_several_kinds() -> None:
    counts = [ndimage.label(scan("foam", "combined", seed, IDEAL).mask, np.ones((3, 3)))[1] for seed in range(6)]
    assert np.median(counts) >= 2
    foam, rng = get_category("foam"), np.random.default_rng(0)
    assert all(len(set(map(id, foam.choose("combined", rng)))) >= 2 for _ in range(20))
    assert all(len(set(map(id, foam.choose("cut", rng)))) == 1 for _ in range(20))


def test_a_bend_carries_along_what_else_is_on_the_part() -> None:
    dowel = get_category("dowel")
    bent = dowel.defects["bent"]
    picks = [dowel.choose("combined", np.random.default_rng(seed)) for seed in range(30)]
    assert all(pick[-1] is bent for pick in picks if bent in pick) and any(bent in pick for pick in picks)


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_perfect_sensor_loses_nothing(name: str) -> None:
    assert valid(scan(name, "good", sensor=IDEAL).xyz).all()


@pytest.mark.parametrize("name", CATEGORIES)
def test_shadow_alone_loses_only_what_the_projector_cannot_reach(name: str) -> None:
    category, sensor = get_category(name), replace(IDEAL, shadow=True)
    xyz = scan(name, "good", sensor=sensor).xyz
    shape = np.random.default_rng(np.random.SeedSequence(0).spawn(3)[0])
    station = category.station(100)
    mesh, pose = category.build(shape, 1.25 * station.pitch), category.lay(shape)
    view = station.look(mesh, pose)
    lost = ~valid(xyz)
    assert np.array_equal(lost, station.shadow(mesh, pose, view.depth))
    # a part that lies along the baseline shades a strip no wider than itself
    assert (1e-4 if name in ("carrot", "cookie", "dowel", "rope") else 2e-3) < lost.mean() < 0.15
    steep = np.einsum("hwi,hwi->hw", view.normal, station.rays) < -0.9  # the top of the part
    assert lost[view.part & steep].mean() < 0.02


@pytest.mark.parametrize("name", CATEGORIES)
def test_points_lie_on_their_pixels_rays(name: str) -> None:
    station = get_category(name).station(100)
    xyz = scan(name, "good").xyz
    row, column = np.nonzero(valid(xyz))
    pixels = station.camera.project(xyz[row, column])
    assert np.abs(pixels - np.column_stack([column, row])).max() < 0.01


@pytest.mark.parametrize("name", CATEGORIES)
def test_the_share_of_lost_pixels_is_a_scanners(name: str) -> None:
    lost = [1 - valid(scan(name, kind, pixels=200).xyz).mean() for kind in get_category(name).kinds]
    assert min(lost) > 0.03 and max(lost) < 0.25


def test_natural_parts_vary_and_rigid_ones_do_not() -> None:
    def spread(name: str) -> float:
        meshes = [get_category(name).build(np.random.default_rng(seed), 1.5).vertices for seed in range(6)]
        widths = [np.ptp(vertices, axis=0)[:2] for vertices in meshes if len(vertices)]
        return float(np.std(widths, axis=0).max())

    assert spread("bagel") > 1.0
    assert spread("foam") > 0.4
    assert spread("rope") > 1.0
    assert spread("peach") > 1.0 and spread("potato") > 1.0 and spread("carrot") > 1.0 and spread("cookie") > 0.5
    assert spread("tire") > 0.2
    assert spread("cable_gland") < 0.2
    assert spread("dowel") < 0.2


def test_a_bent_dowel_is_straight_up_to_the_knee_and_rigid_beyond_it() -> None:
    mesh = get_category("dowel").build(np.random.default_rng(0), 0.5)
    anchor = Anchor(np.array([13.0, 0.0, 10.0]), np.array([0.0, 0.0, 1.0]))
    bent = get_category("dowel").defects["bent"].change(mesh, anchor, np.random.default_rng(0)).vertices
    x = mesh.vertices[:, 0]
    np.testing.assert_allclose(bent[x < 13], mesh.vertices[x < 13], atol=1e-12)
    before, after = mesh.vertices[x > 16], bent[x > 16]
    np.testing.assert_allclose(
        np.linalg.norm(after - after[0], axis=1), np.linalg.norm(before - before[0], axis=1), atol=1e-9
    )
    assert np.linalg.norm(after - before, axis=1).min() > 0.2


def test_open_pulls_one_strand_out_and_leaves_the_rest_of_the_rope() -> None:
    rope = get_category("rope")
    mesh = rope.build(np.random.default_rng(0), 1.0)
    middle = np.abs(mesh.vertices[:, 0]) < 10
    top = mesh.vertices[middle][np.argmax(mesh.vertices[middle, 2])]
    change = rope.defects["open"].change(mesh, Anchor(top, np.array([0.0, 0.0, 1.0])), np.random.default_rng(0))
    moved = np.linalg.norm(change.vertices - mesh.vertices, axis=1)
    at = np.abs(mesh.vertices[:, 0] - top[0]) < 1
    pulled = moved[at] > 3
    assert 0.25 < pulled.mean() < 0.42  # one strand of three
    assert moved[at][~pulled].max() < 2
    assert moved[np.abs(mesh.vertices[:, 0] - top[0]) > 13].max() < 1e-9


def test_a_floating_plate_shades_what_lies_on_the_projectors_rays_through_it() -> None:
    height, half, baseline = 40.0, 12.0, 0.06
    station = Station.over(120.0, (240, 240), tilt=0.0, baseline=baseline)
    mesh, pose = plate(height, half), Pose()
    view = station.look(mesh, pose)
    shaded = station.shadow(mesh, pose, view.depth)
    assert not shaded[view.part].any()
    points = station.rays * view.depth[..., None] - (baseline, 0, 0)
    at = points[..., :2] * ((DISTANCE - height * 1e-3) / points[..., 2:]) + (
        baseline,
        0,
    )  # the ray in the plate's plane
    middle = np.array([0.0, 0.0]) + station.to_sensor(np.array([[0.0, 0.0, height]]), pose)[0, :2]
    off = np.abs(at - middle).max(-1) * 1e3  # mm
    table = ~view.part
    assert shaded[table & (off < half - 0.8)].all()
    assert not shaded[table & (off > half + 0.1)].any()
    assert (table & (off < half - 0.8)).sum() > 200  # light passes below the plate: the shadow stands apart
    assert (~shaded & table & (off > half + 0.1)).any()


def test_the_nearest_surface_is_seen() -> None:
    station = Station.over(100.0, (80, 80), tilt=0.0)
    low, high = plate(10.0, 20.0), plate(30.0, 10.0)
    both, swapped = station.look(low.joined(high), Pose()), station.look(high.joined(low), Pose())
    np.testing.assert_array_equal(both.depth, swapped.depth)
    assert both.depth[40, 40] == pytest.approx(DISTANCE - 0.030, abs=1e-9)
    assert both.depth[0, 0] == pytest.approx(DISTANCE, abs=1e-9)


def test_cast_returns_the_depth_of_a_tilted_triangle() -> None:
    camera = Camera.pinhole(50.0, (40, 40))
    corners = np.array([[-1.0, -1.0, 2.0], [2.0, -1.0, 3.0], [-1.0, 2.0, 4.0]])
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    hits = cast(corners, np.array([[0, 1, 2]], np.int32), camera)
    row, column = np.nonzero(hits.face == 0)
    rays = camera.rays(np.column_stack([column, row]))
    np.testing.assert_allclose(hits.depth[row, column], (normal @ corners[0]) / (rays @ normal), rtol=1e-12)
    np.testing.assert_allclose(hits.weights[row, column].sum(-1), 1, rtol=1e-12)
    assert len(row) > 300


def test_normals_of_every_category_point_outwards() -> None:
    for name in CATEGORIES:
        mesh = get_category(name).build(np.random.default_rng(1), 1.0)
        top = mesh.vertices[:, 2] > np.quantile(mesh.vertices[:, 2], 0.9)
        assert np.median(mesh.normals[top, 2]) > 0.3


# --- the sensor's effects, one at a time ----------------------------------------------------------------------------


def slope(degrees: float) -> tuple[View, Station]:
    """A matt, tilted plane as a view, 150 pixels square."""
    station = Station.over(60.0, (150, 150), tilt=degrees)
    flat = plate(-1000.0, 1.0)  # out of sight
    view = station.look(flat, Pose())
    return replace(view, colour=np.full_like(view.colour, 0.5)), station


def measured(view: View, station: Station, sensor: Sensor) -> NDArray[np.float32]:
    return sense(view, station, np.zeros(view.depth.shape, bool), sensor, np.random.default_rng(0))


def test_noise_has_the_size_that_is_stated_and_grows_with_the_slope() -> None:
    sensor = replace(IDEAL, noise=6e-5, slope_noise=0.3)
    for degrees, factor in ((0.0, 1.0), (60.0, 1 + 0.3 * np.tan(np.radians(60)) ** 2)):
        view, station = slope(degrees)
        error = (measured(view, station, sensor)[..., 2] - view.depth)[60:90, 60:90]
        assert error.std() == pytest.approx(6e-5 * factor, rel=0.15)


def test_quantum_steps_the_depth() -> None:
    view, station = slope(5.0)
    depth = measured(view, station, replace(IDEAL, quantum=1e-4))[..., 2]
    assert np.abs(depth - view.depth).max() < 0.7e-4
    assert len(np.unique(depth)) < 120 < len(np.unique(view.depth))


def test_grazing_surfaces_are_lost() -> None:
    for degrees, lost in ((60.0, 0.0), (85.0, 1.0)):
        view, station = slope(degrees)
        share = (~valid(measured(view, station, replace(IDEAL, grazing=76.0)))).mean()
        assert share == pytest.approx(lost, abs=0.01)


def test_a_mirror_is_lost_where_it_blinds_the_camera() -> None:
    view, station = slope(0.0)
    shiny = replace(view, gloss=np.ones_like(view.gloss))
    sensor = replace(IDEAL, specular=2.0)
    lost = ~valid(measured(shiny, station, sensor))
    assert lost[75, 120:130].all()  # half-way to the projector, which stands on the right
    assert not lost[:, :20].any()
    assert valid(measured(view, station, sensor)).all()


def test_dark_surfaces_lose_the_stated_share() -> None:
    view, station = slope(0.0)
    for albedo, share in ((0.0, 0.3), (0.1, 0.15), (0.2, 0.0)):
        dark = replace(view, colour=np.full_like(view.colour, albedo))
        assert (~valid(measured(dark, station, replace(IDEAL, dark=0.3)))).mean() == pytest.approx(share, abs=0.03)


def test_edge_and_flying_touch_only_pixels_beside_a_step() -> None:
    station = Station.over(60.0, (150, 150), tilt=0.0)
    view = station.look(plate(30.0, 10.0), Pose())
    near = np.zeros_like(view.part)
    for axis in (0, 1):
        for shift in (-1, 1):
            near |= np.roll(view.part, shift, axis) != view.part
    lost = ~valid(measured(view, station, replace(IDEAL, edge=0.5)))
    assert 0.3 < lost[near].mean() < 0.7 and not lost[~near].any()
    depth = measured(view, station, replace(IDEAL, flying=0.3))[..., 2]
    flown = np.abs(depth - view.depth) > 1e-3
    assert 0.15 < flown[near].mean() < 0.45 and not flown[~near].any()
    assert depth.min() > view.depth.min() - 1e-4 and depth.max() < view.depth.max() + 1e-4


@pytest.mark.parametrize("effect", ["noise", "quantum", "slope_noise", "grey"])
def test_switching_off_what_loses_nothing_leaves_the_holes_as_they_are(effect: str) -> None:
    full = scan("cable_gland", "hole").xyz
    less = scan("cable_gland", "hole", sensor=replace(Sensor(), **{effect: 0.0})).xyz
    np.testing.assert_array_equal(valid(full), valid(less))


@pytest.mark.parametrize("effect", ["shadow", "grazing", "edge", "specular", "dark"])
def test_each_effect_that_loses_pixels_can_be_switched_off_alone(effect: str) -> None:
    off = {field.name: getattr(IDEAL, field.name) for field in fields(Sensor)}[effect]
    full = valid(scan("cable_gland", "good", pixels=160).xyz)
    less = valid(scan("cable_gland", "good", pixels=160, sensor=replace(Sensor(), **{effect: off})).xyz)
    assert less.sum() > full.sum()
    assert less[full].all()
