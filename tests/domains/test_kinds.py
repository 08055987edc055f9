"""Kinds are compared with the same pictures, each by a likeness of its own."""

import torch

from domains.kinds import KINDS, Kinds
from tests.domains.standins import kinds, levels, likeness, onlooker

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def descended(made, **weights):
    """Pictures of both kinds after one step, and its metrics."""
    torch.manual_seed(0)
    leaf = made.clone().requires_grad_(True)
    both = kinds(**weights)
    metrics = both.descend(torch.optim.SGD([leaf], lr=1.0), leaf, IMAGES, torch.Generator().manual_seed(0))
    return both, leaf, metrics


def test_pictures_of_either_kind_are_compared_with_the_same():
    _, leaf, metrics = descended(torch.cat([IMAGES, 0.5 * IMAGES]))
    assert metrics["encoded_picture"] == 0.0 < metrics["mapped_picture"]
    encoded, mapped = (leaf.detach() - torch.cat([IMAGES, 0.5 * IMAGES])).chunk(2)
    assert torch.all(encoded == 0.0) and torch.any(mapped != 0.0)


def test_each_kind_has_a_crowd_and_a_critic_of_its_own():
    both, _, metrics = descended(torch.cat([IMAGES, 0.5 * IMAGES]), crowding=1.0, fooling=0.1)
    crowds = {kind: both.modules[f"{kind}_crowd"] for kind in both.likenesses}
    assert torch.equal(crowds["encoded"].made_mean, crowds["encoded"].true_mean)
    torch.testing.assert_close(crowds["mapped"].made_mean, 0.5 * crowds["mapped"].true_mean)
    assert both.optimizers.keys() == {"encoded_critic", "mapped_critic"}
    assert {"encoded_critic", "mapped_critic"} <= metrics.keys()


def test_what_else_is_to_be_lowered_counts():
    torch.manual_seed(0)
    made, other = IMAGES.repeat(2, 1, 1, 1).requires_grad_(True), torch.ones((), requires_grad=True)
    kinds().descend(torch.optim.SGD([made, other], lr=0.25), made, IMAGES, torch.Generator(), besides=2 * other)
    assert float(other.detach()) == 0.5


def test_onlookers_take_turns_and_one_of_them_sees_all_kinds():
    torch.manual_seed(0)
    both = Kinds({kind: likeness(onlooker(), onlooker(), crowding=1.0) for kind in KINDS})
    made = IMAGES.repeat(2, 1, 1, 1).requires_grad_(True)
    for seed in range(20):
        both.descend(torch.optim.SGD([made], lr=0.1), made, IMAGES, torch.Generator().manual_seed(seed))
        seen = {kind: [int(both.modules[f"{kind}_{crowd}"].batches) for crowd in ("crowd", "crowd1")] for kind in KINDS}
        assert seen["encoded"] == seen["mapped"] and sum(seen["mapped"]) == seed + 1
    assert min(seen["mapped"]) >= 4


def test_pictures_that_are_not_to_be_moved_are_compared_as_they_are():
    seen = []
    witness = onlooker(lambda images: seen.append(images.detach().clone()) or levels(images))
    for moved in (True, False):
        torch.manual_seed(0)
        both = Kinds({kind: likeness(witness) for kind in KINDS}, moved=moved)
        made = IMAGES.repeat(2, 1, 1, 1).requires_grad_(True)
        seen.clear()
        for seed in range(4):
            both.descend(torch.optim.SGD([made], lr=0.0), made, IMAGES, torch.Generator().manual_seed(seed))
        assert all(torch.equal(images, IMAGES) for images in seen) != moved
