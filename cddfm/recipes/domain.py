"""`adapt-domain`: the generator and pictures of another style → a generator of that domain for the same codes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from cddfm.config import Options, nearest
from cddfm.data import Pool, draw_pool
from cddfm.errors import UserError
from cddfm.images import to_picture, write_picture
from cddfm.loop import train
from cddfm.recipes.generator import encoded_pairs, shuffled_reals
from cddfm.runs import Folders
from cddfm.stack import Stack
from domains.finetune import Finetune, PairedStart, Pairs, frozen_names
from domains.registry import SOURCE, domain_path
from stylespace.discriminator import Discriminator
from stylespace.generator import Generator
from stylespace.weights import save_network


class RecipeOptions(Options):
    """domain: a style of the world. pool: portraits drawn of it, at `drawn` pixels a side, then averaged. paired_images: images of the
    paired start before the adversarial stage of total_images; polish_images: of the same regression after it (paired_images = 0: the
    published method alone). rate, adversarial_rate: learning rates; the adversarial stage only sharpens what the start has placed.
    gamma: R1 weight. keep: weight of the structure term. middle: how much more the picture's middle counts in picture losses.
    """

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(
            drawn=16, pool=32, paired_images=8, total_images=16, polish_images=8, batch=8, discriminator_base=256, discriminator_max=32
        ),
        "small": {},
        "large": dict(
            pool=30_000, paired_images=300_000, total_images=400_000, polish_images=0, batch=64, discriminator_base=16384,
            discriminator_max=512,
        ),
    }  # fmt: skip

    domain: str
    drawn: int = 128
    pool: int = 2_000
    paired_images: int = 9_000
    total_images: int = 1_500
    polish_images: int = 3_000
    batch: int = 16
    discriminator_base: int = 1024
    discriminator_max: int = 256
    rate: float = 2e-3
    adversarial_rate: float = 5e-4
    gamma: float = 1.0
    keep: float = 0.5
    middle: float = 3.0


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes domains/<name>.safetensors into the stack; True when finished."""
    stack = Stack(folders.stack, device)
    targets = [style for style in stack.world.styles if style != SOURCE]
    if options.domain not in targets:
        raise UserError(f"the world has no style {options.domain!r} to adapt to: {nearest(options.domain, targets)}")
    source = stack.generator
    pool = draw_pool(options.domain, options.pool, source.resolution, device, folders.pools, world=stack.world, drawn=options.drawn)
    preview = pool.take(torch.arange(12))[0]
    start = source
    if options.paired_images:
        portraits = draw_pool(SOURCE, options.pool, source.resolution, device, folders.pools, world=stack.world, drawn=options.drawn)
        pairs = pairs_of(stack, portraits, pool, options.seed)
        paired = PairedStart(source, pairs, options.batch, options.paired_images, options.rate, options.middle)
        if not train(
            paired, options.model_copy(update={"total_images": options.paired_images}), folders.run(f"{options.domain}-paired"),
            f"paired start of {options.domain}", lambda path: save_preview(path, preview, source, paired.generator), seconds,
        ):  # fmt: skip
            return False
        start = paired.generator
    reals = shuffled_reals(pool, options.seed)
    torch.manual_seed(options.seed)
    discriminator = Discriminator(
        resolution=source.resolution, channel_base=options.discriminator_base, channel_max=options.discriminator_max
    ).to(device)
    stage = Finetune(
        start, discriminator, lambda *place: reals(*place)[0], options.batch, options.total_images, options.adversarial_rate,
        gamma=options.gamma, keep=options.keep,
    )  # fmt: skip
    result = stage.average
    if not train(
        stage, options, folders.run(options.domain), f"domain {options.domain}",
        lambda path: save_preview(path, preview, source, stage.average), seconds,
    ):  # fmt: skip
        return False
    if options.paired_images:
        polish = PairedStart(result, pairs, options.batch, options.polish_images, options.rate / 2, options.middle)
        if not train(
            polish, options.model_copy(update={"total_images": options.polish_images}), folders.run(f"{options.domain}-polish"),
            f"polish of {options.domain}", lambda path: save_preview(path, preview, source, polish.generator), seconds,
        ):  # fmt: skip
            return False
        result = polish.generator
    images = options.total_images + (options.paired_images + options.polish_images if options.paired_images else 0)
    frozen = frozen_names(source)
    notes = {"options": options.model_dump(), "images": images, "frozen": sorted(frozen)}
    save_network(domain_path(folders.stack, options.domain), result, notes, half=True, without=frozen)
    return True


def pairs_of(stack: Stack, portraits: Pool, pictures: Pool, seed: int) -> Pairs:
    """Codes that the encoder gives the portraits, and the domain's pictures of the same scenes."""
    codes = encoded_pairs(stack.generator, stack.encoder, shuffled_reals(portraits, seed))
    partners = shuffled_reals(pictures, seed)
    return lambda *place: (codes(*place)[0], partners(*place)[0])


@torch.no_grad()
def save_preview(path: Path, pictures: Tensor, source: Generator, adapted: Generator) -> None:
    """Rows: pictures of the domain; twelve faces of the source; the same codes in the domain."""
    z = torch.randn(len(pictures), source.z_dim, generator=torch.Generator().manual_seed(1)).to(pictures.device)
    s = source.styles(source.broadcast(source.map(z)))
    rows = [pictures, source.synthesise(s), adapted.synthesise(s)]
    sheet = to_picture(torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1))
    write_picture(path, sheet.resize((sheet.width * 2, sheet.height * 2)))
