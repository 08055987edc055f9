"""Sources in csrc/ → one shared library per kind of device, compiled once and cached.

The cache holds a folder per digest of everything that the result depends on (sources, commands, versions of compiler and torch): the library,
or a record of why it could not be built. Builders work in private folders and move the result into place, under a lock that the kernel
releases when its holder dies; who has waited too long builds alone. So nobody sees half a library and nobody waits for a dead process.

`python -m cuda_ops.build -o DIR` builds for packaging: a wheel carries the result as cuda_ops/prebuilt/, which wins while its sources' digest fits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

DeviceType = Literal["cpu", "cuda"]

SOURCES = Path(__file__).parent / "csrc"
PREBUILT = Path(__file__).parent / "prebuilt"

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

LOCK_SECONDS = 180.0
"""How long to wait for another process that builds the same library."""

FAILURE = "failure.txt"


class BuildError(Exception):
    """Why there is no library, in one line."""


@dataclass(frozen=True)
class Plan:
    """How to build one library. steps: (object file, source, command before `-c source -o object`); source is relative to csrc."""

    device_type: DeviceType
    steps: tuple[tuple[str, str, tuple[str, ...]], ...]
    link: tuple[str, ...]
    digest: str

    @property
    def library(self) -> str:
        return library_name(self.device_type)


def library_name(device_type: DeviceType) -> str:
    return f"libcuda_ops_{device_type}.so"


def source_files(device_type: DeviceType) -> list[Path]:
    """Sources and headers, in a fixed order."""
    return sorted(path for path in (SOURCES / device_type).glob("*") if path.suffix in (".h", ".cpp", ".cu", ".cuh"))


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
    return Plan(device_type, steps, link, hashlib.sha256(text.encode()).hexdigest()[:32])


def _cpu_steps(command: tuple[str, ...], packaging: bool) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    sets = dict(INSTRUCTION_SETS) if platform.machine().lower() in ("x86_64", "amd64") else {"portable": ()}
    if "avx512" in sets and not packaging and "AVX512" not in torch.backends.cpu.get_cpu_capability():
        del sets["avx512"]
        command = (*command, "-DWITHOUT_AVX512")
    sources = [path for path in source_files("cpu") if path.suffix == ".cpp"]
    once = [path for path in sources if path.name.startswith("register")]
    steps = [(f"{path.stem}.o", f"cpu/{path.name}", (*command, "-O1")) for path in once]  # torch's headers take long to optimise
    for name, flags in sets.items():
        kernel = (*command, f"-DISA={name}", *flags)
        steps += [(f"{path.stem}-{name}.o", f"cpu/{path.name}", kernel) for path in sources if path not in once]
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
        targets += ["-gencode", f"arch={name.replace('sm', 'compute')},code={name}"]
    return targets


def cache_folder() -> Path:
    """CUDA_OPS_CACHE, or cuda_ops in the user's cache folder; a temporary folder of this user's where that cannot be written."""
    home = os.environ.get("XDG_CACHE_HOME")
    chosen = os.environ.get("CUDA_OPS_CACHE")
    folder = Path(chosen) if chosen else (Path(home) if home else Path.home() / ".cache") / "cuda_ops"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"cuda_ops-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():  # somebody else's libraries must not be loaded
            raise BuildError(f"neither the cache folder nor {folder} can be used; set CUDA_OPS_CACHE") from None
        return folder


def find_prebuilt(device_type: DeviceType) -> Path | None:
    """The library that came with the package, if it was made of these sources for this torch."""
    record, path = PREBUILT / f"{library_name(device_type)}.json", PREBUILT / library_name(device_type)
    if not (record.is_file() and path.is_file()):
        return None
    return path if json.loads(record.read_text()).get("sources") == source_digest(device_type) else None


def find_or_build(device_type: DeviceType, architectures: Sequence[str] | None = None, retry: bool = False) -> Path:
    """The library's path; builds it at most once per digest. retry: forget a recorded failure. Raises BuildError."""
    if found := find_prebuilt(device_type):
        return found
    plan, cache = make_plan(device_type, architectures), cache_folder()
    folder = cache / plan.digest
    library, failure = folder / plan.library, folder / FAILURE
    if retry:
        failure.unlink(missing_ok=True)
    if not library.is_file() and not failure.is_file():
        with _lock(cache / f"{plan.digest}.lock"):
            if not library.is_file() and not failure.is_file():  # while this process waited, another may have finished
                _build_into(plan, folder)
    if library.is_file():
        return library
    raise BuildError(failure.read_text())


def _build_into(plan: Plan, folder: Path) -> None:
    """Leave the library or the record of its failure in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    private = Path(tempfile.mkdtemp(prefix="building-", dir=folder))
    try:
        try:
            os.replace(compile_library(plan, private), folder / plan.library)
        except BuildError as error:
            (private / FAILURE).write_text(str(error))
            os.replace(private / FAILURE, folder / FAILURE)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Private folders of builders that were killed: older than any build that may still run."""
    for old in folder.glob("building-*"):
        if time.time() - old.stat().st_mtime > 3600:
            shutil.rmtree(old, ignore_errors=True)


def compile_library(plan: Plan, folder: Path) -> Path:
    """Run ninja in `folder`. Raises BuildError with the compiler's first error."""
    lines = ["ninja_required_version = 1.5", "rule run", "  command = $command", "  description = $out"]
    for name, source, command in plan.steps:
        lines += [f"build {name}: run {_escape(str(SOURCES / source))}"]
        lines += [f"  command = {_quote([*command, '-c', str(SOURCES / source), '-o', name])}"]
    objects = [name for name, _, _ in plan.steps]
    lines += [f"build {plan.library}: run {' '.join(objects)}"]
    # Objects come before the libraries that they need.
    lines += [f"  command = {_quote([plan.link[0], *objects, *plan.link[1:], '-o', plan.library])}", ""]
    (folder / "build.ninja").write_text("\n".join(lines))
    command = [_ninja(), "-C", str(folder), "-j", str(max(2, os.cpu_count() or 1))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise BuildError(f"ninja could not be started ({error})") from error
    if done.returncode != 0:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
        reason = next((line for line in said if "error" in line.lower()), said[-1] if said else "ninja said nothing")
        raise BuildError(f"the compiler failed: {reason[:400]}")
    return folder / plan.library


def _ninja() -> str:
    """The executable of the ninja package, or of the system."""
    try:
        import ninja
    except ImportError:
        found = None
    else:
        found = shutil.which("ninja", path=ninja.BIN_DIR)
    found = found or shutil.which("ninja")
    if found is None:
        raise BuildError("ninja is missing; install it with 'pip install ninja'")
    return found


def _quote(command: Sequence[str]) -> str:
    return shlex.join(command).replace("$", "$$")


def _escape(path: str) -> str:
    return path.replace("$", "$$").replace(" ", "$ ").replace(":", "$:")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the file's lock, or go on without it after LOCK_SECONDS or where the file system has none: a double build is harmless."""
    import fcntl

    with path.open("a") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            except OSError:
                break
        yield  # closing the file releases the lock, and so does the death of the process


def main() -> None:
    """Build every library that this machine can build into a folder, for packaging."""
    parser = argparse.ArgumentParser(prog="python -m cuda_ops.build", description=main.__doc__)
    parser.add_argument("-o", "--out", type=Path, default=PREBUILT, help="the folder, by default cuda_ops/prebuilt")
    parser.add_argument("--architectures", nargs="+", default=PACKAGED_ARCHITECTURES, help="for CUDA, e.g. sm_90")
    parser.add_argument("--devices", nargs="+", choices=["cpu", "cuda"], default=["cpu", "cuda"])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for device_type in options.devices:
        try:
            plan = make_plan(device_type, options.architectures)
            with tempfile.TemporaryDirectory(dir=options.out) as folder:
                os.replace(compile_library(plan, Path(folder)), options.out / plan.library)
        except BuildError as error:
            parser.exit(1, f"{device_type}: {error}\n")
        (options.out / f"{plan.library}.json").write_text(json.dumps({"sources": source_digest(device_type)}))


if __name__ == "__main__":
    main()
