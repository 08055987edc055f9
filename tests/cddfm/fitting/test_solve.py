"""Steps of the solver: exact where nothing binds, within bounds where something does."""

import pytest
import torch

from cddfm.fitting.solve import READ_DEVIATION, Normal, Prior, counted, step
from tests.cddfm.standins import random_params, small_model


@pytest.fixture(scope="module")
def prior() -> Prior:
    return Prior.of(small_model())


def pull(prior: Prior, target: torch.Tensor, weight: float) -> tuple[torch.Tensor, Normal]:
    """Normal equations at the prior's centre of ½ weight ‖x − target‖²."""
    here = prior.centre.clone()
    count = len(here)
    return here, Normal.of(torch.eye(count), here - target, torch.full((count,), weight))


def test_named_expressions_are_sparse_and_the_rest_is_not(prior):
    part = small_model().layout.slices["expression"]
    assert prior.sparse[part].all() and int(prior.sparse.sum()) == 4
    assert counted("expression07") and not counted("jawOpen") and not counted("expressionist")


def test_a_step_weighs_data_against_the_prior(prior):
    target = prior.centre.clone()
    target[:3] = 1.0
    here, normal = pull(prior, target, 3.0)
    moved = step(here, normal, prior, torch.ones_like(prior.sparse))
    assert moved[:3].tolist() == pytest.approx([0.75] * 3)  # deviation 1, weight 3


def test_what_was_read_is_kept_where_nothing_else_is_known_and_corrected_by_its_deviation():
    """Expressions too, and beyond their bounds: what was read of them may be anything."""
    model = small_model()
    read = random_params(model, 1)
    read = read.replace(expression=read.expression - 2)
    about = Prior.about(read)
    everything = torch.ones_like(about.sparse)
    here, nothing = pull(about, about.centre, 0.0)
    assert torch.allclose(step(here + 0.3, nothing, about, everything), about.centre, atol=1e-5)
    target = about.centre + 1
    here, normal = pull(about, target, 100.0)
    moved = step(here, normal, about, everything) - about.centre
    for group, part in model.layout.slices.items():
        expected = 100 / (100 + READ_DEVIATION[group] ** -2)
        assert moved[part].tolist() == pytest.approx([expected] * (part.stop - part.start), abs=1e-4), group


def test_bounds_hold_and_what_is_not_free_stays(prior):
    part = small_model().layout.slices["expression"]
    target = prior.centre.clone()
    target[part] = torch.tensor([-2.0, 3.0, 0.5, 0.5])
    here, normal = pull(prior, target, 1e4)
    moved = step(here, normal, prior, torch.ones_like(prior.sparse))
    assert moved[part].tolist() == pytest.approx([0.0, 1.0, 0.5, 0.5], abs=0.01)
    held = step(here, normal, prior, torch.zeros_like(prior.sparse))
    assert torch.equal(held, here)


def test_a_bound_parameter_lets_the_others_make_up_for_it(prior):
    """x₀ + x₁ = −0.4 with x₀ a named expression, which cannot be negative: x₁ takes it all."""
    count = len(prior.centre)
    row = torch.zeros(1, count)
    row[0, 3], row[0, 0] = 1.0, 1.0
    normal = Normal.of(row, torch.tensor([0.4]), torch.tensor([1e4]))
    moved = step(prior.centre.clone(), normal, prior, torch.ones_like(prior.sparse))
    assert moved[3] == 0 and moved[0].item() == pytest.approx(-0.4, abs=1e-3)
