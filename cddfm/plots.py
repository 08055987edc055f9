"""Plots of the analyses, as PNG files in memory. matplotlib is imported when something is drawn, and used without any global state."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cddfm.analysis import Distribution, LayerChange

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, PAPER = "#26262a", "#74747a", "#faf9f6"
BAR, COLOUR_BAR, ACCENT = "#3182bd", "#9ecae1", "#c4582c"
DPI = 110


def plot_layers(changes: Sequence[LayerChange], title: str) -> bytes:
    """A row of bars per attribute, a bar per style layer: mean change, whiskers of ± one deviation; layers that draw colours are pale."""
    attributes = list(dict.fromkeys(change.attribute for change in changes))
    layers = list(dict.fromkeys(change.layer for change in changes))
    figure = _figure(max(7.0, 0.5 * len(layers) + 1.5), 1.7 * len(attributes) + 1.4)
    panels = figure.subplots(len(attributes), 1, sharex=True, squeeze=False)[:, 0]
    for panel, attribute in zip(panels, attributes, strict=True):
        rows = [change for change in changes if change.attribute == attribute]
        means = [row.change_mean for row in rows]
        whiskers = [math.sqrt(row.change_variance) for row in rows]
        below = [min(mean, whisker) for mean, whisker in zip(means, whiskers, strict=True)]
        colours = [COLOUR_BAR if row.layer.endswith("torgb") else BAR for row in rows]
        panel.bar(range(len(rows)), means, color=colours, width=0.72, zorder=2)
        panel.errorbar(range(len(rows)), means, [below, whiskers], fmt="none", ecolor=INK, elinewidth=1, capsize=2.5, zorder=3)
        panel.set_title(attribute, loc="left", fontsize=11, color=INK, fontweight="bold")
        panel.set_ylim(bottom=0)
        panel.margins(x=0.01)
        _calm(panel)
    panels[-1].set_xticks(range(len(layers)), layers, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
    figure.suptitle(f"{title}\nwhiskers: one deviation; pale: layers that draw colours", fontsize=12, color=INK)
    figure.supylabel("change of a layer's numbers, in deviations of random codes (root mean square)", fontsize=9.5, color=FAINT)
    return _png(figure)


PANELS = (("identity",), ("expression",), ("albedo", "light"), ("pose", "translation"))
"""Which groups share a line of the plot of distributions."""


def plot_distributions(distributions: Sequence[Distribution], title: str) -> bytes:
    """A column of shades per parameter, its histogram; with mean and ± one deviation."""
    by_group = {distribution.group: distribution for distribution in distributions}
    figure = _figure(15.0, 16.0)
    lines = figure.subfigures(len(PANELS), 1, height_ratios=(1.1, 1.25, 1.0, 0.85))
    for line, groups in zip(lines, PANELS, strict=True):
        line.set_facecolor(PAPER)
        panels = line.subplots(1, len(groups), squeeze=False)[0]
        for panel, group in zip(panels, groups, strict=True):
            _histograms(panel, by_group[group])
    figure.suptitle(f"{title}\nshades: histogram; dot and line: mean and one deviation", fontsize=14, color=INK)
    return _png(figure)


def _histograms(panel: Axes, found: Distribution) -> None:
    size = len(found.names)
    density = found.counts.float() / found.counts.amax(dim=1, keepdim=True).clamp(min=1)
    panel.pcolormesh([k - 0.5 for k in range(size + 1)], found.edges.tolist(), density.T.numpy(), cmap="Blues", vmin=0, vmax=1.25)
    panel.errorbar(
        range(size), found.mean.tolist(), found.deviation.tolist(),
        fmt="o", color=ACCENT, markersize=3 if size > 5 else 5, elinewidth=1, capsize=0 if size > 5 else 4,
    )  # fmt: skip
    small = 7.5 if size > 30 else 9
    panel.set_xticks(range(size), found.names, rotation=90 if size > 5 else 0, fontsize=small if size > 5 else 10)
    unit = f", {found.unit}" if found.unit else ""
    panel.set_title(f"{found.group}{unit}", loc="left", fontsize=11, color=INK, fontweight="bold")
    panel.set_ylim(float(found.edges[0]), float(found.edges[-1]))
    _calm(panel)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor=PAPER)


def _calm(panel: Axes) -> None:
    """No box, faint ticks, faint horizontal lines."""
    panel.set_facecolor(PAPER)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(FAINT)
    panel.tick_params(colors=FAINT, labelcolor=INK, length=3)
    panel.grid(axis="y", color="#dedcd6", linewidth=0.7, zorder=0)


def _png(figure: Figure) -> bytes:
    """Drawn by Agg, which a figure outside pyplot uses by itself."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
