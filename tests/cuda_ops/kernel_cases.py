"""What the CUDA kernels must compute, case by case: shared by their run on the host (test_cuda_host) and on a GPU (test_cuda_gpu).

The kernels round once, at the end: they are compared with the float64 torch code on the same (rounded) inputs, to one rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cuda_ops.bias_act import LRELU_SLOPE
from cuda_ops.upfirdn2d import fir_filter
from cuda_ops.upfirdn2d import reference as upfirdn2d

ROUNDING = {torch.float32: 1e-5, torch.float16: 2**-10.5, torch.bfloat16: 2**-7.5}
"""Relative; for float32 what a different order of summation may change."""

DTYPES = tuple(ROUNDING)
LAYOUTS = (torch.channels_last, torch.contiguous_format)
GAIN = 2**0.5


@dataclass(frozen=True)
class Bench:
    """The operators under test, and what they are tested on."""

    operators: Any
    device: str
    dtype: torch.dtype
    layout: torch.memory_format = torch.contiguous_format

    def random(self, *size: int, dtype: torch.dtype | None = None, seed: int = 0) -> Tensor:
        x = torch.randn(size, generator=torch.Generator().manual_seed(seed + sum(size))).to(self.device, dtype or self.dtype)
        return x.contiguous(memory_format=self.layout) if x.ndim == 4 else x

    def compare(self, result: Tensor, expected: Tensor, dtype: torch.dtype | None = None, scale: float = 0.0) -> None:
        """result: of type dtype (by default the tested one); expected: float64. scale: of what was summed, where a clamp hides it."""
        assert result.dtype == (dtype or self.dtype) and result.device.type == self.device
        rounding = ROUNDING[dtype or self.dtype]
        scale = max(scale, float(expected.abs().nan_to_num(0).max())) if expected.numel() else 1.0
        torch.testing.assert_close(result.double(), expected, rtol=rounding, atol=max(1e-6, rounding / 100) * scale, equal_nan=True)


def bias_act_reference(x: Tensor, bias: Tensor | None, slope: float, gain: float, clamp: float) -> Tensor:
    x = x.double() if bias is None else x.double() + bias.double().view(1, -1, *[1] * (x.ndim - 2))
    x = torch.where(x < 0, x * slope, x) * gain
    return x if clamp < 0 else x.clamp(-clamp, clamp)


BIAS_ACT_SIZES = ((3, 16, 5, 7), (5, 12, 4, 4), (2, 3, 9, 5), (3, 24), (2, 8, 6), (1, 5, 2, 3, 4), (0, 8, 4, 4), (2, 8, 1, 1))


def check_bias_act(bench: Bench, size: Sequence[int], slope: float, gain: float, clamp: float) -> None:
    x = bench.random(*size)
    for bias in (None, bench.random(size[1]), bench.random(size[1], dtype=torch.float32)):
        y = bench.operators.bias_act(x, bias, slope, gain, clamp)
        assert y.stride() == x.stride()
        bench.compare(y, bias_act_reference(x, bias, slope, gain, clamp))
    grad = bench.random(*size, seed=1)
    passed = torch.where(y.double() < 0, slope, 1.0) * gain * grad.double()
    if clamp >= 0:
        passed = torch.where(y.abs() < torch.tensor(clamp, dtype=bench.dtype, device=bench.device), passed, 0.0)
    backward = bench.operators.bias_act_backward(grad, y, slope, gain, clamp)
    assert backward.stride() == y.stride()
    bench.compare(backward, passed)
    # A gradient in another layout is read in the result's.
    bench.compare(bench.operators.bias_act_backward(grad.transpose(0, -1).contiguous().transpose(0, -1), y, slope, gain, clamp), passed)


def check_odd_memory(bench: Bench) -> None:
    """Gaps, offsets that are not multiples of 16 bytes, NaN."""
    wide = bench.random(2, 24, 6, 9)
    for x in (wide[:, 3:19], wide[:, :, 1:, 2:], wide.permute(0, 1, 3, 2), wide[:1].flatten()[1:129].view(1, 16, 2, 4)):
        bias = bench.random(40)[3 : 3 + x.shape[1]]
        bench.compare(bench.operators.bias_act(x, bias, 0.2, GAIN, 1.0), bias_act_reference(x, bias, 0.2, GAIN, 1.0))
        factor = bench.random(1, 3 + x.shape[0] * x.shape[1]).flatten()[3:].view(x.shape[0], -1)
        for fir in (False, True):
            result = bench.operators.epilogue(x, factor, None, bias, fir, 0.2, GAIN, -1.0)
            bench.compare(result, epilogue_reference(x, factor, None, bias, fir, 0.2, GAIN, -1.0))
    x = bench.random(1, 8, 4, 4)
    x[0, 2, 1, 1] = torch.nan
    y = bench.operators.bias_act(x, None, 0.2, 1.0, 0.5)
    assert y.isnan().sum() == 1 and y[0, 2, 1, 1].isnan()


TAPS = {
    "stylegan": fir_filter(),
    "lopsided": torch.outer(torch.tensor([1.0, 2.0, -0.5, 3.0]), torch.tensor([0.3, -1.0, 2.0, 0.7])),
    "almost separable": fir_filter() + torch.eye(4) * 1e-4,  # treated as separable, it would be off by more than float32's rounding
    "inseparable": torch.randn(4, 4, generator=torch.Generator().manual_seed(1)),
    "sums to zero": torch.outer(torch.tensor([1.0, -1.0, 1.0, -1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])),
    "line": torch.tensor([[1.0, 2.0, 4.0, 0.5]]),
    "column": torch.tensor([[1.0], [2.0], [4.0]]),
    "5 × 6": torch.randn(5, 6, generator=torch.Generator().manual_seed(2)),
}

RATES = ((1, 1), (2, 1), (1, 2), (3, 2), (2, 3), (2, 2))

UPFIRDN2D_SIZES = ((3, 8, 5, 7), (2, 16, 6, 6), (1, 8, 37, 4), (2, 3, 9, 6), (1, 12, 8, 5), (1, 8, 5, 6), (3, 8, 8, 8))
PADDINGS = ((2, 1, 2, 1), (1, 1, 1, 1), (2, 2, 2, 2), (0, 3, 1, 0), (3, 2, 0, 5), (6, 4, 7, 5), (-1, 3, 2, -2))


def check_upfirdn2d(bench: Bench, taps: str, up: int, down: int) -> None:
    for size, padding in zip(UPFIRDN2D_SIZES, PADDINGS, strict=True):
        x, filter, flip = bench.random(*size), TAPS[taps].to(bench.device), size[2] % 2 == 0
        y = bench.operators.upfirdn2d(x, filter, up, down, list(padding), flip, 1.5)
        expected = upfirdn2d(x.double(), filter, up, down, padding, flip, 1.5)
        assert y.is_contiguous(memory_format=bench.layout)
        bench.compare(y, expected)


def epilogue_reference(
    x: Tensor,
    factor: Tensor | None,
    noise: Tensor | None,
    bias: Tensor | None,
    fir: bool,
    slope: float,
    gain: float,
    clamp: float,
    style: Tensor | None = None,
) -> Tensor:
    x = x.double()
    if fir:
        x = upfirdn2d(x, fir_filter(device=x.device), 1, 1, (1, 1, 1, 1), False, 4.0)
    if factor is not None:
        x = x * factor.double()[:, :, None, None]
    if noise is not None:
        x = x + noise.double()
    x = bias_act_reference(x, bias, slope, gain, clamp)
    return x if style is None else x * style.double()[:, :, None, None]


EPILOGUE_SIZES = ((3, 16, 5, 7), (2, 12, 9, 9), (1, 8, 40, 5), (3, 3, 7, 6), (1, 8, 3, 3))


def check_epilogue(bench: Bench, fir: bool, clamp: float, mixed: bool) -> None:
    """mixed: the parameters are float32 whatever x is."""
    for size in EPILOGUE_SIZES:
        batch, channels, height, width = size
        dtype = torch.float32 if mixed else bench.dtype
        x, less = bench.random(*size), int(fir)
        factor, style = (bench.random(batch, channels, dtype=dtype, seed=seed) for seed in (2, 3))
        shared, own = (bench.random(n, 1, height - less, width - less, dtype=dtype) for n in (1, batch))
        bias = bench.random(channels, dtype=dtype)
        for arguments in ((factor, shared, bias), (factor, own, None), (None, shared, bias), (factor, None, bias), (None, None, None)):
            rest = (fir, LRELU_SLOPE, GAIN, clamp)
            y = bench.operators.epilogue(x, *arguments, *rest)
            assert y.is_contiguous(memory_format=bench.layout)
            bench.compare(y, epilogue_reference(x, *arguments, *rest))
            styled = bench.operators.epilogue_styled(x, *arguments, style, *rest)
            bench.compare(styled, epilogue_reference(x, *arguments, *rest, style=style))


TO_RGB_SIZES = ((2, 32, 8, 8), (3, 16, 6, 10), (1, 512, 4, 4), (1, 48, 4, 6), (2, 3, 6, 4), (1, 64, 34, 36), (1, 8, 2, 2))


def check_to_rgb(bench: Bench, size: Sequence[int], clamp: float, mixed: bool) -> None:
    batch, channels, height, width = size
    dtype = torch.float32 if mixed else bench.dtype
    x = bench.random(*size)
    weight, style = bench.random(3, channels, 1, 1, dtype=dtype), bench.random(batch, channels, dtype=dtype)
    image = bench.random(batch, 3, height // 2, width // 2, dtype=torch.float32)
    for bias, before in ((bench.random(3, dtype=dtype), image), (None, image), (bench.random(3, dtype=dtype), None)):
        y = bench.operators.to_rgb(x, weight, style, bias, before, clamp)
        expected = torch.einsum("nchw,oc,nc->nohw", x.double(), weight.double()[:, :, 0, 0], style.double())
        scale = float(expected.abs().max())
        expected = bias_act_reference(expected, bias, 1.0, 1.0, clamp)
        if before is not None:
            expected = expected + upfirdn2d(before.double(), fir_filter(device=x.device), 2, 1, (2, 1, 2, 1), False, 4.0)
        assert y.is_contiguous() and y.shape == (batch, 3, height, width)
        bench.compare(y, expected, torch.float32, scale)
