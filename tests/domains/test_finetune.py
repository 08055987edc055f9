"""Latent-consistent finetuning: what embeds the latent stays bit for bit, the rest learns, resuming is exact."""

import copy

import pytest
import torch

from domains.finetune import Finetune, drawing_like, embedding_names, mean_of, published_names, structure_distance
from stylespace.discriminator import Discriminator
from stylespace.generator import Generator
from tests.domains.standins import resumed, run


def bright_reals(position, count, generator):
    return 0.5 + 0.1 * torch.randn(count, 3, 16, 16, generator=generator)


def make_stage(**options):
    torch.manual_seed(0)
    source = Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2)
    source.w_avg.normal_()
    return source, Finetune(source, Discriminator(16, 128, 16), bright_reals, batch=4, total_images=400, **options)


@pytest.fixture(scope="module")
def finetuned():
    source, stage = make_stage()
    before = copy.deepcopy(source.state_dict())
    metrics = run(stage, 17)[-1]
    return before, source, stage, metrics


@pytest.mark.parametrize("which", ["generator", "average"])
def test_frozen_tensors_are_bit_identical_and_the_others_learned(finetuned, which):
    before, _, stage, _ = finetuned
    after, frozen = stage.modules[which].state_dict(), published_names(stage.generator)
    for name, tensor in after.items():
        assert torch.equal(tensor, before[name]) == (name in frozen), name


def test_what_is_frozen(finetuned):
    _, source, _, _ = finetuned
    embedding, published = embedding_names(source), published_names(source)
    assert {"mapping.fc0.weight", "mapping.w_avg", "synthesis.b8.conv0.affine.bias", "synthesis.b4.torgb.affine.weight"} <= embedding
    assert published - embedding == {f"synthesis.b{size}.torgb.{part}" for size in (4, 8, 16) for part in ("weight", "bias")}
    learned = source.state_dict().keys() - published
    assert {"synthesis.b4.const", "synthesis.b8.conv0.weight", "synthesis.b16.conv1.bias", "synthesis.b16.conv1.noise_strength"} <= learned


def test_training_can_begin_from_how_an_earlier_generator_drew(finetuned):
    _, _, stage, _ = finetuned
    source = Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2)
    frozen = published_names(source)
    begin = drawing_like(source, stage.average, stage.source, frozen)
    for name, tensor in begin.state_dict().items():
        assert torch.equal(tensor, (source if name in frozen else stage.average).state_dict()[name]), name
    _, fresh = make_stage(begin=begin)
    for which in ("generator", "average"):
        assert all(torch.equal(tensor, begin.state_dict()[name]) for name, tensor in fresh.modules[which].state_dict().items())
    going_on = Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2, replicate_from=8)
    assert drawing_like(going_on, stage.average, stage.source, frozen).arguments == going_on.arguments, "only the border is another"
    with pytest.raises(ValueError, match="one shape"):
        drawing_like(Generator(8, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2), source, source, frozen)


def test_a_domain_is_given_some_of_what_its_generator_has_learned_since(finetuned):
    _, origin, stage, _ = finetuned
    source, frozen = copy.deepcopy(origin), embedding_names(origin)
    with torch.no_grad():
        for name, parameter in source.named_parameters():
            parameter.add_(0.0 if name in frozen else 0.1)
    begin, domain = drawing_like(source, stage.average, origin, frozen, since=0.5).state_dict(), stage.average.state_dict()
    for name, parameter in source.named_parameters():
        torch.testing.assert_close(begin[name], parameter.data if name in frozen else domain[name] + 0.05, msg=name)
    source.mapping.fc0.weight.data.add_(0.1)
    with pytest.raises(ValueError, match="codes mean something else"):
        drawing_like(source, stage.average, origin, frozen, since=0.5)
    assert torch.equal(drawing_like(source, stage.average, origin, frozen).mapping.fc0.weight, source.mapping.fc0.weight)


def test_a_domain_begins_with_the_mean_of_several(finetuned):
    _, source, stage, _ = finetuned
    mean = mean_of([source, stage.average, stage.average])
    assert mean is not source and mean.arguments == source.arguments
    for name, tensor in mean.state_dict().items():
        torch.testing.assert_close(tensor, (source.state_dict()[name] + 2 * stage.average.state_dict()[name]) / 3, msg=name)
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in mean_of([source]).state_dict().items())
    with pytest.raises(ValueError, match="one shape"):
        mean_of([source, Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2, replicate_from=8)])


def test_one_code_is_one_code_in_both_domains(finetuned):
    _, source, stage, _ = finetuned
    w_plus = torch.randn(2, source.num_ws, 8)
    assert torch.equal(source.styles(w_plus), stage.average.styles(w_plus))


def test_the_source_is_untouched(finetuned):
    before, source, _, _ = finetuned
    assert all(torch.equal(tensor, before[name]) for name, tensor in source.state_dict().items())


def test_metrics_and_lazy_r1(finetuned):
    metrics = finetuned[3]  # step 16
    assert {"adversarial", "structure", "discriminator", "real_sign", "fake_sign", "r1"} == metrics.keys()
    _, stage = make_stage(keep=0.0)
    assert "structure" not in run(stage, 1)[0]
    assert "r1" not in run(stage, 1, first=1)[0]


def test_resuming_is_exact():
    straight, second = resumed(lambda: make_stage()[1])
    for name, tensor in straight.average.state_dict().items():
        assert torch.equal(tensor, second.average.state_dict()[name]), name


def test_structure_ignores_colour_and_contrast():
    picture, other = torch.rand(2, 2, 3, 16, 16).unbind(0)
    assert float(structure_distance(picture, 0.3 * picture + 0.2)) < 0.05
    assert float(structure_distance(picture, other)) > 0.5
