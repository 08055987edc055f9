"""Which style layers answer to an attribute: pairs of codes to select by, and the heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cddfm.params import ATTRIBUTES
from cddfm.rig import StyleRig
from cddfm.stages.sampling import mixed_styles
from cddfm.stages.twins import Twins
from stylespace.generator import Generator
from stylespace.select import Answers

MEASURE_BATCH = 64


@torch.no_grad()
def rig_answers(rig: StyleRig, generator: Generator, samples: int, seed: int = 0) -> dict[str, Answers]:
    """Attribute → random codes, and the same with the attribute's parameters exchanged for the next code's by the RigNets.

    What a RigNet adds for the code's own parameters (ideally nothing) is taken off, so that only the exchange counts.
    """
    codes: list[Tensor] = []
    parts: dict[str, list[Tensor]] = {attribute: [] for attribute in ATTRIBUTES}
    for start in range(0, samples, MEASURE_BATCH):
        count = min(MEASURE_BATCH, samples - start)
        s = mixed_styles(generator, max(count, 2), torch.Generator().manual_seed(seed * 1_000_003 + start))
        own = rig.standard(s)
        codes.append(s[:count])
        for attribute, answers in parts.items():
            exchanged = rig.put(s, attribute, own.roll(1, dims=0)) - rig.put(s, attribute, own)
            answers.append((s + exchanged)[:count])
    s = torch.cat(codes)
    return {attribute: (s, torch.cat(answers)) for attribute, answers in parts.items()}


def twin_answers(twins: Twins, samples: int, seed: int = 0) -> dict[str, Answers]:
    """Attribute → codes, and those of their twins in which this attribute alone is another."""
    pairs = {name: twins.draw(samples, torch.Generator().manual_seed(seed * 1_000_003 + k), name) for k, name in enumerate(ATTRIBUTES)}
    return {name: (pair.s, pair.twin) for name, pair in pairs.items()}


CELL = (104, 26)
MARGIN = 12
LABELS = 110
HEADER = 44
INK, PAPER, FRAME = (32, 36, 44), (255, 255, 255), (214, 84, 24)
COLOURS = ((247, 249, 252), (158, 202, 225), (49, 130, 189), (8, 48, 107))
"""Low to high: pale to dark blue; even steps of lightness."""


def heat_map(table: Mapping[str, Mapping[str, float]], selected: Mapping[str, Sequence[str]]) -> Image.Image:
    """Layers (rows) × attributes (columns), each column scaled to its own largest number; selected cells are framed.

    table: attribute → layer → response. selected: attribute → layers that were chosen.
    """
    layers = list(next(iter(table.values())))
    width, height = CELL
    size = (2 * MARGIN + LABELS + width * len(table), 2 * MARGIN + HEADER + height * len(layers) + 24)
    picture = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(picture)
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    pen.text((MARGIN, MARGIN), "style layer", INK, small)
    for row, layer in enumerate(layers):
        middle = MARGIN + HEADER + (row + 0.5) * height
        pen.text((MARGIN + LABELS - 10, middle), layer, INK, font, anchor="rm")
    for column, (attribute, responses) in enumerate(table.items()):
        left = MARGIN + LABELS + column * width
        most = max(max(responses.values()), 1e-12)
        pen.text((left + width / 2, MARGIN + HEADER - 24), attribute, INK, font, anchor="mm")
        for row, layer in enumerate(layers):
            top = MARGIN + HEADER + row * height
            share = responses[layer] / most
            box = (left + 2, top + 2, left + width - 3, top + height - 3)
            chosen = layer in selected.get(attribute, ())
            pen.rectangle(box, fill=colour_of(share), outline=FRAME if chosen else None, width=3)
            pen.text((left + width / 2, top + height / 2), f"{responses[layer]:.3f}", PAPER if share > 0.55 else INK, small, anchor="mm")
    pen.text((MARGIN + LABELS, size[1] - MARGIN - 14), "framed: the layers that edits of the attribute may touch", FRAME, small)
    return picture


def colour_of(share: float) -> tuple[int, int, int]:
    """Linear between the colours, 0 to 1."""
    place = min(max(share, 0.0), 1.0) * (len(COLOURS) - 1)
    index = min(int(place), len(COLOURS) - 2)
    low, high = COLOURS[index], COLOURS[index + 1]
    red, green, blue = (round(a + (b - a) * (place - index)) for a, b in zip(low, high, strict=True))
    return red, green, blue
