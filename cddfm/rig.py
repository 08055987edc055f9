"""StyleRig (Tewari et al., CVPR 2020) in style space: the base method.

DFR predicts face parameters from a style code (section 4.1). One RigNet per attribute adds a change that puts the attribute's parameters
into a code, ŝ = s + d(s, p^τ), with its own linear encoder and decoder for each style layer (section 4.2). Where the paper edits the
vectors of W+, these edit the layers of S (`w_plus` has the paper's own form).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cddfm.blocks import Standardiser, StyleLayers, layer_slices, limited, param_layout, perceptron, style_width
from cddfm.params import ATTRIBUTES, FaceParams

CODE = 32
"""Width of a RigNet's code of one layer, as published."""


class DFR(nn.Module):
    """Differentiable face reconstruction: a 3-layer perceptron with ELU from standardised s to standardised p."""

    def __init__(self, style_dim: int, total: int, hidden: int):
        super().__init__()
        self.network = perceptron([style_dim, hidden, hidden, total])

    def forward(self, s: Float[Tensor, "batch style_dim"]) -> Float[Tensor, "batch total"]:
        return self.network(s)


class RigNet(nn.Module):
    """d(s, p^τ): per style layer a linear encoder to 32 numbers and a linear decoder from those and the control; all standardised.

    steering: d(p^τ), an ablation of the paper: every code gets the same change for the same control.
    """

    def __init__(self, layers: StyleLayers, control: int, steering: bool = False):
        super().__init__()
        self.slices = layer_slices(layers)
        code = 0 if steering else CODE
        self.encoders = nn.ModuleList() if steering else nn.ModuleList(nn.Linear(int(width), CODE) for _, width in layers)
        self.decoders = nn.ModuleList(nn.Linear(code + control, int(width)) for _, width in layers)
        for decoder in self.decoders:
            nn.init.normal_(decoder.weight, std=1e-2)
            nn.init.zeros_(decoder.bias)

    def forward(self, s: Float[Tensor, "batch style_dim"], control: Float[Tensor, "batch control"]) -> Float[Tensor, "batch style_dim"]:
        if not self.encoders:
            return torch.cat([decode(control) for decode in self.decoders], dim=1)
        parts = zip(self.slices.values(), self.encoders, self.decoders, strict=True)
        return torch.cat([decode(torch.cat([encode(s[:, part]), control], dim=1)) for part, encode, decode in parts], dim=1)


class StyleRig(nn.Module):
    """DFR and five RigNets over one style layout; raw units outside.

    layers: (name, width) of every part of the code that the RigNets edit on its own, in execution order. sizes: counts of identity,
    expression, albedo coefficients. steering: RigNets that do not see the code.
    """

    def __init__(self, layers: StyleLayers, sizes: Sequence[int], hidden: int = 512, steering: bool = False):
        super().__init__()
        self.arguments = {"layers": [list(layer) for layer in layers], "sizes": list(sizes), "hidden": hidden, "steering": steering}
        self.layers = self.arguments["layers"]
        self.layout = param_layout(sizes)
        self.styles = Standardiser(style_width(layers))
        self.statistics = Standardiser(self.layout.total)
        self.dfr = DFR(style_width(layers), self.layout.total, hidden)
        self.rignets = nn.ModuleDict({name: RigNet(layers, self.layout.sizes[name], steering) for name in ATTRIBUTES})

    def standard(self, s: Float[Tensor, "batch style_dim"]) -> Float[Tensor, "batch total"]:
        """The DFR's reading of a code: flat parameters in units of the population's deviations."""
        return self.dfr(self.styles.standardise(s))

    def predict(self, s: Float[Tensor, "batch style_dim"]) -> FaceParams:
        return FaceParams.unflatten(self.layout, self.statistics.restore(self.standard(s)))

    def put(
        self, s: Float[Tensor, "batch style_dim"], attribute: str, standard: Float[Tensor, "batch total"]
    ) -> Float[Tensor, "batch style_dim"]:
        """ŝ = s + d(s, p^τ): the codes with the attribute taken from standardised flat parameters."""
        control = standard[:, self.layout.slices[attribute]]
        return s + self.rignets[attribute](self.styles.standardise(s), control) * self.styles.deviation

    def edit(self, s: Float[Tensor, "batch style_dim"], deltas: Mapping[str, Tensor]) -> Float[Tensor, "batch style_dim"]:
        """Attribute by attribute, aim at the predicted parameters + Δ. deltas: attribute → `[batch, size]` in raw units; a parameter
        moves by at most 6 population deviations.

        A code whose Δ is all zero, and every code for attributes that are absent, is returned bit for bit.
        """
        refuse_unknown(deltas)
        for attribute in ATTRIBUTES:
            if attribute in deltas:
                delta, part = deltas[attribute], self.layout.slices[attribute]
                target = self.standard(s).clone()
                target[:, part] = target[:, part] + limited(delta / self.statistics.deviation[part])
                s = torch.where((delta != 0).any(dim=1, keepdim=True), self.put(s, attribute, target), s)
        return s


def refuse_unknown(deltas: Mapping[str, Tensor]) -> None:
    unknown = sorted(set(deltas) - set(ATTRIBUTES))
    if unknown:
        raise ValueError(f"there is no attribute {unknown[0]!r}; valid are {', '.join(ATTRIBUTES)}")
