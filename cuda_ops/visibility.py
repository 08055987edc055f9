"""The rasteriser's compiled operators on the CPU (csrc/cpu/register_rasterize.cpp), in float32; cuda_ops/rasterize.py says what they do.

Contract of `cuda_ops::locate(screen, triangles, face)`: perspective-correct barycentrics [batch, height, width, 3] and depth at each pixel.
Its backward is one pass over the pixels; where that is to be differentiated again, it is made of torch's operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

torch.library.define("cuda_ops::locate", "(Tensor screen, Tensor triangles, Tensor face) -> (Tensor, Tensor)")

composition: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""The same in torch's operators; set by cuda_ops.rasterize, which defines it."""


@torch.no_grad()
def visible_faces(
    screen: Float[Tensor, "batch vertices 3"], triangles: Int[Tensor, "triangles 3"], resolution: int, cull: bool, tolerance: float
) -> Int[Tensor, "batch resolution resolution"]:
    """Index of the nearest triangle at each pixel, −1 where there is none."""
    return torch.ops.cuda_ops_cpu.visible_faces(screen.contiguous(), triangles.contiguous(), resolution, cull, tolerance)


@torch.library.impl("cuda_ops::locate", "default")
def _locate(screen: Tensor, triangles: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
    return torch.ops.cuda_ops_cpu.locate(screen.contiguous(), triangles.contiguous(), face.contiguous())


@torch.library.register_fake("cuda_ops::locate")
def _fake(screen: Tensor, triangles: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
    return screen.new_empty(*face.shape, 3), screen.new_empty(face.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, of_barycentric: Tensor, of_depth: Tensor) -> tuple[Tensor, None, None]:
    screen, triangles, face = ctx.saved_tensors
    if torch.is_grad_enabled():  # somebody will differentiate the result
        again = composition(screen, triangles, face)
        return torch.autograd.grad(again, screen, (of_barycentric, of_depth), create_graph=True)[0], None, None
    grads = of_barycentric.contiguous(), of_depth.contiguous()
    return torch.ops.cuda_ops_cpu.locate_backward(*grads, screen.contiguous(), triangles.contiguous(), face.contiguous()), None, None


torch.library.register_autograd("cuda_ops::locate", _differentiate, setup_context=_keep)
