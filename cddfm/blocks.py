"""What the networks between style codes and face parameters share: standardising, plain perceptrons, the list of style layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cddfm.params import ParamLayout, ParamStatistics
from stylespace.code import StyleLayout


class Standardiser(nn.Module):
    """Mean and deviation of a population as buffers, so that a network that is loaded again speaks raw units."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    @torch.no_grad()
    def fit(self, statistics: ParamStatistics) -> None:
        """Take over measured statistics (of parameters or of style codes)."""
        self.mean.copy_(statistics.mean)
        self.deviation.copy_(statistics.deviation)

    def standardise(self, raw: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        return (raw - self.mean) / self.deviation

    def restore(self, standard: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        return standard * self.deviation + self.mean


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with ELU between them; the last starts at a tenth of its usual size, so that a network starts near its mean."""
    parts: list[nn.Module] = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        parts += [nn.Linear(inputs, outputs), nn.ELU()]
    with torch.no_grad():
        parts[-2].weight.mul_(0.1)
        parts[-2].bias.zero_()
    return nn.Sequential(*parts[:-1])


StyleLayers = Sequence[Sequence[str | int]]
"""Style layers in execution order as (name, width) pairs: the JSON form of a style layout."""


def style_layers(layout: StyleLayout) -> list[list[str | int]]:
    """The JSON form of a generator's style layout."""
    return [[layer.name, layer.width] for layer in layout.layers]


def layer_slices(layers: StyleLayers) -> dict[str, slice]:
    """Where each style layer lies in the flat code."""
    table, start = {}, 0
    for name, width in layers:
        table[str(name)] = slice(start, start + int(width))
        start += int(width)
    return table


def style_width(layers: StyleLayers) -> int:
    return sum(int(width) for _, width in layers)


def param_layout(sizes: Sequence[int]) -> ParamLayout:
    """(identity, expression, albedo) → layout; the other groups have fixed sizes."""
    identity, expression, albedo = sizes
    return ParamLayout(identity, expression, albedo)


def layout_sizes(layout: ParamLayout) -> list[int]:
    """Inverse of `param_layout`."""
    return [layout.identity, layout.expression, layout.albedo]


LARGEST_CHANGE = 6.0
"""Population deviations. Training asks for less of any one parameter; what lies beyond would be extrapolation, and breaks faces."""


def limited(change: Float[Tensor, "batch size"]) -> Float[Tensor, "batch size"]:
    """A standardised change, number by number within ±`LARGEST_CHANGE`; smaller changes pass exactly."""
    return change.clamp(-LARGEST_CHANGE, LARGEST_CHANGE)
