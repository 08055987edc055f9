"""The CUDA kernels without a GPU: their sources compiled as C++, launched as loops over blocks and threads, against the torch code.

It tests everything but the chip: indices, strides, vector widths, tails, grid-stride loops, borders, rounding. Needs nvcc for its headers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch

from benchmarks import published
from benchmarks.cuda_synthesis import FusedSynthesis
from cuda_ops import build
from cuda_ops.plan import Plan, make_plan
from stylespace.generator import Generator
from tests.cuda_ops import kernel_cases as cases
from tests.cuda_ops.kernel_cases import DTYPES, LAYOUTS, Bench

pytestmark = pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on the PATH")

FLAGS = ("-x", "c++", "-std=c++20", "-O0", "-DHOST_GRID", "-Xcompiler", "-fPIC,-fvisibility=hidden,-Wall,-Wextra,-Wno-unknown-pragmas")


def host_plan() -> Plan:
    """As the CUDA library is built, but by the host's compiler. Its operators are cuda_ops_host's, for CPU tensors."""
    plan = make_plan("cuda", ("sm_90",))
    include = [part for part in plan.steps[0][2] if part.startswith("-I")]
    steps = tuple((name, source, (plan.link[0], *FLAGS, *include)) for name, source, _ in plan.steps)
    return Plan("cuda", steps, plan.link, f"host-{plan.digest}")


@pytest.fixture(scope="session")
def operators():
    plan = host_plan()
    library = build.cache_folder() / f"{plan.digest}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            os.replace(build.compile_library(plan, Path(folder)), library)
    torch.ops.load_library(str(library))
    return torch.ops.cuda_ops_host


@pytest.fixture(params=DTYPES, ids=str)
def dtype(request):
    return request.param


@pytest.fixture(params=LAYOUTS, ids=str)
def bench(request, operators, dtype):
    return Bench(operators, "cpu", dtype, request.param)


@pytest.mark.parametrize("slope, gain, clamp", [(0.2, cases.GAIN, -1.0), (1.0, 1.0, 0.5), (0.2, cases.GAIN, 0.7)])
def test_bias_act_and_its_backward(bench, slope, gain, clamp):
    for size in cases.BIAS_ACT_SIZES:
        cases.check_bias_act(bench, size, slope, gain, clamp)


def test_gaps_offsets_and_nan(bench):
    cases.check_odd_memory(bench)


@pytest.mark.parametrize("up, down", cases.RATES)
def test_upfirdn2d(bench, up, down):
    for taps in cases.TAPS:
        cases.check_upfirdn2d(bench, taps, up, down)


@pytest.mark.parametrize("fir", [False, True])
@pytest.mark.parametrize("clamp, mixed", [(-1.0, False), (0.8, True)])
def test_epilogue(bench, fir, clamp, mixed):
    cases.check_epilogue(bench, fir, clamp, mixed)


@pytest.mark.parametrize("clamp, mixed", [(-1.0, True), (0.5, False)])
def test_to_rgb(bench, clamp, mixed):
    for size in cases.TO_RGB_SIZES:
        cases.check_to_rgb(bench, size, clamp, mixed)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_generator_of_these_kernels_draws_the_published_picture(operators, dtype, batch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(32, z_dim=16, w_dim=16, mapping_layers=2, channel_base=512, channel_max=32).requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith(("noise_strength", "conv0.bias", "conv1.bias")):
            parameter.fill_(0.2)
    z = torch.randn(batch, 16, generator=torch.Generator().manual_seed(0))
    s = generator.styles(generator.broadcast(generator.map(z))).contiguous()
    picture = FusedSynthesis(generator, dtype, operators)(s)
    expected = published.synthesise(generator, s)
    relative = (picture - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert relative < {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1.5e-2}[dtype]


def test_wrong_operands_are_refused(operators):
    x = torch.zeros(1, 8, 4, 4)
    with pytest.raises(RuntimeError, match="bias has 7 numbers, expected 8"):
        operators.bias_act(x, torch.zeros(7), 0.2, 1.0, -1.0)
    with pytest.raises(RuntimeError, match="not Double"):
        operators.bias_act(x.double(), None, 0.2, 1.0, -1.0)
    with pytest.raises(RuntimeError, match="smaller than the filter"):
        operators.upfirdn2d(x, torch.zeros(5, 5), 1, 1, [0, 0, 0, 0], False, 1.0)
    with pytest.raises(RuntimeError, match="image must be float32"):
        operators.to_rgb(x, torch.zeros(3, 8), torch.zeros(1, 8), None, torch.zeros(1, 3, 2, 2).bfloat16(), -1.0)
    with pytest.raises(RuntimeError, match="noise has 15 numbers, expected 16"):
        operators.epilogue(x, None, torch.zeros(1, 15), None, False, 0.2, 1.0, -1.0)
