"""What stands for networks that are trained elsewhere."""

import torch


def levels(images):
    """What stands for a network that reads faces: coarse and fine averages."""
    maps = [torch.nn.functional.avg_pool2d(images, size) for size in (2, 8)]
    return [*maps, maps[-1].flatten(1)]
