"""The ArcFace loss is the published one, and the stage learns to tell people apart."""

import math

import pytest
import torch

from cddfm.data import Pool
from cddfm.people_pool import People
from cddfm.recognise import Recogniser, verification
from cddfm.stages.augment import Strength
from cddfm.stages.recognition import ArcFace, RecognitionStage
from stylespace.trunks import TRUNKS


def arcface(scale: float = 4.0, margin: float = 0.5) -> ArcFace:
    """Three prototypes in the plane, of any length, at 0°, 90° and 180°."""
    loss = ArcFace(3, 2, scale, margin)
    loss.prototypes.data = torch.tensor([[3.0, 0.0], [0.0, 0.5], [-1.0, 0.0]])
    return loss


def at(*degrees: float) -> torch.Tensor:
    angles = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_the_loss_is_the_formula():
    head = arcface()
    cosines = head.cosines(at(30.0)).detach()
    assert cosines[0].tolist() == pytest.approx([math.cos(math.radians(angle)) for angle in (30, 60, 150)], abs=1e-6)
    own = math.exp(4 * math.cos(math.radians(30) + 0.5))
    others = math.exp(4 * math.cos(math.radians(60))) + math.exp(4 * math.cos(math.radians(150)))
    assert float(head.loss(cosines, torch.tensor([0]))) == pytest.approx(-math.log(own / (own + others)), abs=1e-5)


def test_a_margin_makes_the_task_harder_and_none_leaves_the_softmax():
    head = arcface()
    cosines, people = head.cosines(at(30.0, 80.0, 170.0)).detach(), torch.tensor([0, 1, 2])
    losses = [float(head.loss(cosines, people, share)) for share in (0.0, 0.3, 0.6, 1.0)]
    assert losses == sorted(losses)
    assert losses[-1] > 2 * losses[0]
    assert losses[0] == pytest.approx(float(torch.nn.functional.cross_entropy(4 * cosines, people)), abs=1e-6)


def test_the_loss_rises_with_the_angle_all_the_way_round():
    head = arcface(margin=1.0)
    degrees = torch.arange(0.0, 181.0, 5.0)
    own = torch.deg2rad(degrees).cos()
    cosines = torch.stack([own, torch.zeros_like(own)], dim=1)
    losses = torch.stack([head.loss(row[None], torch.tensor([0])) for row in cosines])
    assert (losses.diff() > 0).all()
    assert losses.diff().max() < 1.0


def test_gradients_are_finite_at_the_prototype():
    head = arcface()
    vectors = at(0.0, 180.0).requires_grad_()
    head.loss(head.cosines(vectors), torch.tensor([0, 0])).backward()
    assert vectors.grad.isfinite().all()


@pytest.fixture
def people() -> People:
    """Six people who are six patterns under other brightness."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(6, 3, 16, 16, generator=generator).repeat_interleave(8, dim=0)
    images = (patterns * (0.6 + 0.4 * torch.rand(48, 1, 1, 1, generator=generator)) * 255).to(torch.uint8)
    numbers = torch.arange(6).repeat_interleave(8) + 100
    return People(Pool(images, torch.zeros(48, 1), torch.zeros(48, 1)), numbers)


@pytest.mark.parametrize("architecture", TRUNKS)
def test_people_are_learnt(people, architecture):
    torch.manual_seed(0)
    network = Recogniser(architecture, 16, width=8, features=16)
    still = Strength(*[0.0] * 10)
    stage = RecognitionStage(network=network, people=people, total_images=480, batch=24, learning_rate=5e-3, scale=8.0, strength=still)
    assert stage.arcface.prototypes.shape == (6, 16)
    reports = [stage.step(position, torch.Generator().manual_seed(position)) for position in range(0, 480, 24)]
    assert reports[0]["margin"] == 0
    assert reports[-1]["margin"] == pytest.approx(0.4)
    assert float(reports[-1]["own_cosine"]) > float(reports[0]["own_cosine"]) + 0.3
    with torch.no_grad():
        found = verification(network.eval().embed(people.take(torch.arange(48))[0]), people.numbers)
    assert found.auc > 0.95
    assert found.same > found.different + 0.3


def test_a_step_depends_on_its_generator_alone(people):
    drawn = []
    for _ in range(2):
        stage = RecognitionStage(network=Recogniser("plain", 16, width=8, features=16), people=people, total_images=96, batch=8)
        drawn.append(stage.sample(torch.Generator().manual_seed(4)))
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert torch.equal(drawn[0][1], drawn[1][1])
    assert int(drawn[0][1].max()) < 6
