"""Names and measures of hair styles, and how individuals vary them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

FIELDS = (
    "top", "side", "back",  # length in cm
    "volume", "side_volume",  # height of the hair's mass above the scalp, cm
    "forward", "part", "backward", "outward",  # weights of the directions into which it is combed
    "gravity", "stick",  # how soon it falls; how firmly it follows the scalp
    "wave", "curl",  # amplitudes, cm
    "clump", "frizz",  # how locks gather at their tips; how far single hairs stray
    "recede", "bare",  # hairline moved back, bald crown: radians
    "density", "tint",  # share of strands that grow; how much of the scalp's skin the stubble hides
    "fringe",  # 1: the front is combed over the forehead
    "tie",  # where it is gathered: an index of TIES
)  # fmt: skip

_STYLES: dict[str, tuple[float, tuple[float, ...]]] = {
    # share, then FIELDS
    "shaved": (0.04, (0.2, 0.2, 0.2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0.05, 0, 0.0, 0.40, 0, 0)),
    "bald": (0.03, (0.2, 0.2, 0.2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0.10, 0.0, 0.0, 0.05, 0, 0)),
    "buzz": (0.07, (0.55, 0.4, 0.4, 0.1, 0.1, 0.6, 0, 0, 0.7, 0, 0, 0, 0, 0, 0.5, 0.05, 0, 1.0, 0.80, 0, 0)),
    "crop": (0.09, (3.4, 1.1, 1.2, 1.1, 0.3, 0.7, 0.2, 0, 0.5, 0.1, 0.3, 0, 0.05, 0.3, 0.5, 0.0, 0, 1.0, 0.92, 0.6, 0)),
    "side_part": (0.11, (8.5, 2.6, 2.4, 1.5, 0.5, 0.15, 1.0, 0.15, 0.10, 0.10, 0.85, 0.12, 0.03, 0.4, 0.3, 0.02, 0, 1.0, 0.95, 0, 0)),
    "slick": (0.05, (13.0, 7.0, 8.0, 0.9, 0.2, 0, 0, 1.0, 0.05, 0.10, 0.92, 0.05, 0.02, 0.5, 0.1, 0.06, 0, 1.0, 0.96, 0, 0)),
    "quiff": (0.06, (8.0, 1.2, 1.4, 2.6, 0.3, 0.1, 0.25, 0.7, 0.65, 0.05, 0.25, 0.2, 0.04, 0.5, 0.4, 0.02, 0, 1.0, 0.95, 0, 0)),
    "fringe": (0.06, (8.0, 6.0, 5.0, 1.2, 0.8, 1.0, 0.1, 0, 0.05, 0.45, 0.8, 0.1, 0.03, 0.5, 0.3, 0, 0, 1.0, 0.96, 1, 0)),
    "tousled": (0.06, (8.0, 4.5, 5.0, 2.0, 1.2, 0.5, 0.5, 0.1, 0.45, 0.25, 0.4, 0.35, 0.15, 0.6, 0.8, 0.02, 0, 1.0, 0.95, 0.5, 0)),
    "curly": (0.06, (8.5, 6.0, 7.0, 2.4, 1.7, 0.35, 0.35, 0, 0.6, 0.25, 0.15, 0.2, 0.55, 0.75, 0.7, 0.02, 0, 1.0, 0.96, 0.4, 0)),
    "afro": (0.05, (6.0, 5.2, 5.6, 2.4, 2.0, 0, 0, 0, 1.0, 0.0, 0.0, 0.1, 0.45, 0.1, 0.7, 0.0, 0, 1.0, 0.98, 0, 0)),
    "bob": (0.07, (19.0, 15.0, 14.0, 1.3, 0.9, 0.05, 1.0, 0, 0.05, 1.0, 0.75, 0.1, 0.02, 0.4, 0.2, 0, 0, 1.0, 0.97, 0, 0)),
    "bob_fringe": (0.04, (18.0, 15.0, 14.0, 1.3, 1.0, 0.3, 0.6, 0, 0.05, 1.0, 0.75, 0.08, 0.02, 0.4, 0.2, 0, 0, 1.0, 0.97, 1, 0)),
    "long": (0.08, (40.0, 38.0, 38.0, 1.2, 0.9, 0.0, 1.0, 0.1, 0.05, 1.0, 0.75, 0.15, 0.02, 0.4, 0.2, 0, 0, 1.0, 0.97, 0, 0)),
    "long_wavy": (0.08, (36.0, 34.0, 34.0, 1.6, 1.3, 0.0, 1.0, 0.05, 0.10, 1.0, 0.6, 0.75, 0.08, 0.6, 0.4, 0, 0, 1.0, 0.97, 0, 0)),
    "long_curly": (0.05, (30.0, 27.0, 27.0, 2.2, 1.9, 0.1, 0.9, 0, 0.25, 0.85, 0.4, 0.5, 0.75, 0.75, 0.6, 0, 0, 1.0, 0.97, 0.2, 0)),
    "ponytail": (0.05, (34.0, 34.0, 34.0, 0.8, 0.3, 0, 0, 0, 0, 0.3, 0.95, 0.1, 0.02, 0.4, 0.15, 0, 0, 1.0, 0.97, 0, 1)),
    "top_knot": (0.03, (28.0, 28.0, 28.0, 0.7, 0.3, 0, 0, 0, 0, 0.0, 0.95, 0.1, 0.02, 0.3, 0.2, 0, 0, 1.0, 0.97, 0, 2)),
    "low_bun": (0.03, (30.0, 30.0, 30.0, 1.1, 0.5, 0, 0.2, 0, 0, 0.1, 0.95, 0.1, 0.02, 0.3, 0.2, 0, 0, 1.0, 0.97, 0, 3)),
    "dreadlocks": (0.03, (26.0, 24.0, 24.0, 1.6, 1.2, 0.0, 0.7, 0.3, 0.15, 1.0, 0.5, 0.25, 0.10, 0.96, 0.3, 0.02, 0, 1.0, 0.96, 0, 0)),
    "receding": (0.06, (3.6, 1.6, 1.6, 0.6, 0.3, 0.2, 0.4, 0.5, 0.3, 0.1, 0.5, 0.1, 0.04, 0.3, 0.6, 0.34, 0, 0.8, 0.75, 0, 0)),
    "horseshoe": (0.04, (2.0, 1.8, 2.0, 0.4, 0.5, 0.1, 0.2, 0.6, 0.2, 0.2, 0.5, 0.1, 0.05, 0.2, 0.7, 0.30, 1.02, 0.85, 0.75, 0, 0)),
}  # fmt: skip

STYLES = tuple(_STYLES)
SHARES = tuple(share for share, _ in _STYLES.values())
TIES = ((0.0, 0.0, 0.0), (0.0, 4.0, -17.6), (0.0, 12.6, -9.5), (0.0, -2.5, -17.6))
"""Where gathered hair meets (0: nowhere)."""


@dataclass(frozen=True)
class Hair:
    """A batch of hair: index of `STYLES`, `FIELDS` after individual variation, where it is parted (cm to the head's left), phases of its
    disorder in [0, 1), colour (linear RGB), how much lighter the tips are than the roots, shine."""

    style: Int[Tensor, batch]
    shape: Float[Tensor, "batch fields"]
    parting: Float[Tensor, batch]
    phase: Float[Tensor, "batch 8"]
    colour: Float[Tensor, "batch 3"]
    tips: Float[Tensor, "batch 3"]
    shine: Float[Tensor, batch]

    def field(self, name: str) -> Float[Tensor, batch]:
        return self.shape[:, FIELDS.index(name)]


def style_table(device: torch.device) -> Float[Tensor, "styles fields"]:
    return torch.tensor([fields for _, fields in _STYLES.values()], device=device)


def vary(shape: Float[Tensor, "batch fields"], code: Float[Tensor, "batch 6"]) -> Float[Tensor, "batch fields"]:
    """Individual variation of a style: lengths together and the sides alone, volume, waves and curls, frizz, hairline."""
    factor = torch.ones_like(shape)
    code = code.clamp(-2.2, 2.2)
    for name, exponent in (
        ("top", 0.18 * code[:, 0]),
        ("side", 0.18 * code[:, 0] + 0.10 * code[:, 1]),
        ("back", 0.18 * code[:, 0] + 0.10 * code[:, 1]),
        ("volume", 0.22 * code[:, 2]),
        ("side_volume", 0.22 * code[:, 2]),
        ("wave", 0.40 * code[:, 3]),
        ("curl", 0.20 * code[:, 3]),
        ("frizz", 0.35 * code[:, 4]),
        ("density", -0.05 * code[:, 4].abs()),
    ):
        factor[:, FIELDS.index(name)] = exponent.exp()
    varied = shape * factor
    varied[:, FIELDS.index("recede")] += 0.035 * code[:, 5]
    return varied
