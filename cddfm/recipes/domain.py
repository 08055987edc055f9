"""`adapt-domain`: the generator and pictures of another style → a generator of that domain for the same codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from cddfm.config import Options, nearest
from cddfm.data import Pool, draw_pool, join
from cddfm.errors import UserError
from cddfm.images import to_picture, write_picture
from cddfm.loop import step_generator, train
from cddfm.recipes.onlookers import Sight, estimator_of, kinds_by, onlooker_of
from cddfm.recipes.twins import drawing
from cddfm.report import say
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.views import beyond, shuffled
from cddfm.worlds import World
from domains.codes import latents
from domains.fineness import as_fine_as, fineness
from domains.finetune import Finetune, drawing_like, embedding_names, mean_of
from domains.kinds import KINDS
from domains.paired import Paired, Pairs
from domains.registry import SOURCE, domain_path
from stylespace.continued import bordered
from stylespace.discriminator import Discriminator
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.weights import read_notes, save_network

MEASURED, AMONG = 256, 1000
"""Scenes by which it is measured how fine pictures are, and of how many of the pool's portraits and their twins they are taken."""


class RecipeOptions(Options):
    """domain: a style of the world; of the portraits' own the stack's generator learns on, by the codes it has, which mean what they did.
    pool: portraits drawn of it, each with its twin, at `drawn` pixels a side, then averaged. paired: whether codes learn to draw the
    world's own picture of their scene (domains.paired; total_images then counts scenes, each drawn from an encoder's and from a mapping's
    code), or adversarially what the style's pictures look like, without partners (domains.finetune, the published method). start: folder of
    a stack whose domain of this name, of a generator of the same shape, this training goes on from, or of several, whose weights' mean it
    begins with; since: of what the generator has learned since the first of them, by the codes that it had, how much the domain is given at
    once. replicate_from: as of train-generator; when left out, as what it begins from has it. Of no images nothing more is learned.
    onlooker: whether in paired training the stack's onlooker (train-reconstruction --role onlooker) takes turns with the estimator. moved:
    whether pictures are moved there before they are compared (domains.movement). fine: whether pictures are made as fine as the
    domain's at last, by stronger or weaker noise (domains.fineness). rate: learning rate. middle, attention, fooling, changes, readings,
    crowding, busyness: of paired training, as of the joint stage of train-generator. gamma, keep, discriminator_base, discriminator_max: of
    the adversarial one, weights of R1 and of the structure term, and the discriminator's size.
    """

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(drawn=16, pool=32, total_images=16, batch=8, discriminator_base=256, discriminator_max=32),
        "small": {},
        "large": dict(pool=30_000, total_images=500_000, batch=64, discriminator_base=16384, discriminator_max=512),
    }

    domain: str
    drawn: int = 128
    pool: int = 4_000
    paired: bool = True
    start: tuple[str, ...] = ()
    since: float = 0.0
    replicate_from: int | None = None
    onlooker: bool = False
    moved: bool = True
    fine: bool = False
    total_images: int = 24_000
    batch: int = 8
    rate: float = 2e-3
    middle: float = 3.0
    attention: float = 3.0
    fooling: float = 0.35
    changes: float = 0.01
    readings: float = 0.006
    crowding: float = 10.0
    busyness: float = 1.5
    gamma: float = 1.0
    keep: float = 0.5
    discriminator_base: int = 1024
    discriminator_max: int = 256


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes the domain's generator into the stack; True when finished."""
    stack = Stack(folders.stack, device)
    if options.domain not in stack.world.styles:
        raise UserError(f"the world has no style {options.domain!r} to adapt to: {nearest(options.domain, stack.world.styles)}")
    if not (options.total_images or options.start or options.domain == SOURCE):
        raise UserError(f"of no images nothing is learned: give total_images, or start, whose {options.domain} is taken over")
    if options.since and not options.start:
        raise UserError(f"since={options.since} is of what was learned since a domain began: give start, whose domain that is")
    source, begin = beginning(options, stack)
    frozen = frozen_by(options, source)
    learned = learn(options, folders, stack, source, begin, seconds) if options.total_images else begin
    if learned is None:
        return False
    notes = {"options": options.record(), "images": options.total_images, "frozen": sorted(frozen)}
    if options.fine:
        learned, notes["noise"] = measured_out(options, folders, stack, source, learned)
    if options.domain == SOURCE:
        hold_apart(stack)
    without = () if options.domain == SOURCE else frozen
    save_network(domain_path(folders.stack, options.domain), learned, notes, half=True, without=without)
    return True


def frozen_by(options: RecipeOptions, source: Generator) -> set[str]:
    """Names of what stays the source's."""
    return (Paired if options.paired else Finetune).frozen(source)


def beginning(options: RecipeOptions, stack: Stack) -> tuple[Generator, Generator]:
    """The stack's generator, with the border of what is learned, and what that is learned from: the same, or the mean of the domains of the
    stacks `start`, with what `since` says. Raises UserError where one has another shape."""
    formers = [Stack(Path(folder), stack.device) for folder in options.start]
    domains = [former.domain(options.domain) for former in formers] or [stack.domain(SOURCE)]
    source = bordered(stack.generator, options.replicate_from or domains[0].arguments["replicate_from"])
    origin = formers[0].generator if formers else stack.generator
    try:
        return source, drawing_like(source, mean_of(domains), origin, frozen_by(options, source), options.since)
    except ValueError as error:
        raise UserError(
            f"the {options.domain} of {', '.join(options.start)} cannot be gone on from: {error}; "
            f"leave start out to begin from the portraits"
        ) from error


def learn(
    options: RecipeOptions, folders: Folders, stack: Stack, source: Generator, begin: Generator, seconds: float | None
) -> Generator | None:
    """What `begin` becomes by the domain's pictures; None where that was interrupted."""
    pool = both(options.domain, options.pool, drawing(stack, folders, options))
    torch.manual_seed(options.seed)
    if options.paired:
        kinds = kinds_by(
            KINDS, sights=sights_of(options, stack), model=stack.model, middle=options.middle, attention=options.attention,
            fooling=options.fooling, changes=options.changes, readings=options.readings, crowding=options.crowding,
            busyness=options.busyness, moved=options.moved,
        )  # fmt: skip
        pairs = pairs_with(pool, options, folders, stack, source)
        stage = Paired(begin, kinds, pairs, options.batch, options.total_images, options.rate)
    else:
        stage = unpaired(options, source, begin, pool)
    preview = pool.take(torch.arange(12))[0]
    done = train(
        stage, options, folders.run(options.domain), f"domain {options.domain}",
        lambda path: save_preview(path, preview, source, stage.average), seconds,
    )  # fmt: skip
    return stage.average if done else None


def measured_out(
    options: RecipeOptions, folders: Folders, stack: Stack, source: Generator, learned: Generator
) -> tuple[Generator, float]:
    """What was learned, with so much noise that its pictures are as fine as the domain's (domains.fineness), and how many times as much
    that is."""
    pool = both(options.domain, min(options.pool, AMONG), drawing(stack, folders, options))
    pairs = pairs_with(pool, options, folders, stack, source)
    count = min(MEASURED, len(pool))
    lessons = [pairs(position, options.batch, step_generator(options.seed, position)) for position in range(0, count, options.batch)]
    fine = sum(fineness(pictures) for _, pictures in lessons) / len(lessons)
    finer, factor = as_fine_as(fine, learned, torch.cat([styles for styles, _ in lessons]))
    say(f"domain {options.domain}: as fine as the domain's pictures with {factor:.3f} times the noise")
    return finer, factor


def pairs_with(pool: Pool, options: RecipeOptions, folders: Folders, stack: Stack, source: Generator) -> Pairs:
    """`pairs_of` the domain's pool and the portraits of its scenes."""
    portraits = pool if options.domain == SOURCE else both(SOURCE, len(pool) // 2, drawing(stack, folders, options))
    return pairs_of(source, stack.encoder, stack.world, portraits, pool, options.seed)


def sights_of(options: RecipeOptions, stack: Stack) -> list[Sight]:
    """Who sees how like pictures are: the estimator, and the onlooker where the options want it."""
    estimator = estimator_of(stack.folder, stack.device)
    sights = [Sight(estimator, estimator.levels)]
    if options.onlooker:
        onlooker = onlooker_of(stack.folder, stack.device)
        sights.append(Sight(onlooker, onlooker.first_levels))
    return sights


def hold_apart(stack: Stack) -> None:
    """Writes into the files of the stack's domains what they have taken of its generator so far and it may learn anew (the unpaired way
    leaves colours to it): they draw as they did."""
    embedding = embedding_names(stack.generator)
    for name in set(stack.domains()) - {SOURCE}:
        path = domain_path(stack.folder, name)
        notes = read_notes(path)
        if set(notes.get("frozen", ())) - embedding:
            save_network(path, stack.domain(name), notes | {"frozen": sorted(embedding)}, half=True, without=embedding)


def both(style: str, count: int, shared: dict[str, Any]) -> Pool:
    """So many portraits of a style, and their twins."""
    return join(*(draw_pool(style, count, twins=twins, **shared) for twins in (False, True)))


def unpaired(options: RecipeOptions, source: Generator, begin: Generator, pool: Pool) -> Finetune:
    """Training on the style's pictures alone."""
    rows_at = shuffled(len(pool), options.seed)
    discriminator = Discriminator(
        resolution=source.resolution, channel_base=options.discriminator_base, channel_max=options.discriminator_max
    ).to(pool.images.device)

    def pictures(position: int, count: int, randomness: torch.Generator) -> Tensor:
        return pool.take(rows_at(position, count))[0]

    return Finetune(
        source, discriminator, pictures, options.batch, options.total_images, options.rate, gamma=options.gamma, keep=options.keep,
        begin=begin,
    )  # fmt: skip


def pairs_of(generator: Generator, encoder: Encoder, world: World, portraits: Pool, pictures: Pool, seed: int) -> Pairs:
    """Codes that the encoder gives the portraits, those that the mapping gives their scene codes, and the domain's pictures of the same
    scenes. Both pools are portraits and their twins; the second half of a batch are the twins of the first, whose codes differ by what is
    told alone where they are the encoder's, and by the scene codes where they are the mapping's."""
    rows_at = shuffled(len(portraits), seed)

    @torch.no_grad()
    def pairs(position: int, count: int, randomness: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = rows_at(position // 2, count // 2)
        twins = (rows + len(portraits) // 2) % len(portraits)
        (seen, facts), (_, others) = portraits.take(rows), portraits.take(twins)
        told, both_rows = torch.cat([facts, others]), torch.cat([rows, twins])
        codes = portraits.codes[both_rows.to(portraits.codes.device)]
        mapped = generator.map(latents(codes, len(rows), generator.z_dim, randomness)) + encoder.step(beyond(world, codes, told))
        w = torch.cat([encoder(seen, told), mapped])
        return generator.styles(generator.broadcast(w)), pictures.take(both_rows)[0]

    return pairs


@torch.no_grad()
def save_preview(path: Path, pictures: Tensor, source: Generator, adapted: Generator) -> None:
    """Rows: pictures of the domain; twelve faces of the source; the same codes in the domain."""
    z = torch.randn(len(pictures), source.z_dim, generator=torch.Generator().manual_seed(1)).to(pictures.device)
    s = source.styles(source.broadcast(source.map(z)))
    rows = [pictures, source.synthesise(s), adapted.synthesise(s)]
    sheet = to_picture(torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1))
    write_picture(path, sheet.resize((sheet.width * 2, sheet.height * 2)))
