"""z stays standard normal and carries the scene code."""

import pytest
import torch

from domains.codes import code_rotation, latent_of, latents


def test_the_rotation_is_orthogonal_and_fixed():
    rotation = code_rotation(12)
    assert torch.allclose(rotation @ rotation.T, torch.eye(12), atol=1e-5)
    assert torch.equal(rotation, code_rotation(12))


def test_latents_of_codes_are_standard_normal_and_carry_the_code():
    codes, noise = torch.randn(4000, 8, generator=torch.Generator().manual_seed(1)).split([5, 3], dim=1)
    rotation = code_rotation(8)
    z = latent_of(codes, noise, rotation)
    assert torch.allclose(z.T.cov(), torch.eye(8), atol=0.12)
    assert torch.allclose(z @ rotation, torch.cat([codes, noise], dim=1), atol=1e-5)
    with pytest.raises(ValueError, match="code of 5 numbers and noise of 3 do not make a z of 4"):
        latent_of(codes, noise, code_rotation(4))


def test_codes_of_one_scene_share_their_noise_and_scenes_do_not():
    codes = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    found, noise = (latents(codes, 3, 8, torch.Generator().manual_seed(2)) @ code_rotation(8)).split([5, 3], dim=1)
    assert torch.allclose(found, codes, atol=1e-5)
    assert torch.allclose(noise[:3], noise[3:], atol=1e-5)
    assert (noise[:3, None] - noise[None, :3]).norm(dim=2).gt(0.1).sum() == 6
