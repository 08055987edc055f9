import math

import pytest
import torch

from cddfm.camera import rotation
from cddfm.lighting import NamedLight, direction, dominant, harmonics, light_from, scale, shade, to_srgb, turn
from cddfm.params import FaceParams, ParamLayout


def sphere(count: int = 4000) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(0)), dim=-1)


def random_light(batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 27, generator=torch.Generator().manual_seed(1))


def test_harmonics_are_orthonormal():
    steps = 60
    height = (torch.arange(steps).double() + 0.5) / steps * 2 - 1
    around = torch.arange(steps).double() / steps * 2 * math.pi
    y, angle = torch.meshgrid(height, around, indexing="ij")
    radius = (1 - y * y).sqrt()
    values = harmonics(torch.stack([radius * angle.cos(), y, radius * angle.sin()], dim=-1)).flatten(0, 1)
    torch.testing.assert_close(4 * math.pi * values.T @ values / len(values), torch.eye(9).double(), atol=2e-3, rtol=0)


def test_neutral_light_renders_reflectance_unchanged():
    light = FaceParams.neutral(ParamLayout(1, 1, 1), 2).light
    torch.testing.assert_close(shade(sphere(50).expand(2, -1, -1), light), torch.ones(2, 50, 3))


def test_a_turned_light_shades_turned_normals_alike():
    light, normals = random_light(), sphere(64).expand(3, -1, -1)
    azimuth, elevation = torch.tensor([0.4, -1.0, 2.0]), torch.tensor([0.1, 0.7, -0.5])
    turning = rotation(torch.stack([elevation, azimuth, torch.zeros(3)], dim=1))
    turned_normals = normals @ turning.transpose(1, 2)
    torch.testing.assert_close(shade(turned_normals, turn(light, azimuth, elevation)), shade(normals, light), atol=2e-5, rtol=1e-4)


def test_turning_back_and_forth_returns_the_light():
    light, angle = random_light(), torch.tensor([0.3, 1.2, -2.5])
    torch.testing.assert_close(turn(turn(light, angle, 0 * angle), -angle, 0 * angle), light, atol=1e-5, rtol=1e-4)


def test_named_light_stands_where_it_was_put_and_turns_by_what_is_asked():
    azimuth, elevation = torch.tensor([0.5, -0.9]), torch.tensor([0.3, 0.0])
    light = light_from(azimuth, elevation, torch.tensor([0.8, 0.5]), torch.tensor([0.4, 0.2]), torch.ones(2, 3))
    found = dominant(light)
    torch.testing.assert_close(found[0], azimuth)
    torch.testing.assert_close(found[1], elevation)
    torch.testing.assert_close(dominant(turn(light, torch.full((2,), 0.4), torch.zeros(2)))[0], azimuth + 0.4)


def test_lobe_is_close_to_the_clamped_cosine_on_ambient():
    light = light_from(torch.tensor([0.7]), torch.tensor([0.2]), torch.tensor([1.0]), torch.tensor([0.3]), torch.ones(1, 3))
    cosine = (sphere() @ direction(torch.tensor([0.7]), torch.tensor([0.2]))[0]).clamp(min=0)
    error = shade(sphere()[None], light)[0, :, 0] - (0.3 + cosine)
    assert error.abs().max() < 0.1 and error.square().mean().sqrt() < 0.05


def test_scale_and_curve():
    light = random_light(2)
    torch.testing.assert_close(scale(light, torch.tensor([2.0, 0.5]))[1], light[1] / 2)
    assert to_srgb(torch.tensor([0.0, 1.0, 9.0])).tolist() == pytest.approx([-1.0, 1.0, 1.0])
    assert to_srgb(torch.tensor(0.214041)).item() == pytest.approx(0.0, abs=1e-4)


def test_a_named_light_is_found_again():
    named = NamedLight(
        torch.tensor([0.5, -0.9]), torch.tensor([0.3, 0.1]), torch.tensor([0.8, 0.5]), torch.tensor([0.4, 0.2]),
        torch.tensor([[1.0, 0.9, 0.7], [0.6, 0.8, 1.0]]),
    )  # fmt: skip
    found = NamedLight.of(named.bands())
    for name in ("azimuth", "elevation", "intensity", "ambient", "colour"):
        torch.testing.assert_close(getattr(found, name), getattr(named, name), atol=1e-5, rtol=1e-4)
    neutral = NamedLight.of(FaceParams.neutral(ParamLayout(1, 1, 1), 1).light)
    assert neutral.intensity.item() == 0 and neutral.ambient.item() == pytest.approx(1.0)
