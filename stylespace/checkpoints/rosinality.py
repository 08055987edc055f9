"""rosinality's layout (stylegan2-pytorch): reading what was converted or trained with it, and writing it.

Its tensors are NVIDIA's under other names, some with additional dimensions of size 1. Converted files come with `latent_avg`; trained
ones lack it, and there the average w is taken over 4,096 mapped samples with a fixed seed, as that project's own scripts do (with
another seed each time).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cuda_ops.upfirdn2d import fir_filter
from stylespace.checkpoints.assemble import Settings, Source, assemble, check_filters
from stylespace.generator import Generator
from stylespace.weights import WeightsError, write_atomically

AVERAGED = 4096
"""Samples of z behind an average w that the file does not hold."""

RATE = 0.01
"""Its mapping's learning-rate multiplier; the files do not say, and no script of it changes it."""

UP_GAIN = 4.0
"""Its stored filters include the gain of upsampling."""

TENSORS = {
    "weight": "conv.weight", "affine.weight": "conv.modulation.weight", "affine.bias": "conv.modulation.bias",
    "noise_strength": "noise.weight",
}  # fmt: skip


def own_name(name: str) -> str:
    """Our name of a tensor → its name there."""
    if match := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", name):
        return f"style.{int(match[1]) + 1}.{match[2]}"
    if name == "synthesis.b4.const":
        return "input.input"
    match = re.fullmatch(r"synthesis\.b(\d+)\.(conv0|conv1|torgb)\.(.*)", name)
    if match is None:
        return name
    block, layer, tensor = int(match[1]).bit_length() - 3, match[2], match[3]  # block: 0 at 4², 1 at 8², …
    if layer == "torgb":
        place = "to_rgb1" if block == 0 else f"to_rgbs.{block - 1}"
        return f"{place}.{'bias' if tensor == 'bias' else TENSORS.get(tensor, tensor)}"
    index = 2 * block - (layer == "conv0")  # of the convolution: 0 at 4², then two per block
    if tensor == "noise_const":
        return f"noises.noise_{index}"
    place = "conv1" if index == 0 else f"convs.{index - 1}"
    return f"{place}.{'activate.bias' if tensor == 'bias' else TENSORS.get(tensor, tensor)}"


def _added_dimensions(name: str) -> tuple[int, int]:
    """How many dimensions of size 1 it has (in front, behind) that ours has not."""
    if name.endswith(".noise_const"):
        return 2, 0
    if name.endswith(".noise_strength"):
        return 0, 1
    if name.endswith(".torgb.bias"):
        return 1, 2
    return (1, 0) if re.fullmatch(r"synthesis\.b4\.const|.*\.(conv[01]|torgb)\.weight", name) else (0, 0)


def _to_ours(name: str, tensor: Tensor) -> Tensor:
    before, after = _added_dimensions(name)
    shape = tuple(tensor.shape)
    middle = shape[before : len(shape) - after]
    if shape != (1,) * before + middle + (1,) * after:
        raise WeightsError(f"its {own_name(name)} has shape {shape}, which is not that layout's; it belongs to another network")
    return tensor.reshape(middle)


def _to_theirs(name: str, tensor: Tensor) -> Tensor:
    before, after = _added_dimensions(name)
    return tensor.reshape((1,) * before + tuple(tensor.shape) + (1,) * after)


def read_rosinality(checkpoint: Mapping[str, Any]) -> Generator:
    """The generator's moving average (g_ema) of a loaded checkpoint."""
    state = checkpoint.get("g_ema")
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        names = ", ".join(map(str, list(checkpoint)[:8])) or "nothing"
        raise WeightsError(f"it holds {names} but no tensors g_ema; give a checkpoint in the layout of rosinality's stylegan2-pytorch")
    tensors = dict(state)
    filters = {name: tensor for name, tensor in tensors.items() if name.endswith(".kernel")}
    check_filters(filters, UP_GAIN)
    average = checkpoint.get("latent_avg")
    tensors["mapping.w_avg"] = torch.zeros(_w_dim(tensors)) if average is None else average
    generator = assemble(Source(tensors, own_name, _to_ours, frozenset(filters)), Settings(mapping_rate=RATE))
    if average is None:
        generator.mapping.w_avg.copy_(average_w(generator))
    return generator


def _w_dim(tensors: Mapping[str, Tensor]) -> int:
    affine = tensors.get("conv1.conv.modulation.weight")
    if affine is None or affine.ndim != 2:
        first = ", ".join(list(tensors)[:4]) or "nothing"
        raise WeightsError(f"its g_ema is no StyleGAN2 generator of rosinality's layout; its tensors begin with {first}")
    return affine.shape[1]


@torch.no_grad()
def average_w(generator: Generator, samples: int = AVERAGED, seed: int = 0) -> Float[Tensor, " w_dim"]:
    """The mean of `samples` mapped z."""
    return generator.map(torch.randn(samples, generator.z_dim, generator=torch.Generator().manual_seed(seed))).mean(dim=0)


def rosinality_checkpoint(generator: Generator) -> dict[str, Any]:
    """`g_ema` and `latent_avg` as rosinality's converter writes them. Raises WeightsError for graphs that its layout cannot express."""
    reason = _inexpressible(generator.arguments)
    if reason:
        raise WeightsError(f"rosinality's layout has no place for {reason}, so this generator cannot be exported to it")
    state = {}
    for name, tensor in generator.state_dict().items():
        if name == "mapping.w_avg":
            continue
        if name.startswith("mapping."):  # its multiplier is fixed, so another one goes into the numbers
            tensor = tensor * (generator.arguments["mapping_rate"] / RATE)
        state[own_name(name)] = _to_theirs(name, tensor.detach().cpu()).clone()
    taps = fir_filter() * UP_GAIN
    for block in range(generator.num_ws // 2 - 1):
        state[f"convs.{2 * block}.conv.blur.kernel"] = taps.clone()
        state[f"to_rgbs.{block}.upsample.kernel"] = taps.clone()
    return {"g_ema": state, "latent_avg": generator.w_avg.detach().cpu().clone()}


def _inexpressible(arguments: Mapping[str, Any]) -> str | None:
    """What keeps a generator out of that layout, in words; None if nothing does."""
    w_dim = arguments["w_dim"]
    reasons = {
        f"the {arguments['architecture']} architecture": arguments["architecture"] != "skip",
        f"labels ({arguments['label_dim']} numbers)": arguments["label_dim"] > 0,
        f"a clamp (±{arguments['conv_clamp']})": arguments["conv_clamp"] is not None,
        "layers without noise": not arguments["use_noise"],
        f"z of {arguments['z_dim']} numbers beside w of {w_dim}": arguments["z_dim"] != w_dim,
        f"a mapping of width {arguments['mapping_width']} to w of {w_dim}": arguments["mapping_width"] not in (None, w_dim),
        f"borders that go on from {arguments['replicate_from']} px on": arguments["replicate_from"] is not None,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def write_rosinality(path: Path, generator: Generator) -> None:
    """Export to a .pt file, whole or not at all."""
    buffer = io.BytesIO()
    torch.save(rosinality_checkpoint(generator), buffer)
    write_atomically(path, buffer.getvalue())
