"""Replayed pictures are the synthesised ones bit for bit, and draw no more layers than they must."""

import pytest
import torch

from stylespace.generator import Generator
from stylespace.replay import Replay
from tests.stylespace.standins import SMALL, codes, noisy


def make(architecture="skip", **options):
    torch.manual_seed(0)
    return noisy(Generator(32, **SMALL, architecture=architecture, **options))


def edited(generator, s, layer):
    s = s.clone()
    s[:, layer.slice] += torch.randn(s.shape[0], layer.width)
    return s


@pytest.fixture(scope="module")
def generator():
    return make()


@pytest.fixture()
def drawn(monkeypatch):
    """Names of the layers that were drawn, in order."""
    from stylespace.generator import Synthesis

    names, step = [], Synthesis.step

    def spy(self, layer, *others):
        names.append(layer.name)
        return step(self, layer, *others)

    monkeypatch.setattr(Synthesis, "step", spy)
    return names


@pytest.mark.parametrize(
    "options",
    [{}, {"architecture": "orig"}, {"architecture": "resnet"}, {"conv_clamp": 1.0}, {"use_noise": False}, {"replicate_from": 16}],
)
@pytest.mark.parametrize("promise", [False, True])
def test_an_edit_of_any_layer_equals_synthesis(options, promise):
    generator = make(**options)
    replay, s = Replay(generator), codes(generator)
    assert torch.equal(replay.generate_from(s), generator.synthesise(s))
    for layer in reversed(generator.style_layout.layers):
        s = edited(generator, s, layer)
        assert torch.equal(replay.generate_from(s, layer.name if promise else None), generator.synthesise(s)), layer.name


def test_only_layers_from_the_first_change_on_are_drawn(generator, drawn):
    replay, s, names = Replay(generator), codes(generator), list(generator.style_layout.names)
    replay.generate_from(s)
    assert drawn == names
    for changed_from, found in [(None, "b16.conv1"), ("b16.conv1", "b16.conv1"), (5, "b16.conv0"), (0, "b4.conv1")]:
        drawn.clear()
        s = edited(generator, s, generator.style_layout["b16.conv1"])
        replay.generate_from(s, changed_from)
        assert drawn == names[names.index(found) :]
    drawn.clear()
    replay.generate_from(s)
    assert drawn == names[-1:]


def test_a_broken_promise_is_refused_and_harms_nothing(generator):
    replay, s = Replay(generator), codes(generator)
    replay.generate_from(s)
    other = edited(generator, s, generator.style_layout["b8.conv1"])
    with pytest.raises(ValueError, match="b16.conv0 on, but b8.conv1 differs"):
        replay.generate_from(other, "b16.conv0")
    with pytest.raises(ValueError, match="no style layer 'b64.conv0'"):
        replay.generate_from(s, "b64.conv0")
    with pytest.raises(ValueError, match="no style layer 11; they count from 0 to 10"):
        replay.generate_from(s, 11)
    assert torch.equal(replay.generate_from(other), generator.synthesise(other))


def test_what_the_caller_does_with_codes_and_pictures_stays_there(generator):
    replay, s = Replay(generator), codes(generator)
    replay.generate_from(s).zero_()
    assert torch.equal(replay.generate_from(s), generator.synthesise(s))
    s[:, generator.style_layout["b8.conv0"].slice] += 1.0
    assert torch.equal(replay.generate_from(s), generator.synthesise(s))


def test_other_batches_and_types_start_anew():
    generator = make()
    replay, s = Replay(generator), codes(generator, 3)
    for part in (s[:1], s, s[1:]):
        assert torch.equal(replay.generate_from(part, "b32.torgb"), generator.synthesise(part))
    generator.double()
    assert torch.equal(replay.generate_from(s.double()), generator.synthesise(s.double()))


def test_changed_weights_start_anew():
    generator, other = make(), make("skip")
    replay, s = Replay(generator), codes(generator)
    replay.generate_from(s)
    with torch.no_grad():
        generator.synthesis.b8.conv1.weight.mul_(1.5)
    assert torch.equal(replay.generate_from(s), generator.synthesise(s))
    generator.synthesis.b8.conv0.noise_const.zero_()
    assert torch.equal(replay.generate_from(s), generator.synthesise(s))
    generator.load_state_dict(other.state_dict())
    assert torch.equal(replay.generate_from(s), generator.synthesise(s))


def test_writes_behind_its_back_need_forget():
    generator = make()
    replay, s = Replay(generator), codes(generator)
    replay.generate_from(s)
    generator.synthesis.b8.conv1.bias.data.add_(0.5)
    assert not torch.equal(replay.generate_from(s), generator.synthesise(s))
    replay.forget()
    assert torch.equal(replay.generate_from(s), generator.synthesise(s))


def test_an_interrupted_drawing_is_not_reused(generator, monkeypatch):
    replay, s = Replay(generator), codes(generator)
    replay.generate_from(s)
    other = edited(generator, s, generator.style_layout["b4.conv1"])
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):

        def interrupted(*_):
            raise KeyboardInterrupt

        patched.setattr(generator.synthesis.b16.torgb, "forward", interrupted)
        replay.generate_from(other)
    assert torch.equal(replay.generate_from(s), generator.synthesise(s))


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_the_precision_is_the_callers_choice(generator, precision, monkeypatch):
    monkeypatch.setattr("cuda_ops.precision.has_bfloat16_units", lambda _: True)
    replay, s = Replay(generator, precision=precision), codes(generator)
    replay.generate_from(s)
    s = edited(generator, s, generator.style_layout["b16.conv0"])
    with torch.no_grad():
        expected = generator.synthesise(s, precision=precision)
    assert torch.equal(replay.generate_from(s), expected)
    assert torch.equal(expected, generator.synthesise(s)) == (precision == "exact")


def test_the_noise_is_the_callers_choice_and_gradients_stay_out(generator):
    s = codes(generator).requires_grad_()
    picture = Replay(generator, noise="none").generate_from(s)
    assert not picture.requires_grad
    assert torch.equal(picture, generator.synthesise(s.detach(), noise="none"))
