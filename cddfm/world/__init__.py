"""The procedural world: scene code → scene → portrait, in several styles.

>>> codes = sample_codes(range(8)); portraits = draw(scene(codes), 64)
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cddfm.world.assets import assets
from cddfm.world.codes import CODE_DIM, sample_codes
from cddfm.world.draw import Portraits, draw
from cddfm.world.scene import Scene, scene_of

VERSION = 2
"""Rises when the same seed starts to give another picture; stored pictures and parameters belong to one version."""

__all__ = ["CODE_DIM", "VERSION", "Portraits", "Scene", "draw", "sample_codes", "scene"]


def scene(codes: Float[Tensor, "images code"]) -> Scene:
    """What the portraits of these codes show; faces in the parameters of the built-in head."""
    return scene_of(codes, assets(str(codes.device)).model)
