"""Who sits for the portrait and how: distributions of the face's parameters, of light, and of eyes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.lighting import light_from
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.world.codes import category, uniform
from cddfm.world.vectors import ramp

YAW_LIMIT, PITCH_LIMIT, ROLL_LIMIT = math.radians(60), math.radians(30), math.radians(20)
AZIMUTH_LIMIT = math.radians(100)

# Dark brown, brown, hazel, green, blue, grey.
IRIS_COLOURS = (
    (0.040, 0.018, 0.009),
    (0.100, 0.048, 0.019),
    (0.130, 0.110, 0.045),
    (0.085, 0.150, 0.080),
    (0.095, 0.190, 0.330),
    (0.200, 0.250, 0.290),
)
IRIS_SHARES = (0.34, 0.22, 0.12, 0.09, 0.15, 0.08)

# Threshold below which an expression rests, its slope above, and its ceiling.
_EXPRESSION = {
    "mouthSmile": (-0.15, 0.50, 1.0),
    "mouthFrown": (1.45, 0.75, 1.0),
    "jawOpen": (0.55, 0.50, 1.0),
    "eyeBlink": (1.55, 1.5, 1.0),
    "eyeSquint": (1.0, 0.6, 1.0),
    "eyeWide": (1.2, 0.7, 1.0),
    "browInnerUp": (0.9, 0.6, 1.0),
    "browOuterUp": (1.0, 0.6, 1.0),
    "browDown": (1.0, 0.6, 1.0),
    "mouthPucker": (1.2, 0.75, 1.0),
    "mouthFunnel": (1.3, 0.75, 1.0),
}
_EXPRESSION_DEFAULT = (1.2, 0.75, 1.0)
_HUES = ("redness", "yellowness", "saturation", "cheekBlush", "noseRedness", "lipColour")
_GAZE = "eyeLook"

# How a person's presentation (−1 feminine to 1 masculine) leans on named components, in standard deviations.
_LEANING = {
    "masculinity": 1.1, "neckWidth": 0.4, "upperLip": -0.2, "lowerLip": -0.2, "lashLength": -0.7,
    "lipColour": -0.5, "stubble": 0.5, "beard": 0.5, "browThickness": 0.4, "eyeShadow": -0.4, "eyeLiner": -0.6,
}  # fmt: skip


def face_params(part: dict[str, Tensor], model: MorphableModel) -> FaceParams:
    """The face's exact parameters, from the parts of scene codes."""
    layout = model.layout
    lean = torch.tanh(2 * part["presentation"])
    return FaceParams(
        identity=_fit(_bounded(part["identity"]), layout.identity) + lean * _leaning(model.identity_names, model),
        expression=_expression(part, model.expression_names),
        albedo=_fit(_bounded(part["albedo"]), layout.albedo) * _moderation(model) + lean * _leaning(model.albedo_names, model),
        pose=_pose(part["pose"]),
        light=_light(part["light"], candid_share(part["pose"])),
        translation=part["translation"].clamp(-3, 3) * torch.tensor([0.3, 0.3, 1.5], device=lean.device),
    )


def _bounded(code: Tensor) -> Tensor:
    """Standard deviation about 0.85, never beyond ±2.1: a linear model is not asked for what it cannot show."""
    return 2.1 * torch.tanh(code * (0.95 / 2.1))


def _leaning(names: Sequence[str], model: MorphableModel) -> Float[Tensor, components]:
    return torch.tensor([_LEANING.get(name, 0.0) for name in names], device=model.mean.device)


def _moderation(model: MorphableModel) -> Float[Tensor, albedo]:
    """Hue components get less than their full spread, so that skin stays skin under every light."""
    return torch.tensor([0.6 if name in _HUES else 1.0 for name in model.albedo_names], device=model.mean.device)


def _fit(code: Float[Tensor, "images size"], size: int) -> Float[Tensor, "images fitted"]:
    """The first `size` numbers, zeros where the model has more components than the code."""
    return torch.nn.functional.pad(code[:, :size], (0, max(0, size - code.shape[1])))


def _yaw(code: Float[Tensor, "images 3"]) -> Float[Tensor, images]:
    return YAW_LIMIT * torch.tanh(0.58 * code[:, 1])


def candid_share(code: Float[Tensor, "images 3"]) -> Float[Tensor, images]:
    """0 for people who sit for their portrait, 1 for those turned well away."""
    return ramp(_yaw(code).abs(), math.radians(12), math.radians(32))


def _pose(code: Float[Tensor, "images 3"]) -> Float[Tensor, "images 3"]:
    """Yaw is wide and flat within ±60° (standard deviation about 28°). Who faces the camera mostly sits straight, with long tails; who
    turns away is caught in all positions: pitch within ±30°, roll within ±20°."""
    yaw, candid = _yaw(code), candid_share(code)

    def tilt(code: Tensor, limit: float, upright: float) -> Tensor:
        return limit * torch.tanh(0.48 * (code * (upright + (1 - upright) * candid) + 0.06 * code**3 * (1 - candid)))

    return torch.stack([tilt(code[:, 0], PITCH_LIMIT, 0.28), yaw, tilt(code[:, 2], ROLL_LIMIT, 0.32)], dim=1)


def _expression(part: dict[str, Tensor], names: Sequence[str]) -> Float[Tensor, "images expression"]:
    """Sparse mixtures: each expression (left and right together) rests below a threshold of its number; sides differ, sometimes much. Some
    people are livelier than others."""
    code, asymmetry = part["expression"], part["asymmetry"]
    lively = 0.6 + 0.4 * part["expressiveness"][:, 0].clamp(-2, 2)
    stems = list(dict.fromkeys(name.removesuffix("_L").removesuffix("_R") for name in names))
    columns = []
    for name in names:
        if name.startswith(_GAZE):
            columns.append(_gaze(part["gaze"], name))
            continue
        stem = name.removesuffix("_L").removesuffix("_R")
        rest, slope, ceiling = _EXPRESSION.get(stem, _EXPRESSION_DEFAULT)
        index = stems.index(stem)
        value = ((code[:, index % code.shape[1]] - rest + 0.5 * (lively - 0.6)) * slope).clamp(0.0, ceiling)
        if name != stem:
            odd = asymmetry[:, index % asymmetry.shape[1]]
            tilt = 0.20 * torch.tanh(odd) + 0.8 * torch.tanh(2 * torch.sign(odd) * (odd.abs() - 1.4).clamp(min=0))
            value = (value * (1 + tilt if name.endswith("_L") else 1 - tilt)).clamp(0.0, ceiling)
        columns.append(value)
    return torch.stack(columns, dim=1) if columns else code[:, :0]


def _gaze(code: Float[Tensor, "images 2"], name: str) -> Float[Tensor, images]:
    """Both eyes look the same way: code 0 to the viewer's right, code 1 up."""
    way = torch.tanh(0.75 * code)
    stem, side = name.removeprefix(_GAZE).split("_")
    right = way[:, 0] if (stem == "Out") == (side == "L") else -way[:, 0]
    return {"Up": way[:, 1], "Down": -way[:, 1]}.get(stem, right).clamp(min=0.0) * 0.8


def _light(code: Float[Tensor, "images 8"], candid: Float[Tensor, images]) -> Float[Tensor, "images 27"]:
    """Ambient plus one distant light, warm or cool, from soft to strong and from every side in front (mostly from above; who sits for a
    portrait mostly has it before them), exposed so that a face turned to the camera is neither black nor burnt out."""
    azimuth = AZIMUTH_LIMIT * torch.tanh((0.17 + 0.33 * candid) * code[:, 0] + 0.04 * code[:, 0] ** 3)
    elevation = math.radians(31) + math.radians(40) * torch.tanh(0.38 * code[:, 1] + 0.05 * code[:, 1] ** 3)
    ambient = 0.18 + 0.46 * uniform(code[:, 2]) ** (0.40 + 0.30 * candid) + 0.14 * (1 - candid)
    exposure = 1.12 * (0.11 * code[:, 3].clamp(-2.5, 2.5)).exp()
    facing = (elevation.cos() * azimuth.cos()).clamp(min=0.0)
    intensity = (exposure - ambient) / (0.42 + 0.52 * facing)
    warmth = 0.12 * code[:, 4].clamp(-2.5, 2.5)
    colour = torch.stack([1 + warmth, 1 + 0.15 * warmth, 1 - warmth], dim=1).clamp(0.6, 1.4)
    light = light_from(azimuth, elevation, intensity, ambient, colour).unflatten(1, (9, 3))
    tint = 1 - 0.05 * code[:, 5:6].clamp(-2.5, 2.5) * torch.tensor([1.0, 0.2, -1.0], device=code.device)
    return (light * tint.unsqueeze(1)).flatten(1)


def iris_colour(code: Float[Tensor, "images 4"]) -> Float[Tensor, "images 3"]:
    """Linear RGB."""
    colours = torch.tensor(IRIS_COLOURS, device=code.device)[category(code[:, 0], IRIS_SHARES)]
    return colours * (0.25 * code[:, 1:2] + 0.08 * code[:, 1:4]).clamp(-0.8, 0.8).exp()
