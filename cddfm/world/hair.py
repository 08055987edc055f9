"""Hair as a sheet that flows from the crown over the scalp and, where it is long, hangs down: closed-form geometry and look.

The sheet is a grid of strands (columns, one per azimuth about the crown's axis; 0 = front, positive = the head's left) by steps along the
strand (rows). The first `SCALP_ROWS` rows follow the scalp, raised by the volume; the others hang. Centimetres and radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.world.looks import ramp

COLUMNS = 60
SCALP_ROWS = 13
HANGING_ROWS = 9
ROWS = SCALP_ROWS + HANGING_ROWS
TABLE_ROWS = 20
TABLE_REACH = math.radians(125)
CENTRE = (0.0, 1.0, -7.0)
CROWN_TILT = math.radians(14)
NEIGHBOURS = 14

STYLES = ("crop", "side_part", "fringe", "bob", "long", "long_wavy", "curly", "bun", "swept", "receding", "bald")

# Per style: volume top, side, back (cm); fringe (radians past the hairline, < 0 receding); hang at the sides and the back (cm); flare (cm);
# wave amplitude (cm); curl amplitude (cm); parting depth; density; bun radius (cm); ears covered (0 to 1); bare crown (radians).
_TABLE = (
    (1.4, 0.7, 0.9, 0.02, 0.0, 0.0, 0.0, 0.05, 0.06, 0.2, 1.0, 0.0, 0.0, 0.0),
    (2.0, 1.0, 1.2, 0.03, 0.0, 0.0, 0.0, 0.08, 0.06, 1.0, 1.0, 0.0, 0.2, 0.0),
    (1.6, 1.2, 1.3, 0.26, 0.0, 0.0, 0.0, 0.06, 0.08, 0.1, 1.0, 0.0, 0.4, 0.0),
    (1.7, 1.9, 1.8, 0.26, 9.0, 10.0, 0.9, 0.10, 0.06, 0.2, 1.0, 0.0, 1.0, 0.0),
    (1.4, 1.3, 1.4, 0.00, 20.0, 20.0, 1.0, 0.12, 0.05, 1.0, 1.0, 0.0, 1.0, 0.0),
    (1.9, 2.0, 2.0, 0.02, 18.0, 18.0, 2.2, 0.60, 0.15, 0.9, 1.0, 0.0, 1.0, 0.0),
    (3.0, 2.8, 3.0, 0.04, 0.0, 0.0, 0.0, 0.15, 0.50, 0.0, 1.0, 0.0, 0.35, 0.0),
    (0.9, 0.6, 0.8, 0.00, 0.0, 0.0, 0.0, 0.04, 0.03, 0.2, 1.0, 3.2, 0.1, 0.0),
    (2.6, 0.8, 1.1, -0.03, 0.0, 0.0, 0.0, 0.10, 0.10, 0.0, 1.0, 0.0, 0.1, 0.0),
    (0.7, 0.5, 0.6, -0.30, 0.0, 0.0, 0.0, 0.03, 0.04, 0.0, 0.85, 0.0, 0.0, 0.0),
    (0.3, 0.3, 0.4, -0.30, 0.0, 0.0, 0.0, 0.02, 0.02, 0.0, 0.75, 0.0, 0.0, 1.05),
)
_FIELDS = (
    "top", "side", "back", "fringe", "hang_side", "hang_back", "flare", "wave", "curl", "parting", "density", "bun", "ears", "bare",
)  # fmt: skip


@dataclass(frozen=True)
class Hair:
    """A batch of hair: the columns of the style table after individual variation, the parting's azimuth, phases, colour (linear RGB)."""

    style: Int[Tensor, batch]
    shape: Float[Tensor, "batch 14"]
    parting: Float[Tensor, batch]
    phase: Float[Tensor, "batch 8"]
    colour: Float[Tensor, "batch 3"]
    shine: Float[Tensor, batch]

    def field(self, name: str) -> Float[Tensor, batch]:
        return self.shape[:, _FIELDS.index(name)]


def style_table(device: torch.device) -> Float[Tensor, "styles 14"]:
    return torch.tensor(_TABLE, device=device)


def vary(shape: Float[Tensor, "batch 14"], code: Float[Tensor, "batch 5"]) -> Float[Tensor, "batch 14"]:
    """Individual variation of a style: volumes, fringe, length, flare and waves."""
    factor = torch.ones_like(shape)
    factor[:, 0:3] = (0.22 * code[:, 0:1]).exp()
    factor[:, 4:6] = (0.25 * code[:, 1:2]).exp()
    factor[:, 6] = (0.30 * code[:, 2]).exp()
    factor[:, 7] = (0.35 * code[:, 3]).exp()
    shape = shape * factor
    fringe = shape[:, 3] + 0.045 * code[:, 4]
    return torch.cat([shape[:, :3], fringe.unsqueeze(1), shape[:, 4:]], dim=1)


@dataclass(frozen=True)
class Scalp:
    """Where the head's surface lies in each direction from `CENTRE`: neighbours and weights of head vertices for a table of directions."""

    directions: Float[Tensor, "rows columns 3"]
    neighbours: Int[Tensor, "rows columns near"]
    weights: Float[Tensor, "rows columns near"]


def bind_scalp(points: Float[Tensor, "vertices 3"], usable: Tensor) -> Scalp:
    """Bind the table of directions to the usable vertices of the mean head, Gaussian in angle."""
    reach = torch.linspace(0, TABLE_REACH, TABLE_ROWS, device=points.device)
    azimuth = _azimuths(points.device)
    directions = polar(reach[:, None].expand(-1, COLUMNS + 1), azimuth[None, :].expand(TABLE_ROWS, -1))
    index = usable.nonzero().squeeze(1)
    spokes = torch.nn.functional.normalize(points[index] - torch.tensor(CENTRE, device=points.device), dim=-1)
    closeness, near = (directions.flatten(0, 1) @ spokes.t()).topk(NEIGHBOURS, dim=-1)
    angle = closeness.clamp(-1, 1).acos()
    weights = torch.exp(-0.5 * (angle / (angle[:, 3:4] + 0.02)) ** 2)
    weights = weights / weights.sum(-1, keepdim=True)
    return Scalp(directions, index[near].unflatten(0, directions.shape[:2]), weights.unflatten(0, directions.shape[:2]))


def polar(reach: Tensor, azimuth: Tensor) -> Tensor:
    """Directions at an angle `reach` from the crown's axis towards `azimuth`."""
    x, y, z = reach.sin() * azimuth.sin(), reach.cos(), reach.sin() * azimuth.cos()
    tilt = CROWN_TILT
    return torch.stack([x, math.cos(tilt) * y + math.sin(tilt) * z, math.cos(tilt) * z - math.sin(tilt) * y], dim=-1)


def polar_of(points: Float[Tensor, "vertices 3"]) -> tuple[Float[Tensor, vertices], Float[Tensor, vertices]]:
    """Inverse of `polar`: reach and azimuth of points seen from `CENTRE`."""
    x, y, z = torch.nn.functional.normalize(points - torch.tensor(CENTRE, device=points.device), dim=-1).unbind(-1)
    up = math.cos(CROWN_TILT) * y - math.sin(CROWN_TILT) * z
    forward = math.sin(CROWN_TILT) * y + math.cos(CROWN_TILT) * z
    return up.clamp(-1, 1).acos(), torch.atan2(x, forward)


def hairline(azimuth: Tensor, hair: Hair) -> Tensor:
    """Reach at which the hair ends on the head: forehead, temples, in front of the ear, behind it, nape. azimuth [batch or 1, points]."""
    side = torch.rad2deg(azimuth.abs())
    fringe, ears = hair.field("fringe")[:, None], hair.field("ears")[:, None]
    front = math.radians(51) + fringe * (1 - 0.5 * ramp(side, 25.0, 62.0)) - math.radians(5) * ramp(side, 12.0, 42.0)
    sideburn = math.radians(88)
    over_ear = math.radians(80) + ears * math.radians(12)
    nape = math.radians(121)
    line = front + (sideburn - front) * ramp(side, 40.0, 78.0)
    line = line + (over_ear - sideburn) * ramp(side, 80.0, 90.0)
    return line + (nape - over_ear) * ramp(side, 98.0, 122.0)


def _azimuths(device: torch.device) -> Float[Tensor, columns]:
    """One column more than strands: the last repeats the first, at the back, so that texture coordinates do not jump."""
    return torch.linspace(-math.pi, math.pi, COLUMNS + 1, device=device)


def sheet_triangles(device: torch.device) -> Int[Tensor, "triangles 3"]:
    """Triangles of the sheet, outward counter-clockwise."""
    corner = (torch.arange(ROWS - 1, device=device)[:, None] * (COLUMNS + 1) + torch.arange(COLUMNS, device=device)).flatten()
    right, below = corner + 1, corner + COLUMNS + 1
    return torch.cat([torch.stack([corner, below, right], -1), torch.stack([right, below, below + 1], -1)])


@dataclass(frozen=True)
class Sheet:
    """Grid vertices in the head's frame and what the look needs: azimuth, cm left to the strand's tip, cm from its root, opacity."""

    points: Float[Tensor, "batch grid 3"]
    azimuth: Float[Tensor, "batch grid"]
    left: Float[Tensor, "batch grid"]
    length: Float[Tensor, "batch grid"]
    opacity: Float[Tensor, "batch grid"]


def build_sheet(hair: Hair, scalp: Scalp, head: Float[Tensor, "batch vertices 3"]) -> Sheet:
    """The sheet on these heads (in their own frame)."""
    batch, device = head.shape[0], head.device
    azimuth = _azimuths(device)[None, :].expand(batch, -1)
    centre = torch.tensor(CENTRE, device=device)
    radius = (head[:, scalp.neighbours.flatten()] - centre).norm(dim=-1).view(batch, *scalp.neighbours.shape)
    radius = (radius * scalp.weights).sum(-1)
    end = hairline(azimuth, hair)
    side = azimuth.abs()
    hang_window = ((side - math.radians(58)) / math.radians(16)).clamp(0, 1)
    back_share = ((side - math.radians(95)) / math.radians(50)).clamp(0, 1)
    hang_side, hang_back = hair.field("hang_side")[:, None], hair.field("hang_back")[:, None]
    drop = (hang_side + (hang_back - hang_side) * back_share) * hang_window
    leaves = torch.where(drop > 0.5, math.radians(84) + math.radians(6) * back_share, end)
    end = torch.where(drop > 0.5, torch.minimum(torch.maximum(end, leaves), leaves + 0.02), end)
    share = 1 - (1 - torch.linspace(0, 1, SCALP_ROWS, device=device)) ** 1.6
    reach = share[None, :, None] * end[:, None, :]
    points = _on_scalp(hair, radius, reach, azimuth, share, drop, centre)
    hang = torch.linspace(0, 1, HANGING_ROWS + 1, device=device)[1:]
    hanging = _hanging(hair, points[:, -1], azimuth, drop, hang, centre)
    grid = torch.cat([points, hanging], dim=1)
    fallen = torch.cat([reach * 9.5, (reach[:, -1:] * 9.5 + drop[:, None] * hang[None, :, None])], dim=1)
    left = fallen[:, -1:] - fallen
    settled = torch.where(drop[:, None] > 0.5, _framing(side[:, None]), (left / 3).clamp(0, 1))
    grid = grid + _ruffle(hair, grid - centre, azimuth, fallen) * settled.unsqueeze(-1)
    bare = hair.field("bare")[:, None, None]
    edge = torch.cat([reach, end[:, None].expand(-1, HANGING_ROWS, -1)], dim=1)
    opacity = hair.field("density")[:, None, None] * torch.where(bare > 0, ((edge - bare) / 0.12).clamp(0, 1), 1.0)
    return Sheet(
        grid.flatten(1, 2),
        azimuth[:, None].expand(-1, ROWS, -1).flatten(1),
        left.flatten(1),
        fallen.flatten(1),
        opacity.expand(-1, ROWS, COLUMNS + 1).flatten(1),
    )


def _on_scalp(
    hair: Hair, radius: Tensor, reach: Tensor, azimuth: Tensor, share: Tensor, drop: Tensor, centre: Tensor
) -> Tensor:
    """Rows that follow the scalp, raised by the volume; thin at the hairline where the hair ends there."""
    place = reach / TABLE_REACH * (TABLE_ROWS - 1)
    low = place.floor().clamp(0, TABLE_ROWS - 2).long()
    part = place - low
    base = radius.gather(1, low) * (1 - part) + radius.gather(1, low + 1) * part
    side = azimuth.abs()[:, None]
    sideways = (1 - (side - math.pi / 2).abs() / (math.pi / 2)).clamp(0, 1) * (reach / 1.2).clamp(0, 1)
    backward = (side / (math.pi / 2) - 1).clamp(0, 1) * (reach / 1.2).clamp(0, 1)
    top, lateral, back = (hair.field(name)[:, None, None] for name in ("top", "side", "back"))
    volume = top + (lateral - top) * sideways + (back - top) * backward
    left = ((1 - share[None, :, None]) * reach[:, -1:] * 9.5 - 0.45).clamp(min=0)
    close = (left / (0.9 + 0.8 * top + 1.5 * ((side - 1.4) / 0.5).clamp(0, 1))).clamp(max=1)
    ending = (1 - (1 - close) ** 2).clamp(min=0).sqrt()
    opening = 1 - (1 - _framing(side)) * ((reach - 0.65) / 0.45).clamp(0, 1)
    taper = torch.where(drop[:, None] > 0.5, opening, ending)
    groove = torch.exp(-(((azimuth - hair.parting[:, None]) / 0.16) ** 2))[:, None]
    groove = 1 - 0.65 * hair.field("parting")[:, None, None] * groove * ((reach - 0.1) / 0.3).clamp(0, 1)
    over_ear = torch.exp(-(((side - math.radians(98)) / math.radians(24)) ** 2)) * ((reach - 1.1) / 0.3).clamp(0, 1)
    thickness = 0.12 + volume * taper * groove + 1.1 * hair.field("ears")[:, None, None] ** 2 * over_ear
    directions = polar(reach, azimuth[:, None].expand_as(reach))
    return centre + directions * (base + thickness).unsqueeze(-1)


def _framing(side: Tensor) -> Tensor:
    """0.1 where hanging hair borders the face, which it must touch, to 1 behind the ears."""
    return 0.1 + 0.9 * ((side - math.radians(58)) / math.radians(40)).clamp(0, 1)


def _hanging(hair: Hair, edge: Tensor, azimuth: Tensor, drop: Tensor, hang: Tensor, centre: Tensor) -> Tensor:
    """Rows below the scalp: straight down, flaring out, pulled in towards the neck at the very back."""
    down = drop[:, None] * hang[None, :, None]
    outward = edge - centre
    outward = torch.stack([outward[..., 0], torch.zeros_like(drop), outward[..., 2]], dim=-1)
    outward = torch.nn.functional.normalize(outward, dim=-1)[:, None]
    flare = hair.field("flare")[:, None, None] * (torch.sin(hang * 2.6)[None, :, None] + 0.25 * hang[None, :, None])
    reach = torch.where(drop[:, None] > 0.5, flare * _framing(azimuth.abs()[:, None]), torch.zeros_like(flare))
    points = edge[:, None] + outward * reach.unsqueeze(-1)
    lowered = points[..., 1] - down
    return torch.stack([points[..., 0], lowered, points[..., 2]], dim=-1)


def _ruffle(hair: Hair, spoke: Tensor, azimuth: Tensor, fallen: Tensor) -> Tensor:
    """Waves along the strand and curls across it, outward from the middle."""
    phase = hair.phase
    angle = azimuth[:, None, :]

    def at(index: int) -> Tensor:
        return phase[:, index, None, None]

    wave = torch.sin(fallen * 1.15 + at(0) + 1.5 * torch.sin(angle * 2 + at(1)))
    across = torch.sin(angle * 11 + at(2) + 2.0 * torch.sin(fallen * 0.9 + at(3)))
    curl = across * torch.sin(fallen * 1.9 + at(4) + torch.sin(angle * 5 + at(5)))
    tuft = torch.sin(angle * 7 + at(6)) * torch.sin(angle * 3 + at(7))
    grown = (fallen / 6).clamp(0, 1)
    height = hair.field("wave")[:, None, None] * (1.0 + wave + 0.6 * tuft) * grown + hair.field("curl")[:, None, None] * (0.6 + curl)
    return torch.nn.functional.normalize(spoke, dim=-1) * height.unsqueeze(-1)
