"""The editor: one picture in (align, embed: seconds), any number of edits out: one pass through small networks and a generator, and of a
photograph what it need not draw is the photograph's own (cddfm.compose)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.align import Aligned, align
from cddfm.camera import Camera
from cddfm.compose import Photograph, compose, in_manner
from cddfm.config import nearest
from cddfm.controls import Changes, Controls
from cddfm.errors import UserError
from cddfm.fit import SEEN_LANDMARKS, fit_landmarks
from cddfm.fitting.solve import Prior
from cddfm.fitting.subject import Subject
from cddfm.methods import carried_out, edit_styles, method_network
from cddfm.params import FaceParams
from cddfm.stack import Stack
from domains.registry import SOURCE, ForDomains
from stylespace.embed import Learned, code_steps, embed
from stylespace.generator import Generator
from stylespace.invert import Inversion, invert
from stylespace.replay import Replay

INVERSION_STEPS = 150
"""Of the code's optimisation and of the generator's tuning (stylespace.embed) together."""


@dataclass(frozen=True)
class Start:
    """What an edit starts from: the style code and the parameters that the editor reads from it."""

    s: Float[Tensor, "1 style"]
    params: FaceParams


@dataclass(frozen=True)
class Face:
    """starts: of a generated face the same in all domains. aligned: a photograph, as it lies in its picture. learned: what the stack's
    generator learned of it; None where it was only read. loss: the inversion's picture loss. A generated face has starts alone."""

    starts: ForDomains[Start]
    aligned: Aligned | None = None
    learned: Learned | None = None
    loss: float = float("nan")


def taught(stack: Stack, domain: str, learned: Learned | None) -> Generator:
    """The generator of a domain, with its share of what was learned of a photograph."""
    generator = stack.domain(domain)
    return generator if learned is None else ForDomains(learned.onto, learned.elsewhere).of(domain)(generator)


def starts_of(stack: Stack, inversion: Inversion) -> ForDomains[Start]:
    """Of a picture that was inverted."""
    return ForDomains(*(start_at(stack, s.detach()) for s in (inversion.s, inversion.elsewhere)))


@torch.no_grad()
def start_at(stack: Stack, s: Float[Tensor, "1 style"]) -> Start:
    """A code, and what the stack's predictor reads of it."""
    return Start(s, stack.editor.predict(s))


@torch.no_grad()
def photograph_in(stack: Stack, domain: str, face: Face) -> Photograph | None:
    """What a face's edits in a domain are composed of; None where no photograph was learned."""
    if face.learned is None:
        return None
    start = face.starts.of(domain)
    drawn = taught(stack, domain, face.learned).synthesise(start.s)
    if domain == SOURCE:
        return Photograph(face.aligned.sharp.to(drawn.device), drawn, seen_in(stack, face.aligned.image.to(drawn.device)))
    own = face.learned.elsewhere(stack.generator).synthesise(start.s)
    lacking = face.aligned.image.to(drawn.device) - own
    return Photograph(drawn + in_manner(lacking, own, drawn), drawn, start.params)


@torch.no_grad()
def seen_in(stack: Stack, image: Float[Tensor, "1 3 side side"]) -> FaceParams:
    """The face of a photograph: as the estimator reads it, but with its landmarks where they are seen. What moves with the head is carried
    by them, and a lid that lies beside its place would carry a piece of the eye."""
    read, subject = stack.estimator(image), Subject(stack.model, Camera())
    flat, _ = fit_landmarks(subject, Prior.about(read), stack.landmarker(image)[0], read, SEEN_LANDMARKS)
    return subject.params(flat)


@dataclass(frozen=True)
class Likeness:
    """Whom an edited face should be like, and in which parameter groups (parameter mixing in StyleRig)."""

    other: Face
    groups: tuple[str, ...]


TAKEN = ("pose", "expression", "light", "shape", "albedo")


def parse_taken(text: str) -> tuple[str, ...]:
    """`"pose,light"` → parameter groups; raises UserError for an unknown one, or none."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in TAKEN:
            raise UserError(f"there is nothing called {name!r} to take from another picture: {nearest(name, TAKEN)}")
    if not names:
        raise UserError(f"--take names nothing; valid are {', '.join(TAKEN)}")
    return tuple("identity" if name == "shape" else name for name in names)


class Editor:
    """Edits one face at a time with the networks of a stack, on the stack's device.

    `set_image` or `set_seed` first, then `edit` as often as wanted. An edit that changes nothing is the photograph, and of a generated face
    `inversion()`, bit for bit.
    """

    def __init__(self, stack: Stack):
        self.stack = stack
        self.controls = Controls(stack.model)
        self._face: Face | None = None
        self._replays: dict[str, Replay] = {}
        self._photographs: dict[str, Photograph | None] = {}

    def prepare(self, domain: str, method: str) -> None:
        """Load what edits in this domain by this method need, so that what is unknown, missing or damaged is known before the long work."""
        self.stack.domain(check_domain(self.stack, domain))
        method_network(self.stack, method)
        _ = self.stack.generator, self.stack.encoder, self.stack.estimator, self.stack.landmarker, self.stack.editor

    @property
    def face(self) -> Face:
        if self._face is None:
            raise UserError("there is no face to edit yet; give the editor a picture first")
        return self._face

    def set_image(
        self,
        picture: Float[Tensor, "1 3 height width"],
        name: str = "the picture",
        face: int = 1,
        steps: int = INVERSION_STEPS,
        on_step: Callable[[int, Tensor], None] | None = None,
    ) -> Face:
        """Find and align the face of a picture in [−1, 1], and embed it: encoder, then `steps` steps of optimisation."""
        aligned = self._aligned(picture, name, face)
        stack, image = self.stack, aligned.image.to(self.stack.device)
        found = embed(stack.generator, stack.encode, image, steps, stack.estimator.features, on_step)
        return self._take(Face(starts_of(stack, found.inversion), aligned, found.learned, found.loss))

    def read(
        self,
        picture: Float[Tensor, "1 3 height width"],
        name: str = "the picture",
        face: int = 1,
        steps: int = INVERSION_STEPS,
        on_step: Callable[[int, Tensor], None] | None = None,
    ) -> Face:
        """A face to take parameters over from: it starts where `set_image` would have it start, and nothing is learned of it. The one that
        is edited stays. Calls on_step `code_steps(steps)` times."""
        aligned = self._aligned(picture, name, face)
        stack, image = self.stack, aligned.image.to(self.stack.device)
        found = invert(stack.generator, stack.encode, image, code_steps(steps), stack.estimator.features, on_step)
        return Face(starts_of(stack, found), aligned, loss=float(found.loss.mean()))

    def _aligned(self, picture: Float[Tensor, "1 3 height width"], name: str, face: int) -> Aligned:
        generator, estimator = self.stack.generator, self.stack.estimator
        device = torch.device(self.stack.device)

        @torch.no_grad()
        def translation_of(image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3"]:
            return estimator(image.to(device)).translation

        return align(picture, translation_of, generator.resolution, face, name)

    def _take(self, face: Face) -> Face:
        """The face that is edited next; no generator is as it was for the last."""
        self._face = face
        self._replays.clear()
        self._photographs.clear()
        return face

    @torch.no_grad()
    def set_seed(self, seed: int) -> Face:
        """A face that the generator makes up, from one seed."""
        start = start_at(self.stack, generated_styles(self.stack, [seed]))
        return self._take(Face(ForDomains(start, start)))

    def inversion(self, domain: str = SOURCE) -> Float[Tensor, "1 3 side side"]:
        """The face as it is, as a domain's generator draws it."""
        return self._draw(self.face.starts.of(domain).s, domain)

    @torch.no_grad()
    def edit(
        self, changes: Changes, domain: str = SOURCE, method: str = "cddfm", like: Likeness | None = None
    ) -> Float[Tensor, "1 3 height height"]:
        """The face with these changes, decoded by a domain's generator; what it shares with the last edit is not drawn again. Of a
        photograph this is composed: as a portrait as sharp as it is itself (`Aligned.sharp`).

        like: first take over another face's parameters; the changes start from there.
        """
        start, deltas = self.face.starts.of(domain), deltas_towards(self.face, changes, like, domain)
        s = edit_styles(self.stack, start.s, deltas, method)
        drawn = self._draw(s, domain)
        if domain not in self._photographs:
            self._photographs[domain] = photograph_in(self.stack, domain, self.face)
        photograph = self._photographs[domain]
        if photograph is None:
            return drawn
        made = carried_out(self.stack, start.s, s, deltas, method)
        after = {group: getattr(photograph.params, group) + delta for group, delta in made.items()}
        return compose(photograph, drawn, photograph.params.replace(**after), self.stack.model)

    @torch.no_grad()
    def _draw(self, s: Float[Tensor, "1 style"], domain: str) -> Float[Tensor, "1 3 side side"]:
        return self._replay(domain).generate_from(s)

    def _replay(self, domain: str) -> Replay:
        if domain not in self._replays:
            self._replays[domain] = Replay(taught(self.stack, check_domain(self.stack, domain), self.face.learned))
        return self._replays[domain]


def deltas_towards(face: Face, changes: Changes, like: Likeness | None, domain: str) -> dict[str, Float[Tensor, "batch size"]]:
    """Raw changes of parameter groups from one's own parameters to those with another's taken over and then changed, both as a domain
    starts from them."""
    own = face.starts.of(domain).params
    if like is None:
        return changes.deltas(own)
    other = like.other.starts.of(domain).params
    start = own.replace(**{group: getattr(other, group) for group in like.groups})
    deltas = changes.deltas(start)
    for group in like.groups:
        difference = getattr(start, group) - getattr(own, group)
        deltas[group] = difference + deltas[group] if group in deltas else difference
    return deltas


def check_domain(stack: Stack, name: str) -> str:
    """The name, if the stack has a generator for it; raises UserError with the nearest valid one otherwise."""
    valid = stack.domains()
    if name not in valid:
        raise UserError(f"there is no domain {name!r} in {stack.folder}: {nearest(name, valid)}")
    return name


@torch.no_grad()
def generated_styles(stack: Stack, seeds: list[int]) -> Float[Tensor, "batch style"]:
    """Style codes of faces that the generator makes up; each depends on its own seed only."""
    generator = stack.generator
    z = torch.stack([torch.randn(generator.z_dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    return generator.styles(generator.broadcast(generator.map(z.to(stack.device))))
