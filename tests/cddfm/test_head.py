"""The built-in head against measured figures: mean landmarks, spread of random identities, travel of expressions, a sound mesh."""

from __future__ import annotations

import time

import pytest
import torch

from cddfm.head import build_head
from cddfm.head.build import build_head as cached_build

MODEL = build_head().model
REGIONS = build_head().regions

DISTANCES = {
    "outer eye corners": (36, 45, 8.92, 0.50),
    "inner eye corners": (39, 42, 3.68, 0.33),
    "nose bridge to tip": (27, 30, 4.08, 0.29),
    "nose wings": (31, 35, 2.50, 0.27),
    "mouth width": (48, 54, 5.07, 0.39),
    "lip height": (51, 57, 1.93, 0.38),
    "nose bridge to chin": (27, 8, 11.33, 0.63),
    "jaw at the ears": (0, 16, 14.72, 0.72),
    "jaw at the mouth": (4, 12, 11.44, 0.71),
    "brow to eye": (19, 37, 2.45, 0.19),
}
"""Landmark pair, measured mean and standard deviation in cm."""

TRAVEL = [
    ("jawOpen", 57, (0.0, -3.51, -2.14)),
    ("jawOpen", 8, (0.0, -2.82, -2.91)),
    ("mouthSmile_L", 54, (0.71, 1.05, -0.91)),
    ("mouthSmile_R", 48, (-0.71, 1.05, -0.91)),
    ("eyeBlink_L", 43, (0.0, -0.76, -0.10)),
    ("eyeBlink_R", 38, (0.0, -0.76, -0.10)),
    ("browInnerUp_L", 22, (0.04, 0.45, -0.02)),
    ("browDown_L", 24, (-0.46, -0.37, 0.28)),
    ("mouthPucker", 54, (-0.46, 0.22, 0.98)),
    ("mouthFunnel", 57, (0.0, -0.89, 0.42)),
    ("mouthFunnel", 51, (0.0, 0.61, 0.70)),
    ("mouthFrown_L", 54, (0.19, -0.46, -0.18)),
    ("noseSneer_L", 53, (0.06, 0.89, 0.0)),
]


def marks(**expression: float) -> torch.Tensor:
    strengths = torch.zeros(1, MODEL.layout.expression)
    for name, strength in expression.items():
        strengths[0, MODEL.expression_names.index(name)] = strength
    return MODEL.vertices(torch.zeros(1, MODEL.layout.identity), strengths)[:, MODEL.landmarks]


@pytest.mark.parametrize("name", DISTANCES)
def test_mean_distances_are_the_measured_ones(name: str) -> None:
    a, b, mean, deviation = DISTANCES[name]
    points = marks()[0]
    assert (points[a] - points[b]).norm() == pytest.approx(mean, abs=deviation)


@pytest.mark.parametrize("name", DISTANCES)
def test_random_identities_spread_like_people(name: str) -> None:
    a, b, _, deviation = DISTANCES[name]
    identity = torch.randn(1000, MODEL.layout.identity, generator=torch.Generator().manual_seed(0))
    points = MODEL.mean[MODEL.landmarks] + torch.einsum("nk,klc->nlc", identity, MODEL.identity_basis[:, MODEL.landmarks])
    spread = (points[:, a] - points[:, b]).norm(dim=1).std()
    assert deviation / 2 < spread < deviation * 2


@pytest.mark.parametrize(
    ("y", "z"), [(5.0, 0.88), (2.0, 1.54), (0.5, 1.45), (-1.5, 2.89), (-3.0, 3.85), (-5.0, 2.30), (-6.0, 2.64), (-8.5, 1.72), (-10.0, 1.81)]
)
def test_profile_follows_the_measured_one(y: float, z: float) -> None:
    middle = MODEL.mean[(MODEL.mean[:, 0].abs() < 1e-4) & REGIONS["face"] & (MODEL.mean[:, 2] > 0.0)]
    order = middle[:, 1].argsort()
    heights, depths = middle[order, 1], middle[order, 2]
    above = int(torch.searchsorted(heights, torch.tensor(y)))
    share = (y - heights[above - 1]) / (heights[above] - heights[above - 1])
    assert float(depths[above - 1] + share * (depths[above] - depths[above - 1])) == pytest.approx(z, abs=0.35)


@pytest.mark.parametrize(("name", "landmark", "measured"), TRAVEL)
def test_expressions_travel_as_measured(name: str, landmark: int, measured: tuple[float, float, float]) -> None:
    travel = (marks(**{name: 1.0}) - marks())[0, landmark]
    goal = torch.tensor(measured)
    assert torch.cosine_similarity(travel, goal, dim=0) > 0.8
    assert float(goal.norm()) * 0.6 < float(travel.norm()) < float(goal.norm()) * 1.5


def test_one_sided_expressions_leave_the_other_side() -> None:
    moved = (marks(eyeBlink_L=1.0, browOuterUp_L=1.0) - marks())[0].norm(dim=1)
    assert moved[[17, 18, 19, 20, *range(36, 42)]].max() < 0.05
    assert moved[[43, 44]].min() > 0.3


def test_lids_meet_when_the_eyes_are_closed() -> None:
    points = marks(eyeBlink_L=1.0, eyeBlink_R=1.0)[0]
    gaps = points[[37, 38, 43, 44], 1] - points[[41, 40, 47, 46], 1]
    assert -0.15 < gaps.min() <= gaps.max() < 0.0, "the upper lid covers the lower one's edge"
    assert (marks()[0, [37, 38], 1] - marks()[0, [41, 40], 1]).min() > 0.6


def test_mesh_is_sound() -> None:
    triangles, count = MODEL.triangles, len(MODEL.mean)
    assert triangles.unique().tolist() == list(range(count)), "indices valid, no vertex unused"
    a, b, c = MODEL.mean[triangles].double().unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1) / 2
    assert area.min() > 1e-6
    assert count < 20_000
    assert len(triangles) <= 30_000


def test_triangles_face_outwards() -> None:
    skin = REGIONS["face"][MODEL.triangles].all(dim=1) & ~REGIONS["lips"][MODEL.triangles].any(dim=1)
    a, b, c = MODEL.mean[MODEL.triangles[skin]].unbind(1)
    normals = torch.linalg.cross(b - a, c - a)
    outward = (a + b + c) / 3 - torch.tensor([0.0, -4.0, -7.0])
    assert ((normals * outward).sum(dim=1) > 0).float().mean() > 0.97


def test_mean_is_symmetric() -> None:
    points = MODEL.mean.double()
    mirrored = points[::3] * torch.tensor([-1.0, 1.0, 1.0])
    exact = "donot_use_mm_for_euclid_dist"
    distance = torch.cat([torch.cdist(part, points, compute_mode=exact).amin(dim=1) for part in mirrored.split(500)])
    assert distance.max() < 1e-3


def test_regions_and_names() -> None:
    assert {"skin", "scalp", "face", "brows", "lids", "lips", "eyeballs", "iris", "teeth", "mouth_interior", "ears", "neck"} <= set(REGIONS)
    assert all(region.any() and not region.all() for region in REGIONS.values())
    assert not (MODEL.skin & (REGIONS["eyeballs"] | REGIONS["mouth_interior"] | REGIONS["ears"])).any()
    assert MODEL.skin[MODEL.landmarks].all()
    assert len(set(MODEL.landmarks.tolist())) == 68
    for names in (MODEL.identity_names, MODEL.expression_names, MODEL.albedo_names):
        assert len(set(names)) == len(names)
    assert len(MODEL.identity_names) == MODEL.layout.identity


def test_features_lie_on_the_front_of_the_head() -> None:
    back = MODEL.mean[:, 2] < -8.0
    assert not (back & (REGIONS["lips"] | REGIONS["brows"] | REGIONS["lids"] | REGIONS["face"])).any()
    skin = back & REGIONS["skin"] & ~REGIONS["ears"]
    assert (MODEL.albedo_mean[skin] - torch.tensor([0.50, 0.30, 0.21])).abs().max() < 0.02
    assert MODEL.expression_basis[:, back & ~REGIONS["ears"]].norm(dim=-1).max() < 0.35


def test_reflectance_spans_light_and_dark_skin() -> None:
    tones = torch.zeros(2, MODEL.layout.albedo)
    tones[:, MODEL.albedo_names.index("skinTone")] = torch.tensor([-2.0, 2.0])
    dark, light = MODEL.reflectance(tones)[:, REGIONS["face"]].mean(dim=1)
    assert dark[0] < 0.25 < 0.7 < light[0]
    assert (dark.diff() < 0).all() and (light.diff() < 0).all(), "skin is redder than it is blue"  # noqa: PT018


def test_eyeballs_stay_behind_the_lids() -> None:
    lids = (REGIONS["lids"] & REGIONS["face"] & (MODEL.mean[:, 0] < 0)).nonzero().flatten()
    pupil = REGIONS["eyeballs"].nonzero().flatten()[0]
    centre = MODEL.mean[pupil] - torch.tensor([0.0, 0.0, 1.22])
    for strength in (0.0, 0.5, 1.0):
        basis = MODEL.expression_basis[MODEL.expression_names.index("eyeBlink_R")]
        assert (MODEL.mean[lids] + strength * basis[lids] - centre).norm(dim=1).min() > 1.22


def test_build_is_quick_and_cached() -> None:
    start = time.perf_counter()
    fresh = cached_build.__wrapped__()
    assert time.perf_counter() - start < 12.0
    assert build_head() is build_head()
    assert torch.equal(fresh.model.mean, MODEL.mean)


def moved(**expression: float) -> torch.Tensor:
    strengths = torch.zeros(1, MODEL.layout.expression)
    for name, strength in expression.items():
        strengths[0, MODEL.expression_names.index(name)] = strength
    return MODEL.vertices(torch.zeros(1, MODEL.layout.identity), strengths)[0]


def random_people(count: int) -> torch.Tensor:
    return 2.1 * torch.tanh(0.45 * torch.randn(count, MODEL.layout.identity, generator=torch.Generator().manual_seed(1)))


def test_lids_close_on_everybody() -> None:
    strengths = torch.zeros(100, MODEL.layout.expression)
    strengths[:, [MODEL.expression_names.index(f"eyeBlink_{side}") for side in "LR"]] = 1.0
    points = MODEL.vertices(random_people(100), strengths)[:, MODEL.landmarks]
    gaps = (points[:, [37, 38, 43, 44], 1] - points[:, [41, 40, 47, 46], 1]).amax(dim=1)
    assert gaps.quantile(0.95) < 0.12


def test_lips_seal_on_everybody() -> None:
    points = MODEL.vertices(random_people(100), torch.zeros(100, MODEL.layout.expression))[:, MODEL.landmarks]
    assert (points[:, [61, 62, 63], 1] - points[:, [67, 66, 65], 1]).max() < 0.02


@pytest.mark.parametrize(("name", "direction"), [("Out", (1, 0)), ("In", (-1, 0)), ("Up", (0, 1)), ("Down", (0, -1))])
def test_gaze_turns_the_eye_and_no_other(name: str, direction: tuple[int, int]) -> None:
    eyes = REGIONS["eyeballs"]
    pupil = (eyes & (MODEL.mean[:, 0] > 0)).nonzero().flatten()[0]
    motion = moved(**{f"eyeLook{name}_L": 1.0}) - MODEL.mean
    assert motion[pupil, :2] @ torch.tensor(direction, dtype=torch.float32) > 0.45
    other = eyes & (MODEL.mean[:, 0] < 0)
    assert motion[other].norm(dim=1).max() < 1e-6


def test_an_open_jaw_shows_a_dark_mouth_with_teeth_and_tongue() -> None:
    points = moved(jawOpen=1.0)
    opening = points[MODEL.landmarks[62], 1] - points[MODEL.landmarks[66], 1]
    assert opening > 3.0
    assert MODEL.albedo_mean[REGIONS["mouth_interior"] & ~REGIONS["tongue"]].max() < 0.1
    assert REGIONS["teeth"].any() and (points[REGIONS["tongue"], 1] < points[MODEL.landmarks[62], 1]).all()  # noqa: PT018


def test_modes_are_independent() -> None:
    one_way = [not name.endswith("Right") for name in MODEL.expression_names]
    for basis in (MODEL.identity_basis, MODEL.expression_basis[one_way], MODEL.albedo_basis):
        flat = basis.flatten(1).double()
        flat = flat / flat.norm(dim=1, keepdim=True)
        assert torch.linalg.eigvalsh(flat @ flat.T).min() > 5e-4


def test_brows_and_lashes_ride_on_the_skin() -> None:
    hairs = REGIONS["lashes"] | REGIONS["brow_hairs"]
    skin = REGIONS["skin"].nonzero().flatten()
    for expression in ({"browInnerUp_L": 1.0, "browDown_R": 1.0}, {"mouthSmile_L": 1.0}):
        points = moved(**expression)
        roots = points[hairs].view(-1, 3, 3)[:, :2].mean(dim=1)[::5]
        assert torch.cdist(roots, points[skin]).min(dim=1).values.max() < 0.3
