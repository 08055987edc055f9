"""`train-generator`: the world's portraits and their twins → generator and encoder (domains.train, domains.joint, domains.mapping,
domains.together)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from cddfm.config import Options
from cddfm.data import Pool, draw_pool
from cddfm.errors import UserError
from cddfm.images import to_picture, write_picture
from cddfm.loop import train
from cddfm.recipes.onlookers import Sight, estimator_of, kinds_by
from cddfm.reconstruct import Reconstructor
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.views import known_codes, seen_of, twin_views
from cddfm.world import CODE_DIM, VERSION
from cddfm.worlds import world_of
from domains.joint import Joint
from domains.kinds import KINDS
from domains.mapping import MappingFit
from domains.registry import SOURCE
from domains.together import Together
from domains.train import EncoderStart, WarmStart
from stylespace.code import FIRST_RESOLUTION
from stylespace.continued import continue_generator, fade_in
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.weights import save_network


class RecipeOptions(Options):
    """resolution: pixels a side. pool: how many portraits are drawn, at `drawn` pixels a side, then averaged. start: folder of a stack
    whose generator, of the same or lower resolution and no greater widths, this training goes on from, and whose encoder, if it is of the
    same shape, though it may have been told nothing; if not, start_images are those on which the encoder alone is fitted. warm_images:
    images of the warm start, which grows as `grow` says: (resolution, share by which it ends). twins: of how many portraits the twins are
    drawn as well. total_images: of the joint stage. mapping_images: codes of the mapping fit. mapping_pool: of how many portraits, the
    pool among them, and of the twins; varied: how many more of each with another expression, pose and light. The generator's widths are
    StyleGAN2's, min(channel_base / resolution, channel_max), but at least channel_min, and mapping_width of the mapping's hidden layers;
    the encoder is as large as the estimator that it starts from. replicate_from: resolution from which on what layers read goes on beyond
    its border (stylespace.border). together_images: of the last stage, in which the mapping learns by pictures beside what draws. A stage
    of no images is left out. middle: how much more the picture's middle counts in picture losses. attention: how much more yet brows, eyes
    and mouth do in the joint stage. fooling: in the joint stage, the critic's pull on pictures as a share of the picture loss's. changes,
    readings, crowding, busyness: weights there of what changes from twin to twin in pictures and in what the estimator reads of them, of
    how its features and the pictures' textures are distributed, and of how much goes on in every small part of a picture; 0 for none.
    """

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(
            resolution=16, drawn=16, grow=((8, 0.5),), pool=32, warm_images=16, mapping_images=64,
            mapping_batch=32, mapping_pool=40, varied=1, twins=16, total_images=16, together_images=16, batch=8,
            w_dim=192, z_dim=384, channel_base=256, channel_max=32, channel_min=1, mapping_layers=2, mapping_width=192,
            replicate_from=16,
        ),
        "small": {},
        "large": dict(
            resolution=256, drawn=256, grow=((16, 0.1), (32, 0.25), (64, 0.5), (128, 0.7)), pool=90_000,
            warm_images=600_000, mapping_pool=200_000, twins=90_000, total_images=1_400_000, together_images=400_000, batch=64,
            channel_base=16384, channel_max=512, channel_min=1, w_dim=512, z_dim=512, mapping_width=512,
        ),
    }  # fmt: skip

    resolution: int = 128
    drawn: int = 128
    grow: tuple[tuple[int, float], ...] = ((16, 0.1), (32, 0.3), (64, 0.6))
    pool: int = 90_000
    start: str = ""
    start_images: int = 8_000
    warm_images: int = 250_000
    mapping_images: int = 5_000_000
    mapping_pool: int = 90_000
    mapping_batch: int = 256
    varied: int = 3
    twins: int = 90_000
    total_images: int = 250_000
    together_images: int = 100_000
    batch: int = 8
    z_dim: int = 384
    w_dim: int = 256
    channel_base: int = 1536
    channel_max: int = 256
    channel_min: int = 24
    replicate_from: int = 64
    mapping_layers: int = 4
    mapping_width: int = 384
    rate: float = 4e-3
    middle: float = 3.0
    attention: float = 3.0
    fooling: float = 0.35
    changes: float = 0.01
    readings: float = 0.006
    crowding: float = 3.0
    busyness: float = 1.5


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes generator.safetensors and encoder.safetensors into the stack; True when finished."""
    if options.z_dim < CODE_DIM:
        raise UserError(f"z_dim={options.z_dim} is too short for the world's scene codes; make it {CODE_DIM} or more")
    estimator, world = estimator_of(folders.stack, device), world_of(folders.stack)
    shared = dict(resolution=options.resolution, device=device, cache=folders.pools, world=world, drawn=options.drawn)
    portraits, twins = draw_pool(SOURCE, options.pool, **shared), draw_pool(SOURCE, options.twins, twins=True, **shared)
    views = twin_views(portraits, twins, estimator, world, options.seed)
    torch.manual_seed(options.seed)
    generator = Generator(
        resolution=options.resolution, z_dim=options.z_dim, w_dim=options.w_dim, channel_base=options.channel_base,
        channel_max=options.channel_max, channel_min=options.channel_min, mapping_layers=options.mapping_layers,
        mapping_width=options.mapping_width, replicate_from=options.replicate_from,
    ).to(device)  # fmt: skip
    encoder = encoder_like(estimator, options.w_dim).to(device)

    preview = Preview(portraits, estimator)
    drawn = FIRST_RESOLUTION
    if options.start:
        earlier = Stack(Path(options.start), device)
        continue_generator(generator, earlier.generator)
        drawn = earlier.generator.resolution
        if encoder.arguments == earlier.encoder.arguments:
            encoder.load_state_dict(earlier.encoder.state_dict())
        elif encoder.arguments == earlier.encoder.arguments | {"facts": encoder.facts} and not earlier.encoder.facts:
            encoder.load_state_dict(encoder.state_dict() | sighted(earlier.encoder))
            encoder.split(seen_of(encoder, portraits), portraits.params)
        else:
            start = EncoderStart(generator, encoder, views, options.batch, options.start_images, middle=options.middle)
            start_options = options.model_copy(update={"total_images": options.start_images})
            if not train(
                start, start_options, folders.run("start"), "encoder start", lambda path: preview.save(path, generator, encoder), seconds
            ):
                return False
    fade_in(generator, drawn)
    if options.warm_images:
        warm = WarmStart(
            generator, encoder, views, options.batch, options.warm_images, options.grow, options.rate, middle=options.middle
        )
        warm_options = options.model_copy(update={"total_images": options.warm_images})
        if not train(
            warm, warm_options, folders.run("warm"), "warm start", lambda path: preview.save(path, generator, encoder), seconds
        ):
            return False
    compared = partial(
        kinds_by, sights=[Sight(estimator, estimator.levels)], model=world.model.to(device), middle=options.middle,
        attention=options.attention, fooling=options.fooling, changes=options.changes, readings=options.readings,
        crowding=options.crowding, busyness=options.busyness,
    )  # fmt: skip
    if options.total_images:
        kinds = compared(KINDS[:1])
        joint = Joint(generator, encoder, kinds, views, options.batch, options.total_images, options.rate / 2)
        generator, encoder = joint.average, joint.average_encoder
        if not train(joint, options, folders.run("generator"), "generator", lambda path: preview.save(path, generator, encoder), seconds):
            return False
    if options.mapping_images:
        learned = draw_pool(SOURCE, max(options.mapping_pool, options.pool), **shared), twins
        codes, w = known_codes(encoder, world, learned, options.varied, torch.Generator().manual_seed(options.seed))
        fit = MappingFit(generator, codes, w, options.mapping_batch, options.mapping_images)
        fit_options = options.model_copy(update={"total_images": options.mapping_images, "batch": options.mapping_batch})
        if not train(fit, fit_options, folders.run("mapping"), "mapping", seconds=seconds):
            return False
    if options.together_images:
        kinds = compared(KINDS)
        together = Together(generator, encoder, kinds, views, options.batch, options.together_images, options.rate / 2)
        generator = together.average
        together_options = options.model_copy(update={"total_images": options.together_images})
        last = folders.run("together")
        if not train(together, together_options, last, "together", lambda path: preview.save(path, generator, encoder), seconds):
            return False
    notes = {"options": options.record(), "images": options.warm_images + options.total_images + options.together_images, "world": VERSION}
    save_network(folders.stack / "generator.safetensors", generator, notes, half=True)
    save_network(folders.stack / "encoder.safetensors", encoder, notes, half=True)
    return True


def encoder_like(estimator: Reconstructor, w_dim: int) -> Encoder:
    """An encoder that sees what the estimator sees, and is told what it reads."""
    architecture, resolution, width = (estimator.arguments[name] for name in ("architecture", "resolution", "width"))
    encoder = Encoder(resolution, w_dim, width, architecture=architecture, facts=estimator.layout.total)
    encoder.trunk.load_state_dict(estimator.trunk.state_dict())
    encoder.measure(estimator.statistics.mean, estimator.statistics.deviation)
    return encoder


def sighted(encoder: Encoder) -> dict[str, Tensor]:
    """What an encoder sees by: all but what it is told."""
    return {name: tensor for name, tensor in encoder.state_dict().items() if name.split(".")[0] in ("trunk", "neck", "out")}


class Preview:
    """Rows: pictures of the pool; the same after encoder and generator; told the next one's face, pose and light; and samples."""

    @torch.no_grad()
    def __init__(self, pool: Pool, estimator: Reconstructor, count: int = 12):
        self.pictures = pool.take(torch.arange(min(count, len(pool))))[0]
        self.facts = estimator(self.pictures).flatten()
        self.count = self.pictures.shape[0]

    @torch.no_grad()
    def save(self, path: Path, generator: Generator, encoder: Encoder) -> None:
        w = [encoder(self.pictures, facts) for facts in (self.facts, self.facts.roll(-1, dims=0))]
        decoded = generator.synthesise(generator.styles(generator.broadcast(torch.cat(w)))).chunk(2)
        z = torch.randn(2 * self.count, generator.z_dim, generator=torch.Generator().manual_seed(1)).to(self.pictures.device)
        rows = [self.pictures, *decoded, *generator(z).chunk(2)]
        sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        picture = to_picture(sheet)
        write_picture(path, picture.resize((picture.width * 2, picture.height * 2)))
