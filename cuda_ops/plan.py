"""What a compiled library is made of: its sources, the commands, and the digest of everything that the result depends on."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

DeviceType = Literal["cpu", "cuda"]

SOURCES = Path(__file__).parent / "csrc"

INSTRUCTION_SETS = {
    "portable": (),
    "avx2": ("-mavx2", "-mfma", "-mf16c"),
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"),
}
"""What each kernel is compiled for on x86-64; elsewhere only the portable form. They are linked in this order: of an inline function that
several files share, the linker keeps the first copy, which must run everywhere."""

CPP_FLAGS = ("-std=c++20", "-O3", "-fno-strict-aliasing", "-fno-math-errno", "-ffp-contract=fast", "-fPIC", "-fvisibility=hidden")
CUDA_FLAGS = ("-std=c++20", "-O3", "-Xcompiler", "-fPIC,-fvisibility=hidden")

PACKAGED_ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
"""What a wheel is built for. A build at run time is for the devices that are there."""

HEADERS = (".h", ".cuh")

EXACT = ("register_rasterize.cpp", "register_strokes.cpp", "register_surface.cpp", "strands.cpp")
"""CPU sources that draw, without fused multiply-adds: what decides which pixel shows what must round alike on every machine."""


class BuildError(Exception):
    """Why there is no library, in one line."""


@dataclass(frozen=True)
class Plan:
    """How to build one library. steps: (object file, source, command before `-c source -o object`); source is relative to csrc."""

    device_type: DeviceType
    steps: tuple[tuple[str, str, tuple[str, ...]], ...]
    link: tuple[str, ...]
    digest: str
    compiler_version: str = ""

    @property
    def library(self) -> str:
        return library_name(self.device_type)


def library_name(device_type: DeviceType) -> str:
    return f"libcuda_ops_{device_type}.so"


def source_files(device_type: DeviceType) -> list[Path]:
    """Sources and headers, in a fixed order."""
    return sorted(path for path in (SOURCES / device_type).glob("*") if path.suffix in (*HEADERS, ".cpp", ".cu"))


def source_digest(device_type: DeviceType) -> str:
    """Of the sources, torch's version and the machine type: what a prebuilt library must fit."""
    digest = hashlib.sha256(f"{torch.__version__.split('+')[0]} {sys.platform} {platform.machine()}".encode())
    for path in source_files(device_type):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def find_compiler() -> str:
    """$CXX, g++, c++ or clang++. Raises BuildError when there is none."""
    wanted = os.environ.get("CXX")
    for name in [wanted] if wanted else ["g++", "c++", "clang++"]:
        if found := shutil.which(name):
            return found
    raise BuildError(f"the compiler {wanted} named by CXX does not exist" if wanted else "there is no C++ compiler")


def find_nvcc() -> str:
    """nvcc of $CUDA_HOME or of the PATH. Raises BuildError when there is none."""
    home = os.environ.get("CUDA_HOME")
    found = (shutil.which(str(Path(home) / "bin" / "nvcc")) if home else None) or shutil.which("nvcc")
    if found is None:
        raise BuildError("there is no nvcc, neither in CUDA_HOME nor on the PATH")
    return found


def make_plan(device_type: DeviceType, architectures: Sequence[str] | None = None) -> Plan:
    """architectures: sm_… names for packaging, for every processor too; None means this machine, or sm_75 with PTX where no GPU is."""
    if sys.platform == "win32":
        raise BuildError("compiled operators are not made for Windows")
    torch_folder = Path(torch.__file__).parent
    include = (f"-I{torch_folder / 'include'}", f"-I{SOURCES / device_type}")
    if device_type == "cuda":
        compiler = find_nvcc()
        steps = _cuda_steps((compiler, *CUDA_FLAGS, *_targets(architectures), *include))
        link: tuple[str, ...] = (compiler, "-shared", "-cudart", "static")
    else:
        compiler = find_compiler()
        steps = _cpu_steps((compiler, *CPP_FLAGS, *include), packaging=architectures is not None)
        link = (compiler, "-shared")
    if sys.platform == "darwin":
        link = (*link, "-undefined", "dynamic_lookup")
    else:
        link = (*link, f"-L{torch_folder / 'lib'}", "-ltorch_cpu", "-lc10")
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    text = "\n".join([source_digest(device_type), torch.__version__, version, *map(repr, steps), repr(link)])
    return Plan(device_type, steps, link, hashlib.sha256(text.encode()).hexdigest()[:32], version)


def _cpu_steps(command: tuple[str, ...], packaging: bool) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    sets = dict(INSTRUCTION_SETS) if platform.machine().lower() in ("x86_64", "amd64") else {"portable": ()}
    if "avx512" in sets and not packaging and "AVX512" not in torch.backends.cpu.get_cpu_capability():
        del sets["avx512"]
        command = (*command, "-DWITHOUT_AVX512")
    sources = [path for path in source_files("cpu") if path.suffix == ".cpp"]
    once = [path for path in sources if path.name.startswith("register")]
    exact = {path.name: ("-O3", "-ffp-contract=off") if path.name in EXACT else () for path in sources}
    steps = [(f"{path.stem}.o", f"cpu/{path.name}", (*command, "-O1", *exact[path.name])) for path in once]  # torch's headers take long
    for name, flags in sets.items():
        kernel = (*command, f"-DISA={name}", *flags)
        steps += [(f"{path.stem}-{name}.o", f"cpu/{path.name}", (*kernel, *exact[path.name])) for path in sources if path not in once]
    return tuple(steps)


def _cuda_steps(command: tuple[str, ...]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    steps = tuple((f"{path.stem}.o", f"cuda/{path.name}", command) for path in source_files("cuda") if path.suffix == ".cu")
    if not steps:
        raise BuildError("there are no CUDA sources in this installation")
    return steps


def _targets(architectures: Sequence[str] | None) -> list[str]:
    if architectures is None and torch.cuda.is_available():
        capabilities = {torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())}
        architectures = [f"sm_{major}{minor}" for major, minor in sorted(capabilities)]
    if architectures is None:
        return ["-gencode", "arch=compute_75,code=[sm_75,compute_75]"]
    targets = []
    for name in architectures:
        virtual = name.replace("sm", "compute")
        code = f"[{name},{virtual}]" if name == architectures[-1] else name  # the last one's PTX serves what is newer
        targets += ["-gencode", f"arch={virtual},code={code}"]
    return targets
