"""A dataset on disk: tar shards of portraits with their exact parameters, made in order, each shard whole or not there.

    dataset.json                  what it is: count, resolution, styles, seeds, names and slices of the parameters
    portrait-000000.tar           for every image: 000000007.webp (lossless), 000000007.mask.png, 000000007.json

The layout is WebDataset's; `tar -xf` gives plain files. An image's json holds seed, style, params (by group, raw units) and its 68
landmarks in pixels (x right, y down, centres of pixels at whole numbers).
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from cddfm.camera import to_pixels
from cddfm.errors import UserError
from cddfm.images import eight_bit
from cddfm.params import GROUPS
from cddfm.world.assets import assets
from cddfm.world.codes import sample_codes
from cddfm.world.draw import draw
from cddfm.world.scene import scene_of
from stylespace.weights import write_atomically

FORMAT = 1
BATCH = 32


@dataclass(frozen=True)
class Order:
    """What to export. seeds: [seed, seed + count). shard: images per file."""

    count: int
    resolution: int
    styles: tuple[str, ...]
    seed: int
    shard: int


def export(order: Order, folder: Path, device: torch.device | str, advance: Callable[[int], None]) -> int:
    """Write what is missing; returns how many images there were already. advance: told how many images are finished.

    Raises UserError where the folder holds something else.
    """
    _claim(order, folder, str(device))
    jobs = [
        (
            style,
            first,
            min(first + order.shard, order.seed + order.count),
            folder / f"{style}-{(first - order.seed) // order.shard:06d}.tar",
        )
        for style in order.styles
        for first in range(order.seed, order.seed + order.count, order.shard)
    ]
    missing = [job for job in jobs if not job[3].is_file()]
    finished = already = sum(last - first for _, first, last, path in jobs if path.is_file())
    advance(finished)
    for style, first, last, path in missing:
        write_atomically(path, _shard(order, style, range(first, last), device, lambda number, before=finished: advance(before + number)))
        finished += last - first
    return already


def _claim(order: Order, folder: Path, device: str) -> None:
    """The folder's description, written once, and afterwards the same for the same command."""
    path = folder / "dataset.json"
    wanted = json.loads(json.dumps(_describe(order, device)))
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.glob("*.tar"))):
            raise UserError(f"{folder} holds something else than an export of this world; give a new folder")
        write_atomically(path, json.dumps(wanted, indent=1).encode())
        return
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); give a new folder") from error
    different = [name for name in wanted if found.get(name) != wanted[name]] if isinstance(found, dict) else ["everything"]
    if different:
        raise UserError(
            f"{folder} holds an export with another {' and '.join(different)}; give a new folder, or repeat the command that began it"
        )


def _describe(order: Order, device: str) -> dict[str, Any]:
    model = assets(device).model
    layout = model.layout
    names = {"identity": model.identity_names, "expression": model.expression_names, "albedo": model.albedo_names}
    return {"format": FORMAT, **asdict(order), "groups": list(GROUPS), "sizes": layout.sizes, "names": names}


def _shard(order: Order, style: str, seeds: Sequence[int], device: torch.device | str, advance: Callable[[int], None]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for start in range(0, len(seeds), BATCH):
            part = list(seeds[start : start + BATCH])
            with torch.no_grad():
                scene = scene_of(sample_codes(part).to(device), assets(str(device)).model)
                drawn = draw(scene, order.resolution, style)
            images = eight_bit(drawn.image).permute(0, 2, 3, 1).cpu()
            masks = (drawn.mask * 255).round().to(torch.uint8).squeeze(1).cpu()
            landmarks = to_pixels(drawn.landmarks, order.resolution).cpu()
            for index, seed in enumerate(part):
                params = {group: _numbers(getattr(scene.params, group)[index]) for group in GROUPS}
                facts = {"seed": seed, "style": style, "params": params, "landmarks": [_numbers(point) for point in landmarks[index]]}
                _add(archive, f"{seed:09d}.webp", _encoded(images[index], "WEBP", lossless=True, method=2))
                _add(archive, f"{seed:09d}.mask.png", _encoded(masks[index], "PNG"))
                _add(archive, f"{seed:09d}.json", json.dumps(facts).encode())
            advance(start + len(part))
    return buffer.getvalue()


def _numbers(values: Tensor) -> list[float]:
    """Rounded to what a float holds."""
    return [float(f"{value:.7g}") for value in values.tolist()]


def _encoded(pixels: UInt8[Tensor, "height width *channels"], kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(buffer, kind, **options)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Without dates and owners, so that the same order gives the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
