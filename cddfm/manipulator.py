"""The latent manipulation networks: (s, Δp) → s′ on the selected layers of each attribute (CDDFM3D 2022).

Per attribute and selected layer, Δs_k = D_k(E_k(s_k), Δp): encoder k reads and decoder k writes the same layer. The path of Δp has no
biases, and everything read from s acts on it as a factor, so that Δp = 0 gives Δs = 0 exactly, by construction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cddfm.blocks import Standardiser, StyleLayers, layer_slices, limited, param_layout, style_width
from cddfm.params import ATTRIBUTES, FaceParams
from cddfm.predictor import Predictor
from cddfm.rig import refuse_unknown

CODE = 32
"""Width of the code of one layer."""


class AttributeManipulator(nn.Module):
    """One attribute's change of its selected layers; style codes and Δp come standardised.

    Each E_k makes a 32-number code of its layer. A shared perceptron sees all of them and scales the hidden units of the (bias-free)
    network on Δp, whose straight path is linear, as most of what a change of parameters does to a code is; each D_k scales them once more
    by its own layer's code and writes its own layer.
    """

    def __init__(self, widths: Sequence[int], control: int, hidden: int):
        super().__init__()
        self.encoders = nn.ModuleList(nn.Linear(width, CODE) for width in widths)
        self.shared = nn.Sequential(nn.Linear(CODE * len(widths), hidden), nn.ELU(), nn.Linear(hidden, 2 * hidden))
        self.first = nn.Linear(control, hidden, bias=False)
        self.second = nn.Linear(hidden, hidden, bias=False)
        self.gates = nn.ModuleList(nn.Linear(CODE, hidden) for _ in widths)
        self.decoders = nn.ModuleList(nn.Linear(hidden, width, bias=False) for width in widths)
        with torch.no_grad():
            for layer in (self.shared[-1], *self.gates, *self.decoders):
                layer.weight.mul_(0.1)

    def forward(self, layers: Sequence[Tensor], delta: Float[Tensor, "batch control"]) -> list[Tensor]:
        """Standardised values of the selected layers → their changes, in the same order."""
        codes = [encode(layer) for encode, layer in zip(self.encoders, layers, strict=True)]
        early, late = self.shared(functional.elu(torch.cat(codes, dim=1))).chunk(2, dim=1)
        x = self.first(delta) * (1 + early)
        x = x + functional.elu(self.second(x) * (1 + late))
        parts = zip(codes, self.gates, self.decoders, strict=True)
        return [decode(x * (1 + gate(functional.elu(code)))) for code, gate, decode in parts]


class Manipulator(nn.Module):
    """All attributes' manipulators over one style layout; raw units outside.

    layers: (name, width) of every style layer in execution order. selection: attribute → names of the layers that it may touch.
    sizes: counts of identity, expression, albedo coefficients. gains: factors on Δp, 1 unless calibrated (stages/calibrate.py).
    """

    def __init__(self, layers: StyleLayers, selection: Mapping[str, Sequence[str]], sizes: Sequence[int], hidden: int = 192):
        super().__init__()
        self.arguments = {
            "layers": [list(layer) for layer in layers],
            "selection": {attribute: list(selection[attribute]) for attribute in ATTRIBUTES},
            "sizes": list(sizes),
            "hidden": hidden,
        }
        self.slices = layer_slices(layers)
        self.selection = self.arguments["selection"]
        self.layout = param_layout(sizes)
        self.styles = Standardiser(style_width(layers))
        self.statistics = Standardiser(self.layout.total)
        self.register_buffer("gains", torch.ones(self.layout.total))
        self.attributes = nn.ModuleDict()
        for attribute, names in self.selection.items():
            missing = [name for name in names if name not in self.slices]
            if missing or not names:
                raise ValueError(f"the selection of {attribute} names {missing or 'no layer'}; the layers are {', '.join(self.slices)}")
            widths = [self.slices[name].stop - self.slices[name].start for name in names]
            self.attributes[attribute] = AttributeManipulator(widths, self.layout.sizes[attribute], hidden)

    def edit(self, s: Float[Tensor, "batch style_dim"], deltas: Mapping[str, Tensor]) -> Float[Tensor, "batch style_dim"]:
        """s′ = s + Σ Δs. deltas: attribute → `[batch, size]` in raw units. Layers that no edited attribute selects, and codes whose Δ is
        all zero, come back bit for bit. A parameter may be asked to move by 6 population deviations at most (`blocks.limited`)."""
        refuse_unknown(deltas)
        standard = self.styles.standardise(s)
        layers = {name: s[:, part] for name, part in self.slices.items()}
        for attribute, delta in deltas.items():
            names = self.selection[attribute]
            part = self.layout.slices[attribute]
            scaled = limited(delta / self.statistics.deviation[part]) * self.gains[part]
            changes = self.attributes[attribute]([standard[:, self.slices[name]] for name in names], scaled)
            for name, change in zip(names, changes, strict=True):
                layers[name] = layers[name] + change * self.styles.deviation[self.slices[name]]
        return torch.cat(list(layers.values()), dim=1)


class EditorNetworks(nn.Module):
    """What an edit needs in one file: the predictor (s → p) and the manipulators (s, Δp → s′), each by its own arguments.

    corrections: how often an edit is read back by the predictor and what is missing is asked for again (Newton's method with the
    manipulators for the slope); 0 as published.
    """

    def __init__(self, predictor: Mapping[str, Any], manipulator: Mapping[str, Any], corrections: int = 0):
        super().__init__()
        self.predictor = Predictor(**predictor)
        self.manipulator = Manipulator(**manipulator)
        self.corrections = corrections
        self.arguments = {
            "predictor": self.predictor.arguments, "manipulator": self.manipulator.arguments, "corrections": corrections,
        }  # fmt: skip
        self.layout = self.predictor.layout

    def predict(self, s: Float[Tensor, "batch style_dim"]) -> FaceParams:
        return self.predictor(s)

    def edit(self, s: Float[Tensor, "batch style_dim"], deltas: Mapping[str, Tensor]) -> Float[Tensor, "batch style_dim"]:
        """See `Manipulator.edit`. Corrections ask for no other attribute than the edit does, and touch no other layers."""
        edited = self.manipulator.edit(s, deltas)
        if not self.corrections:
            return edited
        before = self.predictor(s)
        for _ in range(self.corrections):
            after = self.predictor(edited)
            missing = {name: delta - (getattr(after, name) - getattr(before, name)) for name, delta in deltas.items()}
            asked = {name: torch.where((deltas[name] != 0).any(dim=1, keepdim=True), lack, 0.0) for name, lack in missing.items()}
            edited = self.manipulator.edit(edited, asked)
        return edited
