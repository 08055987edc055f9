"""Recognisers: unit vectors of pictures of any size, saving, and how same and different people are told apart."""

import pytest
import torch
from torch.nn import functional

from cddfm.recognise import EMBED_BATCH, Recogniser, verification
from stylespace.trunks import TRUNKS
from stylespace.weights import load_network, save_network


@pytest.mark.parametrize("architecture", TRUNKS)
def test_embeds_pictures_of_any_size_and_survives_saving(architecture, tmp_path):
    torch.manual_seed(0)
    network = Recogniser(architecture, 16, width=8).eval()
    images = torch.randn(EMBED_BATCH + 2, 3, 24, 40).clamp(-1, 1)
    vectors = network.embed(images)
    assert vectors.shape == (EMBED_BATCH + 2, 128)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)
    assert torch.allclose(vectors[:3], network.embed(images[:3]), atol=1e-5)
    assert torch.allclose(network.similarity(images[:3], images[:3]), torch.ones(3), atol=1e-5)
    save_network(tmp_path / "network.safetensors", network)
    assert torch.equal(load_network(tmp_path / "network.safetensors", Recogniser).embed(images[:3]), network.embed(images[:3]))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="power of two"):
        Recogniser("plain", 48)
    with pytest.raises(ValueError, match="valid are residual, plain"):
        Recogniser("vit", 64)


def test_verification_counts_pairs():
    angles = torch.deg2rad(torch.tensor([0.0, 60.0, 70.0, 180.0]))
    vectors = torch.stack([angles.cos(), angles.sin()], dim=1)
    found = verification(vectors, torch.tensor([5, 5, 7, 7]))
    same, different = [60.0, 110.0], [70.0, 180.0, 10.0, 120.0]
    assert found.same == pytest.approx(float(torch.deg2rad(torch.tensor(same)).cos().mean()), abs=1e-6)
    assert found.different == pytest.approx(float(torch.deg2rad(torch.tensor(different)).cos().mean()), abs=1e-6)
    assert found.auc == pytest.approx(sum(s < d for s in same for d in different) / 8)


def test_verification_is_half_by_chance_and_one_when_people_are_apart():
    generator = torch.Generator().manual_seed(0)
    people = torch.arange(40).repeat_interleave(5)
    noise = functional.normalize(torch.randn(200, 32, generator=generator), dim=1)
    assert verification(noise, people).auc == pytest.approx(0.5, abs=0.05)
    assert verification(torch.ones(4, 1), torch.tensor([0, 0, 1, 1])).auc == 0.5
    centres = torch.eye(40, 40)[people]
    assert verification(centres, people).auc == 1.0
    with pytest.raises(ValueError, match="two people"):
        verification(noise[:3], torch.tensor([0, 1, 2]))
