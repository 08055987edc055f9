"""What stands for networks that are trained elsewhere, and what tests of stages share."""

import copy

import torch

from domains.crowd import Crowd
from domains.kinds import KINDS, Kinds
from domains.likeness import Likeness, Onlooker
from domains.texture import PATCHES, Textures
from stylespace.critic import PatchCritic


def levels(images):
    """What stands for a network that reads faces: coarse and fine averages."""
    maps = [torch.nn.functional.avg_pool2d(images, size) for size in (2, 8)]
    return [*maps, maps[-1].flatten(1)]


def picture(ground, square):
    """Pictures of 16 pixels a side: a ground of one colour each, and a square of another in its middle."""
    pictures = ground[..., None, None].expand(-1, -1, 16, 16).clone()
    pictures[..., 5:11, 5:11] = square[..., None, None]
    return pictures


def onlooker(levels=levels):
    """Of pictures of 16 pixels a side."""
    return Onlooker(levels, Crowd(12), Textures([3, 3, 3 * PATCHES**2]))


def likeness(*onlookers, **weights):
    """By these, or by one that sees averages."""
    return Likeness(PatchCritic(width=8), onlookers or (onlooker(),), **weights)


def kinds(*names, **weights):
    """Of these names; encoded and mapped when left out."""
    return Kinds({kind: likeness(**weights) for kind in names or KINDS})


def run(stage, steps, first=0):
    """So many steps of a stage after the first so many; the metrics of each."""
    return [stage.step(index * stage.batch, torch.Generator().manual_seed(index)) for index in range(first, first + steps)]


def resumed(make):
    """Two stages of four steps: one in one go, the other's last two in a stage that took over everything that a checkpoint holds."""
    whole, begun, resumed = make(), make(), make()
    run(whole, 4)
    run(begun, 2)
    for name, module in resumed.modules.items():
        module.load_state_dict(begun.modules[name].state_dict())
    for name, optimizer in resumed.optimizers.items():
        optimizer.load_state_dict(copy.deepcopy(begun.optimizers[name].state_dict()))
    run(resumed, 2, first=2)
    return whole, resumed


def noise_strengths(generator):
    """How strongly each layer adds its noise picture."""
    return [float(strength) for name, strength in generator.named_parameters() if name.endswith("noise_strength")]
