"""The CUDA library without a GPU: nvcc compiles and links it, torch loads it, and its operators say what they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cuda_ops import build
from cuda_ops.plan import SOURCES, make_plan

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on the PATH")]

ROOT = Path(__file__).parents[2]

LOAD = """
import sys
import torch

torch.ops.load_library(sys.argv[1])
operators = torch.ops.cuda_ops_cuda
names = ("bias_act", "bias_act_backward", "epilogue", "epilogue_styled", "to_rgb", "upfirdn2d")
for name in names:
    assert torch._C._dispatch_has_kernel_for_dispatch_key(f"cuda_ops_cuda::{name}", "CUDA"), name
    sys.stdout.write(f"{getattr(operators, name).default._schema}\\n")
try:
    operators.bias_act(torch.zeros(1, 2, 3, 3), None, 0.2, 1.0, -1.0)
except NotImplementedError:
    sys.stdout.write("no CPU kernel\\n")
"""

SCHEMAS = (
    "bias_act(Tensor x, Tensor? bias, float slope, float gain, float clamp) -> Tensor",
    "bias_act_backward(Tensor grad, Tensor y, float slope, float gain, float clamp) -> Tensor",
    "epilogue(Tensor x, Tensor? factor, Tensor? noise, Tensor? bias, bool fir, float slope, float gain, float clamp) -> Tensor",
    "epilogue_styled(Tensor x, Tensor? factor, Tensor? noise, Tensor? bias, Tensor style, bool fir, float slope, float gain, float clamp)"
    " -> Tensor",
    "to_rgb(Tensor x, Tensor weight, Tensor style, Tensor? bias, Tensor? image, float clamp) -> Tensor",
    "upfirdn2d(Tensor x, Tensor filter, int up, int down, int[] padding, bool flip, float gain) -> Tensor",
)


def test_it_compiles_links_loads_and_registers():
    library = build.find_or_build("cuda", ("sm_90",), retry=True)
    done = subprocess.run([sys.executable, "-c", LOAD, str(library)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [*(f"cuda_ops_cuda::{schema}" for schema in SCHEMAS), "no CPU kernel"]


@pytest.fixture
def register_report() -> str:
    """What ptxas says of the kernels that are closest to their limit. Kept beside the libraries, as compiling takes a while."""
    plan = make_plan("cuda", ("sm_90",))
    kept = build.cache_folder() / f"{plan.digest}-ptxas.txt"
    if not kept.exists():
        _, source, command = next(step for step in plan.steps if step[1].endswith("epilogue.cu"))
        with tempfile.TemporaryDirectory() as folder:
            command = (*command, "-Xptxas", "-v", "-c", str(SOURCES / source), "-o", f"{folder}/epilogue.o")
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            Path(folder, "report").write_text(done.stderr)
            shutil.copy(Path(folder, "report"), kept)
    return kept.read_text()


def test_kernels_keep_their_numbers_in_registers(register_report):
    reports = [line for line in register_report.splitlines() if "spill stores" in line]
    assert len(reports) == 18 and all("0 bytes spill stores, 0 bytes spill loads" in line for line in reports), register_report
