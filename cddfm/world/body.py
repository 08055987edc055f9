"""Shoulders, clothes and spectacles: closed-form meshes in centimetres, and the colours of the clothes."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

SECTORS = 32
RINGS = 9
RIM_POINTS = 20


def torso(device: torch.device) -> tuple[Float[Tensor, "vertices 3"], Int[Tensor, "triangles 3"]]:
    """A neck tube that widens into shoulders and chest; ring 0 is the upper edge, inside the neck of the head."""
    angle = torch.arange(SECTORS, device=device) / SECTORS * 2 * math.pi
    front, side = angle.cos(), angle.sin().abs()
    # Per ring: half width, half depth, height at the sides, extra drop at the front, at the back; the middle moves back and forth.
    rings = (
        (6.3, 5.9, -10.9, 1.9, -0.6),
        (6.7, 6.3, -12.3, 1.8, -0.6),
        (7.3, 6.9, -13.0, 2.0, -0.2),
        (9.0, 8.0, -13.8, 3.4, 0.6),
        (12.0, 9.0, -14.9, 5.0, 1.6),
        (16.0, 9.6, -16.2, 6.6, 2.6),
        (20.0, 10.0, -18.0, 7.4, 3.2),
        (22.5, 10.2, -22.0, 6.0, 3.0),
        (23.5, 10.4, -30.0, 3.0, 3.0),
    )
    points = []
    for width, depth, height, forward, back in rings:
        fall = torch.where(front > 0, forward * front**2, back * front**2)
        points.append(torch.stack([width * angle.sin(), height - fall, -5.6 + depth * front * (1 - 0.12 * side)], dim=-1))
    corner = (torch.arange(RINGS - 1, device=device)[:, None] * SECTORS + torch.arange(SECTORS, device=device)).flatten()
    following = (torch.arange(RINGS - 1, device=device)[:, None] * SECTORS + (torch.arange(SECTORS, device=device) + 1) % SECTORS).flatten()
    below, diagonal = corner + SECTORS, following + SECTORS
    triangles = torch.cat([torch.stack([corner, below, following], -1), torch.stack([following, below, diagonal], -1)])
    return torch.cat(points), triangles


def clothes(
    rest: Float[Tensor, "pixels 3"],
    kind: Int[Tensor, pixels],
    colours: Float[Tensor, "pixels 3 3"],
    shape: Float[Tensor, "pixels 3"],
    skin: Float[Tensor, "pixels 3"],
) -> Float[Tensor, "pixels 3"]:
    """Reflectance of the torso at points given in its rest position. kind indexes `scene.CLOTHING`."""
    x, y, z = rest.unbind(-1)
    garment, below, tie = colours.unbind(1)
    front = z > -5.0
    across = x.abs()
    depth = -12.2 - y
    neckline = (front & (across < 5.0 - 0.55 * depth)) & (kind == 1)
    colour = torch.where(neckline[:, None], skin, garment)
    collar = (depth < 0.75 + 0.3 * shape[:, 0].clamp(-1, 1)) | (front & (across < 4.6) & (across > 1.5 + 0.2 * depth) & (depth < 3.2))
    rib = (depth < 0.8) & (kind == 0)
    colour = torch.where(rib[:, None], garment * 0.75, colour)
    placket = front & (across < 0.35) & (kind == 2)
    colour = torch.where(placket[:, None], garment * 0.82, colour)
    colour = torch.where((collar & (kind == 2))[:, None], garment * 1.12, colour)
    throat = front & (across < 1.3 - 0.35 * (depth - 1.0)) & (depth < 3.0) & (shape[:, 1] > 0) & (kind == 2)
    colour = torch.where(throat[:, None], skin, colour)
    opening = front & (across < 4.6 - 0.42 * depth)
    suited = torch.where((opening | (depth < 0.4))[:, None], below, garment)
    lapel = front & ((across - (4.9 - 0.42 * depth)).abs() < 0.28)
    suited = torch.where(lapel[:, None], garment * 0.6, suited)
    knot = front & (across < 0.75 + 0.05 * depth) & (depth > 0.7) & (shape[:, 2] > -0.5)
    suited = torch.where(knot[:, None], tie, suited)
    stripes = 1 + 0.16 * torch.tanh(4 * torch.sin(y * 4.0)) * ((shape[:, 2] > 0.9) & (kind == 0)).float()
    return torch.where((kind == 3)[:, None], suited, colour * stripes[:, None]).clamp(0.004, 0.9)


def glasses_triangles(device: torch.device) -> Int[Tensor, "triangles 3"]:
    """Two rims (inner and outer ring each), a bridge and two temples; bridge and temples with both windings."""
    faces = []
    for rim in range(2):
        inner = rim * 2 * RIM_POINTS + torch.arange(RIM_POINTS)
        following = rim * 2 * RIM_POINTS + (torch.arange(RIM_POINTS) + 1) % RIM_POINTS
        faces += [torch.stack([inner, inner + RIM_POINTS, following], -1)]
        faces += [torch.stack([following, inner + RIM_POINTS, following + RIM_POINTS], -1)]
    for strip in range(3):
        start = 4 * RIM_POINTS + 4 * strip
        upright = torch.tensor([[start, start + 1, start + 2], [start + 2, start + 1, start + 3]])
        faces += [upright, upright.flip(1)]
    return torch.cat(faces).to(device)


def glasses_points(
    glasses: Float[Tensor, "batch 4"], eyes: Float[Tensor, "batch 2 3"], ears: Float[Tensor, "batch 2 3"], bridge: Float[Tensor, "batch 3"]
) -> Float[Tensor, "batch glasses 3"]:
    """Points in the head's frame. eyes, ears: right (negative x) first. bridge: on the nose."""
    device = eyes.device
    worn, roundness, size, tone = glasses.unbind(1)
    angle = torch.arange(RIM_POINTS, device=device) / RIM_POINTS * 2 * math.pi
    exponent = (2.0 + 2.5 * (1 - roundness))[:, None]
    reach = (angle.cos().abs() ** exponent + angle.sin().abs() ** exponent) ** (-1 / exponent)
    height = (0.95 - 0.25 * (1 - roundness))[:, None]
    outline = torch.stack([reach * angle.cos(), height * reach * angle.sin()], dim=-1)
    half_width = (2.35 * size)[:, None, None]
    thickness = (0.16 + 0.22 * tone)[:, None, None]
    front = torch.maximum(eyes[:, :, 2].amax(1) + 1.3, bridge[:, 2] + 0.25)
    parts = []
    for side in range(2):
        centre = eyes[:, side].clone()
        centre = torch.stack([centre[:, 0] * 1.03, centre[:, 1] - 0.25, front], dim=-1)
        for radius in (half_width - 0.5 * thickness, half_width + 0.5 * thickness):
            flat = outline * radius
            bend = -0.035 * (flat[..., 0] + (centre[:, None, 0])) ** 2 + 0.035 * 4.0
            parts.append(torch.stack([flat[..., 0], flat[..., 1], bend.expand_as(flat[..., 0])], dim=-1) + centre[:, None])
    half = 0.5 * thickness[:, :, 0]
    inner = [parts[0][:, 0], parts[2][:, RIM_POINTS // 2]]
    parts.append(_strip(inner[0] + inner[0].new_tensor([0, 0.5, 0.1]), inner[1] + inner[1].new_tensor([0, 0.5, 0.1]), half))
    outer = [parts[1][:, RIM_POINTS // 2], parts[3][:, 0]]
    for side in range(2):
        parts.append(_strip(outer[side] + outer[side].new_tensor([0, 0.4, 0]), ears[:, side], half * 1.2))
    points = torch.cat(parts, dim=1)
    behind = points.new_tensor([0.0, 0.0, 1e4])
    return torch.where((worn > 0.5)[:, None, None], points, behind)


def _strip(start: Tensor, end: Tensor, half: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 4 3"]:
    """An upright ribbon from start to end."""
    up = torch.cat([torch.zeros_like(half), half, torch.zeros_like(half)], dim=1)
    return torch.stack([start + up, start - up, end + up, end - up], dim=1)
