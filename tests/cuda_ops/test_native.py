"""Loading happens once, failure is said once; every instruction set gives the same numbers; memory is reused but never shared."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from cuda_ops import native
from cuda_ops.bias_act import bias_act
from cuda_ops.epilogue import epilogue
from cuda_ops.plan import BuildError

ROOT = Path(__file__).parents[2]


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, without the type checks of this one."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=variables, cwd=ROOT, check=False)


@pytest.fixture
def unloaded(monkeypatch):
    """As in a new process."""
    monkeypatch.setattr(native, "_outcomes", {})
    monkeypatch.delenv("CUDA_OPS", raising=False)


def test_failure_is_remembered_and_said_once(unloaded, monkeypatch, caplog):
    tries = []

    def fail(*arguments, **options):
        tries.append(options)
        raise BuildError("there is no C++ compiler")

    monkeypatch.setattr(native, "find_or_build", fail)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert not native.load("cpu")
            assert torch.equal(bias_act(torch.ones(1, 1), gain=2.0), torch.full((1, 1), 2.0))
    assert len(tries) == 1
    assert [record.name for record in caplog.records] == ["cuda_ops"]
    expected = "compiled cpu operators are not used, PyTorch is, which is slower: there is no C++ compiler"
    assert caplog.messages == [expected]
    native.attempt("cpu", retry=True)
    assert [options["retry"] for options in tries] == [False, True]


def test_the_environment_turns_them_off_silently(unloaded, monkeypatch, caplog):
    monkeypatch.setenv("CUDA_OPS", "off")
    assert not native.load("cpu") and not caplog.records


def test_devices_and_types_that_have_none():
    assert not native.usable(torch.zeros(1, dtype=torch.float64))
    assert not native.usable(torch.zeros(1, dtype=torch.float16))
    assert not native.usable(torch.zeros(1, device="meta"))


def test_calls_are_direct_only_where_nobody_looks():
    x, weight = torch.ones(1, 2), torch.nn.Parameter(torch.ones(2))
    assert native.unobserved(x, None) and not native.unobserved(x, weight)
    with torch.no_grad():
        assert native.unobserved(x, weight)
    with FakeTensorMode() as mode:
        assert not native.unobserved(x)
    assert not native.unobserved(mode.from_tensor(x))
    assert torch.func.grad(lambda x: x.sum() * native.unobserved(x))(x).sum() == 0
    with torch.autograd.forward_ad.dual_level():
        assert not native.unobserved(x)


def test_off_inside_a_block(compiled):
    with native.disabled():
        assert not native.load("cpu")
        with native.disabled():
            pass
        assert not native.load("cpu")
    assert native.load("cpu")


def test_importing_compiles_and_loads_nothing(tmp_path):
    modules = ", ".join(f"cuda_ops.{path.stem}" for path in (ROOT / "cuda_ops").glob("*.py") if path.stem != "__init__")
    script = f"import {modules}\nassert 'libcuda_ops' not in open('/proc/self/maps').read()"
    done = run(script, CUDA_OPS_CACHE=str(tmp_path / "cache"), CXX="false")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "cache").exists()


EVERY_OPERATOR = """
import torch
from cuda_ops import bias_act, epilogue, native, to_rgb, upfirdn2d

assert native.load("cpu")
assert torch.ops.cuda_ops_cpu.isa() == ISA, torch.ops.cuda_ops_cpu.isa()
torch.manual_seed(0)
for dtype, tolerance in ((torch.float32, 2e-5), (torch.bfloat16, 1.6e-2)):
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(2, 37, 40, 38).to(dtype).contiguous(memory_format=layout)
        bias, factor, noise = torch.randn(37), torch.rand(2, 37) + 0.5, torch.randn(1, 1, 39, 37)
        style, weight, image = torch.randn(2, 37), torch.randn(3, 37, 1, 1), torch.randn(2, 3, 20, 19)
        cases = [
            (torch.ops.cuda_ops.bias_act, bias_act.reference, (x, bias, 0.2, 1.4, 1.0)),
            (torch.ops.cuda_ops.bias_act_backward, bias_act.reference_backward, (x, x, 0.2, 1.4, 1.0)),
            (torch.ops.cuda_ops.epilogue, epilogue.reference, (x, factor, noise, bias, True, 0.2, 1.4, 2.0)),
            (torch.ops.cuda_ops.to_rgb, to_rgb.reference, (x, weight, style, None, image, -1.0)),
        ]
        for filter in (upfirdn2d.FIR_PLANE, torch.randn(3, 5)):
            for up, down in ((1, 1), (2, 1), (1, 2), (3, 2)):
                arguments = (x, filter, up, down, (2, 1, -1, 3), False, 1.0)
                cases.append((torch.ops.cuda_ops.upfirdn2d, upfirdn2d.reference, arguments))
        for operator, reference, arguments in cases:
            found, expected = operator(*arguments), reference(*arguments)
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=2 * tolerance)
"""


@pytest.mark.parametrize("name", ["portable", "avx2", "avx512"])
def test_every_instruction_set_of_this_processor(compiled, name):
    code = {"portable": 0, "avx2": 1, "avx512": 2}[name]
    if code > {"AVX2": 1, "AVX512": 2}.get(torch.backends.cpu.get_cpu_capability(), 0):
        pytest.skip(f"this processor has no {name}")
    done = run(EVERY_OPERATOR.replace("ISA", str(code)), CUDA_OPS_ISA=name)
    assert done.returncode == 0, done.stderr


WHOLE_GRAPHS = """
import torch
from cuda_ops.bias_act import bias_act
from cuda_ops.epilogue import epilogue
from cuda_ops.epilogue import epilogue
from cuda_ops.upfirdn2d import blur2d, downsample2d, fir_filter, upfirdn2d, upsample2d

filter = fir_filter((1.0, 2.0, 4.0))

def function(x, factor, noise, bias):
    y = epilogue(blur2d(x, 2, 2), factor, noise, bias, fir=True, clamp=2.0)
    y = bias_act(upsample2d(y), bias, clamp=1.5) + upfirdn2d(y, filter, up=2, padding=(2, 0, 1, 1))
    return downsample2d(y)

torch.manual_seed(0)
tensors = [torch.randn(2, 4, 7, 7), torch.rand(2, 4), torch.randn(1, 1, 7, 7), torch.randn(4)]
tensors = [tensor.requires_grad_() for tensor in tensors]
expected = function(*tensors)
gradients = torch.autograd.grad(expected.square().sum(), tensors)
for backend in ("aot_eager", "inductor"):
    torch.compiler.reset()
    found = torch.compile(function, fullgraph=True, backend=backend)(*tensors)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for one, two in zip(torch.autograd.grad(found.square().sum(), tensors), gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-3)
"""


@pytest.mark.slow
def test_public_functions_compile_as_whole_graphs_with_gradients(compiled):
    done = run(WHOLE_GRAPHS)
    assert done.returncode == 0, done.stderr[-2000:]


def test_large_results_use_memory_again_when_it_is_free(compiled):
    x = torch.ones(1, 64, 64, 64)
    first = bias_act(x)
    place = first.data_ptr()
    second = bias_act(2 * x)
    assert second.data_ptr() != place and (second == 2 * first).all()
    del first
    assert bias_act(x).data_ptr() == place
    torch.ops.cuda_ops_cpu.trim(0)
    assert (second == 2 * bias_act(x)).all()


def test_threads_do_not_change_the_numbers(compiled):
    x = torch.randn(2, 24, 90, 70, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(epilogue(x, fir=True))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)
