"""Who sees how far generated pictures are from true ones: the estimator, and an onlooker that does nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from cddfm.attention import face_attention
from cddfm.errors import UserError
from cddfm.morphable import MorphableModel
from cddfm.recipes.reconstruction import Role
from cddfm.reconstruct import Reconstructor
from cddfm.stack import Stack
from domains.crowd import Crowd
from domains.kinds import Kinds
from domains.likeness import Levels, Likeness, Onlooker
from domains.texture import PATCHES, Textures
from stylespace.critic import PatchCritic


class Sight(NamedTuple):
    """A network, and what of all that it sees is compared: `levels`, or `first_levels` of one whose first look alone has learned."""

    network: Reconstructor
    levels: Levels


def estimator_of(folder: Path, device: str) -> Reconstructor:
    """What the encoder starts from, and what sees how far generated pictures are from true ones. Raises UserError without it."""
    missing = (
        f"the encoder starts from the estimator, which the stack {folder} does not have; "
        f"run 'cddfm train-reconstruction --stack {folder}' first"
    )
    return _frozen(folder, device, "estimator", missing)


def onlooker_of(folder: Path, device: str) -> Reconstructor:
    """What takes turns with the estimator. Raises UserError without it."""
    missing = (
        f"the stack {folder} has no onlooker to take turns with the estimator; "
        f"run 'cddfm train-reconstruction --role onlooker --stack {folder}' first, or leave onlooker out"
    )
    return _frozen(folder, device, "onlooker", missing)


def _frozen(folder: Path, device: str, role: Role, missing: str) -> Reconstructor:
    """The stack's network of this role, which learns nothing; `missing` as a UserError where there is none."""
    if not (folder / f"{role}.safetensors").is_file():
        raise UserError(missing)
    return getattr(Stack(folder, device), role).eval().requires_grad_(False)


def kinds_by(
    names: Sequence[str], *, sights: Sequence[Sight], model: MorphableModel, middle: float, attention: float, fooling: float,
    changes: float, readings: float, crowding: float, busyness: float, moved: bool = True,
) -> Kinds:  # fmt: skip
    """How like pictures of twins, of codes of these kinds, are to what these see by turns, with critics that know nothing yet. middle,
    attention: as of `face_attention`. moved: as of `Kinds`."""
    device = model.mean.device

    def onlooker(sight: Sight) -> Onlooker:
        side = sight.network.detail
        with torch.no_grad():
            levels = sight.levels(torch.zeros(1, 3, side, side, device=device))
        channels = [*(level.shape[1] for level in levels if level.dim() == 4), 3 * PATCHES**2]
        crowd, textures = Crowd(sight.network.head.in_features), Textures(channels)
        return Onlooker(sight.levels, crowd.to(device), textures.to(device), face_attention(sight.network, model, middle, attention))

    def likeness() -> Likeness:
        return Likeness(
            PatchCritic().to(device), [onlooker(sight) for sight in sights], fooling=fooling, changes=changes, readings=readings,
            crowding=crowding, busyness=busyness,
        )  # fmt: skip

    return Kinds({name: likeness() for name in names}, moved)
