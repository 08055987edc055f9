"""Where numbers come from is told, and memory is a process's own."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import machine


def test_a_description_is_json_and_names_what_matters():
    facts = json.loads(json.dumps(machine.describe()))
    assert {"processor", "flags", "cores", "threads", "torch", "commit", "date"} <= facts.keys()
    assert facts["torch"] in machine.headline(facts)


def test_a_folder_without_a_repository_has_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    assert machine.commit() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is a process's own on Linux only where it is read from /proc")
def test_the_peak_of_a_process_is_not_that_of_its_parent():
    block = bytearray(300_000_000)
    block[::4096] = b"x" * len(block[::4096])
    without_torch = "import sys, types; sys.modules['torch'] = types.ModuleType('torch')"  # importing it takes seconds
    code = f"{without_torch}; from benchmarks.machine import peak_resident_bytes as peak; sys.stdout.write(str(peak()))"
    child = subprocess.run([sys.executable, "-c", code], cwd=machine.ROOT, capture_output=True, text=True, check=True)
    own = machine.peak_resident_bytes()
    del block
    assert own - int(child.stdout) > 100_000_000
