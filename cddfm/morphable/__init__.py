"""Morphable face models: one interface, and the reading of everybody's files.

>>> model = load(Path("model2019_face12.h5"))
"""

from __future__ import annotations

from cddfm.morphable.load import load
from cddfm.morphable.model import MorphableModel
from cddfm.morphable.own import save_model

__all__ = ["MorphableModel", "load", "save_model"]
