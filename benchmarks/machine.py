"""Where and when numbers were measured: they mean nothing without it."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parent.parent

FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve", "bf16")
"""Instruction sets that decide which kernel runs."""

ALLOCATOR = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "LD_PRELOAD")
"""Settings of the environment that change what a page fault costs."""


def describe(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Processor, threads, software, commit and date, ready for JSON."""
    model, flags = _processor()
    device = torch.device(device)
    return {
        "processor": model,
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_capability": torch.backends.cpu.get_cpu_capability(),
        "allocator": {name: os.environ[name] for name in ALLOCATOR if name in os.environ},
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def headline(machine: dict[str, Any]) -> str:
    """One line for people."""
    where = machine["processor"] if machine["device"] == "cpu" else machine["device"]
    software = f"torch {machine['torch']}, {machine['commit'] or 'no commit'}"
    return f"{where} ({' '.join(machine['flags'])}), {machine['threads']} threads, {software}, {machine['date']}"


def commit() -> str | None:
    """The commit that is checked out, with `+` where files differ from it; None outside a repository."""
    head, changes = _git("rev-parse", "--short=12", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return None if head is None else head + ("+" if changes else "")


def peak_resident_bytes() -> int:
    """Most memory that this process ever held.

    Linux hands the peak of the parent on to its children in `getrusage`, so there the process's own high-water mark is read instead.
    """
    for line in _lines(Path("/proc/self/status")):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def write_json(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")


def _processor() -> tuple[str, set[str]]:
    facts = dict(part for line in _lines(Path("/proc/cpuinfo")) if len(part := [word.strip() for word in line.split(":", 1)]) == 2)
    return facts.get("model name", platform.processor() or platform.machine()), set(facts.get("flags", facts.get("Features", "")).split())


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
