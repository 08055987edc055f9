"""A plan → its shared library, compiled once and cached.

The cache holds a folder per digest (sources, commands, versions of compiler and torch) with the library, or with a record of why it could
not be built. Builders work in private folders and move the result into place, under a lock that the kernel releases when its holder
dies; who has waited too long builds alone. So nobody sees half a library, and nobody waits for a dead process.

`python -m cuda_ops.build -o DIR` builds for packaging: a wheel carries the result as cuda_ops/prebuilt/, which wins while the digest of
its sources fits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cuda_ops.plan import (
    HEADERS,
    PACKAGED_ARCHITECTURES,
    SOURCES,
    BuildError,
    DeviceType,
    Plan,
    library_name,
    make_plan,
    source_digest,
    source_files,
)

PREBUILT = Path(__file__).parent / "prebuilt"

LOCK_SECONDS = 180.0
"""How long to wait for another process that builds the same library."""

FAILURE = "failure.txt"


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


def find_built(device_type: DeviceType, architectures: Sequence[str] | None = None) -> Path | None:
    """The library if it is there; nothing is compiled. Raises BuildError with the reason of an earlier failure."""
    if found := find_prebuilt(device_type):
        return found
    try:
        plan = make_plan(device_type, architectures)
    except BuildError:
        return None
    return _look(cache_folder() / plan.digest, plan)


def find_or_build(device_type: DeviceType, architectures: Sequence[str] | None = None, retry: bool = False) -> Path:
    """The library's path; builds it at most once per digest. retry: forget a recorded failure. Raises BuildError."""
    if found := find_prebuilt(device_type):
        return found
    plan, cache = make_plan(device_type, architectures), cache_folder()
    folder = cache / plan.digest
    if retry:
        (folder / FAILURE).unlink(missing_ok=True)
    if found := _look(folder, plan):
        return found
    with _lock(cache / f"{plan.digest}.lock"):
        if found := _look(folder, plan):  # while this process waited, another may have finished
            return found
        return _build_into(plan, folder)


def _look(folder: Path, plan: Plan) -> Path | None:
    """What an earlier build left: the library, nothing, or its failure (raised)."""
    if (folder / plan.library).is_file():
        return folder / plan.library
    if (folder / FAILURE).is_file():
        raise BuildError((folder / FAILURE).read_text())
    return None


def _build_into(plan: Plan, folder: Path) -> Path:
    """Leave the library or the record of its failure in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    private = Path(tempfile.mkdtemp(prefix="building-", dir=folder))
    try:
        os.replace(compile_library(plan, private, folder.parent / "objects"), folder / plan.library)
    except BuildError as error:
        (private / FAILURE).write_text(str(error))
        os.replace(private / FAILURE, folder / FAILURE)
        raise
    finally:
        shutil.rmtree(private, ignore_errors=True)
    return folder / plan.library


def _remove_leftovers(folder: Path) -> None:
    """Private folders of builders that were killed: older than any build that may still run."""
    for old in folder.glob("building-*"):
        if time.time() - old.stat().st_mtime > 3600:
            shutil.rmtree(old, ignore_errors=True)


def compile_library(plan: Plan, folder: Path, objects: Path | None = None) -> Path:
    """Run ninja in `folder`. objects: a folder of object files of earlier builds. Raises BuildError with the compiler's first error."""
    lines = ["ninja_required_version = 1.5", "rule run", "  command = $command", "  description = $out"]
    keys = {name: _object_key(plan, source, command) for name, source, command in plan.steps} if objects else {}
    for name, source, command in plan.steps:
        if objects and _reuse(objects / keys[name], folder / name):
            continue
        lines += [f"build {name}: run {_escape(str(SOURCES / source))}"]
        lines += [f"  command = {_quote([*command, '-c', str(SOURCES / source), '-o', name])}"]
    names = [name for name, _, _ in plan.steps]
    lines += [f"build {plan.library}: run {' '.join(names)}"]
    # Objects come before the libraries that they need.
    lines += [f"  command = {_quote([plan.link[0], *names, *plan.link[1:], '-o', plan.library])}", ""]
    (folder / "build.ninja").write_text("\n".join(lines))
    _run([_ninja(), "-C", str(folder), "-j", str(max(2, os.cpu_count() or 1))])
    if objects:
        _store(folder, objects, keys)
    return folder / plan.library


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise BuildError(f"ninja could not be started ({error})") from error
    if done.returncode != 0:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
        reason = next((line for line in said if "error" in line.lower()), said[-1] if said else "ninja said nothing")
        raise BuildError(f"the compiler failed: {reason[:400]}")


def _object_key(plan: Plan, source: str, command: tuple[str, ...]) -> str:
    """Of the command, the compiler, the source and every header that it may include."""
    digest = hashlib.sha256("\0".join([plan.compiler_version, *command, source]).encode())
    for path in source_files(plan.device_type):
        if path.suffix in HEADERS or path.name == Path(source).name:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{digest.hexdigest()[:32]}.o"


def _reuse(stored: Path, to: Path) -> bool:
    try:
        shutil.copyfile(stored, to)
        stored.touch()
    except OSError:
        return False
    return True


def _store(folder: Path, objects: Path, keys: dict[str, str]) -> None:
    """Keep new object files, and drop those that nobody has used for a month."""
    objects.mkdir(parents=True, exist_ok=True)
    for name, key in keys.items():
        if not (objects / key).exists():
            os.replace(folder / name, objects / key)
    for old in objects.iterdir():
        if time.time() - old.stat().st_mtime > 30 * 86400:
            old.unlink(missing_ok=True)


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
