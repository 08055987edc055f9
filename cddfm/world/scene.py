"""Scene code → everything that a portrait shows, as plain tensors: a deterministic function, smooth except for a few categories."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.world import hairstyles, hats
from cddfm.world.backdrop import KINDS as BACKDROPS
from cddfm.world.backdrop import SHARES as BACKDROP_SHARES
from cddfm.world.body import CLOTHING, PATTERNS, Clothes
from cddfm.world.codes import category, split, uniform
from cddfm.world.hairstyles import Hair
from cddfm.world.hats import Hats
from cddfm.world.people import face_params, iris_colour
from cddfm.world.spectacles import Earrings, Spectacles
from cddfm.world.whiskers import BEARDS, Whiskers

CLOTHING_SHARES = {
    "crew": 0.22,
    "v_neck": 0.12,
    "scoop": 0.08,
    "shirt": 0.18,
    "suit": 0.14,
    "turtleneck": 0.10,
    "hoodie": 0.10,
    "strap": 0.06,
}
PATTERN_SHARES = {"plain": 0.55, "stripes": 0.12, "checks": 0.09, "dots": 0.06, "knit": 0.12, "pinstripe": 0.06}

# How much likelier a style is on people who present as women (and less likely on men), as a factor.
_FEMININE = {
    "shaved": 0.1, "bald": 0.05, "buzz": 0.15, "crop": 0.3, "side_part": 0.4, "slick": 0.5, "quiff": 0.3, "bob": 12.0, "bob_fringe": 14.0,
    "long": 9.0, "long_wavy": 10.0, "long_curly": 6.0, "ponytail": 9.0, "top_knot": 5.0, "low_bun": 14.0, "receding": 0.03, "horseshoe":
    0.01,
}  # fmt: skip

# Linear RGB of hair: black, dark brown, brown, chestnut, auburn, ginger, dark blond, blond, platinum, grey, white, dyed.
HAIR_COLOURS = (
    (0.010, 0.008, 0.007),
    (0.026, 0.016, 0.011),
    (0.062, 0.034, 0.020),
    (0.115, 0.055, 0.028),
    (0.150, 0.045, 0.020),
    (0.380, 0.120, 0.030),
    (0.250, 0.155, 0.078),
    (0.480, 0.310, 0.140),
    (0.680, 0.540, 0.350),
    (0.230, 0.220, 0.210),
    (0.640, 0.630, 0.610),
    (0.300, 0.060, 0.160),
)
HAIR_COLOUR_SHARES = (0.20, 0.18, 0.16, 0.10, 0.05, 0.05, 0.07, 0.08, 0.03, 0.05, 0.02, 0.02)


@dataclass(frozen=True)
class Scene:
    """What a batch of portraits shows. presentation: −1 (feminine) to 1 (masculine). iris: linear RGB. skin: shine, blush, redness of
    the lips' make-up, freckles, and phases of the skin's grain. backdrop: free numbers of `backdrop.py`."""

    params: FaceParams
    presentation: Float[Tensor, batch]
    iris: Float[Tensor, "batch 3"]
    skin: Float[Tensor, "batch 6"]
    hair: Hair
    whiskers: Whiskers
    clothes: Clothes
    glasses: Spectacles
    earrings: Earrings
    hats: Hats
    backdrop_kind: Int[Tensor, batch]
    backdrop: Float[Tensor, "batch 32"]

    def __len__(self) -> int:
        return self.iris.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Scene:
        return Scene(**{field.name: _take(getattr(self, field.name), index) for field in fields(self)})

    def to(self, device: torch.device | str) -> Scene:
        return Scene(**{field.name: _move(getattr(self, field.name), device) for field in fields(self)})


Part = TypeVar("Part")


def _take(value: Part, index: slice | Tensor) -> Part:
    if is_dataclass(value):
        return type(value)(**{field.name: getattr(value, field.name)[index] for field in fields(value)})
    return value[index]


def _move(value: Part, device: torch.device | str) -> Part:
    if is_dataclass(value):
        return type(value)(**{field.name: getattr(value, field.name).to(device) for field in fields(value)})
    return value.to(device)


def scene_of(codes: Float[Tensor, "images code"], model: MorphableModel) -> Scene:
    """The scenes of these codes, their faces in the model's parameters."""
    part = split(codes)
    masculine = torch.tanh(2 * part["presentation"][:, 0])
    worn_hats = _hats(part["hat"])
    hair = _hair(part, masculine, worn_hats.kind)
    return Scene(
        params=face_params(part, model),
        presentation=masculine,
        iris=iris_colour(part["iris"]),
        skin=torch.cat([uniform(part["skin"][:, :4]), part["skin"][:, 4:]], dim=1),
        hair=hair,
        whiskers=_whiskers(part["beard"], masculine, hair, part["hair_colour"]),
        clothes=_clothes(part["clothing_kind"], part["clothing"], masculine),
        glasses=_glasses(part["glasses"]),
        earrings=_earrings(part["earrings"], masculine),
        hats=worn_hats,
        backdrop_kind=category(part["backdrop_kind"][:, 0], BACKDROP_SHARES),
        backdrop=part["backdrop"],
    )


def _hair(part: dict[str, Tensor], masculine: Tensor, hat: Int[Tensor, images]) -> Hair:
    device = masculine.device
    factor = torch.tensor([_FEMININE.get(name, 1.0) for name in hairstyles.STYLES], device=device)
    shares = torch.tensor(hairstyles.SHARES, device=device) * torch.where(
        masculine[:, None] < 0, factor, (factor ** (-0.75)).clamp(max=1.6)
    )
    style = category(part["hair_style"][:, 0], shares)
    covered = (hat > 0) & (hat != hats.KINDS.index("headband"))
    knotted = torch.tensor([name in ("top_knot", "afro", "quiff") for name in hairstyles.STYLES], device=device)[style]
    style = torch.where(covered & knotted, hairstyles.STYLES.index("side_part"), style)
    shape = hairstyles.vary(hairstyles.style_table(device)[style], part["hair"][:, :6])
    index = category(part["hair_colour"][:, 0], HAIR_COLOUR_SHARES)
    shade = (0.25 * part["hair_colour"][:, 1:2]).clamp(-0.6, 0.6).exp()
    warmth = 0.12 * part["hair_colour"][:, 2:3].clamp(-2, 2) * torch.tensor([1.0, 0.0, -1.0], device=device)
    colour = torch.tensor(HAIR_COLOURS, device=device)[index] * shade * (1 + warmth)
    lighter = uniform(part["hair_colour"][:, 3:4]) ** 3 * torch.tensor([1.0, 0.85, 0.6], device=device)
    return Hair(
        style=style,
        shape=shape,
        parting=3.6 * torch.tanh(part["hair"][:, 6]) * (1 - 0.8 * (part["hair"][:, 7].abs() < 0.5).float()),
        phase=uniform(part["hair_phase"]),
        colour=colour.clamp(0.004, 0.85),
        tips=1 + 0.9 * lighter,
        shine=0.55 + 0.6 * uniform(part["hair_phase"][:, 0]),
    )


def _whiskers(code: Float[Tensor, "images 5"], masculine: Tensor, hair: Hair, tone: Tensor) -> Whiskers:
    device = code.device
    table = torch.tensor([[*zones, extent, hang] for _, zones, extent, hang in BEARDS.values()], device=device)
    kind = category(code[:, 0], [share for share, *_ in BEARDS.values()])
    kind = torch.where(masculine > 0.15, kind, 0)
    chosen = table[kind]
    redder = (0.20 * code[:, 1:2].clamp(-2, 2) * torch.tensor([1.0, 0.1, -0.6], device=device)).exp()
    grey = uniform(code[:, 2:3] - 1.9)
    pepper = torch.tensor([0.36, 0.35, 0.34], device=device)
    beard = hair.colour * 0.85 * redder
    brow = hair.colour * (0.065 / hair.colour.amax(1, keepdim=True)).clamp(max=1.0) * (0.15 * code[:, 4:5]).exp()
    return Whiskers(
        zones=chosen[:, :4] * (0.08 * code[:, 3:4]).exp(),
        extent=chosen[:, 4] * (0.2 * code[:, 3].clamp(-2, 2)).exp(),
        hang=chosen[:, 5],
        phase=uniform(tone[:, 4]),
        beard_colour=beard + (pepper - beard) * grey,
        brow_colour=brow + 0.004,
    )


def _clothes(kind_code: Float[Tensor, "images 2"], code: Float[Tensor, "images 16"], masculine: Tensor) -> Clothes:
    device = code.device
    shares = torch.tensor([CLOTHING_SHARES[name] for name in CLOTHING], device=device)
    lean = torch.tensor([{"scoop": -0.95, "strap": -0.98, "suit": 0.35, "shirt": 0.2}.get(name, 0.0) for name in CLOTHING], device=device)
    kind = category(kind_code[:, 0], shares * (1 + lean * masculine[:, None]).clamp(min=0.01))
    pattern = category(kind_code[:, 1], [PATTERN_SHARES[name] for name in PATTERNS])
    suit, hoodie = (kind == CLOTHING.index("suit")), (kind == CLOTHING.index("hoodie"))
    plain = suit & (pattern != PATTERNS.index("pinstripe")) | hoodie
    pattern = torch.where(plain, 0, pattern)
    value = uniform(code[:, 1])
    garment = colour(
        uniform(code[:, 0]), uniform(code[:, 2]) ** 1.3 * (0.9 - 0.6 * suit.float()), 0.015 + torch.where(suit, 0.10, 0.72) * value**2.0
    )
    shirt = colour(uniform(code[:, 3]), 0.25 * uniform(code[:, 4]), 0.72 - 0.3 * uniform(code[:, 5]))
    third = colour(uniform(code[:, 6]), 0.8 * uniform(code[:, 7]), 0.03 + 0.6 * uniform(code[:, 8]) ** 2)
    wide = 1 + 0.07 * masculine + 0.04 * code[:, 13].clamp(-2, 2)
    frame = torch.stack([wide, 1 + 0.10 * code[:, 14].clamp(-2, 2), 1 + 0.06 * masculine + 0.02 * code[:, 15].clamp(-2, 2)], dim=1)
    return Clothes(kind, pattern, torch.stack([garment, shirt, third], dim=1), torch.tanh(code[:, 9:13]), frame)


def colour(hue: Tensor, saturation: Tensor, value: Tensor) -> Float[Tensor, "images 3"]:
    """Hue, saturation, value → RGB, smooth in the hue."""
    wheel = torch.stack([hue, hue + 2 / 3, hue + 1 / 3], dim=-1) * 2 * math.pi
    share = (0.5 + 0.75 * wheel.cos()).clamp(0, 1)
    return value.unsqueeze(-1) * (1 - saturation.unsqueeze(-1) * (1 - share))


def _glasses(code: Float[Tensor, "images 8"]) -> Spectacles:
    """One in seven wears glasses; one in six of those, tinted ones."""
    dark = (code[:, 6] > 0.95).float()[:, None]
    metal = (code[:, 3] > 0.35).float()[:, None]
    shell = colour(uniform(code[:, 4]) * 0.12, 0.75 * uniform(code[:, 5]), 0.008 + 0.14 * uniform(code[:, 5]) ** 3)
    wire = code.new_tensor([0.42, 0.36, 0.26]) * (0.4 + 0.6 * uniform(code[:, 4:5]))
    tint = 0.10 + 0.35 * uniform(code[:, 7:8])
    return Spectacles(
        worn=(code[:, 0] > 1.04).float(),
        roundness=uniform(1.4 * code[:, 1]),
        size=1 + 0.07 * code[:, 2].clamp(-2, 2),
        bold=uniform(code[:, 3]) * (1 - 0.85 * metal[:, 0]),
        height=0.70 + 0.22 * uniform(1.4 * code[:, 1]),
        frame=shell + (wire - shell) * metal,
        tint=(0.93 - (0.93 - tint) * dark) * (1 - 0.25 * dark * code.new_tensor([0.0, 0.25, 0.8]) * uniform(code[:, 5:6])),
        shine=0.25 + 0.5 * uniform(code[:, 7]),
    )


def _earrings(code: Float[Tensor, "images 5"], masculine: Tensor) -> Earrings:
    gold, silver = code.new_tensor([0.75, 0.50, 0.17]), code.new_tensor([0.62, 0.62, 0.64])
    hoop = (0.35 + 1.1 * uniform(code[:, 1])) * (code[:, 2] > 0).float() * (masculine < 0).float()
    return Earrings(
        worn=(code[:, 0] > 0.25 + 1.1 * (masculine > 0).float()).float(),
        hoop=hoop,
        bead=torch.where(hoop > 0, 0.09, 0.20) * (0.2 * code[:, 3]).exp(),
        colour=torch.where((code[:, 4:5] > 0), gold, silver),
    )


def _hats(code: Float[Tensor, "images 8"]) -> Hats:
    hat = colour(uniform(code[:, 1]), 0.8 * uniform(code[:, 2]), 0.015 + 0.5 * uniform(code[:, 3]) ** 2)
    band = colour(uniform(code[:, 4]), 0.7 * uniform(code[:, 5]), 0.02 + 0.6 * uniform(code[:, 3] - code[:, 4]))
    return Hats(category(code[:, 0], hats.SHARES), torch.tanh(code[:, 5:8]), torch.stack([hat, band], dim=1))


__all__ = ["BACKDROPS", "Scene", "colour", "scene_of"]
