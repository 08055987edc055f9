"""Scene code → everything that a portrait shows, as plain tensors: a deterministic function, smooth except for a few categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.lighting import light_from
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.world import hair as hair_module
from cddfm.world.codes import category, split, uniform
from cddfm.world.hair import Hair

CLOTHING = ("crew", "v_neck", "shirt", "suit")
BACKDROPS = ("gradient", "bokeh", "stripes", "fields", "studio")

CLOTHING_SHARES = (0.34, 0.18, 0.24, 0.24)
BACKDROP_SHARES = (0.24, 0.24, 0.16, 0.22, 0.14)
HAIR_SHARES = (0.14, 0.15, 0.08, 0.10, 0.14, 0.10, 0.08, 0.07, 0.06, 0.05, 0.03)

# Linear RGB of hair: black, dark brown, brown, chestnut, auburn, ginger, dark blond, blond, platinum, grey, white.
HAIR_COLOURS = (
    (0.011, 0.009, 0.008),
    (0.025, 0.016, 0.011),
    (0.060, 0.034, 0.020),
    (0.105, 0.052, 0.028),
    (0.140, 0.045, 0.022),
    (0.330, 0.115, 0.035),
    (0.240, 0.150, 0.075),
    (0.450, 0.300, 0.140),
    (0.650, 0.520, 0.340),
    (0.240, 0.230, 0.220),
    (0.600, 0.590, 0.570),
)
HAIR_COLOUR_SHARES = (0.20, 0.18, 0.16, 0.10, 0.05, 0.04, 0.08, 0.08, 0.03, 0.06, 0.02)

# Dark brown, brown, hazel, green, blue, grey.
IRIS_COLOURS = (
    (0.045, 0.020, 0.010),
    (0.110, 0.055, 0.022),
    (0.130, 0.120, 0.050),
    (0.080, 0.150, 0.090),
    (0.110, 0.190, 0.310),
    (0.210, 0.250, 0.280),
)
IRIS_SHARES = (0.34, 0.22, 0.12, 0.09, 0.15, 0.08)

# Threshold below which an expression rests, its slope above, and its ceiling.
_EXPRESSION = {
    "mouthSmile": (0.0, 0.42, 1.0),
    "jawOpen": (0.35, 0.42, 0.85),
    "eyeBlink": (1.75, 1.2, 1.0),
    "eyeSquint": (1.1, 0.55, 0.9),
    "eyeWide": (1.2, 0.6, 0.9),
    "browInnerUp": (1.0, 0.55, 1.0),
    "browOuterUp": (1.1, 0.55, 1.0),
    "browDown": (1.1, 0.55, 1.0),
    "mouthPucker": (1.3, 0.7, 1.0),
    "mouthFunnel": (1.4, 0.6, 0.8),
}
_EXPRESSION_DEFAULT = (1.4, 0.7, 0.8)
_HUES = ("redness", "yellowness", "saturation", "cheekBlush", "noseRedness", "lipColour")
_UNDRAWN = ("eyeLook",)


@dataclass(frozen=True)
class Scene:
    """What a batch of portraits shows. gaze: yaw and pitch of the eyes in the head, radians. iris, brow: linear RGB. clothing:
    colours and cut. backdrop: free numbers of `backdrop.py`. glasses: worn (0 or 1), roundness, size, tone."""

    params: FaceParams
    gaze: Float[Tensor, "batch 2"]
    iris: Float[Tensor, "batch 3"]
    hair: Hair
    clothing_kind: Int[Tensor, batch]
    clothing_colours: Float[Tensor, "batch 3 3"]
    clothing_shape: Float[Tensor, "batch 3"]
    backdrop_kind: Int[Tensor, batch]
    backdrop: Float[Tensor, "batch 28"]
    glasses: Float[Tensor, "batch 4"]

    def __len__(self) -> int:
        return self.gaze.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Scene:
        return Scene(**{field.name: _take(getattr(self, field.name), index) for field in fields(self)})

    def to(self, device: torch.device | str) -> Scene:
        return Scene(**{field.name: _move(getattr(self, field.name), device) for field in fields(self)})


def _take(value: Tensor | FaceParams | Hair, index: slice | Tensor) -> Tensor | FaceParams | Hair:
    if is_dataclass(value):
        return type(value)(**{field.name: getattr(value, field.name)[index] for field in fields(value)})
    return value[index]


def _move(value: Tensor | FaceParams | Hair, device: torch.device | str) -> Tensor | FaceParams | Hair:
    if is_dataclass(value):
        return type(value)(**{field.name: getattr(value, field.name).to(device) for field in fields(value)})
    return value.to(device)


def scene_of(codes: Float[Tensor, "images code"], model: MorphableModel) -> Scene:
    """The scenes of these codes, their faces in the model's parameters."""
    part = split(codes)
    clothing, kind = part["clothing"], category(part["clothing_kind"][:, 0], CLOTHING_SHARES)
    return Scene(
        params=_params(part, model),
        gaze=torch.tanh(part["gaze"] * 0.7) * torch.tensor([0.30, 0.13], device=codes.device),
        iris=_palette(part["iris"][:, 0], IRIS_COLOURS, IRIS_SHARES) * (0.2 * part["iris"][:, 1:]).exp(),
        hair=_hair(part),
        clothing_kind=kind,
        clothing_colours=_clothing_colours(clothing, kind),
        clothing_shape=clothing[:, 6:9],
        backdrop_kind=category(part["backdrop_kind"][:, 0], BACKDROP_SHARES),
        backdrop=part["backdrop"],
        glasses=_glasses(part["glasses"]),
    )


def _params(part: dict[str, Tensor], model: MorphableModel) -> FaceParams:
    layout = model.layout
    return FaceParams(
        identity=_fit(_bounded(part["identity"]), layout.identity),
        expression=_expression(part["expression"], part["asymmetry"], model.expression_names),
        albedo=_fit(_bounded(part["albedo"]), layout.albedo) * _moderation(model),
        pose=_pose(part["pose"]),
        light=_light(part["light"]),
        translation=part["translation"] * torch.tensor([0.3, 0.3, 1.5], device=part["pose"].device),
    )


def _bounded(code: Tensor) -> Tensor:
    """Standard deviation about 0.85, never beyond ±2.1: a linear model is not asked for what it cannot show."""
    return 2.1 * torch.tanh(code * (0.95 / 2.1))


def _moderation(model: MorphableModel) -> Float[Tensor, albedo]:
    """Hue components get less than their full spread, so that skin stays skin under every light."""
    scales = [0.6 if name in _HUES else 1.0 for name in model.albedo_names]
    return torch.tensor(scales, device=model.mean.device)


def _fit(code: Float[Tensor, "images size"], size: int) -> Float[Tensor, "images fitted"]:
    """The first `size` numbers, zeros where the model has more components than the code."""
    return torch.nn.functional.pad(code[:, :size], (0, max(0, size - code.shape[1])))


def _pose(code: Float[Tensor, "images 3"]) -> Float[Tensor, "images 3"]:
    """Yaw is wide and flat, within ±42°; pitch and roll are Gaussian with 9° and 7°, pitch within ±25°."""
    pitch = math.radians(25) * torch.tanh(code[:, 0] * 9 / 25)
    yaw = math.radians(42) * torch.tanh(code[:, 1] * 0.55)
    return torch.stack([pitch, yaw, math.radians(7) * code[:, 2].clamp(-3, 3)], dim=1)


def _expression(code: Tensor, asymmetry: Tensor, names: Sequence[str]) -> Float[Tensor, "images expression"]:
    """Sparse mixtures: each expression (left and right together) rests below a threshold of its number; sides differ slightly."""
    stems = list(dict.fromkeys(name.removesuffix("_L").removesuffix("_R") for name in names))
    columns = []
    for name in names:
        stem = name.removesuffix("_L").removesuffix("_R")
        rest, slope, ceiling = _EXPRESSION.get(stem, _EXPRESSION_DEFAULT)
        if stem.startswith(_UNDRAWN):
            slope = 0.0
        index = stems.index(stem)
        value = ((code[:, index % code.shape[1]] - rest) * slope).clamp(0.0, ceiling)
        if name != stem:
            tilt = 0.22 * torch.tanh(asymmetry[:, index % asymmetry.shape[1]])
            value = (value * (1 + tilt if name.endswith("_L") else 1 - tilt)).clamp(0.0, ceiling)
        columns.append(value)
    return torch.stack(columns, dim=1) if columns else code[:, :0]


def _light(code: Float[Tensor, "images 8"]) -> Float[Tensor, "images 27"]:
    """Ambient plus one distant light, warm or cool, balanced so that a face turned to the camera is well exposed."""
    azimuth = math.radians(78) * torch.tanh(code[:, 0] * 0.75)
    elevation = math.radians(25) + math.radians(36) * torch.tanh(code[:, 1] * 0.7)
    ambient = 0.35 + 0.25 * uniform(code[:, 2])
    exposure = 0.95 * (0.10 * code[:, 3].clamp(-2.5, 2.5)).exp()
    facing = (elevation.cos() * azimuth.cos()).clamp(min=0.0)
    intensity = (exposure - ambient) / (0.35 + 0.55 * facing)
    warmth = 0.10 * code[:, 4]
    colour = torch.stack([1 + warmth, 1 + 0.15 * warmth, 1 - warmth], dim=1).clamp(0.6, 1.4)
    light = light_from(azimuth, elevation, intensity, ambient, colour).unflatten(1, (9, 3))
    tint = 1 - 0.05 * code[:, 5:6] * torch.tensor([1.0, 0.2, -1.0], device=code.device)
    return (light * tint.unsqueeze(1)).flatten(1)


def _palette(code: Tensor, colours: Sequence[Sequence[float]], shares: Sequence[float]) -> Float[Tensor, "images 3"]:
    return torch.tensor(colours, device=code.device)[category(code, shares)]


def _hair(part: dict[str, Tensor]) -> Hair:
    style = category(part["hair_style"][:, 0], HAIR_SHARES)
    code = part["hair"]
    shape = hair_module.vary(hair_module.style_table(code.device)[style], code[:, :5])
    colour = _palette(part["hair_colour"][:, 0], HAIR_COLOURS, HAIR_COLOUR_SHARES) * (0.3 * part["hair_colour"][:, 1:2]).exp()
    warmth = 0.12 * part["hair_colour"][:, 2:3] * torch.tensor([1.0, 0.0, -1.0], device=code.device)
    return Hair(
        style=style,
        shape=shape,
        parting=0.55 * torch.tanh(code[:, 5] * 2),
        phase=part["hair_phase"] * 2,
        colour=(colour * (1 + warmth)).clamp(0.004, 0.85),
        shine=0.6 + 0.5 * uniform(part["hair_phase"][:, 0]),
    )


def _clothing_colours(code: Float[Tensor, "images 9"], kind: Int[Tensor, images]) -> Float[Tensor, "images 3 3"]:
    """Garment, what is worn below it, and the tie: linear RGB from hue, saturation and value."""
    hue, value = uniform(code[:, 0]), uniform(code[:, 1])
    suit = (kind == CLOTHING.index("suit")).float()
    saturation = (0.85 * uniform(code[:, 2])) * (1 - 0.6 * suit)
    garment = colour(hue, saturation, 0.02 + (0.75 * (1 - suit) + 0.10 * suit) * value**1.8)
    below = colour(uniform(code[:, 3]), 0.25 * uniform(code[:, 4]), 0.75 - 0.55 * (1 - suit) * uniform(code[:, 4]))
    tie = colour(uniform(code[:, 5]), torch.full_like(hue, 0.75), 0.04 + 0.3 * uniform(code[:, 4]))
    return torch.stack([garment, below, tie], dim=1)


def colour(hue: Tensor, saturation: Tensor, value: Tensor) -> Float[Tensor, "images 3"]:
    """Hue, saturation, value → RGB, smooth in the hue."""
    wheel = torch.stack([hue, hue + 2 / 3, hue + 1 / 3], dim=-1) * 2 * math.pi
    ramp = (0.5 + 0.75 * wheel.cos()).clamp(0, 1)
    return value.unsqueeze(-1) * (1 - saturation.unsqueeze(-1) * (1 - ramp))


def _glasses(code: Float[Tensor, "images 4"]) -> Float[Tensor, "images 4"]:
    worn = (code[:, 0] > 1.15).float()
    return torch.stack([worn, uniform(code[:, 1]), 1 + 0.06 * code[:, 2].clamp(-2, 2), uniform(code[:, 3])], dim=1)
