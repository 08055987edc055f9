"""How hair is combed: which way a guide hair wants to go from where it is. Vectors are planes in the head's frame, in centimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cddfm.world.hairstyles import TIES, Hair
from cddfm.world.scalp import CROWN_TILT
from cddfm.world.vectors import cross, dot, length, ramp, unit


@dataclass(frozen=True)
class Comb:
    """What a comb knows of the guides. front: how far each is combed over the forehead. noise: where each strays. The rest
    belongs to styles: weights of directions, the tie and whether there is one, whether hair winds round it."""

    front: Float[Tensor, "batch guides"]
    noise: Float[Tensor, "3 batch guides"]
    parting: Float[Tensor, "batch 1"]
    along: Float[Tensor, "batch guides"]
    part: Float[Tensor, "batch 1"]
    rearward: Float[Tensor, "3 batch 1"]
    away: Float[Tensor, "batch 1"]
    gravity: Float[Tensor, "batch 1"]
    tie: Float[Tensor, "3 batch 1"]
    tied: Float[Tensor, "batch 1"]
    wound: Bool[Tensor, "batch 1"]
    crown: Float[Tensor, "3 1 1"]

    def flow(self, place: Tensor, outward: Tensor, grown: Tensor, arrived: Tensor) -> tuple[Tensor, Tensor]:
        """Where hairs want to go from here, and whether they have reached the tie."""
        x, _, z = place.unbind(0)
        meridian = unit(outward * dot(outward, self.crown) - self.crown)
        side = torch.tanh((x - self.parting) / 0.7)
        over = torch.stack([side, torch.full_like(x, -0.15), 0.05 - 0.25 * ramp(z, -6.0, 0.0)])
        flow = meridian * self.along + (over * self.part + self.rearward) * (1 - self.front)
        flow = unit(flow - outward * dot(flow, outward) + 1e-4)
        flow = flow + outward * self.away * 1.3 + self.noise * 0.06
        if bool(self.tied.any()):
            gathered, arrived = self._gathered(place, grown, arrived)
            flow = torch.where(self.tied > 0.5, gathered, flow)
        fall = self.gravity * ramp(grown, 1.0, 9.0) * (1 - self.tied)
        flow = flow * (1 - fall)
        flow[1] -= fall
        return unit(flow), arrived

    def _gathered(self, place: Tensor, grown: Tensor, arrived: Tensor) -> tuple[Tensor, Tensor]:
        """Towards the tie, and once there down as a tail or round about as a bun."""
        towards = self.tie - place + self.noise * 0.7
        distance = length(towards)
        arrived = torch.maximum(arrived, (distance < 1.5).float() * self.tied)
        axis = self.noise + place.new_tensor([0.2, 0.9, 0.4]).view(3, 1, 1)
        round_about = cross(towards, axis) + towards * (distance - 1.6)
        tail = torch.stack([0.25 * self.noise[0], -1 + 0.9 * torch.exp(-grown / 8), torch.full_like(grown, -0.35)])
        after = torch.where(self.wound, unit(round_about), tail)
        return torch.where(arrived > 0.5, after, towards / distance), arrived


def comb_of(hair: Hair, front: Float[Tensor, "batch guides"], noise: Float[Tensor, "3 batch guides"]) -> Comb:
    """What these styles say."""
    field = {name: hair.field(name)[:, None] for name in ("forward", "part", "backward", "outward", "gravity", "tie")}
    rear = front.new_tensor([0.0, 0.1, -1.0]).view(3, 1, 1)
    return Comb(
        front=front,
        noise=noise,
        parting=hair.parting[:, None],
        along=torch.maximum(field["forward"], front),
        part=field["part"],
        rearward=rear * field["backward"],
        away=field["outward"],
        gravity=field["gravity"],
        tie=front.new_tensor(TIES)[hair.field("tie").long()].t().unsqueeze(-1),
        tied=(field["tie"] > 0.5).float(),
        wound=field["tie"] > 1.5,
        crown=front.new_tensor([0.0, math.cos(CROWN_TILT), -math.sin(CROWN_TILT)]).view(3, 1, 1),
    )
