"""StyleRig as published, in W+: ŵ = w + d(w, p^τ) with an encoder and a decoder for each vector of w+, trained and kept for use in S.

A style layer is an affine of one vector w, so an edit of w moves s by A·Δw, whatever else is in s: an inverted photograph's code need not
come from any w+. What the networks see of w is its least-squares reading from the layers that it feeds; a part of w that no affine reads
shows in no picture either. Both maps are linear like the encoders and decoders between them, so that the trained networks fold into plain
RigNets over groups of layers, one group for each vector, exactly. The reconstruction loss stays the one of s (`stages/base`): it sees the
change of w by what the affines make of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cddfm.blocks import Standardiser, StyleLayers
from cddfm.params import ParamStatistics
from cddfm.rig import RigNet, StyleRig
from stylespace.code import StyleLayout
from stylespace.generator import Generator

SAMPLES = 4096
"""Random codes that the deviation of w is measured on."""

CUT = 1e-2
"""Singular values below this part of the largest count as unread: taking them back would blow up what is not of the affine's making."""


def vector_layers(layout: StyleLayout) -> list[list[str | int]]:
    """Style layers joined by the vector of w+ that they read, as (name, width); they lie side by side in s."""
    widths: dict[int, int] = {}
    for layer in layout.layers:
        widths[layer.w_index] = widths.get(layer.w_index, 0) + layer.width
    return [[f"w{index}", widths[index]] for index in sorted(widths)]


@dataclass(frozen=True)
class Passage:
    """Between a standardised vector w and the standardised layers that it feeds: s = write·w, w = read·s."""

    write: Float[Tensor, "width w_dim"]
    read: Float[Tensor, "w_dim width"]


@torch.no_grad()
def passages(generator: Generator, styles: Standardiser) -> list[Passage]:
    """One for each vector of w+, in units of the populations' deviations."""
    layout = generator.style_layout
    device = styles.deviation.device
    z = torch.randn(SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(0)).to(device)
    spread = ParamStatistics.measure(generator.map(z)).deviation
    zero, ones = torch.zeros(1, generator.w_dim, device=device), torch.eye(generator.w_dim, device=device)
    found = []
    for index in range(layout.num_ws):
        read_by = [layer for layer in layout.layers if layer.w_index == index]
        matrix = torch.cat([(generator.affine(layer)(ones) - generator.affine(layer)(zero)).T for layer in read_by])
        scale = torch.cat([styles.deviation[layer.slice] for layer in read_by])
        write = matrix * spread / scale[:, None]
        found.append(Passage(write, torch.linalg.pinv(write.double(), rtol=CUT).to(write)))
    return found


class VectorRigNet(nn.Module):
    """A RigNet on w+ behind the interface of one on s."""

    def __init__(self, layers: StyleLayers, control: int, ways: Sequence[Passage], steering: bool = False):
        super().__init__()
        self.layers, self.control, self.steering, self.ways = layers, control, steering, list(ways)
        self.inner = RigNet([(name, way.read.shape[0]) for (name, _), way in zip(layers, ways, strict=True)], control, steering)

    def forward(self, s: Float[Tensor, "batch style_dim"], control: Float[Tensor, "batch control"]) -> Float[Tensor, "batch style_dim"]:
        parts = s.split([int(width) for _, width in self.layers], dim=1)
        w = torch.cat([part @ way.read.T for part, way in zip(parts, self.ways, strict=True)], dim=1)
        changes = self.inner(w, control).split([way.read.shape[0] for way in self.ways], dim=1)
        return torch.cat([change @ way.write.T for change, way in zip(changes, self.ways, strict=True)], dim=1)

    @torch.no_grad()
    def folded(self) -> RigNet:
        """The same function without w."""
        net = RigNet(self.layers, self.control, self.steering).to(self.ways[0].read.device)
        for outer, inner, way in zip(net.decoders, self.inner.decoders, self.ways, strict=True):
            outer.weight.copy_(way.write @ inner.weight)
            outer.bias.copy_(way.write @ inner.bias)
        for outer, inner, way in zip(net.encoders, self.inner.encoders, self.ways, strict=False):
            outer.weight.copy_(inner.weight @ way.read)
            outer.bias.copy_(inner.bias)
        return net


def enter_w_plus(rig: StyleRig, generator: Generator) -> None:
    """Exchange the RigNets of a rig over `vector_layers` for such on w+; its statistics of styles must be known."""
    ways = passages(generator, rig.styles)
    steering = rig.arguments["steering"]
    nets = {name: VectorRigNet(rig.layers, rig.layout.sizes[name], ways, steering) for name in rig.rignets}
    rig.rignets = nn.ModuleDict(nets).to(rig.styles.mean.device)


def leave_w_plus(rig: StyleRig) -> None:
    """Fold the RigNets on w+ into plain ones, ready to be saved."""
    rig.rignets = nn.ModuleDict({name: net.folded() for name, net in rig.rignets.items()})
