"""An edited photograph: its own pixels wherever they still belong, and the generator's where they do not.

What a person wears, every strand of hair and all that stands behind them is in the photograph, and no code draws it. So an edit takes from
the generator what it changes and no more. Which details of a photograph go where, networks learn in "High-fidelity GAN inversion for image
attribute editing" (Wang et al. 2022, section 3); here a morphable model says where each point of the head goes, and the generator's own
pictures of the face, before and after, say where that is to be believed. Three pictures are mixed:

    still      the photograph as it is: what the edit leaves in its place, the backdrop above all
    carried    the photograph, moved as the head moves (cddfm.motion)
    drawn      what the generator draws of the edit

The first two are lit as the edit lights, by the ratio of brightness, and take over whatever else it changes that is coarse. Each counts as
the inverse of the squared error that is to be expected of it: of the photograph, still or carried, what the generator has changed and
neither light nor motion explains; of the generator, how far its picture of the unedited face is from the photograph in that part of it.
The inside of an opened mouth, a closed lid, or a side of the face that was hidden, are the generator's.

There is no photograph of a toon. In another domain its place is taken by what the domain draws of the unedited face and, in the domain's
own manner, what that lacks of the photograph (`in_manner`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cddfm.images import brightness
from cddfm.morphable import MorphableModel
from cddfm.motion import head_motion
from cddfm.params import FaceParams
from cddfm.planes import resized, smooth

LIGHT, COARSE, NEAR, AROUND = 1 / 16, 1 / 64, 1 / 85, 1 / 8
"""Deviations of Gaussians, as shares of the picture's side: over which light is compared; finer than which the photograph has the say; over
which errors of the photograph in its places are averaged, and those of the generator, which draws a closed lid no worse than a cheek for
having drawn an open eye badly."""

DARKEST, LARGEST_GAIN = 0.05, 4.0
"""What is added to a brightness in [0, 1] before the ratio of two is taken; and how many times brighter, or darker, light may make it."""

LEAST_DRAWN, LEAST_PLACED = 2e-3, 5e-4
"""Squared errors of pictures in [−1, 1] that the generator's, and the photograph's in one of its places, are believed to have at least."""

DRAWN = 0.5
"""What the generator counts beside the photograph that errs as much: its errors are of a picture that it has learned by heart."""

STILL_ON_HEAD = 0.2
"""What a still pixel of the head counts beside a carried one that errs as much."""

SOFT = 1.0
"""Deviation in pixels by which the edges of masks are softened."""

TINY = 1e-12
"""What is divided by is at least this."""

FINE = 1 / 32
"""Deviation as a share of the side: what is finer tells how a domain answers to colours."""

LEAST_VARIANCE = 1e-3
"""Of colours, squared; a picture with less says nothing about the answer."""


@dataclass(frozen=True)
class Photograph:
    """image: aligned, in [−1, 1], at least as large as `drawn`. drawn: what the generator makes of it, unedited. params: of its face."""

    image: Float[Tensor, "batch 3 height height"]
    drawn: Float[Tensor, "batch 3 side side"]
    params: FaceParams

    @cached_property
    def error(self) -> Float[Tensor, "batch 1 side side"]:
        """Squared error of what is drawn of it, in each part of the picture."""
        side = self.drawn.shape[-1]
        seen = functional.interpolate(self.image, size=(side, side), mode="area")
        return smooth((seen - self.drawn).square().mean(dim=1, keepdim=True), AROUND * side)


@torch.no_grad()
def compose(
    photograph: Photograph, edited: Float[Tensor, "batch 3 side side"], after: FaceParams, model: MorphableModel
) -> Float[Tensor, "batch 3 height height"]:
    """The photograph with the edit that the generator has drawn of it, in [−1, 1] but for a little. after: the parameters that the edit
    asked for. Where nothing changes it is the photograph, bit for bit."""
    side, height = edited.shape[-1], photograph.image.shape[-1]
    motion = head_motion(model, photograph.params, after, side)
    head, seen = smooth(motion.head, SOFT), smooth(motion.seen, SOFT)
    still = _placed(photograph.image, photograph.drawn, edited)
    carried = _placed(motion.carry(photograph.image), motion.carry(photograph.drawn), edited)
    stays, follows = (1 - (1 - STILL_ON_HEAD) * head) / (still.error + LEAST_PLACED), seen / (carried.error + LEAST_PLACED)
    own = still.image + resized(follows / (stays + follows), height) * (carried.image - still.image)
    error = still.error * carried.error / (carried.error + seen * still.error).clamp(min=TINY)
    share = error / (error + (photograph.error + LEAST_DRAWN) / DRAWN)
    return own + resized(share, height) * (resized(edited, height) - own)


def in_manner(
    lacking: Float[Tensor, "batch 3 side side"], own: Float[Tensor, "batch 3 side side"], drawn: Float[Tensor, "batch 3 side side"]
) -> Float[Tensor, "batch 3 side side"]:
    """What a domain would draw of what is lacking in a portrait. own, drawn: the portrait and the domain's picture of the same code. How
    the domain's colours answer to the portrait's, in what is fine, is one linear map for each picture, by least squares: clay answers in
    grey, and hardly; a painting in nearly the same colours."""
    given, answer = ((picture - smooth(picture, FINE * picture.shape[-1])).flatten(2) for picture in (own, drawn))
    variance = given @ given.mT / given.shape[-1] + LEAST_VARIANCE * torch.eye(3).to(given)
    manner = torch.linalg.solve(variance, given @ answer.mT / given.shape[-1]).mT
    return (manner @ lacking.flatten(2)).view_as(lacking)


@dataclass(frozen=True)
class _Placed:
    """The photograph in one of its places, lit as after the edit; and the squared error to be expected around each pixel."""

    image: Float[Tensor, "batch 3 height height"]
    error: Float[Tensor, "batch 1 side side"]


def _placed(
    image: Float[Tensor, "batch 3 height height"], drawn: Float[Tensor, "batch 3 side side"], edited: Float[Tensor, "batch 3 side side"]
) -> _Placed:
    """image, drawn: the photograph and the generator's picture of it, in the same place."""
    side, height = drawn.shape[-1], image.shape[-1]
    bright, was = (smooth(brightness(picture), LIGHT * side) + DARKEST for picture in (edited, drawn))
    gain = (bright / was).clamp(1 / LARGEST_GAIN, LARGEST_GAIN)
    rest = edited - drawn - (drawn + 1) * (gain - 1)
    error = smooth(smooth(rest, NEAR * side).square().mean(dim=1, keepdim=True), NEAR * side)
    lit = image + (image + 1) * resized(gain - 1, height) + resized(smooth(rest, COARSE * side), height)
    return _Placed(lit, error)
