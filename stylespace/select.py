"""Attribute-adaptive layer selection: which style layers answer to an attribute (the idea of CDDFM3D, 2022, with a stated rule).

What goes in: for many random codes, the answer Δs of a trained rig when one attribute alone is changed. How layers are chosen:

1. Every number of s is standardised by its deviation σ over the population, because raw scales differ between layers by orders.
2. The *response* of layer l is the mean of (Δs/σ)² over samples and over the layer's numbers. Dividing by the width matters: coarse
   layers have many times more numbers than fine ones and would win by size alone.
3. The *share* of a layer is its response divided by the sum over the layers that may be chosen. toRGB layers may not: they tint what
   other layers draw, and they are what a finetuned domain must keep. Their response is reported in the same unit.
4. The selected layers are the smallest set whose shares sum to at least `coverage`, in execution order.
5. The *stability* is the Jaccard index of the sets that the even and the odd samples alone would select: 1 means that more samples
   would change nothing, much less means that the choice hangs on the sample.

Mean and deviation of ‖Δs/σ‖/√width over samples are kept per layer too: StyleRig's own analysis (2020, figure 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from stylespace.code import StyleLayout

RULE = (
    "share = mean over samples and numbers of (change / deviation)^2 per layer, divided by the sum over layers without toRGB; "
    "selected = smallest set of those layers whose shares reach the coverage"
)


@dataclass(frozen=True)
class LayerStatistic:
    """share: see the module. energy: share of Σ (Δs/σ)² without division by width. mean, deviation: of the RMS standardised change."""

    share: float
    energy: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class LayerSelection:
    """statistics: attribute → layer → numbers, toRGB included. selected: attribute → layers. stability: attribute → Jaccard index."""

    coverage: float
    samples: int
    statistics: dict[str, dict[str, LayerStatistic]]
    selected: dict[str, tuple[str, ...]]
    stability: dict[str, float]

    def table(self) -> dict[str, dict[str, float]]:
        """attribute → layer → share."""
        return {attribute: {name: row.share for name, row in rows.items()} for attribute, rows in self.statistics.items()}

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": RULE,
            "coverage": self.coverage,
            "samples": self.samples,
            "selected": {attribute: list(names) for attribute, names in self.selected.items()},
            "stability": self.stability,
            "statistics": {attribute: {name: asdict(row) for name, row in rows.items()} for attribute, rows in self.statistics.items()},
        }

    @staticmethod
    def from_json(table: Mapping[str, Any]) -> LayerSelection:
        """Inverse of `to_json`; other keys are ignored. Raises ValueError when one is missing."""
        try:
            return LayerSelection(
                coverage=table["coverage"],
                samples=table["samples"],
                statistics={
                    attribute: {name: LayerStatistic(**row) for name, row in rows.items()}
                    for attribute, rows in table["statistics"].items()
                },
                selected={attribute: tuple(names) for attribute, names in table["selected"].items()},
                stability=dict(table["stability"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no layer selection ({error!r}); make it with 'cddfm select-layers'") from error


def select_layers(
    layout: StyleLayout,
    responses: Mapping[str, Float[Tensor, "samples style_dim"]],
    scale: Float[Tensor, " style_dim"],
    coverage: float = 0.9,
) -> LayerSelection:
    """Choose the layers of every attribute from measured responses (raw Δs) and the deviation of every number of s.

    coverage: in (0, 1]. Raises ValueError when an attribute got no answer at all, or fewer than two samples.
    """
    if not 0.0 < coverage <= 1.0:
        raise ValueError(f"coverage {coverage} is not in (0, 1]")
    statistics, selected, stability, samples = {}, {}, {}, 0
    for attribute, response in responses.items():
        samples = response.shape[0]
        if samples < 2:
            raise ValueError(f"{attribute} has {samples} measured responses; two or more are needed, one for each half")
        energies = layer_energies(layout, response, scale)
        density = _density(layout, energies)
        if not bool(density.isfinite().all()) or float(density.sum()) <= 0:
            raise ValueError(f"the response to {attribute} is zero or no number; train the base longer before selecting layers")
        selected[attribute] = smallest_cover(layout, density, coverage)
        halves = [set(smallest_cover(layout, _density(layout, energies[half::2]), coverage)) for half in (0, 1)]
        stability[attribute] = len(halves[0] & halves[1]) / len(halves[0] | halves[1])
        statistics[attribute] = _describe(layout, energies, density)
    return LayerSelection(coverage, samples, statistics, selected, stability)


def layer_energies(
    layout: StyleLayout, response: Float[Tensor, "samples style_dim"], scale: Float[Tensor, " style_dim"]
) -> Float[Tensor, "samples layers"]:
    """Σ (Δs/σ)² over the numbers of each layer. Numbers of s that never vary (σ = 0) do not count."""
    standard = torch.where(scale > 0, response / scale.clamp_min(torch.finfo(scale.dtype).tiny), torch.zeros_like(response))
    return torch.stack([part.square().sum(dim=1) for part in layout.split(standard)], dim=1).double()


def smallest_cover(layout: StyleLayout, density: Float[Tensor, " layers"], coverage: float) -> tuple[str, ...]:
    """The fewest layers, toRGB excepted, that hold `coverage` of the response; ties go to the coarser layer."""
    candidates = [(float(value), layer) for value, layer in zip(density, layout.layers, strict=True) if not layer.is_torgb]
    wanted, chosen, held = coverage * sum(value for value, _ in candidates), [], 0.0
    for value, layer in sorted(candidates, key=lambda candidate: -candidate[0]):
        if chosen and held >= wanted * (1 - 1e-12):
            break
        chosen.append(layer.name)
        held += value
    return tuple(name for name in layout.names if name in chosen)


def _widths(layout: StyleLayout) -> Float[Tensor, " layers"]:
    return torch.tensor([layer.width for layer in layout.layers], dtype=torch.float64)


def _density(layout: StyleLayout, energies: Float[Tensor, "samples layers"]) -> Float[Tensor, " layers"]:
    """Response of every layer: mean square of the standardised change."""
    return energies.mean(dim=0) / _widths(layout).to(energies.device)


def _describe(
    layout: StyleLayout, energies: Float[Tensor, "samples layers"], density: Float[Tensor, " layers"]
) -> dict[str, LayerStatistic]:
    convolutions = torch.tensor([not layer.is_torgb for layer in layout.layers], device=density.device)
    changes = (energies / _widths(layout).to(energies.device)).sqrt()
    total = energies.mean(dim=0)
    columns = (density / density[convolutions].sum(), total / total.sum(), changes.mean(dim=0), changes.std(dim=0))
    rows = torch.stack(columns, dim=1).tolist()
    return {layer.name: LayerStatistic(*row) for layer, row in zip(layout.layers, rows, strict=True)}
