"""Likeness is nothing between equal pictures; the critic learns only where it has a weight."""

import torch

from domains.crowd import ENOUGH
from domains.likeness import FLATNESS
from stylespace.objectives import picture_loss
from tests.domains.standins import levels, likeness, onlooker

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def make(**weights):
    torch.manual_seed(0)
    return likeness(**weights)


def compared(likeness, made, images):
    return likeness.compare(made, likeness.look(images))


def test_equal_pictures_are_alike():
    comparison = compared(make(), IMAGES.clone(), IMAGES)
    assert comparison.metrics.keys() == {"picture", "features"}
    assert float(comparison.loss) == 0.0


def test_the_loss_is_the_weighted_sum():
    loss, metrics, *_ = compared(make(features=0.3, busyness=0.7), IMAGES.flip(0), IMAGES)
    fine = metrics["busyness"] + metrics["grain"] + FLATNESS * metrics["flatness"]
    assert torch.isclose(loss, metrics["picture"] + 0.3 * metrics["features"] + 0.7 * fine)


def test_a_crowd_that_is_off_is_drawn_to_the_true_one():
    alike, apart = make(crowding=0.5), make(crowding=0.5)
    generator = torch.Generator().manual_seed(2)
    for _ in range(ENOUGH // 100):
        images = torch.rand(100, 3, 16, 16, generator=generator) * 2 - 1
        same = compared(alike, images.flip(0), images)
        other = compared(apart, images.flip(0) * 0.5, images)
    assert float(same.metrics["crowd"]) < 1e-4 < 0.1 < float(other.metrics["crowd"])
    assert float(same.metrics["texture"]) < 1e-4 < 0.1 < float(other.metrics["texture"])
    weighted = {"picture": 1.0, "features": 0.15, "crowd": 0.5, "texture": 0.5}
    assert torch.isclose(other.loss, sum(weight * other.metrics[name] for name, weight in weighted.items()))


def test_the_critic_tells_grey_from_real():
    likeness = make(fooling=0.2)
    losses = [float(likeness.criticise(compared(likeness, torch.zeros_like(IMAGES), IMAGES))["critic"]) for _ in range(60)]
    assert losses[-1] < losses[0] - 0.1


def test_without_a_weight_it_is_left_alone():
    likeness = make()
    before = {name: tensor.clone() for name, tensor in likeness.critic.named_parameters()}
    assert likeness.criticise(compared(likeness, IMAGES.flip(0), IMAGES)) == {}
    assert all(torch.equal(tensor, before[name]) for name, tensor in likeness.critic.named_parameters())


def test_the_critics_pull_is_a_share_of_the_pictures():
    made, wanted = IMAGES.flip(0), IMAGES
    gradients = {}
    for fooling in (0.0, 0.25):
        leaf = made.clone().requires_grad_(True)
        comparison = compared(make(fooling=fooling), leaf, wanted)
        (gradients[fooling],) = torch.autograd.grad(comparison.loss, leaf)
    leaf = made.clone().requires_grad_(True)
    (own,) = torch.autograd.grad(picture_loss(leaf, wanted), leaf)
    assert torch.isclose((gradients[0.25] - gradients[0.0]).norm(), 0.25 * own.norm(), rtol=1e-3)


def test_the_critic_gets_no_gradient_from_fooling_nor_the_generator_from_the_critic():
    likeness = make(fooling=0.2)
    made = IMAGES.flip(0).requires_grad_(True)
    comparison = compared(likeness, made, IMAGES)
    comparison.loss.backward()
    assert made.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in likeness.critic.parameters())
    made.grad = None
    likeness.criticise(comparison)
    assert made.grad is None


def test_a_change_that_is_drawn_is_worth_more_than_none():
    """Pictures of the first half, drawn twice, against those that changed on the way."""
    likeness, before = make(features=0.25, changes=0.5, readings=0.125), IMAGES[:2]
    pictures = torch.cat([before, before.flip(3)])
    changed, still = (compared(likeness, made, pictures) for made in (pictures * 0.8, torch.cat([before, before])))
    assert float(changed.metrics["change"]) < 0.1 < 0.9 < float(still.metrics["change"])
    assert float(changed.metrics["reading"]) < 0.1 < 0.9 < float(still.metrics["reading"])
    weighted = {"picture": 1.0, "features": 0.25, "change": 0.5, "reading": 0.125}
    assert torch.isclose(still.loss, sum(weight * still.metrics[name] for name, weight in weighted.items()))


def test_each_onlooker_compares_what_it_sees_and_follows_crowds_of_its_own():
    torch.manual_seed(0)
    colour_blind = onlooker(lambda images: levels(images.mean(dim=1, keepdim=True).expand_as(images)))
    both = likeness(onlooker(), colour_blind, crowding=1.0)
    first, second = (both.compare(IMAGES.flip(1), both.look(IMAGES, turn)) for turn in (0, 1))
    assert float(second.metrics["features"]) < 1e-6 < 0.1 < float(first.metrics["features"])
    assert torch.isclose(first.metrics["picture"], second.metrics["picture"])
    assert both.modules.keys() == {"critic", "crowd", "textures", "crowd1", "textures1"}
    apart = [(both.modules[name].made_mean - both.modules[name].true_mean).abs().amax() for name in ("crowd", "crowd1")]
    assert float(apart[1]) < 1e-6 < 0.01 < float(apart[0])
    assert int(both.modules["crowd"].pictures) == int(both.modules["crowd1"].pictures) == len(IMAGES)
