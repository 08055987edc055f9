"""Building once, with small sources and a compiler that keeps a diary: processes at the same time, killed ones, failures, caches."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cuda_ops import build, plan

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("workshop")

COMPILER = """#!/bin/sh
if [ "$1" = --version ]; then echo "$(cat {here}/version) $({real} --version)"; exit 0; fi
echo "$*" >> {here}/diary
if [ -e {here}/slow ]; then sleep 60; fi
if [ -e {here}/broken ]; then echo "kernel.cpp:1:1: error: it does not compile" >&2; exit 1; fi
exec {real} "$@"
"""

BUILDER = """
import sys
from pathlib import Path
from cuda_ops import build, plan

plan.SOURCES = build.SOURCES = Path(sys.argv[1])
sys.stdout.write(str(build.find_or_build("cpu")))
"""


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with sources of two lines, a compiler and an empty cache."""
    try:
        real = plan.find_compiler()
    except plan.BuildError as error:
        pytest.skip(str(error))
    sources = tmp_path / "csrc" / "cpu"
    sources.mkdir(parents=True)
    (sources / "register.cpp").write_text('extern "C" int answer() { return 42; }\n')
    (sources / "kernel.cpp").write_text("namespace ISA { int kernel() { return 1; } }\n")
    compiler = tmp_path / "compiler"
    compiler.write_text(COMPILER.format(here=tmp_path, real=real))
    compiler.chmod(0o755)
    (tmp_path / "version").write_text("1")
    (tmp_path / "diary").touch()
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("CUDA_OPS_CACHE", str(tmp_path / "cache"))
    for module in (plan, build):
        monkeypatch.setattr(module, "SOURCES", tmp_path / "csrc")
    monkeypatch.setattr(build, "PREBUILT", tmp_path / "prebuilt")
    return tmp_path


def start(workshop: Path) -> subprocess.Popen[str]:
    """A process of its own that builds."""
    command = [sys.executable, "-c", BUILDER, str(workshop / "csrc")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def runs(workshop: Path) -> int:
    """How often the compiler was called since the last look."""
    diary = workshop / "diary"
    count = len(diary.read_text().splitlines())
    diary.write_text("")
    return count


def test_once_per_digest(workshop: Path) -> None:
    steps = len(build.make_plan("cpu").steps)
    assert build.find_built("cpu") is None
    library = build.find_or_build("cpu")
    assert library.is_file() and runs(workshop) == steps + 1
    assert build.find_or_build("cpu") == build.find_built("cpu") == library and runs(workshop) == 0
    assert [path.name for path in library.parent.iterdir()] == ["libcuda_ops_cpu.so"]


def test_every_kernel_is_compiled_for_every_instruction_set_portable_first(workshop: Path) -> None:
    steps = build.make_plan("cpu", plan.PACKAGED_ARCHITECTURES).steps
    names = [name for name, _, _ in steps]
    assert names[:2] == ["register.o", "kernel-portable.o"] and len(names) in (2, 4)
    for name, _, command in steps[1:]:
        assert f"-DISA={name.removeprefix('kernel-').removesuffix('.o')}" in command


def test_the_digest_holds_whatever_the_result_depends_on(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {build.make_plan("cpu").digest}

    def changed() -> bool:
        digest = build.make_plan("cpu").digest
        new = digest not in seen
        seen.add(digest)
        return new

    assert not changed()
    (workshop / "csrc/cpu/kernel.cpp").write_text("namespace ISA { int kernel() { return 2; } }\n")
    assert changed()
    (workshop / "csrc/cpu/kernel.h").write_text("")
    assert changed()
    (workshop / "version").write_text("2")
    assert changed()
    monkeypatch.setattr(plan, "CPP_FLAGS", (*plan.CPP_FLAGS, "-g"))
    assert changed()
    monkeypatch.setattr(plan.torch, "__version__", "3.0")
    assert changed()


def test_only_what_has_changed_is_compiled_again(workshop: Path) -> None:
    build.find_or_build("cpu")
    runs(workshop)
    (workshop / "csrc/cpu/register.cpp").write_text('extern "C" int answer() { return 43; }\n')
    build.find_or_build("cpu")
    assert runs(workshop) == 2  # that file, and the link


def test_two_processes_at_once_build_once(workshop: Path) -> None:
    steps = len(build.make_plan("cpu").steps)
    together = [start(workshop), start(workshop)]
    answers = [process.communicate(timeout=60) for process in together]
    assert [process.returncode for process in together] == [0, 0], answers
    assert answers[0][0] == answers[1][0] == str(build.find_built("cpu"))
    assert runs(workshop) == steps + 1


def test_a_killed_builder_stops_nobody(workshop: Path) -> None:
    (workshop / "slow").touch()
    killed = start(workshop)
    while not (workshop / "diary").read_text():
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.02)
    killed.kill()  # its compiler goes on, as after any hard end
    killed.wait()
    (workshop / "slow").unlink()
    began = time.monotonic()
    try:
        assert build.find_or_build("cpu").is_file()
        assert time.monotonic() - began < 30
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()


def test_who_has_waited_too_long_builds_alone(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "LOCK_SECONDS", 0.1)
    with (build.cache_folder() / f"{build.make_plan('cpu').digest}.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert build.find_or_build("cpu").is_file()


def test_failure_is_recorded_and_not_tried_again(workshop: Path) -> None:
    (workshop / "broken").touch()
    with pytest.raises(build.BuildError, match="the compiler failed: kernel.cpp:1:1: error: it does not compile"):
        build.find_or_build("cpu")
    assert runs(workshop) > 0
    other = start(workshop)
    assert "it does not compile" in other.communicate(timeout=60)[1] and other.returncode == 1
    with pytest.raises(build.BuildError, match="it does not compile"):
        build.find_built("cpu")
    assert runs(workshop) == 0
    (workshop / "broken").unlink()
    assert build.find_or_build("cpu", retry=True).is_file()


def test_an_interrupted_build_is_no_failure(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(build, "_run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build.find_or_build("cpu")
    assert build.find_or_build("cpu").is_file()


def test_compilers_that_are_not_there(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(build.BuildError, match="the compiler no-such-compiler named by CXX does not exist"):
        build.find_or_build("cpu")
    monkeypatch.delenv("CXX")
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(workshop))
    with pytest.raises(build.BuildError, match="there is no C.. compiler"):
        build.find_or_build("cpu")
    with pytest.raises(build.BuildError, match="there is no nvcc"):
        build.find_or_build("cuda")
    assert build.find_built("cpu") is None


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_folder(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workshop / "file").touch()
    monkeypatch.setenv("CUDA_OPS_CACHE", str(workshop / "file" / "cache"))
    monkeypatch.setattr(build.tempfile, "gettempdir", lambda: str(workshop))
    assert build.cache_folder() == workshop / f"cuda_ops-{os.getuid()}"


def test_the_users_cache_folder(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_OPS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(workshop / "user"))
    assert build.cache_folder() == workshop / "user" / "cuda_ops"


def test_a_packaged_library_is_used_while_its_sources_fit(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["build", "-o", str(workshop / "prebuilt"), "--devices", "cpu"])
    build.main()
    packaged = workshop / "prebuilt" / "libcuda_ops_cpu.so"
    assert sorted(path.name for path in packaged.parent.iterdir()) == [packaged.name, f"{packaged.name}.json"]
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert build.find_or_build("cpu") == packaged
    (workshop / "csrc/cpu/kernel.cpp").write_text("")
    with pytest.raises(build.BuildError):
        build.find_or_build("cpu")


def test_the_record_beside_a_packaged_library_names_its_sources(workshop: Path) -> None:
    (workshop / "prebuilt").mkdir()
    (workshop / "prebuilt/libcuda_ops_cpu.so").touch()
    (workshop / "prebuilt/libcuda_ops_cpu.so.json").write_text(json.dumps({"sources": "other"}))
    assert build.find_prebuilt("cpu") is None


def test_commands_survive_odd_folder_names(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = workshop / "a $folder: 'odd'"
    (workshop / "csrc").rename(odd)
    for module in (plan, build):
        monkeypatch.setattr(module, "SOURCES", odd)
    assert build.find_or_build("cpu").is_file()
