"""z → w → w+ → s → image: the steps compose, equal codes give equal pictures, every number of s acts where its layer says."""

import pytest
import torch

from stylespace.generator import Generator
from stylespace.weights import load_network, save_network


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    network = Generator(32, z_dim=8, w_dim=12, channel_base=256, channel_max=16, mapping_layers=2)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.3)
    return network.requires_grad_(False)


def codes(generator, batch=3):
    z = torch.randn(batch, generator.z_dim, generator=torch.Generator().manual_seed(1))
    return generator.styles(generator.broadcast(generator.map(z)))


def test_names_follow_the_common_checkpoints(generator):
    names = generator.state_dict().keys()
    assert {
        "mapping.w_avg",
        "mapping.fc0.weight",
        "synthesis.b4.const",
        "synthesis.b8.conv0.affine.bias",
        "synthesis.b8.conv1.noise_const",
        "synthesis.b32.torgb.weight",
    } <= names
    assert "synthesis.b4.conv0.weight" not in names


def test_the_steps_compose_to_forward(generator):
    z = torch.randn(2, 8)
    w_plus = generator.broadcast(generator.truncate(generator.map(z), 0.6))
    assert w_plus.shape == (2, generator.num_ws, 12)
    assert torch.equal(generator(z, psi=0.6), generator.synthesise(generator.styles(w_plus)))


def test_truncation_pulls_towards_the_average(generator):
    w = torch.randn(2, 12)
    assert generator.truncate(w, 1.0) is w
    assert torch.equal(generator.truncate(w, 0.0), generator.w_avg.expand(2, -1))


def test_equal_codes_give_equal_pictures(generator):
    s = codes(generator)
    picture = generator.synthesise(s)
    assert torch.equal(picture, generator.synthesise(s.clone()))
    assert not torch.allclose(picture, generator.synthesise(s, noise="none"), atol=1e-4)
    fresh = [generator.synthesise(s, noise=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(fresh[0], fresh[1])
    assert not torch.allclose(fresh[0], fresh[2], atol=1e-4)


def test_pictures_do_not_depend_on_their_batch(generator):
    s = codes(generator)
    alone = torch.cat([generator.synthesise(s[index : index + 1]) for index in range(3)])
    assert torch.allclose(alone, generator.synthesise(s), atol=1e-5)


def test_every_layer_of_s_changes_the_picture(generator):
    s = codes(generator, 1)
    picture = generator.synthesise(s)
    for layer in generator.style_layout.layers:
        changed = s.clone()
        changed[:, layer.slice] += 3 * torch.randn(layer.width)
        assert not torch.allclose(generator.synthesise(changed), picture, atol=1e-5), layer.name


def test_an_affine_reads_its_own_w_only(generator):
    w_plus = torch.randn(1, generator.num_ws, 12)
    before = generator.styles(w_plus)
    changed = w_plus.clone()
    changed[:, 3] += 1.0
    moved = (generator.styles(changed) != before)[0]
    expected = generator.style_layout.mask(layer.name for layer in generator.style_layout.layers if layer.w_index == 3)
    assert torch.equal(moved, expected)


def test_initial_activations_keep_their_scale():
    """Equalised learning rate and demodulation: colours start at a scale of about 1 per block."""
    torch.manual_seed(0)
    network = Generator(64, 64, 64, channel_base=2048, channel_max=64, mapping_layers=8)
    with torch.no_grad():
        assert 0.5 < network.map(torch.randn(256, 64)).std() < 2
        assert 0.5 < network(torch.randn(8, 64)).std() < 5


def test_it_survives_its_file(generator, tmp_path):
    save_network(tmp_path / "g.safetensors", generator)
    s = codes(generator)
    assert torch.equal(load_network(tmp_path / "g.safetensors", Generator).synthesise(s), generator.synthesise(s))
