"""Likeness is nothing between equal pictures; the critic learns only where it has a weight."""

import torch

from domains.likeness import Likeness, maps_of
from stylespace.critic import FeatureCritic
from tests.domains.standins import levels

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def make(**weights):
    torch.manual_seed(0)
    return Likeness(FeatureCritic([3, 3], width=8), levels, **weights)


def test_equal_pictures_are_alike():
    comparison = make().compare(IMAGES.clone(), IMAGES, first=True)
    assert comparison.metrics.keys() == {"picture", "features"}
    assert float(comparison.loss) == 0.0


def test_the_loss_is_the_weighted_sum():
    likeness = make(features=0.3, fooling=0.2)
    loss, metrics, *_ = likeness.compare(IMAGES.flip(0), IMAGES, first=True)
    assert torch.isclose(loss, metrics["picture"] + 0.3 * metrics["features"] + 0.2 * metrics["fooling"])


def test_the_critic_tells_grey_from_real():
    likeness = make(fooling=0.2)
    losses = []
    for step in range(60):
        comparison = likeness.compare(torch.zeros_like(IMAGES), IMAGES, first=step == 0)
        losses.append(float(likeness.criticise(comparison)["critic"]))
    assert losses[-1] < losses[0] - 0.1


def test_without_a_weight_it_is_left_alone():
    likeness = make()
    before = {name: tensor.clone() for name, tensor in likeness.critic.named_parameters()}
    assert likeness.criticise(likeness.compare(IMAGES.flip(0), IMAGES, first=True)) == {}
    assert all(torch.equal(tensor, before[name]) for name, tensor in likeness.critic.named_parameters())


def test_the_critic_gets_no_gradient_from_fooling_nor_the_generator_from_the_critic():
    likeness = make(fooling=0.2)
    made = IMAGES.flip(0).requires_grad_(True)
    comparison = likeness.compare(made, IMAGES, first=True)
    comparison.loss.backward()
    assert made.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in likeness.critic.parameters())
    made.grad = None
    likeness.criticise(comparison)
    assert made.grad is None


def test_the_critic_sees_fine_maps_and_no_vectors():
    assert [level.dim() for level in maps_of(levels(torch.zeros(2, 3, 16, 16)))] == [4, 4]
    shapes = [(2, 4, 32, 32), (2, 4, 16, 16), (2, 4, 8, 8), (2, 4, 4, 4), (2, 9)]
    assert [level.shape[2] for level in maps_of([torch.zeros(shape) for shape in shapes])] == [32, 16, 8]


def test_a_change_that_is_drawn_is_worth_more_than_none():
    """Pictures of the first half, drawn twice, against those that changed on the way."""
    likeness, before = make(features=0.25, changes=0.5, readings=0.125), IMAGES[:2]
    pictures = torch.cat([before, before.flip(3)])
    changed, still = (likeness.compare(made, pictures, first=True) for made in (pictures * 0.8, torch.cat([before, before])))
    assert float(changed.metrics["change"]) < 0.1 < 0.9 < float(still.metrics["change"])
    assert float(changed.metrics["reading"]) < 0.1 < 0.9 < float(still.metrics["reading"])
    weighted = {"picture": 1.0, "features": 0.25, "change": 0.5, "reading": 0.125}
    assert torch.isclose(still.loss, sum(weight * still.metrics[name] for name, weight in weighted.items()))
