"""The styles in which the procedural world draws its scenes."""

from __future__ import annotations

from typing import Literal, get_args

OtherStyle = Literal["toon", "clay", "painting", "sketch"]
"""All but portraits, as the type of an option."""

STYLES: tuple[str, ...] = ("portrait", *get_args(OtherStyle))
