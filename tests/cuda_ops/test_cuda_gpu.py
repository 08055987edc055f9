"""On a GPU: the kernels' values, and what the public operators promise there (gradients, torch.compile, CUDA graphs, streams)."""

from __future__ import annotations

import pytest
import torch

import cuda_ops.epilogue  # noqa: F401  (defines an operator)
from cuda_ops import native
from cuda_ops.upfirdn2d import FIR_PLANE, fir_filter
from stylespace.generator import Generator
from tests.cuda_ops import kernel_cases as cases
from tests.cuda_ops.kernel_cases import DTYPES, LAYOUTS, Bench

DEVICE = "cuda"

pytestmark = pytest.mark.gpu

if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def library():
    outcome = native.attempt(DEVICE)
    if not outcome.loaded:
        pytest.skip(outcome.reason)


@pytest.fixture(params=DTYPES, ids=str)
def dtype(request):
    return request.param


@pytest.fixture(params=LAYOUTS, ids=str)
def bench(request, dtype):
    return Bench(torch.ops.cuda_ops_cuda, DEVICE, dtype, request.param)


@pytest.mark.parametrize("slope, gain, clamp", [(0.2, cases.GAIN, -1.0), (1.0, 1.0, 0.5), (0.2, cases.GAIN, 0.7)])
def test_bias_act_and_its_backward(bench, slope, gain, clamp):
    for size in (*cases.BIAS_ACT_SIZES, (4, 64, 257, 129)):
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
    for size in (*cases.TO_RGB_SIZES, (2, 32, 256, 256)):
        cases.check_to_rgb(bench, size, clamp, mixed)


def test_long_strips(dtype):
    """Large enough that each thread walks down 16 rows."""
    bench = Bench(torch.ops.cuda_ops_cuda, DEVICE, dtype, torch.channels_last)
    x = bench.random(1, 64, 401, 513)
    factor, noise, bias = bench.random(1, 64), bench.random(1, 1, 400, 512), bench.random(64)
    y = bench.operators.epilogue(x, factor, noise, bias, True, 0.2, cases.GAIN, -1.0)
    bench.compare(y, cases.epilogue_reference(x, factor, noise, bias, True, 0.2, cases.GAIN, -1.0))


def public_operators(layout: torch.memory_format) -> dict[str, tuple]:
    """Operator → arguments, in float32, of which the tensors with a gradient are what is differentiated."""
    bench = Bench(torch.ops.cuda_ops, DEVICE, torch.float32, layout)
    x, y, filter = bench.random(2, 8, 5, 5), bench.random(2, 8, 5, 5, seed=1), fir_filter(device=torch.device(DEVICE))
    parameters = bench.random(2, 8), bench.random(1, 1, 4, 4), bench.random(8)
    arguments = {
        "bias_act": (x, bench.random(8), 0.2, 1.5, 1.0),
        "bias_act_backward": (x, y, 0.2, 1.5, 1.0),
        "upfirdn2d": (x, filter, 2, 1, [2, 1, 2, 1], False, 4.0),
        "epilogue": (x, *parameters, True, 0.2, 1.5, -1.0),
    }
    for tensor in (x, *parameters, arguments["bias_act"][1]):
        tensor.requires_grad_()
    return arguments


def _double(argument: object) -> object:
    if not isinstance(argument, torch.Tensor):
        return argument
    return argument.detach().double().requires_grad_(argument.requires_grad)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("name", ["bias_act", "bias_act_backward", "upfirdn2d", "epilogue"])
def test_torchs_own_checks_of_an_operator(name, layout):
    torch.library.opcheck(getattr(torch.ops.cuda_ops, name).default, public_operators(layout)[name])


def two_orders(name: str, arguments: tuple) -> list[torch.Tensor]:
    """The result, its gradients, and the gradients of their squares' sum."""
    leaves = [a for a in arguments if isinstance(a, torch.Tensor) and a.requires_grad]
    y = getattr(torch.ops.cuda_ops, name)(*arguments)
    weight = torch.linspace(-1, 1, y.numel(), device=y.device, dtype=y.dtype).view(y.shape)
    first = torch.autograd.grad((y * y * weight).sum(), leaves, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves)
    return [y, *first, *second]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("name", ["bias_act", "bias_act_backward", "upfirdn2d", "epilogue"])
def test_gradients_of_two_orders_are_those_of_the_torch_code(name, layout):
    arguments = public_operators(layout)[name]
    found = two_orders(name, arguments)
    for ours, expected in zip(found, two_orders(name, tuple(map(_double, arguments))), strict=True):
        scale = max(float(expected.detach().abs().max()), 1.0)
        torch.testing.assert_close(ours.double(), expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of inductor, on its import
def test_operators_compile_into_one_graph():
    x, factor, noise, bias, *rest = public_operators(torch.channels_last)["epilogue"]

    def chain(x: torch.Tensor) -> torch.Tensor:
        y = torch.ops.cuda_ops.epilogue(x, factor, noise, bias, *rest)
        y = torch.ops.cuda_ops.upfirdn2d(y, FIR_PLANE, 1, 2, (1, 1, 1, 1), False, 1.0)
        return torch.ops.cuda_ops.bias_act(y, bias, 0.2, 1.0, 0.9)

    torch.testing.assert_close(torch.compile(chain, fullgraph=True)(x), chain(x))


@pytest.fixture(scope="module")
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator(32, z_dim=16, w_dim=16, mapping_layers=2, channel_base=512, channel_max=32).requires_grad_(False).to(DEVICE)


def styles_of(generator: Generator, seed: int) -> torch.Tensor:
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
    return generator.styles(generator.broadcast(generator.map(z))).contiguous()


@torch.no_grad()
def test_synthesis_can_be_captured_in_a_graph(generator):
    s, other = styles_of(generator, 0), styles_of(generator, 1)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # convolutions choose their algorithms, and constants are copied, before the capture
        for _ in range(3):
            generator.synthesise(s)
    torch.cuda.current_stream().wait_stream(side)
    graph, still = torch.cuda.CUDAGraph(), s.clone()
    with torch.cuda.graph(graph):
        picture = generator.synthesise(still)
    still.copy_(other)
    graph.replay()
    torch.testing.assert_close(picture, generator.synthesise(other), rtol=1e-3, atol=1e-3)


def test_kernels_run_on_the_current_stream():
    """Behind a long wait on another stream: a kernel on any other one would read the zeros."""
    bench = Bench(torch.ops.cuda_ops_cuda, DEVICE, torch.float32, torch.channels_last)
    source, x = bench.random(2, 16, 64, 64), torch.zeros(2, 16, 64, 64, device=DEVICE).contiguous(memory_format=torch.channels_last)
    bench.operators.bias_act(x, None, 0.2, 1.0, -1.0)
    torch.cuda.synchronize()
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        torch.cuda._sleep(100_000_000)
        x.copy_(source)
        y = bench.operators.bias_act(x, None, 0.2, 1.0, -1.0)
    side.synchronize()
    bench.compare(y, cases.bias_act_reference(source, None, 0.2, 1.0, -1.0))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU")
def test_kernels_run_on_their_tensors_device():
    bench = Bench(torch.ops.cuda_ops_cuda, "cuda:1", torch.float32)
    x = bench.random(2, 16, 8, 8)
    y = bench.operators.bias_act(x, None, 0.2, 1.0, -1.0)
    assert y.device == x.device and torch.cuda.current_device() == 0
    torch.testing.assert_close(y.double(), cases.bias_act_reference(x, None, 0.2, 1.0, -1.0))
