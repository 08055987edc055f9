"""`cddfm doctor` tells what is there, builds on demand, and exits with 1 when a build that was asked for fails."""

import json
import sys
from pathlib import Path

import pytest

from cddfm.cli import main
from cuda_ops import build
from cuda_ops.plan import BuildError


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command; returns exit code and stdout."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["cddfm", "doctor", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, capsys.readouterr().out

    return run


def test_the_table_names_what_is_asked_about(doctor) -> None:
    code, printed = doctor()
    assert code == 0
    for word in ("torch", "compiler", "nvcc", "cache", "instruction set", "cpu", "cuda"):
        assert word in printed


def test_json_holds_the_same(doctor) -> None:
    code, printed = doctor("--json")
    facts = json.loads(printed)
    assert code == 0 and set(facts) == {"machine", "operators"} and set(facts["operators"]) == {"cpu", "cuda"}
    assert facts["operators"]["cpu"]["state"] in ("loaded", "not built", "impossible", "off")


def test_without_build_nothing_is_built(doctor, monkeypatch) -> None:
    monkeypatch.setattr(build, "find_or_build", lambda *_, **__: pytest.fail("a build was started"))
    monkeypatch.setattr(build, "find_built", lambda *_: None)
    facts = json.loads(doctor("--json")[1])
    assert facts["operators"]["cpu"]["state"] in ("not built", "impossible")


@pytest.mark.parametrize("asked, code", [((), 0), (("--build",), 1)])
def test_a_failure_is_an_exit_code_only_where_a_build_was_asked_for(doctor, monkeypatch, asked, code) -> None:
    def fail(device: str, **options: bool) -> Path:
        raise BuildError(f"the compiler failed: {device}")

    monkeypatch.setattr(build, "find_built", fail if not asked else lambda *_: None)
    monkeypatch.setattr(build, "find_or_build", fail)
    monkeypatch.setattr("cuda_ops.plan.make_plan", lambda device: None)
    found, printed = doctor("--json", *asked)
    assert found == code
    assert json.loads(printed)["operators"]["cpu"] == {"state": "failed", "detail": "the compiler failed: cpu"}


def test_a_machine_without_compilers(doctor, monkeypatch) -> None:
    def find_nothing() -> str:
        raise BuildError("there is no nvcc")

    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("cuda_ops.plan.find_nvcc", find_nothing)
    monkeypatch.setattr(build, "find_prebuilt", lambda _: None)
    code, printed = doctor("--json", "--build")
    facts = json.loads(printed)
    assert code == 1 and facts["machine"]["nvcc"] == "none: there is no nvcc"
    reason = "the compiler no-such-compiler named by CXX does not exist"
    assert facts["operators"]["cpu"] == {"state": "impossible", "detail": reason}
    assert facts["operators"]["cuda"] == {"state": "impossible", "detail": "there is no nvcc"}
