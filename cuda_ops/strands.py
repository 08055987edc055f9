"""Drawing of many thin strands (hair) into a z-buffer: every segment becomes a run of samples, a lock's width several parallel runs.

Contract: at each pixel the nearest sample wins (ties: the larger segment index, then the sample further along). Nothing depends on how
many images are drawn at once. Without gradients.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cuda_ops import native

SAMPLES = {"cpu": 1 << 17, "cuda": 1 << 24}
"""Samples that are drawn at once, by kind of device (as many as its cache likes); the result does not depend on it."""

ALONG_STEPS, ACROSS_STEPS = 64, 32
"""How finely a sample's place in its segment is remembered. Segment, along and across share 31 bits of the key."""

MOST_SEGMENTS = 1 << 20
STEP = 0.75
"""Pixels between neighbouring samples of a lock wider than a pixel, so that no pixel inside is missed."""


@dataclass(frozen=True)
class StrandPixels:
    """Where strands are seen. image, row, column: of each pixel. segment: index in its image. along: 0 at the segment's start to 1. across:
    −1 to 1 over the width, 0 for hairs of one pixel. depth: from the camera."""

    image: Int[Tensor, pixels]
    row: Int[Tensor, pixels]
    column: Int[Tensor, pixels]
    segment: Int[Tensor, pixels]
    along: Float[Tensor, pixels]
    across: Float[Tensor, pixels]
    depth: Float[Tensor, pixels]

    def take(self, index: Int[Tensor, chosen]) -> StrandPixels:
        """Some of the pixels."""
        return StrandPixels(**{field.name: getattr(self, field.name).index_select(0, index) for field in fields(self)})


@torch.no_grad()
def draw_strands(
    starts: Float[Tensor, "3 batch segments"],
    ends: Float[Tensor, "3 batch segments"],
    shown: Bool[Tensor, "batch segments"],
    width: Float[Tensor, "batch segments"],
    resolution: int,
    relief: float = 0.0,
) -> StrandPixels:
    """starts, ends: (ndc x, ndc y, depth), y up. width: in ndc; at least one pixel is drawn. relief: how far (in depth units per ndc of
    width) the middle of a wide lock stands out before its edges."""
    segments = shown.shape[1]
    if segments > MOST_SEGMENTS:
        raise ValueError(f"{segments} segments are more than the {MOST_SEGMENTS} that one picture can hold; draw fewer or shorter strands")
    if starts.dtype == torch.float32 and starts.device.type == "cpu" and native.load("cpu"):
        values = (value.contiguous() for value in (starts, ends, shown, width))
        return StrandPixels(*native.operators(starts).draw_strands(*values, resolution, relief, STEP, ALONG_STEPS, ACROSS_STEPS))
    return _draw(starts, ends, shown, width, resolution, relief)


def _draw(starts: Tensor, ends: Tensor, shown: Tensor, width: Tensor, resolution: int, relief: float) -> StrandPixels:
    """The same in torch's operators."""
    batch, segments = shown.shape
    half = resolution / 2
    x, y, depth = (starts[0] + 1) * half - 0.5, (1 - starts[1]) * half - 0.5, starts[2]
    dx, dy, away = (ends[0] - starts[0]) * half, (starts[1] - ends[1]) * half, ends[2] - starts[2]
    longest = torch.maximum(dx.abs(), dy.abs())
    inside = (torch.minimum(x, x + dx) < resolution) & (torch.maximum(x, x + dx) > -1)
    inside &= (torch.minimum(y, y + dy) < resolution) & (torch.maximum(y, y + dy) > -1)
    inside &= (torch.minimum(depth, depth + away) > 0) & (longest < 2 * resolution)
    which = (shown & inside).flatten().nonzero().squeeze(1)

    def pick(value: Tensor) -> Tensor:
        return value.flatten().index_select(0, which)

    x, y, depth, dx, dy, away = (pick(value) for value in (x, y, depth, dx, dy, away))
    thick = pick(width) * half
    wide = thick >= 1.5
    runs = torch.where(wide, (thick / STEP).round(), torch.ones_like(thick))
    steps = torch.where(wide, torch.hypot(dx, dy) / STEP, pick(longest)).ceil().clamp(min=1.0)
    count = (steps * runs).long()
    length = torch.hypot(dx, dy).clamp(min=1e-6)
    reach = torch.where(wide, 0.5 * thick, torch.zeros_like(thick))
    bulge = relief * pick(width) * wide
    image, segment = which // segments, which % segments
    plane = torch.stack([x, y, depth, dx, dy, away, 1 / steps])
    if wide.any():
        plane = torch.cat([plane, torch.stack([runs, -dy / length * reach, dx / length * reach, bulge])])
    base = image * (resolution * resolution)
    nearest = torch.zeros(batch * resolution * resolution, dtype=torch.int64, device=x.device)
    ends_at = count.cumsum(0)
    for part in _parts(ends_at):
        _scatter(nearest, plane[:, part], count[part], segment[part], base[part], resolution)
    return _read(nearest, resolution)


def _parts(ends: Int[Tensor, shown]) -> list[slice]:
    if ends.numel() == 0:
        return []
    total = int(ends[-1])
    most = SAMPLES.get(ends.device.type, SAMPLES["cpu"])
    marks = torch.arange(most, max(total, most), most, device=ends.device)
    cuts = [0, *torch.searchsorted(ends, marks, right=True).tolist(), ends.numel()]
    return [slice(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if b > a]


def _scatter(nearest: Tensor, plane: Tensor, count: Tensor, segment: Tensor, base: Tensor, resolution: int) -> None:
    """Enter these segments' samples into the buffer of keys (bits of 1/depth, then segment, along, across)."""
    total = int(count.sum())
    owner = torch.repeat_interleave(torch.arange(count.numel(), device=count.device), count, output_size=total)
    local = (torch.arange(total, device=count.device) - (count.cumsum(0) - count)[owner]).float()
    drawn = plane.index_select(1, owner).unbind(0)
    x, y, depth, dx, dy, away, step = drawn[:7]
    stage, across = local, None
    if len(drawn) > 7:
        runs, side_x, side_y, bulge = drawn[7:]
        stage = torch.floor((local + 0.5) / runs)
        across = torch.where(runs > 1, (2 * (local - stage * runs) + 1) / runs - 1, torch.zeros_like(runs))
    along = (stage + 0.5) * step
    column, row, distance = x + along * dx, y + along * dy, depth + along * away
    if across is not None:
        column, row = column + across * side_x, row + across * side_y
        # Single precision is not rounded alike everywhere, and at a tie the last bit decides.
        distance = distance - bulge * (1 - across * across).double().sqrt().float()
    column, row = column.round(), row.round()
    inside = (column >= 0) & (column < resolution) & (row >= 0) & (row < resolution)
    chosen = inside.nonzero().squeeze(1)
    owner, row, column = owner[chosen], row[chosen].long(), column[chosen].long()
    place = (segment[owner] * ALONG_STEPS + (along[chosen] * ALONG_STEPS).long()) * ACROSS_STEPS
    middle = ACROSS_STEPS // 2
    place = place + (middle if across is None else ((across[chosen] + 1) * middle).long())
    distance = distance[chosen]
    key = ((1.0 / distance).view(torch.int32).long() << 31) | place
    nearest.scatter_reduce_(0, base[owner] + row * resolution + column, key, "amax")


def _read(nearest: Tensor, resolution: int) -> StrandPixels:
    where = nearest.nonzero().squeeze(1)
    key = nearest.index_select(0, where)
    place = key & 0x7FFFFFFF
    across = ((place % ACROSS_STEPS).float() + 0.5) * (2 / ACROSS_STEPS) - 1
    place = place // ACROSS_STEPS
    pixel = where % (resolution * resolution)
    return StrandPixels(
        image=where // (resolution * resolution),
        row=pixel // resolution,
        column=pixel % resolution,
        segment=place // ALONG_STEPS,
        along=((place % ALONG_STEPS).float() + 0.5) / ALONG_STEPS,
        across=across,
        depth=1.0 / (key >> 31).to(torch.int32).view(torch.float32),
    )
