"""What a fit reads and writes: landmark files, parameters as JSON, the head as OBJ, and a picture to judge it by."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from cddfm.align import Box
from cddfm.camera import to_pixels
from cddfm.errors import UserError
from cddfm.fit import Fit
from cddfm.images import to_picture
from cddfm.lighting import NamedLight, to_srgb
from cddfm.morphable import MorphableModel
from cddfm.params import LIGHT_BANDS, POSE_AXES, FaceParams
from cddfm.render import Rendering
from cddfm.sheet import Cell, Row, draw_sheet

LARGEST_FILE = 1 << 20
"""Bytes; 68 points take a few thousand."""

CELL = 320
"""Pixels per side of one view in the overlay picture."""

SEEN, HIDDEN = (255, 214, 64), (120, 120, 128)


def read_landmarks(path: Path) -> Float[Tensor, "68 2"]:
    """68 points x, y in pixels of the picture (the first pixel's middle is 0, 0): a JSON list of pairs, a line of text for each, or the
    `.pts` form of 300-W, which counts from 1. A point "nan nan" is unknown."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path} is too large for a landmark file; give 68 lines of x,y")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the landmark file {path} cannot be read ({error}); give 68 lines of x,y") from error
    points = np.asarray(_json_points(path, text) if text.lstrip().startswith(("[", "{")) and "n_points" not in text else _text_points(text))
    if points.shape != (68, 2):
        raise UserError(f"the landmark file {path} holds {len(points)} points where 68 lines of x,y are needed (iBUG order)")
    landmarks = torch.from_numpy(points.astype(np.float32)) - (1.0 if "n_points" in text else 0.0)
    known = landmarks.isfinite().all(dim=1)
    if int(known.sum()) < 6 or float(landmarks[known].std(dim=0).min()) < 1e-3:
        raise UserError(f"the landmark file {path} has too few points apart from each other; at least 6 of the 68 must be known")
    return landmarks


def _json_points(path: Path, text: str) -> list[list[float]]:
    try:
        value = json.loads(text)
        value = value["landmarks"] if isinstance(value, dict) else value
        return [[float("nan") if number is None else float(number) for number in pair] for pair in value if len(pair) == 2]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"the landmark file {path} is no list of x, y pairs ({error}); give 68 of them") from error


def _text_points(text: str) -> list[list[float]]:
    """Lines that hold two numbers and nothing else."""
    number = r"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|NaN))"
    found = (re.fullmatch(rf"\s*{number}\s*[\s,;]\s*{number}\s*", line) for line in text.splitlines())
    return [[float(match[1]), float(match[2])] for match in found if match]


def in_picture(points: Float[Tensor, "points 2"], box: Box, side: int) -> Float[Tensor, "points 2"]:
    """Pixels of the crop → pixels of the picture."""
    scale = 2 * box.half / side
    return (points + 0.5) * scale - 0.5 + points.new_tensor([box.x - box.half, box.y - box.half])


def in_square(points: Float[Tensor, "points 2"], box: Box) -> Float[Tensor, "points 2"]:
    """Pixels of the picture → ndc (y up) of the crop."""
    x, y = ((points + 0.5 - points.new_tensor([box.x, box.y])) / box.half).unbind(-1)
    return torch.stack([x, -y], dim=-1)


def document(model: MorphableModel, found: Fit, drawn: Rendering, box: Box, side: int) -> dict[str, Any]:
    """Everything that was found, as JSON values."""
    params, light = found.params, NamedLight.of(found.params.light)
    pixels = in_picture(to_pixels(drawn.landmarks, side)[0], box, side)
    error = None if found.landmark_error is None else found.landmark_error * box.half
    return {
        "model": model.name,
        "box": {"left": box.x - box.half, "top": box.y - box.half, "side": 2 * box.half, "resolution": side},
        "pose_deg": dict(zip(POSE_AXES, _numbers(params.pose[0] * (180 / math.pi)), strict=True)),
        "translation_cm": _numbers(params.translation[0]),
        "identity": dict(zip(model.identity_names, _numbers(params.identity[0]), strict=True)),
        "expression": dict(zip(model.expression_names, _numbers(params.expression[0]), strict=True)),
        "albedo": dict(zip(model.albedo_names, _numbers(params.albedo[0]), strict=True)),
        "light": {
            "bands": [_numbers(row) for row in params.light[0].unflatten(0, (LIGHT_BANDS, 3))],
            "azimuth_deg": round(math.degrees(float(light.azimuth)), 3),
            "elevation_deg": round(math.degrees(float(light.elevation)), 3),
            "intensity": round(float(light.intensity), 5),
            "ambient": round(float(light.ambient), 5),
            "colour": _numbers(light.colour[0]),
        },
        "landmarks": [_numbers(row) for row in pixels],
        "visible": drawn.visible[0].tolist(),
        "landmark_error_px": None if error is None else round(error, 4),
        "colour_error": round(found.colour_error, 5),
    }


def read_params(model: MorphableModel, value: dict[str, Any]) -> FaceParams:
    """The parameters of a `document` again. Raises UserError when it belongs to another model."""
    try:
        groups = {
            name: [value[name][part] for part in names]
            for name, names in (
                ("identity", model.identity_names), ("expression", model.expression_names), ("albedo", model.albedo_names),
            )
        }  # fmt: skip
        groups["pose"] = [math.radians(value["pose_deg"][axis]) for axis in POSE_AXES]
        groups["light"] = [number for row in value["light"]["bands"] for number in row]
        groups["translation"] = value["translation_cm"]
        return FaceParams(**{name: model.mean.new_tensor([numbers]) for name, numbers in groups.items()})
    except (KeyError, TypeError) as error:
        raise UserError(f"these parameters do not belong to the model {model.name} ({error}); fit again with this model") from error


def _numbers(values: Float[Tensor, size]) -> list[float]:
    return [round(float(value), 5) for value in values]


def wavefront(model: MorphableModel, params: FaceParams) -> str:
    """The head before pose as OBJ text: centimetres, each vertex followed by its reflectance in sRGB."""
    points = model.vertices(params.identity, params.expression)[0]
    colours = (to_srgb(model.reflectance(params.albedo)[0]) + 1) / 2
    hidden = model.part("overlay")
    triangles = model.triangles[~hidden[model.triangles].any(dim=1)] + 1
    lines = ["# centimetres; x y z red green blue"]
    lines += ["v {:.4f} {:.4f} {:.4f} {:.4f} {:.4f} {:.4f}".format(*row) for row in torch.cat([points, colours], dim=1).tolist()]
    lines += ["f {} {} {}".format(*row) for row in triangles.tolist()]
    return "\n".join(lines) + "\n"


def overlay(crop: Float[Tensor, "1 3 side side"], drawn: Rendering, found: Fit) -> Image.Image:
    """Side by side: the picture with the fitted landmarks, the fit laid over it, the fit alone, its shape."""
    laid = crop * (1 - drawn.mask) + drawn.image * drawn.mask
    towards = functional.normalize(crop.new_tensor([0.35, 0.45, 0.82]), dim=0).view(1, 3, 1, 1)
    tone = 0.06 + 0.5 * (drawn.normals * towards).sum(1, keepdim=True).clamp(min=0)
    clay = to_srgb(tone * (drawn.depth > 0).unsqueeze(1)).expand(-1, 3, -1, -1)
    marked = to_picture(crop).resize((CELL, CELL), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(marked)
    for (x, y), seen in zip(to_pixels(drawn.landmarks, CELL)[0].tolist(), drawn.visible[0].tolist(), strict=True):
        pen.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=SEEN if seen else HIDDEN)
    pitch, yaw, roll = (float(angle) * 180 / math.pi for angle in found.params.pose[0])
    cells = [
        Cell(marked, "landmarks (grey: hidden)", marked=True),
        Cell(laid, f"colour error {found.colour_error:.3f}"),
        Cell(drawn.image, f"yaw {yaw:+.1f} pitch {pitch:+.1f} roll {roll:+.1f}"),
        Cell(clay, "shape"),
    ]
    return draw_sheet([Row(cells)], cell=CELL)
