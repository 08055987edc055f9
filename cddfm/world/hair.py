"""Hair as strands: guide hairs grown step by step over the scalp, each with a lock of hairs around it.

Everything is a closed form of (head, style, fixed irregular numbers), batched over images × guides. Vectors are planes [3, batch, …] in
the head's frame, in centimetres.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cddfm.world.comb import comb_of
from cddfm.world.hairstyles import Hair
from cddfm.world.scalp import CENTRE, hairline, polar, polar_of, radius_at
from cddfm.world.vectors import cross, ramp, scatter_numbers, unit

GUIDES = 600
STEPS = 14
LOCK = 6
POINTS = 22
SEGMENTS = POINTS - 1
ROOT_REACH = math.radians(123)


def guide_directions() -> tuple[Float[Tensor, guides], Float[Tensor, guides]]:
    """Reach and azimuth of the guides' roots: a spiral that covers the cap evenly."""
    number = torch.arange(GUIDES) + 0.5
    reach = (1 - number / GUIDES * (1 - math.cos(ROOT_REACH))).acos()
    return reach, torch.remainder(number * (math.pi * (3 - math.sqrt(5))), 2 * math.pi) - math.pi


def _disorder(hair: Hair, count: int, index: int) -> Float[Tensor, "batch count"]:
    """Irregular numbers in [0, 1) that differ from image to image."""
    return torch.remainder(scatter_numbers(count, 100 + index).to(hair.phase.device) + hair.phase[:, index % 8, None], 1.0)


def grow(
    hair: Hair, table: Float[Tensor, "batch cells"], cap: Float[Tensor, batch]
) -> tuple[Float[Tensor, "3 batch guides steps"], Tensor, Tensor, Tensor]:
    """Guide hairs on heads with these radius tables; their lengths, how high their root lies inside the hairline (radians), and azimuth.
    cap: 1 where a hat presses the hair down."""
    device = table.device
    reach, azimuth = (value.to(device).expand(len(table), -1) for value in guide_directions())
    centre = torch.tensor(CENTRE, device=device).view(3, 1, 1)
    field = {name: hair.field(name)[:, None] for name in
             ("top", "side", "back", "volume", "side_volume", "gravity", "stick", "frizz", "recede", "fringe")}  # fmt: skip
    margin = hairline(azimuth, field["recede"]) - reach
    sideways = ramp(azimuth.abs(), 0.75, 1.2) * ramp(reach, 0.65, 1.0)
    behind = ramp(azimuth.abs(), 1.8, 2.3) * ramp(reach, 0.8, 1.2)
    front = (1 - ramp(azimuth.abs(), 0.5, 0.8)) * ramp(reach, 0.25, 0.45) * field["fringe"]
    extent = field["top"] + (field["side"] - field["top"]) * sideways
    extent = extent + (field["back"] - extent) * behind
    extent = extent + (torch.minimum(extent, 6.2 + 9.2 * margin.clamp(0, 0.8)) - extent) * front
    extent = extent * (0.82 + 0.30 * _disorder(hair, GUIDES, 0))
    height = (field["volume"] + (field["side_volume"] - field["volume"]) * torch.maximum(sideways, behind)) * (
        0.25 + 0.75 * _disorder(hair, GUIDES, 1)
    )
    height = height * (1 - 0.9 * cap[:, None])
    pressed = cap[:, None] * ramp(margin, -0.1, 0.1)
    noise = torch.stack([_disorder(hair, GUIDES, 2 + axis) * 2 - 1 for axis in range(3)])
    place = centre + polar(reach, azimuth) * radius_at(table, reach, azimuth)
    heading = unit(place - centre)
    comb = comb_of(hair, front, noise)
    step = extent / (STEPS - 1)
    arrived = torch.zeros_like(reach)
    path = [place]
    for number in range(1, STEPS):
        grown = step * number
        outward = unit(place - centre)
        wanted, arrived = comb.flow(place, outward, grown, arrived)
        lift = (0.55 * torch.exp(-grown / 1.5)) * (height / 1.2).clamp(max=1.2)
        wanted = unit(wanted + outward * lift + noise * (0.35 * field["frizz"]))
        follow = 0.75 if number > 1 else 0.9
        heading = unit(heading * (1 - follow) + wanted * follow)
        place = place + heading * step
        place = _keep_out(hair, table, place, centre, height * (1 - torch.exp(-grown / 1.3)), grown, front, arrived, pressed)
        path.append(place)
    return torch.stack(path, dim=-1), extent, margin, azimuth


def _keep_out(
    hair: Hair,
    table: Tensor,
    place: Tensor,
    centre: Tensor,
    height: Tensor,
    grown: Tensor,
    front: Tensor,
    arrived: Tensor,
    pressed: Tensor,
) -> Tensor:
    """Hairs kept outside the head (by their height in the hair's mass), near the scalp where they stick to it, off the face and outside
    neck and shoulders."""
    stick = torch.maximum(hair.field("stick")[:, None], pressed) * (1 - arrived)
    reach, azimuth, distance = polar_of(place - centre)
    over_ear = torch.exp(-(((azimuth.abs() - 1.70) / 0.42) ** 2)) * ramp(reach, 1.1, 1.45) * ramp(grown, 2.0, 6.0)
    least = radius_at(table, reach, azimuth) + 0.10 + height + 0.9 * over_ear
    near = least + (distance - least) * (1 - stick * (1 - ramp(reach, 1.35, 1.75)))
    inside = (reach < 2.25).float()
    wanted = distance + (torch.maximum(near, least) - distance) * inside
    place = centre + (place - centre) * (wanted / distance)
    x, y, z = place.unbind(0)
    starts, stops = y.new_tensor([[2.0, -6.0, 5.5, -8.0], [-3.0, -11.0, 3.0, -11.0]]).view(2, 4, 1, 1)
    cheek, jaw, temple, below = ramp(y, starts, stops).unbind(0)
    limit = (5.0 + 0.9 * cheek - 0.7 * jaw) * ramp(z, -5.5, -2.5) * temple * (1 - front)
    x = torch.where(grown > 4.0, torch.copysign(torch.maximum(x.abs(), limit), x), x)
    neck = torch.hypot(x, z + 7.0).clamp(min=1e-3)
    out = (7.0 / neck).clamp(min=1.0) - 1
    x, z = x + x * out * below, z + (z + 7.0) * out * below
    shoulder = -14.2 - 0.17 * x.abs() - 0.004 * x * x + height * 0.4
    z = torch.where(y < shoulder, z + torch.where(z > -6.5, 1.0, -1.0) * (0.35 * (shoulder - y)).clamp(max=1.2), z)
    return torch.stack([x, y, z])


def lock_offsets() -> tuple[Float[Tensor, lock], Float[Tensor, lock], Float[Tensor, lock]]:
    """Where a lock's hairs start around the guide: across, outward, and how much shorter they are."""
    across = torch.tensor([0.0, -0.62, 0.58, -0.33, 0.30, 0.05])
    outward = torch.tensor([0.0, 0.05, 0.12, 0.30, -0.10, 0.42])
    shorter = torch.tensor([1.0, 0.86, 0.93, 0.97, 0.80, 0.90])
    return across[:LOCK], outward[:LOCK], shorter[:LOCK]


def locks(
    hair: Hair, guides: Float[Tensor, "3 batch guides steps"], extent: Tensor, azimuth: Tensor, count: int = LOCK
) -> Float[Tensor, "3 batch guides lock points"]:
    """The first `count` hairs of every lock."""
    device = guides.device
    across, raised, shorter = (value[:count].to(device).view(1, 1, count, 1) for value in lock_offsets())
    share = torch.linspace(0, 1, POINTS, device=device)
    middle = _resample(guides, share)
    flow = unit(torch.cat([middle[..., 1:] - middle[..., :-1], middle[..., -1:] - middle[..., -2:-1]], dim=-1))
    spoke = middle - torch.tensor(CENTRE, device=device).view(3, 1, 1, 1)
    spoke = torch.stack([spoke[0], spoke[1].clamp(min=0.0), spoke[2]])
    sideways = unit(cross(flow, spoke))
    outward = cross(sideways, flow)
    fields = {name: hair.field(name)[:, None, None, None] for name in ("wave", "curl", "clump", "frizz")}
    grown = (extent[..., None] * share)[:, :, None]
    stage = share.view(1, 1, 1, -1)
    strays = _disorder(hair, GUIDES * LOCK, 5).unflatten(1, (GUIDES, LOCK))[:, :, :count, None] * 2 - 1
    spread = (1 - fields["clump"] * ramp(grown, 0.5, 7.0)) * (1 + 0.5 * fields["frizz"] * stage)
    sway = 0.35 * fields["frizz"] * stage * torch.sin(5.0 * strays + 0.9 * grown)
    wave_phase = 1.05 * grown + 6.28 * hair.phase[:, 6, None, None, None] + (1.8 * torch.sin(2 * azimuth))[..., None, None] + 0.7 * strays
    rooted = ramp(grown, 0.3, 4.0)
    # Curls no tighter than the points along a hair can show.
    pitch = 2 * math.pi / torch.maximum(1.3 + 3.2 * fields["curl"], 3.6 / SEGMENTS * extent[:, :, None, None])
    pitch = pitch * (0.78 + 0.44 * _disorder(hair, GUIDES, 6)[..., None, None])
    start = 6.28 * _disorder(hair, GUIDES, 7)[..., None, None]
    turn = pitch * grown + start + 0.9 * strays * (1 - fields["clump"])
    u = across * spread + sway + fields["wave"] * rooted * torch.sin(wave_phase) + fields["curl"] * rooted * torch.cos(turn)
    v = raised * spread.abs() + 0.6 * fields["wave"] * rooted * torch.sin(wave_phase + 1.3) + fields["curl"] * rooted * torch.sin(turn)
    v = v + 0.25 * fields["frizz"] * stage * strays.abs()
    hairs = (sideways.unsqueeze(3) * u).add_(middle.unsqueeze(3)).add_(outward.unsqueeze(3) * v)
    root = hairs[..., :1].clone()
    return hairs.sub_(root).mul_(1 - (1 - shorter) * stage).add_(root)


def _resample(guides: Float[Tensor, "3 batch guides steps"], share: Float[Tensor, points]) -> Float[Tensor, "3 batch guides points"]:
    """Catmull–Rom through the guide's steps."""
    place = (share * (STEPS - 1)).clamp(max=STEPS - 1 - 1e-4)
    first = place.floor().long()
    t = place - first
    weights = (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (-(t**2) + t**3),
    )
    taps = [(first + offset).clamp(0, STEPS - 1) for offset in (-1, 0, 1, 2)]
    return sum(guides.index_select(-1, tap).mul_(weight) for tap, weight in zip(taps, weights, strict=True))


def growing(hair: Hair, margin: Float[Tensor, "batch guides"], azimuth: Tensor, extent: Tensor) -> Bool[Tensor, "batch guides lock"]:
    """Which hairs grow: inside the hairline (loosely at its edge), outside a bald crown, as densely as the style says; of long
    hair, whose mass hides most of it, fewer."""
    chance = _disorder(hair, GUIDES * LOCK, 3).unflatten(1, (GUIDES, LOCK))
    reach = guide_directions()[0].to(margin.device)
    bare = hair.field("bare")[:, None, None]
    crown = ramp(reach[None, :, None] - bare + 0.16 * (chance - 0.5), -0.03, 0.03) * (1 - ramp(azimuth.abs(), 0.9, 0.4))[..., None]
    open_crown = torch.where(bare > 0, crown, torch.ones_like(crown))
    edge = margin.unsqueeze(-1) > 0.10 * chance**2 - 0.015
    needed = (18 / extent).clamp(0.48, 1.0).unsqueeze(-1)
    visible = _disorder(hair, GUIDES * LOCK, 4).unflatten(1, (GUIDES, LOCK)) < needed
    return edge & visible & (chance < hair.field("density")[:, None, None]) & (open_crown > 0.5)
