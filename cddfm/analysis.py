"""The two analyses of StyleRig, for any method: how far edits move each style layer, and how parameters of random faces are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.methods import Method
from cddfm.morphable import MorphableModel
from cddfm.params import ATTRIBUTES, POSE_AXES, FaceParams
from cddfm.stages.sampling import mixed_styles
from stylespace.generator import Generator

BATCH = 256

BINS = 48

UNITS = {"identity": "σ", "expression": "", "albedo": "σ", "pose": "°", "light": "", "translation": "cm"}

LIGHT_NAMES = ("1", "y", "z", "x", "xy", "yz", "3z²−1", "xz", "x²−y²")


@dataclass(frozen=True)
class LayerChange:
    """What edits of one attribute do to one style layer: mean and variance over the edits.

    norm: ‖Δs‖ in raw numbers. change: root mean square over the layer's numbers, each in deviations of random codes, so that layers of
    any width and scale compare.
    """

    attribute: str
    layer: str
    norm_mean: float
    norm_variance: float
    change_mean: float
    change_variance: float


@torch.no_grad()
def layer_changes(method: Method, generator: Generator, edits: int, seed: int = 0) -> list[LayerChange]:
    """Per attribute, `edits` random codes that take the attribute's parameters from the next code."""
    randomness = torch.Generator().manual_seed(seed)
    parts = [mixed_styles(generator, min(BATCH, edits - first), randomness) for first in range(0, edits, BATCH)]
    codes = torch.cat(parts)
    unit = codes.std(dim=0).clamp(min=1e-4)
    params = FaceParams.unflatten(method.layout, torch.cat([method.predict(s).flatten() for s in parts]))
    found = []
    for attribute in ATTRIBUTES:
        own = getattr(params, attribute)
        deltas = (own.roll(1, dims=0) - own).split(BATCH)
        delta_s = torch.cat([method.edit(s, {attribute: delta}) - s for s, delta in zip(parts, deltas, strict=True)])
        for layer in generator.style_layout.layers:
            raw = delta_s[:, layer.slice]
            norm = raw.norm(dim=1)
            change = (raw / unit[layer.slice]).square().mean(dim=1).sqrt()
            numbers = (float(value) for column in (norm, change) for value in (column.mean(), column.var()))
            found.append(LayerChange(attribute, layer.name, *numbers))
    return found


@dataclass(frozen=True)
class Distribution:
    """Every parameter of one group over random faces. edges: of the histogram's bins, the same for the group; what lies beyond them is
    counted in the first and the last."""

    group: str
    unit: str
    names: Sequence[str]
    mean: Float[Tensor, " size"]
    deviation: Float[Tensor, " size"]
    edges: Float[Tensor, " edges"]
    counts: Int[Tensor, "size bins"]

    def record(self) -> dict[str, object]:
        """The same as JSON values."""
        rows = zip(self.names, self.mean.tolist(), self.deviation.tolist(), self.counts.tolist(), strict=True)
        return {
            "unit": self.unit,
            "edges": self.edges.tolist(),
            "parameters": {name: {"mean": mean, "deviation": deviation, "counts": counts} for name, mean, deviation, counts in rows},
        }


@torch.no_grad()
def parameter_distributions(
    method: Method, generator: Generator, model: MorphableModel, samples: int, seed: int = 0
) -> list[Distribution]:
    """What the method reads from `samples` random codes, group by group."""
    randomness = torch.Generator().manual_seed(seed)
    device = generator.w_avg.device
    read = []
    for first in range(0, samples, BATCH):
        z = torch.randn(min(BATCH, samples - first), generator.z_dim, generator=randomness).to(device)
        read.append(method.predict(generator.styles(generator.broadcast(generator.map(z)))).flatten().cpu())
    params = FaceParams.unflatten(method.layout, torch.cat(read))
    return [_distribution(group, names, getattr(params, group)) for group, names in parameter_names(model).items()]


def _distribution(group: str, names: Sequence[str], values: Float[Tensor, "samples size"]) -> Distribution:
    values = values.rad2deg() if group == "pose" else values
    ordered = values.flatten().sort().values
    low, high = (float(ordered[round(share * (len(ordered) - 1))]) for share in (0.001, 0.999))
    margin = max(0.05 * (high - low), 1e-3)
    edges = torch.linspace(low - margin, high + margin, BINS + 1)
    place = torch.bucketize(values.contiguous(), edges[1:-1].contiguous())
    counts = torch.stack([torch.bincount(column, minlength=BINS) for column in place.T])
    return Distribution(group, UNITS[group], names, values.mean(dim=0), values.std(dim=0), edges, counts)


def parameter_names(model: MorphableModel) -> dict[str, Sequence[str]]:
    """Group → a name for each of its numbers."""
    return {
        "identity": model.identity_names,
        "expression": model.expression_names,
        "albedo": model.albedo_names,
        "pose": POSE_AXES,
        "light": [f"{band} {colour}" for band in LIGHT_NAMES for colour in "RGB"],
        "translation": ("x", "y", "z"),
    }
