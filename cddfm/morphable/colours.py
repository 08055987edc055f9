"""Reflectance for loaded models: sRGB statistics made linear; where a model has none, a plain one, carried over from the built-in head."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cddfm.head import Head
from cddfm.morphable.register import Match

TEETH, MOUTH = (0.36, 0.33, 0.28), (0.075, 0.020, 0.018)
SCLERA, IRIS, RIM, PUPIL = (0.62, 0.59, 0.56), (0.125, 0.085, 0.055), (0.03, 0.02, 0.015), (0.008, 0.008, 0.008)
IRIS_RADIUS, PUPIL_RADIUS = 0.58, 0.22
"""Centimetres from the eyeball's axis."""

EYES = {"eyeball_R": range(36, 42), "eyeball_L": range(42, 48)}


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] → linear RGB (IEC 61966-2-1)."""
    value = np.clip(srgb, 0.0, 1.0)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def linear_statistics(mean: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and components of sRGB colours → of linear ones, to first order about the mean."""
    value = np.clip(mean, 0.0, 1.0)
    slope = np.where(value <= 0.04045, 1 / 12.92, 2.4 / 1.055 * ((value + 0.055) / 1.055) ** 1.4)
    return to_linear(mean).astype(np.float32), (basis * slope).astype(np.float32)


def plain_albedo(head: Head, match: Match, parts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean [V, 3] and components [A, V, 3]: ours where the heads lie on each other, ours on average elsewhere."""
    model = head.model
    face = (head.regions["face"] & head.regions["skin"]).numpy()
    trust = match.trust[:, None]

    def carried(values: np.ndarray) -> np.ndarray:
        usual = np.median(values[..., face, :], axis=-2, keepdims=True)
        return (usual + trust * (match.carry(values) - usual)).astype(np.float32)

    mean, basis = carried(model.albedo_mean.numpy()), carried(model.albedo_basis.numpy())
    for name, colour in (("teeth", TEETH), ("mouth", MOUTH)):
        if name in parts:
            mean[parts[name]], basis[:, parts[name]] = colour, 0.0
    return mean, basis


def paint_eyes(head: Head, mean: np.ndarray, basis: np.ndarray, eyes: Mapping[str, np.ndarray], offsets: Mapping[str, np.ndarray]) -> None:
    """Colours the eyes' vertices in place. offsets [n, 2]: each one's x, y distance from the eyeball's axis, in cm."""
    iris_modes = head.model.albedo_basis.numpy()[:, head.regions["iris"].numpy()].mean(axis=1)
    for name, chosen in eyes.items():
        radius = np.linalg.norm(offsets[name], axis=1)
        ring = radius < IRIS_RADIUS
        colour = np.where(ring[:, None], np.where((radius > 0.86 * IRIS_RADIUS)[:, None], RIM, IRIS), SCLERA)
        mean[chosen] = np.where((radius < PUPIL_RADIUS)[:, None], PUPIL, colour)
        basis[:, chosen] = np.where((ring & (radius >= PUPIL_RADIUS))[None, :, None], iris_modes[:, None, :], 0.0)


def closed_eyes(points: np.ndarray, landmarks: np.ndarray, surface: np.ndarray, holes: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Vertices of the skin that stand for an eye, seen from the front between its lids' landmarks, where a model has neither eyeball nor
    opening."""
    found = {}
    for name, numbers in EYES.items():
        corner = points[landmarks[list(numbers)], :2]
        centre = corner.mean(axis=0)
        if any(np.linalg.norm(hole[:, :2].mean(axis=0) - centre) < 1.0 for hole in holes):
            continue
        depth = points[landmarks[list(numbers)], 2].mean()
        found[name] = surface & _inside(points[:, :2], corner) & (np.abs(points[:, 2] - depth) < 1.5)
    return found


def _inside(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Points [n, 2] inside a convex polygon, in either direction of its corners."""
    sides = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge, towards = b - a, points - a
        sides.append(edge[0] * towards[:, 1] - edge[1] * towards[:, 0])
    stack = np.stack(sides)
    return (stack > 0).all(axis=0) | (stack < 0).all(axis=0)
