"""What is painted on shoulders and collars: necklines, lapels, ties, patterns, folds. Centimetres about the neck, linear RGB."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.world.body import AXIS_Z, CLOTHING, PATTERNS, Clothes
from cddfm.world.vectors import of_each, ramp


def paint_clothes(
    rest: Float[Tensor, "3 pixels"],
    collar: Float[Tensor, pixels],
    clothes: Clothes,
    image: Int[Tensor, pixels],
    skin: Float[Tensor, "3 #pixels"],
) -> tuple[Float[Tensor, "3 pixels"], Float[Tensor, pixels], Float[Tensor, "3 pixels"]]:
    """Reflectance, how much of it is cloth (0: bare skin), and how folds and knit tilt the surface. rest: position on the unmoved torso.
    collar: 1 on the collar's band."""
    x, y, z = rest.unbind(0)
    kind, pattern = of_each(clothes.kind, image), of_each(clothes.pattern, image)
    garment, second, third = (of_each(clothes.colours[:, index].t(), image) for index in range(3))
    cut = of_each(clothes.cut.t(), image)
    across, front = x.abs(), ramp(z, AXIS_Z - 1, AXIS_Z + 1)
    deep = torch.hypot(x, (z - AXIS_Z) * 1.05) - 5.9
    worn = {name: found for number, name in enumerate(CLOTHING) if bool((found := kind == number).any())}
    hem = torch.where(collar > 0.5, 4.0, _hem(worn, deep, across, front, cut))
    cloth = ramp(hem, -0.08, 0.08)
    colour = _pattern(rest, pattern, garment, third, 1 + 0.45 * cut[3])
    for name, share in (("crew", 1.0), ("v_neck", 1.0), ("scoop", 0.5)):
        if name in worn:
            colour = colour * (1 - 0.18 * (ramp(hem, 0.75, 0.65) * (share * worn[name])))
    if "suit" in worn:
        colour = torch.where(worn["suit"], _suit(colour, (second, third), deep, across, front, cut[2], 1 - collar), colour)
    if "shirt" in worn:
        placket = worn["shirt"] * front * ramp(across, 0.85, 0.75) * (1 - collar)
        colour = colour * (1 - 0.10 * placket)
    if "hoodie" in worn:
        cord = worn["hoodie"] * front * ramp((across - 2.6 - 0.05 * deep).abs(), 0.22, 0.14) * (deep > 2.0)
        colour = colour + (0.75 - colour) * cord * (1 - collar)
    shade = 1 - 0.45 * ramp(hem, 1.0, 0.1) * cloth * 0.35
    bare = skin * (1 - 0.35 * ramp(hem, -0.7, -0.05) * (1 - cloth))
    albedo = bare + (colour * shade - bare) * cloth
    stiff = 0.10 + 0.12 * (kind == CLOTHING.index("hoodie")) + 0.05 * (kind == CLOTHING.index("crew"))
    return albedo.clamp_(0.003, 0.9), cloth, _folds(x, y, across, cut, stiff, pattern) * (cloth * (1 - 0.75 * collar))


def _hem(worn: dict[str, Bool[Tensor, worn]], deep: Tensor, across: Tensor, front: Tensor, cut: Tensor) -> Float[Tensor, pixels]:
    """Distance (cm) below the neckline; negative on bare skin."""

    def opened() -> Tensor:
        return deep - 0.2 - front * (4.6 - 1.9 * across).clamp(min=0) * (cut[2] > 0).float()

    lines: dict[str, Callable[[], Tensor]] = {
        "v_neck": lambda: deep - (1.5 + 0.8 * cut[0]) - front * (5.5 - 1.25 * across).clamp(min=0),
        "scoop": lambda: deep - (2.6 + 1.1 * cut[0]) - front * 2.2 * ramp(across, 8.0, 2.0),
        "strap": lambda: torch.maximum(3.3 - (across - 9.0).abs() * 2.5, deep - 7.5),
        "shirt": opened,
        "suit": opened,
    }
    hem = deep - 0.35
    for name, line in lines.items():
        if name in worn:
            hem = torch.where(worn[name], line(), hem)
    return hem


def _suit(
    jacket_colour: Tensor, shirt_and_tie: tuple[Tensor, Tensor], deep: Tensor, across: Tensor, front: Tensor, cut: Tensor, below: Tensor
) -> Float[Tensor, "3 pixels"]:
    """A jacket open over a shirt, with or without a tie. below: 0 on the collar's band."""
    second, third = shirt_and_tie
    lapel_line = deep - 0.9 - front * (7.5 - 1.15 * across).clamp(min=0)
    jacket = ramp(lapel_line, -0.1, 0.1) * below
    colour = torch.where((jacket > 0.5)[None], jacket_colour, second)
    tied = ramp(0.75 + 0.11 * (deep - 1.0).clamp(min=0) - across, -0.06, 0.06) * front * (cut <= 0).float() * below
    colour = colour + (third - colour) * tied * (1 - jacket)
    return colour * (1 - 0.35 * jacket * ramp(lapel_line, 2.4, 2.1) * front)


def _folds(x: Tensor, y: Tensor, across: Tensor, cut: Tensor, stiff: Tensor, pattern: Tensor) -> Float[Tensor, "3 pixels"]:
    """How the surface is tilted."""
    fold = torch.sin(0.55 * y + 0.5 * across + 1.3 * torch.sin(0.31 * x + 4 * cut[0]))
    fold = fold + 0.6 * torch.sin(0.9 * across - 0.8 * y + 3 * cut[1])
    aside = fold * stiff
    knitted = pattern == PATTERNS.index("knit")
    if bool(knitted.any()):
        aside = aside + knitted * 0.35 * torch.sin(x * 5.5)
    return torch.stack([aside, 0.8 * fold * stiff, torch.zeros_like(fold)])


def _pattern(rest: Tensor, pattern: Tensor, first: Tensor, second: Tensor, scale: Tensor) -> Float[Tensor, "3 pixels"]:
    x, y, _ = rest

    def wave(value: Tensor, width: float) -> Tensor:
        return ramp(torch.sin(value * scale), width - 0.15, width + 0.15)

    kinds: dict[str, Callable[[], Tensor]] = {
        "stripes": lambda: wave(y * 3.2, 0.0),
        "checks": lambda: 0.5 * (wave(y * 3.2, 0.0) + wave(x * 3.2, 0.0)),
        "dots": lambda: wave(y * 4.4, 0.45) * wave(x * 4.4, 0.45),
        "knit": lambda: 0.25 * (0.5 + 0.5 * torch.sin(x * 5.5 * scale) * torch.sin(y * 4.0 * scale)),
        "pinstripe": lambda: wave(x * 5.5, 0.9) * 0.35,
    }
    amount = torch.zeros_like(x)
    for name, value in kinds.items():
        worn = pattern == PATTERNS.index(name)
        if bool(worn.any()):
            amount = torch.where(worn, value(), amount)
    return first + (second - first) * amount
