"""Deep3DFaceRecon's conventions against its own formulas, written out in numpy."""

import math

import numpy as np
import pytest
import torch

from cddfm import deep3d
from cddfm.camera import place, to_pixels
from cddfm.lighting import shade
from tests.cddfm.standins import small_model


def theirs(points: np.ndarray, angles: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Points in its unit and frame → its image plane (pixels from the top left corner, pixel middles at halves)."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    moved = points @ (about_z @ about_y @ about_x).T + translation
    depth = 10.0 - moved[:, 2]
    return np.stack([112 + 1015 * moved[:, 0] / depth, 112 - 1015 * moved[:, 1] / depth], axis=1)


def test_points_fall_on_the_same_pixels():
    model = small_model()
    points = model.mean.numpy().astype(np.float64) + np.random.default_rng(0).normal(size=model.mean.shape)
    origin = model.mean.numpy().astype(np.float64).mean(axis=0)
    angles, translation = np.array([0.2, -0.5, 0.1]), np.array([0.05, -0.11, 0.4])
    expected = theirs((points - origin) / 10, angles, translation)
    pose, moved = deep3d.pose(model, torch.from_numpy(angles[None]), torch.from_numpy(translation[None]))
    placed = place(torch.from_numpy(points[None]), pose, moved, model.pivot.double())
    seen = to_pixels(deep3d.camera(model).project(placed)[..., :2], 224)[0].numpy() + 0.5
    assert np.abs(seen - expected).max() < 1e-3


def test_light_shades_every_normal_alike():
    random = np.random.default_rng(1)
    normals = random.normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    gamma = random.normal(size=27) * 0.3
    a = [math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8)]
    c = [1 / math.sqrt(4 * math.pi), math.sqrt(3) / math.sqrt(4 * math.pi), 3 * math.sqrt(5) / math.sqrt(12 * math.pi)]
    expected = np.zeros((50, 3))
    for row, (x, y, z) in enumerate(normals):
        bands = [
            a[0] * c[0], -a[1] * c[1] * y, a[1] * c[1] * z, -a[1] * c[1] * x, a[2] * c[2] * x * y, -a[2] * c[2] * y * z,
            0.5 * a[2] * c[2] / math.sqrt(3) * (3 * z * z - 1), -a[2] * c[2] * x * z, 0.5 * a[2] * c[2] * (x * x - y * y),
        ]  # fmt: skip
        for channel in range(3):
            numbers = gamma[9 * channel : 9 * channel + 9].copy()
            numbers[0] += 0.8
            expected[row, channel] = np.dot(bands, numbers)
    ours = deep3d.light(torch.from_numpy(gamma[None]).float())
    assert np.abs(shade(torch.from_numpy(normals[None]).float(), ours)[0].numpy() - expected).max() < 1e-5
    assert deep3d.gamma(ours)[0].numpy() == pytest.approx(gamma, abs=1e-5)
