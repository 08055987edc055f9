"""What a morphable model looks like: its mean, its first components at ± 2 standard deviations, its expressions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from cddfm.lighting import light_from
from cddfm.morphable import MorphableModel
from cddfm.morphable_world import MorphableWorld
from cddfm.params import FaceParams
from cddfm.sheet import Cell, Row, draw_sheet

IDENTITIES, EXPRESSIONS, ALBEDOS = 5, 20, 5
CLAY = 0.45
VIEWS = (-60.0, -30.0, 0.0, 30.0, 60.0)


def draw_model(model: MorphableModel, cell: int = 160) -> Image.Image:
    """The contact sheet of `cddfm morphable info`."""
    clay = replace(model, albedo_mean=torch.full_like(model.albedo_mean, CLAY), albedo_basis=torch.zeros_like(model.albedo_basis))
    plain, grey = _Artist(model, cell), _Artist(clay, cell)
    views = [plain.cell(f"yaw {yaw:+g}°".replace("+0", "0").replace("°", ""), yaw=yaw) for yaw in VIEWS]
    rows = [Row([*views, *(grey.cell("shape alone", yaw=yaw) for yaw in (0.0, 60.0))], "Mean", model.source)]
    for number, name in enumerate(model.identity_names[:IDENTITIES]):
        cells = [grey.cell(f"{value:+g} sd", yaw=yaw, identity={number: value}) for yaw in (0.0, 50.0) for value in (-2.0, 2.0)]
        rows.append(Row(cells, name, "identity"))
    rows = _paired(rows)
    named = _shown(model.expression_names)
    if named:
        cells = [plain.cell(name, yaw=15.0, strengths=_strengths(name, model.expression_names)) for name in named]
        rows.append(Row(cells, "Expressions", "full strength, or + 2 sd of a component"))
    if model.direction_names:
        cells = [plain.cell(name, yaw=15.0, strengths={name: 1.0}) for name in model.direction_names]
        rows.append(Row(cells, "Expressions by name", "solved for as directions"))
    cells = [
        plain.cell(f"{name} {value:+g} sd", albedo={number: value})
        for number, name in enumerate(model.albedo_names[:ALBEDOS])
        for value in (-2.0, 2.0)
    ]
    if cells:
        rows.append(Row(cells, "Albedo"))
    return draw_sheet(rows, model.name, cell=cell, per_line=8)


def _paired(rows: list[Row]) -> list[Row]:
    """The first row, then the others two by two on one line, so that the sheet stays short."""
    joined = [rows[0]]
    for index in range(1, len(rows), 2):
        pair = rows[index : index + 2]
        cells = [replace(cell, caption=f"{row.title} {cell.caption}") for row in pair for cell in row.cells]
        joined.append(Row(cells, "Identity" if index == 1 else "", "front and half profile" if index == 1 else ""))
    return joined


def _strengths(name: str, names: Sequence[str]) -> dict[str, float]:
    """Full strength of what has a meaning (a closed mouth over an open jaw), two deviations of a bare component."""
    if name == "mouthClose" and "jawOpen" in names:
        return {name: 1.0, "jawOpen": 1.0}
    return {name: 2.0 if name[-1].isdigit() else 1.0}


def _shown(names: Sequence[str]) -> list[str]:
    """The first expressions, one side of each pair."""
    return [name for name in names if not name.endswith("_R")][:EXPRESSIONS]


class _Artist:
    """Draws one model in the neutral light of a studio."""

    def __init__(self, model: MorphableModel, size: int):
        self.world, self.size = MorphableWorld(model), size
        number = torch.tensor
        self.light = light_from(
            number([-0.5]), number([0.45]), number([0.65]), number([0.42]), torch.ones(1, 3)
        )

    def cell(
        self, caption: str, yaw: float = 0.0, identity: dict[int, float] | None = None, strengths: dict[str, float] | None = None,
        albedo: dict[int, float] | None = None,
    ) -> Cell:  # fmt: skip
        model = self.world.model
        params = FaceParams.neutral(model.layout, 1)
        pose = torch.tensor([[0.0, math.radians(yaw), 0.0]])
        params = params.replace(
            light=self.light, pose=pose, identity=_set(params.identity, identity), albedo=_set(params.albedo, albedo),
            expression=model.expression(strengths)[None] if strengths else params.expression,
        )  # fmt: skip
        return Cell(self.world.draw(params, self.size, supersample=2).image[0], caption)


def _set(values: Tensor, chosen: dict[int, float] | None) -> Tensor:
    values = values.clone()
    for number, value in (chosen or {}).items():
        values[:, number] = value
    return values
