"""z → w → w+ → s → image: the steps compose, equal codes give equal pictures, every number of s acts where its layer says."""

import pytest
import torch
from torch.nn import functional

from cuda_ops.modulated_conv import styled_conv2d
from cuda_ops.upfirdn2d import fir_filter, upfirdn2d
from stylespace.generator import Activations, Generator
from stylespace.weights import load_network, save_network
from tests.stylespace.standins import SMALL, codes, noisy


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    network = Generator(32, z_dim=8, w_dim=12, channel_base=256, channel_max=16, mapping_layers=2)
    return noisy(network)


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


@pytest.mark.parametrize("resolution", [4, 16])
@pytest.mark.parametrize("architecture", ["skip", "orig", "resnet"])
@torch.no_grad()
def test_every_architecture_draws_and_reads_all_of_s(architecture, resolution):
    torch.manual_seed(0)
    network = Generator(resolution, **SMALL, architecture=architecture)
    s = codes(network, 1)
    picture = network.synthesise(s)
    assert picture.shape == (1, 3, resolution, resolution)
    assert picture.is_contiguous()
    for layer in network.style_layout.layers:
        changed = s.clone()
        changed[:, layer.slice] += 3 * torch.randn(layer.width)
        assert not torch.allclose(network.synthesise(changed), picture, atol=1e-5), layer.name
    names = set(network.state_dict())
    assert ("synthesis.b4.torgb.weight" in names) == (architecture == "skip" or resolution == 4)
    assert ("synthesis.b8.skip.weight" in names) == (architecture == "resnet" and resolution == 16)


@torch.no_grad()
def test_a_resnet_block_is_the_mean_power_of_its_branches():
    torch.manual_seed(0)
    block = Generator(8, **SMALL, architecture="resnet", conv_clamp=0.4).synthesis.b8
    x = torch.randn(2, 16, 4, 4).contiguous(memory_format=torch.channels_last)
    styles = [torch.randn(2, 16) for _ in range(2)]
    middle = block.step("conv0", Activations(x), styles[0], "none")
    found = block.step("conv1", middle, styles[1], "none").x
    long = block.conv0(x, styles[0], "none")
    conv1 = styled_conv2d(long, block.conv1.weight, styles[1], None, block.conv1.bias, clamp=0.4)
    short = upfirdn2d(functional.conv2d(x, block.skip.weight / 4), fir_filter(), up=2, padding=(2, 1, 2, 1), gain=4.0)
    assert torch.allclose(found, (short + conv1) * 0.5**0.5, atol=1e-5)


@torch.no_grad()
def test_the_clamp_bounds_layers_and_colours():
    torch.manual_seed(0)
    network = Generator(16, **SMALL, conv_clamp=0.5)
    x = torch.randn(1, 16, 4, 4)
    style = torch.randn(1, 16)
    assert network.synthesis.b4.conv1(x, style, "none").abs().max() == 0.5
    assert network.synthesis.b4.torgb(100 * x, style).abs().max() == 0.5
    free = Generator(16, **SMALL)
    free.load_state_dict(network.state_dict())
    wide = Generator(16, **SMALL, conv_clamp=1e6)
    wide.load_state_dict(network.state_dict())
    s = codes(network)
    assert torch.equal(free.synthesise(s), wide.synthesise(s))
    assert not torch.allclose(free.synthesise(s), network.synthesise(s), atol=1e-2)


@torch.no_grad()
def test_labels_are_embedded_beside_z():
    torch.manual_seed(0)
    network = Generator(8, **SMALL, label_dim=3, label_width=5, mapping_width=7)
    z, label = torch.randn(2, 8), torch.eye(3)[:2]
    y = label @ network.mapping.embed.weight.t() / 3**0.5 + network.mapping.embed.bias
    parts = [part / part.square().mean(dim=1, keepdim=True).sqrt() for part in (z, y)]
    expected = network.mapping.fc1(network.mapping.fc0(torch.cat(parts, dim=1)))
    assert network.mapping.fc0.weight.shape == (7, 13)
    assert torch.allclose(network.map(z, label), expected, atol=1e-6)
    assert network(z, label=label).shape == (2, 3, 8, 8)
    with pytest.raises(ValueError, match="conditional: give every z a label of 3 numbers"):
        network.map(z)
    with pytest.raises(ValueError, match="knows no labels"):
        Generator(8, **SMALL).map(z, label)


@torch.no_grad()
def test_a_generator_without_noise_has_no_noise_tensors():
    network = Generator(8, **SMALL, use_noise=False)
    assert not [name for name in network.state_dict() if "noise" in name]
    s = codes(network, 1)
    assert torch.equal(network.synthesise(s), network.synthesise(s, noise=torch.Generator().manual_seed(0)))


def test_an_architecture_that_cannot_stop_early_says_so():
    network = Generator(16, **SMALL, architecture="orig").requires_grad_(False)
    with pytest.raises(ValueError, match="draws colours at 16 px only, so it cannot stop at 8"):
        network.synthesise(codes(network, 1), resolution=8)
