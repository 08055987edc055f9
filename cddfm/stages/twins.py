"""Twins: pairs of style codes of one scene before and after a known change of its face, where an encoder was told what faces are.

The generator that this project trains was told the exact parameters of what it draws, in a linear part of w (stylespace.encoder). So the
code of the same person in the same place, but turned, laughing or lit from elsewhere, is known exactly, and with it what an edit should
have written into s. No picture needs to be read for this; generators from elsewhere have no twins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.data import EXPRESSIONS, Pool, acted_strength, carried_lights, training_codes
from cddfm.errors import UserError
from cddfm.params import ATTRIBUTES, GROUPS, FaceParams, ParamLayout
from cddfm.stack import Stack
from cddfm.stages.views import SEEN_BATCH, seen_of
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

CARRIED_SHARE = 0.5
"""Of the changes of light, how many carry it around."""


@dataclass(frozen=True)
class Pairs:
    """s, twin: style codes before and after. change: of the flat parameters. edited: which groups changed, in the order of `GROUPS`.
    params: before, flat."""

    s: Float[Tensor, "batch style_dim"]
    twin: Float[Tensor, "batch style_dim"]
    params: Float[Tensor, "batch total"]
    change: Float[Tensor, "batch total"]
    edited: Bool[Tensor, "batch groups"]


def what_changed(portraits: Pool, twins: Pool, layout: ParamLayout) -> Int[Tensor, " n"]:
    """The attribute in which each drawn twin differs from its portrait, as its place in `ATTRIBUTES`: the light where nothing else does,
    the one other where one does, with or without the light (half of all twins have it carried around). −1 where none does, or several."""
    differs = portraits.params != twins.params
    touched = torch.stack([differs[:, layout.slices[name]].any(dim=1) for name in ATTRIBUTES], dim=1)
    light = ATTRIBUTES.index("light")
    others = touched.clone()
    others[:, light] = False
    found = torch.where(others.any(dim=1), others.float().argmax(dim=1), light)
    return torch.where((others.sum(dim=1) <= 1) & touched.any(dim=1), found, -1)


class Twins:
    """Draws `Pairs` for one generator, and the encoder that was trained with it.

    world: what the scene codes speak of. seen: what the encoder sees [n, w_dim] in pictures whose scene codes are `codes`: half of the
    pairs start there, the others from mapped codes. both: chance of a second edited attribute.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: Encoder,
        world: World,
        codes: Float[Tensor, "n code"] | None = None,
        seen: Float[Tensor, "n w_dim"] | None = None,
        both: float = 0.2,
    ):
        self.generator, self.encoder, self.world, self.codes, self.seen, self.both = generator, encoder, world, codes, seen, both
        self.layout = world.model.layout
        self.meant = {
            "identity": self.layout.identity, "expression": EXPRESSIONS, "albedo": self.layout.albedo, "pose": 3, "light": LIGHT_NUMBERS,
        }  # fmt: skip
        self.device = next(generator.parameters()).device
        self.rotation = code_rotation(generator.z_dim).to(self.device)

    @torch.no_grad()
    def draw(self, count: int, randomness: torch.Generator, attribute: str | None = None) -> Pairs:
        """`count` pairs; at least one attribute of each is edited, translation never. attribute: this one alone."""
        encoded = 0 if self.seen is None else count // 2
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
        before = self.world.params(codes)
        params = before.flatten()
        after = self._carried(before, self.world.params(self.changed(codes, edited, randomness)), randomness).flatten()
        sizes = torch.tensor(list(self.layout.sizes.values()), device=codes.device)
        columns = torch.repeat_interleave(edited, sizes, dim=1, output_size=self.layout.total)
        change = torch.where(columns, after - params, 0.0)
        start = self._mapped(codes, randomness)
        if encoded:
            told = self.encoder.step(params[:encoded] - self.encoder.mean)
            start = torch.cat([self.seen[chosen] + told, start[encoded:]])
        end = start + self.encoder.step(change)
        s, twin = self.generator.styles(self.generator.broadcast(torch.cat([start, end]))).chunk(2)
        return Pairs(s, twin, params, change, edited)

    @torch.no_grad()
    def starting(self, pool: Pool, rows: Int[Tensor, " n"], randomness: torch.Generator) -> Float[Tensor, "2*n style_dim"]:
        """Style codes of these people of a pool: as the encoder sees them in their portraits, then as the mapping draws their scene
        codes."""
        encoded = torch.cat([self.encoder(pool.take(some)[0], pool.params[some]) for some in rows.split(SEEN_BATCH)])
        w = torch.cat([encoded, self._mapped(pool.codes[rows], randomness)])
        return self.generator.styles(self.generator.broadcast(w))

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
        return other

    def _carried(self, before: FaceParams, after: FaceParams, randomness: torch.Generator) -> FaceParams:
        """`after`, with `CARRIED_SHARE` of the lights carried around from where they were."""
        draws = torch.rand(len(before), 3, generator=randomness).to(self.device)
        light = carried_lights(before.light, 2 * draws[:, :2] - 1)
        return after.replace(light=torch.where(draws[:, 2:] < CARRIED_SHARE, light, after.light))

    def _mapped(self, codes: Float[Tensor, "n code"], randomness: torch.Generator) -> Float[Tensor, "n w_dim"]:
        """What the mapping makes of scene codes, and of noise where they leave things open."""
        noise = torch.randn(len(codes), self.generator.z_dim - codes.shape[1], generator=randomness).to(self.device)
        return self.generator.map(latent_of(codes, noise, self.rotation))

    def _fresh(self, count: int, randomness: torch.Generator) -> Float[Tensor, "count code"]:
        first = int(torch.randint(2**40, (), generator=randomness))
        return training_codes(range(first, first + count)).to(self.device)


def _anywhere(attribute: str, like: Tensor, randomness: torch.Generator) -> Tensor:
    """A number for one control alone: an expression at any strength, else wider than the Gaussian of sitters."""
    if attribute == "expression":
        return acted_strength(like.shape, randomness).to(like.device)
    return (1.4 * torch.randn(like.shape, generator=randomness)).to(like.device)


def has_twins(stack: Stack) -> bool:
    """Whether the stack's generator was trained on the world as it is now, by this project."""
    return read_notes(stack.path("generator")).get("world") == VERSION


def twins_of(stack: Stack, portraits: Pool) -> Twins:
    """The twins of a stack's generator, half of which start from what its encoder sees in the portraits.

    Raises UserError when the generator has none.
    """
    if not has_twins(stack):
        raise UserError(f"the generator of {stack.folder} was not trained on the world as it is now; use answers=base, or train it again")
    return Twins(stack.generator, stack.encoder, stack.world, portraits.codes, seen_of(stack.encoder, portraits))
