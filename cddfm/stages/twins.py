"""Twins: pairs of style codes of one scene before and after a known change of its face, where the generator's z is a scene code.

The generator that this project trains draws for z = R·(scene code, noise) about what the world draws for that scene (domains.mapping). So
the code of the same person in the same place, but turned, laughing or lit from elsewhere, is known exactly, and with it what an edit should
have written into s. No picture needs to be read for this; generators from elsewhere have no twins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.data import EXPRESSIONS, Pool, acted_strength, training_codes
from cddfm.errors import UserError
from cddfm.params import ATTRIBUTES, GROUPS, ParamLayout
from cddfm.stack import Stack
from cddfm.world import VERSION
from cddfm.world.codes import split
from cddfm.worlds import World
from domains.codes import code_rotation, latent_of
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.weights import read_notes

PARTS = {
    "identity": ("identity",),
    "expression": ("expression", "asymmetry", "gaze", "expressiveness"),
    "albedo": ("albedo",),
    "pose": ("pose",),
    "light": ("light",),
}
"""The parts of a scene code that decide an attribute."""

LIGHT_NUMBERS = 6
"""How many of a code's numbers of the light have a meaning."""

GAZE_SHARE = 0.1
"""Of the changes of one expression alone, how many are the gaze's."""

LIGHT_STEPS = 3
"""Newton steps that give the light back after a turn (who turns away is lit otherwise in the world)."""

ENCODE_BATCH = 128


@dataclass(frozen=True)
class Pairs:
    """s, twin: style codes before and after. change: of the flat parameters. edited: which groups changed, in the order of `GROUPS`.
    params: before, flat."""

    s: Float[Tensor, "batch style_dim"]
    twin: Float[Tensor, "batch style_dim"]
    params: Float[Tensor, "batch total"]
    change: Float[Tensor, "batch total"]
    edited: Bool[Tensor, "batch groups"]


@dataclass(frozen=True)
class Drawn:
    """Portraits and their twins as an encoder sees them. codes: the portraits' scene codes. w, twin: what the encoder gives both. params,
    change: flat. attribute: what alone changed, as its place in `ATTRIBUTES`."""

    codes: Float[Tensor, "n code"]
    w: Float[Tensor, "n w_dim"]
    twin: Float[Tensor, "n w_dim"]
    params: Float[Tensor, "n total"]
    change: Float[Tensor, "n total"]
    attribute: Int[Tensor, " n"]

    @staticmethod
    def of(encoder: Encoder, portraits: Pool, twins: Pool, layout: ParamLayout) -> Drawn:
        """From pools of the same seeds; pairs in which not exactly one attribute changed are left out."""
        alone = changed_alone(portraits, twins, layout)
        rows = (alone >= 0).nonzero()[:, 0]
        w, twin = (encoded(encoder, pool)[rows] for pool in (portraits, twins))
        change = twins.params[rows] - portraits.params[rows]
        return Drawn(portraits.codes[rows], w, twin, portraits.params[rows], change, alone[rows])

    def places(self, attribute: str) -> Int[Tensor, " some"]:
        """The pairs in which this attribute changed."""
        return (self.attribute == ATTRIBUTES.index(attribute)).nonzero()[:, 0]


def changed_alone(portraits: Pool, twins: Pool, layout: ParamLayout) -> Int[Tensor, " n"]:
    """The one attribute in which each twin differs from its portrait, as its place in `ATTRIBUTES`; −1 where not exactly one does."""
    differs = portraits.params != twins.params
    touched = torch.stack([differs[:, layout.slices[name]].any(dim=1) for name in ATTRIBUTES], dim=1)
    return torch.where(touched.sum(dim=1) == 1, touched.float().argmax(dim=1), -1)


@torch.no_grad()
def encoded(encoder: Encoder, pool: Pool) -> Float[Tensor, "n w_dim"]:
    """w of every picture of a pool."""
    return torch.cat([encoder(pool.take(part)[0]) for part in torch.arange(len(pool)).split(ENCODE_BATCH)])


class Twins:
    """Draws `Pairs` for one generator.

    world: what the scene codes speak of. w: codes [n, w_dim] that an encoder gives pictures whose scene codes are `codes`: half of the
    pairs start there, and what the encoder found and the mapping does not know is kept on the way to the twin. drawn: pairs that were both
    drawn and encoded. Wherever their attribute alone is edited, from an encoded code or a mapped one, what the encoder found to change
    between them is the change: it sees what the mapping has only begun to know. both: chance of a second edited attribute.
    """

    def __init__(
        self,
        generator: Generator,
        world: World,
        codes: Float[Tensor, "n code"] | None = None,
        w: Float[Tensor, "n w_dim"] | None = None,
        drawn: Drawn | None = None,
        both: float = 0.2,
    ):
        self.generator, self.world, self.codes, self.w, self.drawn, self.both = generator, world, codes, w, drawn, both
        self.layout = world.model.layout
        self.meant = {
            "identity": self.layout.identity, "expression": EXPRESSIONS, "albedo": self.layout.albedo, "pose": 3, "light": LIGHT_NUMBERS,
        }  # fmt: skip
        self.device = next(generator.parameters()).device
        self.rotation = code_rotation(generator.z_dim).to(self.device)

    @torch.no_grad()
    def draw(self, count: int, randomness: torch.Generator, attribute: str | None = None) -> Pairs:
        """`count` pairs; at least one attribute of each is edited, translation never. attribute: this one alone."""
        encoded = 0 if self.w is None else count // 2
        codes = self._fresh(count, randomness)
        if encoded:
            chosen = torch.randint(len(self.codes), (encoded,), generator=randomness).to(codes.device)
            codes[:encoded] = self.codes[chosen]
        first, second = torch.randint(len(ATTRIBUTES), (2, count), generator=randomness)
        second = torch.where(torch.rand(count, generator=randomness) < self.both, second, first)
        if attribute is not None:
            first = second = torch.full_like(first, ATTRIBUTES.index(attribute))
        groups = torch.arange(len(GROUPS))
        edited = ((groups == first[:, None]) | (groups == second[:, None])).to(codes.device)
        pairs = self._choose_drawn(edited, randomness)
        rows = (pairs >= 0).nonzero()[:, 0]
        if len(rows):
            codes[rows] = self.drawn.codes[pairs[rows]]
        before = self.world.params(codes)
        other = self.changed(codes, edited, randomness)
        after = self.world.params(other)
        sizes = torch.tensor(list(self.layout.sizes.values()), device=codes.device)
        columns = torch.repeat_interleave(edited, sizes, dim=1, output_size=self.layout.total)
        params, change = before.flatten(), torch.where(columns, after.flatten() - before.flatten(), 0.0)
        z, z_other = self._latents(codes, other, randomness)
        start, end = self.generator.map(torch.cat([z, z_other])).chunk(2)
        step = end - start
        if encoded:
            start = torch.cat([self.w[chosen], start[encoded:]])
        if len(rows):
            found = self.drawn.w[pairs[rows]]
            start[rows] = torch.where((rows < encoded)[:, None], found, start[rows])
            step[rows] = self.drawn.twin[pairs[rows]] - found
            params[rows], change[rows] = self.drawn.params[pairs[rows]], self.drawn.change[pairs[rows]]
        end = start + torch.where((change != 0).any(dim=1, keepdim=True), step, 0.0)  # below an expression's threshold, nothing
        s, twin = self.generator.styles(self.generator.broadcast(torch.cat([start, end]))).chunk(2)
        return Pairs(s, twin, params, change, edited)

    def _choose_drawn(self, edited: Bool[Tensor, "batch groups"], randomness: torch.Generator) -> Int[Tensor, " batch"]:
        """Which drawn pair stands for each row; −1 for none."""
        chosen = torch.full((len(edited),), -1, device=edited.device)
        for attribute in ATTRIBUTES if self.drawn is not None else ():
            places = self.drawn.places(attribute)
            rows = (edited[:, GROUPS.index(attribute)] & (edited.sum(dim=1) == 1)).nonzero()[:, 0]
            if len(places) and len(rows):
                chosen[rows] = places[torch.randint(len(places), (len(rows),), generator=randomness).to(places.device)]
        return chosen

    def changed(
        self, codes: Float[Tensor, "batch code"], edited: Bool[Tensor, "batch groups"], randomness: torch.Generator
    ) -> Float[Tensor, "batch code"]:
        """The codes with the parts of the edited attributes drawn anew: half of them as a whole, half in one number alone."""
        other, fresh = codes.clone(), self._fresh(len(codes), randomness)
        old, new, drawn = split(codes), split(other), split(fresh)
        alone = (torch.rand(len(codes), 1, generator=randomness) < 0.5).to(codes.device)
        for attribute in ATTRIBUTES:
            rows = edited[:, GROUPS.index(attribute), None]
            for name in PARTS[attribute]:
                new[name].copy_(torch.where(rows & ~alone, drawn[name], old[name]))
            if attribute == "expression":
                looks = rows & alone & (torch.rand(len(codes), 1, generator=randomness) < GAZE_SHARE).to(codes.device)
                new["gaze"].copy_(torch.where(looks, _anywhere("gaze", new["gaze"], randomness), new["gaze"]))
                rows = rows & ~looks
            changed = new[attribute]
            which = torch.randint(min(self.meant[attribute], changed.shape[1]), (len(codes), 1), generator=randomness)
            one = (torch.arange(changed.shape[1]) == which).to(codes.device)
            changed.copy_(torch.where(rows & alone & one, _anywhere(attribute, changed, randomness), changed))
        turned = edited[:, GROUPS.index("pose")] & ~edited[:, GROUPS.index("light")]
        if turned.any():
            new["light"][turned] = self.relit(codes[turned], other[turned])
        return other

    def relit(self, codes: Float[Tensor, "batch code"], turned: Float[Tensor, "batch code"]) -> Float[Tensor, "batch 8"]:
        """Light numbers under which the turned scenes have the light of the others, as nearly as the world allows (Gauss–Newton)."""
        wanted = self.world.params(codes).light
        trial = turned.clone()
        light = split(trial)["light"]
        count, step = LIGHT_NUMBERS, 1e-3
        for _ in range(LIGHT_STEPS):
            tried = trial.repeat(count + 1, 1, 1)
            for k in range(count):
                split(tried[k + 1])["light"][:, k] += step
            seen = self.world.params(tried.flatten(0, 1)).light.unflatten(0, (count + 1, -1))
            slope = ((seen[1:] - seen[0]) / step).permute(1, 2, 0)
            lack = (wanted - seen[0]).unsqueeze(-1)
            damped = slope.mT @ slope + 1e-3 * torch.eye(count, device=codes.device)
            light[:, :count] += torch.linalg.solve(damped, slope.mT @ lack).squeeze(-1).clamp(-1.0, 1.0)
        return light

    def _fresh(self, count: int, randomness: torch.Generator) -> Float[Tensor, "count code"]:
        first = int(torch.randint(2**40, (), generator=randomness))
        return training_codes(range(first, first + count)).to(self.device)

    def _latents(self, codes: Tensor, other: Tensor, randomness: torch.Generator) -> tuple[Tensor, Tensor]:
        """Both with the same noise in the numbers of z that are no scene code's."""
        noise = torch.randn(len(codes), self.generator.z_dim - codes.shape[1], generator=randomness).to(self.device)
        return latent_of(codes, noise, self.rotation), latent_of(other, noise, self.rotation)


def _anywhere(attribute: str, like: Tensor, randomness: torch.Generator) -> Tensor:
    """A number for one control alone: an expression at any strength, else wider than the Gaussian of sitters."""
    if attribute == "expression":
        return acted_strength(like.shape, randomness).to(like.device)
    return (1.4 * torch.randn(like.shape, generator=randomness)).to(like.device)


def has_twins(stack: Stack) -> bool:
    """Whether the stack's generator was trained on the world as it is now, by this project."""
    return read_notes(stack.path("generator")).get("world") == VERSION


def twins_of(stack: Stack, portraits: Pool, twins: Pool) -> Twins:
    """The twins of a stack's generator, half of which start from what its encoder makes of the portraits. twins: the drawn ones, of the
    first so many portraits.

    Raises UserError when the generator has none.
    """
    if not has_twins(stack):
        raise UserError(f"the generator of {stack.folder} was not trained on the world as it is now; use answers=base, or train it again")
    drawn = Drawn.of(stack.encoder, portraits.first(len(twins)), twins, stack.model.layout)
    return Twins(stack.generator, stack.world, portraits.codes, encoded(stack.encoder, portraits), drawn)
