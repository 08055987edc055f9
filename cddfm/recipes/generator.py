"""`train-generator`: the world's portraits → generator and encoder (domains.train: warm start, then adversarial)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from cddfm.config import Options
from cddfm.data import Pool, draw_pool
from cddfm.images import to_picture, write_picture
from cddfm.loop import train
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.world import VERSION
from cddfm.worlds import world_of
from domains.finetune import PairedStart, Pairs
from domains.train import Adversarial, EncoderStart, Joint, MappingFit, Reals, WarmStart
from stylespace.continued import continue_encoder, continue_generator
from stylespace.discriminator import Discriminator
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.weights import save_network


class RecipeOptions(Options):
    """resolution: pixels a side. pool: how many portraits are drawn, at `drawn` pixels a side, then averaged. start: folder of a stack
    whose generator and encoder, of lower resolution and the same widths, this training goes on from; start_images: images on which the
    encoder's new front is fitted to it. warm_images: images of the warm start, which grows as `grow` says: (resolution, share by which
    it ends). mapping_images: codes of the mapping fit. joint_images: images of the joint stage. total_images: images of the adversarial
    stage. polish_images: images on which the drawing layers alone are regressed at the end, which takes away the texture that a short
    adversarial stage leaves. The generator's widths are StyleGAN2's, min(channel_base / resolution, channel_max); critic_base stands for
    channel_base in encoder and discriminator. middle: how much more the picture's middle counts in picture losses.
    """

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(
            resolution=16, drawn=16, encoder_resolution=8, grow=((8, 0.5),), pool=32, warm_images=16, mapping_images=64,
            mapping_batch=32, joint_images=8, total_images=16, polish_images=8, batch=8,
            w_dim=192, z_dim=384, channel_base=256, channel_max=32, mapping_layers=2,
            critic_base=256,
        ),
        "small": {},
        "large": dict(
            resolution=256, drawn=256, encoder_resolution=128, grow=((16, 0.1), (32, 0.25), (64, 0.5), (128, 0.7)), pool=60_000,
            warm_images=600_000, joint_images=600_000, total_images=800_000, polish_images=0, batch=64,
            channel_base=16384, channel_max=512, w_dim=512, z_dim=512,
            critic_base=16384,
        ),
    }  # fmt: skip

    resolution: int = 64
    drawn: int = 128
    encoder_resolution: int = 64
    grow: tuple[tuple[int, float], ...] = ((16, 0.15), (32, 0.5))
    pool: int = 22_000
    start: str = ""
    start_images: int = 8_000
    warm_images: int = 250_000
    mapping_images: int = 1_500_000
    mapping_batch: int = 512
    joint_images: int = 100_000
    total_images: int = 20_000
    polish_images: int = 12_000
    batch: int = 8
    z_dim: int = 384
    w_dim: int = 256
    channel_base: int = 1536
    channel_max: int = 256
    critic_base: int = 1024
    mapping_layers: int = 4
    rate: float = 4e-3
    gamma: float = 1.0
    path_weight: float = 1.0
    picture_weight: float = 3.0
    middle: float = 3.0


def shuffled_reals(pool: Pool, seed: int) -> Reals:
    """Pictures and codes by position: every epoch is a permutation of the pool, drawn from (seed, epoch)."""
    orders: dict[int, Tensor] = {}

    def order(epoch: int) -> Tensor:
        if epoch not in orders:
            orders.clear()
            orders[epoch] = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed * 100_003 + epoch))
        return orders[epoch]

    def reals(position: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        places = range(position, position + count)
        indices = torch.stack([order(place // len(pool))[place % len(pool)] for place in places]).to(pool.codes.device)
        return pool.take(indices)[0], pool.codes[indices]

    return reals


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes generator.safetensors and encoder.safetensors into the stack; True when finished."""
    pool = draw_pool(
        "portrait", options.pool, options.resolution, device, folders.pools, world=world_of(folders.stack), drawn=options.drawn
    )
    reals = shuffled_reals(pool, options.seed)
    torch.manual_seed(options.seed)
    generator = Generator(
        resolution=options.resolution, z_dim=options.z_dim, w_dim=options.w_dim, channel_base=options.channel_base,
        channel_max=options.channel_max, mapping_layers=options.mapping_layers,
    ).to(device)  # fmt: skip
    widths = {"channel_base": options.critic_base, "channel_max": options.channel_max}
    encoder = Encoder(resolution=options.encoder_resolution, w_dim=options.w_dim, **widths).to(device)
    discriminator = Discriminator(resolution=options.resolution, **widths).to(device)

    drawn = 4
    if options.start:
        earlier = Stack(Path(options.start), device)
        continue_generator(generator, earlier.generator)
        new, drawn = continue_encoder(encoder, earlier.encoder), earlier.generator.resolution
        front = EncoderStart(encoder, earlier.encoder, new, reals, 2 * options.batch, options.start_images)
        start_options = options.model_copy(update={"total_images": options.start_images, "batch": front.batch})
        if new and not train(front, start_options, folders.run("start"), "encoder start", seconds=seconds):
            return False
    warm_options = options.model_copy(update={"total_images": options.warm_images})
    warm = WarmStart(
        generator, encoder, reals, options.batch, options.warm_images, options.grow, options.rate, drawn=drawn, middle=options.middle
    )
    preview = Preview(pool)
    if not train(
        warm, warm_options, folders.run("warm"), "warm start",
        lambda path: preview.save(path, generator, encoder), seconds,
    ):  # fmt: skip
        return False
    w = encode_pool(encoder, pool)
    fit = MappingFit(generator, pool.codes, w, batch=options.mapping_batch, total_images=options.mapping_images)
    fit_options = options.model_copy(update={"total_images": options.mapping_images, "batch": options.mapping_batch})
    if not train(fit, fit_options, folders.run("mapping"), "mapping", seconds=seconds):
        return False
    joint = Joint(generator, encoder, reals, options.batch, options.joint_images, options.rate / 2, middle=options.middle)
    joint_options = options.model_copy(update={"total_images": options.joint_images})
    if not train(
        joint, joint_options, folders.run("joint"), "joint",
        lambda path: preview.save(path, generator, encoder), seconds,
    ):  # fmt: skip
        return False
    stage = Adversarial(
        generator, encoder, discriminator, reals, options.batch, options.total_images, options.rate / 2,
        gamma=options.gamma, path_weight=options.path_weight, picture_weight=options.picture_weight, middle=options.middle,
    )  # fmt: skip
    done = train(
        stage, options, folders.run("generator"), "generator",
        lambda path: preview.save(path, stage.average, stage.average_encoder), seconds,
    )  # fmt: skip
    if not done:
        return False
    average, encoder = stage.average, stage.average_encoder
    pairs = encoded_pairs(average, encoder, reals)
    polish = PairedStart(average, pairs, options.batch, options.polish_images, options.rate / 2, options.middle)
    done = train(
        polish, options.model_copy(update={"total_images": options.polish_images}), folders.run("polish"), "polish",
        lambda path: preview.save(path, polish.generator, encoder), seconds,
    )  # fmt: skip
    if done:
        images = options.warm_images + options.joint_images + options.total_images + options.polish_images
        notes = {"options": options.model_dump(), "images": images, "world": VERSION}
        save_network(folders.stack / "generator.safetensors", polish.generator, notes, half=True)
        save_network(folders.stack / "encoder.safetensors", encoder, notes, half=True)
    return done


def encoded_pairs(generator: Generator, encoder: Encoder, reals: Reals) -> Pairs:
    """Pictures of the pool, and the style codes that the encoder gives them."""

    @torch.no_grad()
    def pairs(position: int, count: int, randomness: torch.Generator) -> tuple[Tensor, Tensor]:
        images, _ = reals(position, count, randomness)
        return generator.styles(generator.broadcast(encoder(images))), images

    return pairs


@torch.no_grad()
def encode_pool(encoder: Encoder, pool: Pool, batch: int = 256) -> Tensor:
    """w of every picture of the pool."""
    indices = torch.arange(len(pool)).split(batch)
    return torch.cat([encoder(pool.take(part)[0]) for part in indices])


class Preview:
    """Three rows: pictures of the pool, the same after encoder and generator, and samples."""

    def __init__(self, pool: Pool, count: int = 12):
        self.pictures = pool.take(torch.arange(min(count, len(pool))))[0]
        self.count = self.pictures.shape[0]

    @torch.no_grad()
    def save(self, path: Path, generator: Generator, encoder: Encoder) -> None:
        decoded = generator.synthesise(generator.styles(generator.broadcast(encoder(self.pictures))))
        z = torch.randn(2 * self.count, generator.z_dim, generator=torch.Generator().manual_seed(1)).to(self.pictures.device)
        rows = [self.pictures, decoded, *generator(z).chunk(2)]
        sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        picture = to_picture(sheet)
        write_picture(path, picture.resize((picture.width * 2, picture.height * 2)))
