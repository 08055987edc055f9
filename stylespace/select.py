"""Attribute-adaptive layer selection: which style layers serve an attribute (the idea of CDDFM3D, 2022, with a stated rule).

What goes in: pairs of codes (s, s*), where s* answers a change of one attribute alone, and a way to draw codes. How layers are chosen:

1. The error of a set L of layers is, for each pair, the mean over pixels of (draw(s with the layers L of s*) − draw(s*))² by that of the
   whole change, the error of ∅ (to which `LEAST_CHANGE` of its mean over pairs is added), so that lids are served as jaws are. E(L) is its
   mean over pairs. toRGB layers count as any other: colours of light and skin are theirs before all (Wu et al. 2021, StyleSpace).
2. Layers are added one at a time, each time the one that lowers the error most, until the explained share (E(∅) − E(L)) / E(∅) reaches
   `coverage`; the result is listed in execution order.
3. The *stability* is the Jaccard index of the sets that the even and the odd pairs alone would select: 1 means that more pairs would change
   nothing, much less means that the choice hangs on the sample.

The change of the code itself does not decide: raw scales differ between layers by orders, and a layer may change much and show little.
Its mean and deviation are kept per layer all the same: StyleRig's own analysis (2020, figure 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from stylespace.code import StyleLayout
from stylespace.objectives import LEAST_CHANGE

RULE = (
    "layers are added greedily by how much of the picture's change, pair by pair, they explain when taken from the answer, until the "
    "coverage is reached"
)

Draw = Callable[[Float[Tensor, "batch style_dim"]], Float[Tensor, "batch 3 height width"]]
Answers = tuple[Float[Tensor, "pairs style_dim"], Float[Tensor, "pairs style_dim"]]


@dataclass(frozen=True)
class LayerStatistic:
    """share: of the picture's change that this layer explains alone. added: what it added when it was chosen, 0 where it was not.
    mean, deviation: over pairs, of the RMS change of its numbers in population deviations."""

    share: float
    added: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class LayerSelection:
    """Per attribute: statistics of each layer, the selected layers, the share that they explain, and the Jaccard index of halves. samples:
    pairs per attribute."""

    coverage: float
    samples: int
    statistics: dict[str, dict[str, LayerStatistic]]
    selected: dict[str, tuple[str, ...]]
    explained: dict[str, float]
    stability: dict[str, float]

    def table(self) -> dict[str, dict[str, float]]:
        """attribute → layer → share that it explains alone (never below 0)."""
        return {attribute: {name: max(row.share, 0.0) for name, row in rows.items()} for attribute, rows in self.statistics.items()}

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": RULE,
            "coverage": self.coverage,
            "samples": self.samples,
            "selected": {attribute: list(names) for attribute, names in self.selected.items()},
            "explained": self.explained,
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
                explained=dict(table["explained"]),
                stability=dict(table["stability"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no layer selection ({error!r}); make it with 'cddfm select-layers'") from error


@torch.no_grad()
def select_layers(
    layout: StyleLayout, answers: Mapping[str, Answers], draw: Draw, scale: Float[Tensor, " style_dim"], coverage: float = 0.9
) -> LayerSelection:
    """The rule of this module. scale: deviation of each number of s over the population. Raises ValueError for a coverage outside (0, 1],
    when an attribute has fewer than two pairs, or when its answers change no picture."""
    if not 0.0 < coverage <= 1.0:
        raise ValueError(f"coverage {coverage} is not in (0, 1]")
    statistics, selected, explained, stability, samples = {}, {}, {}, {}, 0
    for attribute, (s, answer) in answers.items():
        samples = s.shape[0]
        if samples < 2:
            raise ValueError(f"{attribute} has {samples} pairs of codes; two or more are needed, one for each half")
        search = _Search(layout, s, answer, draw, attribute)
        everything = torch.arange(samples, device=s.device)
        path, shares = search.greedy(everything, coverage)
        halves = [set(search.greedy(everything[half::2], coverage)[0]) for half in (0, 1)]
        chosen = [name for name in layout.names if name in path]
        selected[attribute], explained[attribute] = tuple(chosen), shares[-1]
        stability[attribute] = len(halves[0] & halves[1]) / len(halves[0] | halves[1])
        added = dict(zip(path, torch.diff(torch.tensor([0.0, *shares])).tolist(), strict=True))
        change = torch.where(scale > 0, (answer - s) / scale.clamp_min(torch.finfo(scale.dtype).tiny), torch.zeros_like(s))
        sizes = {name: change[:, part].square().mean(dim=1).sqrt() for name, part in layout.slices.items()}
        statistics[attribute] = {
            name: LayerStatistic(search.alone(name), added.get(name, 0.0), float(sizes[name].mean()), float(sizes[name].std()))
            for name in layout.names
        }
    return LayerSelection(coverage, samples, statistics, selected, explained, stability)


class _Search:
    """Errors of sets of layers, per pair and relative to its change, drawn once each."""

    def __init__(self, layout: StyleLayout, s: Tensor, answer: Tensor, draw: Draw, attribute: str):
        self.layout, self.s, self.answer, self.draw = layout, s, answer, draw
        self.target = draw(answer)
        self.known: dict[frozenset[str], Tensor] = {}
        self.candidates = layout.names
        change = self._differences(frozenset())
        if not float(change.mean()) > 0:
            raise ValueError(f"the answers to {attribute} change no picture; train the base longer before selecting layers")
        self.scale = change + LEAST_CHANGE * change.mean()
        self.nothing = self.errors(frozenset())

    def errors(self, names: frozenset[str]) -> Float[Tensor, " pairs"]:
        if names not in self.known:
            self.known[names] = self._differences(names) / self.scale
        return self.known[names]

    def _differences(self, names: frozenset[str]) -> Float[Tensor, " pairs"]:
        mixed = self.s.clone()
        for name in names:
            mixed[:, self.layout.slices[name]] = self.answer[:, self.layout.slices[name]]
        return (self.draw(mixed) - self.target).square().flatten(1).mean(dim=1).double()

    def share(self, names: frozenset[str], pairs: Tensor) -> float:
        """Explained share over some of the pairs."""
        nothing = float(self.nothing[pairs].mean())
        return (nothing - float(self.errors(names)[pairs].mean())) / max(nothing, 1e-12)

    def alone(self, name: str) -> float:
        return self.share(frozenset([name]), torch.arange(len(self.s), device=self.s.device))

    def greedy(self, pairs: Tensor, coverage: float) -> tuple[list[str], list[float]]:
        """Layers in the order in which they are added, and the share that is explained after each. Ties go to the coarser layer."""
        path: list[str] = []
        shares: list[float] = []
        while len(path) < len(self.candidates) and (not shares or shares[-1] < coverage):
            rest = [name for name in self.candidates if name not in path]
            tried = [self.share(frozenset([*path, name]), pairs) for name in rest]
            best = max(range(len(rest)), key=tried.__getitem__)
            path.append(rest[best])
            shares.append(tried[best])
        return path, shares
