"""The jaw: which points belong to it, and how it turns about its hinge."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.mouth import BAG_ROWS
from cddfm.head.numerics import soft_step
from cddfm.head.template import Template


def lower_weight(template: Template) -> Float[Tensor, " vertices"]:
    """How much a point belongs to the lower side of the mouth's line (0 to 1): sharp between the corners, soft beyond them."""
    x, y, _ = template.points.unbind(-1)
    side = x.abs()
    line = -6.86 + 2.2 * soft_step(side, 2.4, 7.2)
    beyond = (side / 2.5).clamp(max=1.0) ** 4
    fade = torch.exp(-(((y - line).abs() / 1.5) ** 1.3))
    upper, lower = 0.5 * beyond * fade, 1 - 0.5 * beyond * fade
    below = torch.where(template.mask("skin") & (side < 2.62), template.below, (y < line).double())
    bag = template.part["bag"]
    columns = (bag.stop - bag.start) // len(BAG_ROWS)
    below[bag] = torch.linspace(-1.0, 2.0, len(BAG_ROWS)).double().clamp(0, 1).repeat_interleave(columns)
    weight = upper + (lower - upper) * below
    weight[template.part["teeth_upper"]] = 0.0
    weight[template.part["teeth_lower"]] = 1.0
    weight[template.part["tongue"]] = 0.92
    return weight


def jaw_open(template: Template, lower: Tensor) -> Float[Tensor, "vertices 3"]:
    """Rotation of the jaw about its hinge in the affine form that fits the measured travel of lower lip and chin."""
    x, y, z = template.points.unbind(-1)
    up, forward = y + 5.75, z + 10.97
    turn = torch.stack([torch.zeros_like(x), -0.117 * up - 0.282 * forward, 0.282 * up - 0.117 * forward], dim=-1)
    share = jaw_share(y, z)
    for name in ("teeth_lower", "tongue"):
        share[template.part[name]] = 1.0
    return turn * (lower * share)[:, None]


def jaw_share(y: Tensor, z: Tensor) -> Tensor:
    """How firmly skin is attached to the jaw bone: fully at the chin, less to the ears, not at all at the neck's base."""
    return soft_step(z, -7.5, -1.0) * soft_step(y, -16.0, -11.5) * soft_step(y, -1.0, -6.5)
