"""What people of the world wear on their heads, in numbers that are 0 where nothing is worn."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.world import hats
from cddfm.world.codes import CODE_DIM, split
from cddfm.world.scene import glasses_of, hats_of

WORN = ("glasses", "dark_glasses", "bold_glasses", "round_glasses", "light_glasses", *hats.KINDS[1:], "hat_red", "hat_green", "hat_blue")
"""What each number says."""

PART_OF = ((), *[(0,)] * 4, *[()] * 4, *[(5, 6, 7, 8)] * 3)
"""For each of them, those of whom it is a part: it is at most their sum. None where it is a thing by itself."""

DARK = 0.7
"""Lenses are dark that let less light through."""

RARE = (("hat", 0, 0.17), ("glasses", 0, 0.3), ("glasses", 6, 0.3))
"""Numbers of a code that decide of what is worn where they are high, (part, number, share of people in whom they are so or nearly)."""

HIGHEST = 4.0
"""Of a code's numbers, as good as none is higher."""


def worn(codes: Float[Tensor, "images code"]) -> Float[Tensor, "images worn"]:
    """Numbers in [0, 1] in the order of `WORN`: whether, and if so how, people wear glasses; the kind and the colour of their hats, a
    colour as the root of its linear RGB."""
    part = split(codes)
    glasses, hat = glasses_of(part["glasses"]), hats_of(part["hat"])
    frames = [torch.ones_like(glasses.worn), (glasses.tint.mean(dim=1) < DARK).float(), glasses.bold, glasses.roundness,
              glasses.frame.mean(dim=1).sqrt()]  # fmt: skip
    kinds = [(hat.kind == kind).float() for kind in range(1, len(hats.KINDS))]
    colour = hat.colours[:, 0].sqrt() * (hat.kind > 0)[:, None]
    return torch.cat([torch.stack(frames, dim=1) * glasses.worn[:, None], torch.stack(kinds, dim=1), colour], dim=1)


def conspicuous(count: int, generator: torch.Generator) -> Float[Tensor, "count code"]:
    """Codes of whom more than the world's wear something, of every kind: for who is to learn which code says what."""
    codes = torch.randn(count, CODE_DIM, generator=generator)
    part = split(codes)
    for name, number, share in RARE:
        chosen = torch.rand(count, generator=generator) < 0.5
        high = torch.special.ndtri(1 - share * torch.rand(count, generator=generator)).clamp(max=HIGHEST)
        part[name][:, number] = torch.where(chosen, high, part[name][:, number])
    return codes
