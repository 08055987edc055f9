"""How near are a domain's pictures to the world's own of the same scenes?

Between sets of other scenes, who happens to be in them moves the Fréchet distance (cddfm.evaluation.frechet) by more than two states of a
generator differ: a judge's features vary along a few directions, of which yaw alone takes a third. Drawn of the same scenes, generated and
true pictures have this chance in common, and a few thousand tell such states apart. Distances of this kind compare with one another alone:
they are zero for the world itself, and without the chance between sets of other scenes.

Scenes are held-out ones, and drawn from both kinds of codes (domains.kinds). Those of the mapping mean something where z holds the scene
code, as it does in generators of `train-generator`. The estimator, whose features generators learn by, is asked beside the judge: what is
near by it and not by the judge was learned by heart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cddfm.errors import UserError
from cddfm.evaluation.exhibition import Exhibition
from cddfm.evaluation.frechet import BATCH, WORLD_SEEDS, Gaussian, frechet_distance, mean_distance
from cddfm.evaluation.world_scale import Drawn, to_image
from cddfm.images import eight_bit
from cddfm.report import counting, progress_bar
from cddfm.sheet import Cell, Row
from cddfm.stack import Stack
from domains.codes import code_rotation, latent_of
from domains.kinds import KINDS
from domains.registry import SOURCE

SHOWN = 8
"""Scenes of each domain that are kept to be looked at."""

WORLD = "world"
SIGHTS = ("judge", "estimator")


@dataclass(frozen=True)
class Nearness:
    """Fréchet distance of a domain's pictures, of codes of one kind, from the world's of the same scenes, in the features of one network;
    of_means: the part of it that is between the means. Squared units of the features, whose variance over the world's is `variance`."""

    domain: str
    kind: str
    sight: str
    scenes: int
    distance: float
    of_means: float
    variance: float

    def record(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Scenes:
    """`count` held-out scenes. w: kind → their codes."""

    count: int
    w: Mapping[str, Float[Tensor, "count w_dim"]]

    @staticmethod
    @torch.no_grad()
    def of(stack: Stack, count: int, cache: Path, drawn: Drawn) -> Scenes:
        """Encoded as the world's portraits of them are seen and their parameters told, and mapped, z filled up by each scene's seed. Raises
        UserError for a generator whose z is shorter than a scene's code."""
        from cddfm.world import sample_codes

        generator, found = stack.generator, []
        seeds = range(WORLD_SEEDS[0], WORLD_SEEDS[0] + count)
        codes = sample_codes(seeds)
        spare = generator.z_dim - codes.shape[1]
        if spare < 0:
            raise UserError(
                f"this stack's generator has a z of {generator.z_dim} numbers, which cannot hold a scene's code of {codes.shape[1]}; "
                f"analyse the domains of a generator that 'cddfm train-generator' made"
            )
        noise = torch.stack([torch.randn(spare, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
        z = latent_of(codes, noise, code_rotation(generator.z_dim))
        portraits = _batches(Exhibition(stack.world, SOURCE, generator.resolution, cache, stack.device), count, drawn)
        for pixels, own_codes, own_z in zip(portraits, codes.split(BATCH), z.split(BATCH), strict=True):
            told = stack.world.params(own_codes.to(stack.device)).flatten()
            found.append((stack.encoder(to_image(pixels, stack.device), told), generator.map(own_z.to(stack.device))))
        return Scenes(count, {kind: torch.cat(parts) for kind, *parts in zip(KINDS, *found, strict=True)})


def measure_nearness(stack: Stack, count: int, cache: Path) -> tuple[list[Nearness], list[Row]]:
    """Of all domains of a stack that its world draws, with a bar that shows how far it is."""
    domains = [domain for domain in stack.domains() if domain in stack.world.styles]
    with progress_bar("the same scenes", total=(1 + len(domains)) * count) as advance:
        drawn = counting(advance)
        scenes = Scenes.of(stack, count, cache, drawn)
        found = [nearness(stack, domain, scenes, cache, drawn) for domain in domains]
    return [near for of_domain, _ in found for near in of_domain], [row for _, rows in found for row in rows]


def _batches(exhibition: Exhibition, count: int, drawn: Drawn) -> Iterator[UInt8[Tensor, "some 3 side side"]]:
    for shard in exhibition.shards(WORLD_SEEDS[0], count, drawn):
        yield from shard.split(BATCH)


@torch.no_grad()
def nearness(stack: Stack, domain: str, scenes: Scenes, cache: Path, drawn: Drawn) -> tuple[list[Nearness], list[Row]]:
    """Of every kind of codes, by every sight; and the first scenes to look at: the world's pictures, then each kind's. `drawn` is told of
    one picture of each scene, the world's."""
    generator, sights = stack.domain(domain), [(name, getattr(stack, name)) for name in SIGHTS]
    exhibition = Exhibition(stack.world, domain, generator.resolution, cache, stack.device)
    features: dict[tuple[str, str], list[Tensor]] = {(of, name): [] for of in (WORLD, *KINDS) for name in SIGHTS}
    shown: dict[str, Tensor] = {}
    codes = zip(*(scenes.w[kind].split(BATCH) for kind in KINDS), strict=True)
    for true, own in zip(_batches(exhibition, scenes.count, drawn), codes, strict=True):
        made = (eight_bit(generator.synthesise(generator.styles(generator.broadcast(w)))) for w in own)
        pictures = {WORLD: true} | dict(zip(KINDS, made, strict=True))
        for of, pixels in pictures.items():
            image = to_image(pixels, stack.device)
            shown.setdefault(of, image[:SHOWN].cpu())
            for name, network in sights:
                features[of, name].append(network.features(image))
    gaussians = {key: Gaussian.of(batches) for key, batches in features.items()}
    found = []
    for name in SIGHTS:
        true = gaussians[WORLD, name]
        for kind in KINDS:
            made = gaussians[kind, name]
            distances = frechet_distance(made, true), mean_distance(made, true)
            found.append(Nearness(domain, kind, name, scenes.count, *distances, true.variance))
    return found, [Row([Cell(image) for image in images], domain, of) for of, images in shown.items()]
