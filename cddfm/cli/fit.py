"""`cddfm fit`: a picture in, the parameters of its face out, by analysis by synthesis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from jaxtyping import Float
    from PIL import Image
    from torch import Tensor

    from cddfm.align import Box
    from cddfm.fit import Fit
    from cddfm.morphable import MorphableModel
    from cddfm.stack import Stack

NAMES = ("parameters.json", "head.obj", "overlay.png")


def fit(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture with a face.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for parameters.json, head.obj and overlay.png.")] = None,
    landmarks: Annotated[
        Path | None, typer.Option(help="68 lines of x,y in the picture's pixels, JSON or .pts; those that a network sees when left out.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="A picture of the same size, white where face skin is seen.")] = None,
    morphable: Annotated[Path | None, typer.Option(help="Fit this morphable model instead of the stack's.")] = None,
    crop: Annotated[str, typer.Option(help="face: a square about the face; whole: the picture is that square; auto.")] = "auto",
    resolution: Annotated[int, typer.Option(min=32, max=512, help="Pixels per side of the square that is looked at, at most.")] = 224,
    face: Annotated[int, typer.Option(min=1, help="Without landmarks: which face, the most prominent being 1.")] = 1,
    stack: Annotated[Path | None, typer.Option(help="Folder of networks; the embedded ones when left out.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the parameters, for programs.")] = False,
) -> None:
    """Find shape, expression, colours, pose and light of the face in a picture, and write them, the head and an overlay."""
    from cddfm.align import crop as cut
    from cddfm.device import choose_device
    from cddfm.errors import UserError
    from cddfm.fit import fit as fit_face
    from cddfm.fit import rounds
    from cddfm.fitting import files
    from cddfm.fitting.frame import CROPS
    from cddfm.images import check_folder_writable, read_picture
    from cddfm.morphable import load
    from cddfm.render import render
    from cddfm.report import progress_bar, say, show_json
    from cddfm.stack import Stack

    if crop not in CROPS:
        raise UserError(f"--crop {crop} is not known; valid are {', '.join(CROPS)}")
    target = out or Path(f"{image.stem}-fit")
    _check(target)
    check_folder_writable(target)
    picture = read_picture(image)
    shown = None if mask is None else _mask(mask, picture)
    points = None if landmarks is None else files.read_landmarks(landmarks)
    networks = Stack(stack, choose_device(device))
    model = networks.model if morphable is None else load(morphable).to(networks.device)
    box = _square(picture, points, model, networks, crop, face, image)
    side = min(resolution, max(32, round(2 * box.half)))
    square = cut(picture, box, side).to(networks.device)
    if points is None:
        start, marks, deviation = _estimate(networks, model, square)
    else:
        start, marks, deviation = None, files.in_square(points, box).to(networks.device), None
    skin = None if shown is None else (cut(shown, box, side)[:, :1].to(networks.device) + 1) / 2
    with progress_bar(image.name, total=rounds(side)) as advance:
        found = fit_face(model, square, marks, start, skin, landmark_deviation=deviation, on_step=advance)
    if points is None:
        found = _without_landmarks(found)
    drawn = render(model, found.params, side, supersample=2)
    value = {"picture": str(image), **files.document(model, found, drawn, box, side)}
    _write(target, value, files.wavefront(model, found.params), files.overlay(square, drawn, found))
    if as_json:
        show_json(value)
    say(f"wrote {', '.join(str(target / name) for name in NAMES)}")


def _check(target: Path) -> None:
    from cddfm.errors import UserError

    if target.exists() and not target.is_dir():
        raise UserError(f"the output {target} is a file; name a folder with -o")


def _mask(path: Path, picture: Image.Image) -> Image.Image:
    from cddfm.errors import UserError
    from cddfm.images import read_picture

    shown = read_picture(path)
    if shown.size != picture.size:
        sizes = f"{shown.width}×{shown.height} pixels and the picture {picture.width}×{picture.height}"
        raise UserError(f"the mask {path} has {sizes}; give one of the picture's size")
    return shown


def _square(
    picture: Image.Image, points: Float[Tensor, "68 2"] | None, model: MorphableModel, networks: Stack, crop: str, face: int, image: Path
) -> Box:
    """The square of the picture that is taken as seen by the camera."""
    import torch

    from cddfm.align import align
    from cddfm.errors import UserError
    from cddfm.fitting.frame import known_in, nearly_whole, square_about, whole_picture
    from cddfm.images import to_tensor

    width, height = picture.size
    if points is not None and not known_in(points, width, height):
        raise UserError(f"most of the landmarks lie outside {image} ({width}×{height} pixels); give them in its pixels, from its top left")
    if crop == "whole":
        return whole_picture(width, height)
    if points is not None:
        box = square_about(model, points.to(model.mean.device))
    else:

        @torch.no_grad()
        def translation_of(square: Tensor) -> Tensor:
            return networks.estimator(square.to(networks.device)).translation

        box = align(to_tensor(picture), translation_of, networks.estimator.resolution, face, str(image)).box
    return whole_picture(width, height) if crop == "auto" and nearly_whole(box, width, height) else box


def _estimate(networks: Stack, model: MorphableModel, square: Float[Tensor, "1 3 side side"]):
    """What networks see: where to start (for the stack's own model), and landmarks with how far they are trusted."""
    import torch

    from cddfm.fit import SEEN_LANDMARKS

    with torch.no_grad():
        start = networks.estimator(square) if model is networks.model else None
        return start, networks.landmarker(square)[0], SEEN_LANDMARKS


def _without_landmarks(found: Fit) -> Fit:
    """Distances to landmarks that a network saw say nothing."""
    from dataclasses import replace

    return replace(found, landmark_error=None)


def _write(folder: Path, value: dict[str, object], mesh: str, picture: Image.Image) -> None:
    """Everything is ready in memory before the first file is written; each is written whole or not at all."""
    import io
    import json

    from cddfm.errors import UserError
    from stylespace.weights import write_atomically

    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    contents = ((json.dumps(value, indent=2) + "\n").encode(), mesh.encode(), buffer.getvalue())
    try:
        for name, data in reversed(list(zip(NAMES, contents, strict=True))):
            write_atomically(folder / name, data)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}); choose another folder") from error


def register(app: typer.Typer) -> None:
    app.command("fit")(fit)
