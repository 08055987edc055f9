"""The world's own answers: held-out portraits inverted, edited, and compared with pictures of the same people with the true parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.align import as_aligned
from cddfm.compose import Photograph, compose
from cddfm.edit import Face, photograph_in, starts_of, taught
from cddfm.evaluation.likeness import psnr, ssim
from cddfm.evaluation.observe import RECOGNISERS, Observer
from cddfm.evaluation.sweeps import Ask, Sweep, make_plan, sweeps_of
from cddfm.evaluation.world_scale import Drawn, Sitters, changed_params, digest, kept, to_image
from cddfm.methods import Method, carried_out
from cddfm.metrics import average
from cddfm.params import FaceParams
from cddfm.stack import Stack
from stylespace.embed import embed
from stylespace.generator import Generator

TRUE_EDITS = (
    ("yaw", -20.0), ("yaw", 20.0), ("pitch", 12.0), ("mouthSmile", 1.0), ("jawOpen", 1.0), ("browInnerUp", 1.0), ("azimuth", 45.0),
)  # fmt: skip
"""Controls that the model lacks are left out. Expressions are set to the value, all else changes by it."""

UNEDITED, NOTHING, INVERSION = "unedited", "nothing", "inversion"
"""The edit that is none; the method that does nothing; the generator's picture of the inversion itself."""

ALONE = ", not composed"
"""Behind a method's name: its edits as the generator draws them, before they are composed (cddfm.compose)."""


@dataclass(frozen=True)
class TrueScore:
    """One edit by one method against the world's own picture: means over the sitters. identity: cosines, None without the network."""

    domain: str
    method: str
    edit: str
    sitters: int
    psnr: float
    ssim: float
    identity: Mapping[str, float | None]

    def record(self) -> dict[str, Any]:
        row = {name: getattr(self, name) for name in ("domain", "method", "edit", "sitters", "psnr", "ssim")}
        return row | dict(self.identity)


@dataclass(frozen=True)
class Example:
    """The first sitter, for the picture: what the world draws, or what a method makes of its inversion."""

    domain: str
    method: str
    edit: str
    image: Float[Tensor, "3 side side"]


def true_asks(sitters: Sitters) -> list[tuple[str, Ask]]:
    """Name → the same edit of every sitter, as a change of the true parameters."""
    sweeps = {sweep.name: sweep for sweep in sweeps_of(make_plan(sitters.world.model, faces=1))}

    def ask(sweep: Sweep, value: float) -> Ask:
        count = len(sitters.params)
        deltas = [sweep.request(sitters.params[k : k + 1], value, k) for k in range(count)]
        return Ask(sweep.attribute, (sweep.name,) * count, torch.cat(deltas))

    return [(f"{name} {value:+g}", ask(sweeps[name], value)) for name, value in TRUE_EDITS if name in sweeps]


class Edited(NamedTuple):
    """drawn: an edit as the sitters' generators draw it. composed: what a user gets of that."""

    drawn: Float[Tensor, "sitters 3 side side"]
    composed: Float[Tensor, "sitters 3 side side"]


@dataclass(frozen=True)
class Seated:
    """The sitters in one domain, each with a generator of their own. photograph: what their edits are composed of, in one batch."""

    s: Float[Tensor, "sitters style"]
    generators: Sequence[Generator]
    photograph: Photograph

    @staticmethod
    def of(stack: Stack, domain: str, faces: Sequence[Face]) -> Seated:
        s = torch.cat([face.starts.of(domain).s for face in faces])
        photographs = [photograph_in(stack, domain, face) for face in faces]
        image, drawn = (torch.cat([getattr(one, part) for one in photographs]) for part in ("image", "drawn"))
        params = torch.cat([one.params.flatten() for one in photographs])
        photograph = Photograph(image, drawn, FaceParams.unflatten(stack.model.layout, params))
        return Seated(s, [taught(stack, domain, face.learned) for face in faces], photograph)

    def draw(self, s: Float[Tensor, "sitters style"]) -> Float[Tensor, "sitters 3 side side"]:
        """What codes of all sitters show, as their generators draw it."""
        return torch.cat([own.synthesise(one) for own, one in zip(self.generators, s.split(1), strict=True)])

    def edit(self, stack: Stack, name: str, method: Method, ask: Ask) -> Edited:
        """What the method of this name makes of the sitters."""
        deltas = {ask.attribute: ask.deltas}
        s = method.edit(self.s, deltas)
        drawn, made = self.draw(s), carried_out(stack, self.s, s, deltas, name)
        after = changed_params(self.photograph.params, replace(ask, deltas=made[ask.attribute]))
        return Edited(drawn, compose(self.photograph, drawn, after, stack.model))


def embed_sitters(stack: Stack, sitters: Sitters, cache: Path, steps: int, drawn: Drawn) -> list[Face]:
    """Their portraits, which need no aligning, embedded one by one, as the `Editor` does it."""
    images = to_image(kept(cache, sitters, "unchanged", sitters.portraits, drawn), sitters.codes.device)
    faces = []
    for image in images.split(1):
        found = embed(stack.generator, stack.encode, image, steps, stack.estimator.features)
        faces.append(Face(starts_of(stack, found.inversion), as_aligned(image), found.learned, found.loss))
        drawn(1)
    return faces


@torch.no_grad()
def compare_with_truth(
    stack: Stack,
    observer: Observer,
    methods: Mapping[str, Method],
    domain: str,
    faces: Sequence[Face],
    sitters: Sitters,
    cache: Path,
    drawn: Drawn,
) -> tuple[list[TrueScore], list[Example]]:
    """Every edit by every method, decoded in the domain, against the world's pictures in the domain's style; with the inversion's own
    likeness to the unedited picture, and what doing nothing would score."""
    seated, device = Seated.of(stack, domain, faces), sitters.codes.device
    inversion = seated.photograph.drawn
    pixels = kept(cache, sitters, "unchanged", sitters.portraits, drawn)
    original = to_image(pixels, device)
    scores = [_true_score(observer, domain, INVERSION, UNEDITED, inversion, original)]
    examples = [Example(domain, "world", UNEDITED, original[0]), Example(domain, INVERSION, UNEDITED, inversion[0])]
    for name, ask in true_asks(sitters):
        picture = kept(cache, sitters, f"true-{name}-{digest(ask)}", lambda ask=ask: sitters.changed(ask, pixels), drawn)
        truth = to_image(picture, device)
        examples.append(Example(domain, "world", name, truth[0]))
        scores.append(_true_score(observer, domain, NOTHING, name, seated.photograph.image, truth))
        for method, network in methods.items():
            edited = seated.edit(stack, method, network, ask)
            drawn(len(edited.drawn))
            scores.append(_true_score(observer, domain, method, name, edited.composed, truth))
            scores.append(_true_score(observer, domain, method + ALONE, name, edited.drawn, truth))
            examples.append(Example(domain, method, name, edited.composed[0]))
    return scores, examples


def _true_score(observer: Observer, domain: str, method: str, edit: str, made: Tensor, truth: Tensor) -> TrueScore:
    one, other = observer.see(made, len(made)), observer.see(truth, len(truth))
    compared = observer.compare(one, other)
    identity = {column: average(compared[column]) for column in RECOGNISERS}
    return TrueScore(domain, method, edit, len(made), float(psnr(made, truth).mean()), float(ssim(made, truth).mean()), identity)


def true_pictures(sitters: Sitters, methods: int, inverted: bool) -> int:
    """Pictures that `compare_with_truth` (and `embed_sitters`) tell of."""
    count, edits = len(sitters.codes), len(true_asks(sitters))
    return count * (1 + edits * (1 + methods) + (2 if inverted else 0))


def mean_over_edits(scores: Sequence[TrueScore], domain: str, method: str) -> TrueScore | None:
    """One row for all edits of a method."""
    rows = [score for score in scores if (score.domain, score.method) == (domain, method)]
    if not rows:
        return None

    def mean(values: Sequence[float | None]) -> float | None:
        present = [value for value in values if value is not None]
        return sum(present) / len(present) if present else None

    identity = {column: mean([row.identity[column] for row in rows]) for column in RECOGNISERS}
    edit = rows[0].edit if len(rows) == 1 else f"mean of {len(rows)} edits"
    return TrueScore(domain, method, edit, rows[0].sitters, mean([r.psnr for r in rows]), mean([r.ssim for r in rows]), identity)
