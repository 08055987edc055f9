"""`cddfm doctor`: what this machine has, whether the compiled operators load, and their build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer


def doctor(
    build: Annotated[bool, typer.Option("--build", help="Build what can be built here, also what failed before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show torch, compilers and compiled operators. With --build, exit code 1 if something that should build does not."""
    from cddfm.report import show_json, show_table

    with _quiet_log():
        facts = examine(build)
    if as_json:
        show_json(facts)
    else:
        show_table("This machine", ("what", "found"), [(name.replace("_", " "), value) for name, value in facts["machine"].items()])
        rows = [(name, found["state"], found["detail"]) for name, found in facts["operators"].items()]
        show_table("Compiled operators", ("device", "state", "detail"), rows)
    states = {device: found["state"] for device, found in facts["operators"].items()}
    if build and ("failed" in states.values() or states["cpu"] == "impossible"):
        raise typer.Exit(1)


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Without the log's word on what is not used: the table says it."""
    import logging

    logger = logging.getLogger("cuda_ops")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def examine(build: bool) -> dict[str, dict[str, Any]]:
    """The facts, as JSON values. state: loaded; built (elsewhere than the device that it needs); not built; failed; impossible; off."""
    import torch

    from cuda_ops.plan import BuildError

    def attempt(find: Any) -> str:
        try:
            return find()
        except BuildError as error:
            return f"none: {error}"

    from cuda_ops.build import cache_folder
    from cuda_ops.plan import find_compiler, find_nvcc

    operators = {device: _operators(device, build) for device in ("cpu", "cuda")}
    loaded = operators["cpu"]["state"] == "loaded"
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "compiler": attempt(find_compiler),
        "nvcc": attempt(find_nvcc),
        "cache": attempt(lambda: str(cache_folder())),
        "instruction_set": ("portable", "avx2", "avx512")[torch.ops.cuda_ops_cpu.isa()] if loaded else "unknown",
    }
    return {"machine": machine, "operators": operators}


def _operators(device: str, build: bool) -> dict[str, str]:
    """Of one kind of device. Without `build`, nothing is compiled."""
    import torch

    from cuda_ops import native
    from cuda_ops.build import find_built, find_or_build
    from cuda_ops.plan import BuildError, make_plan

    if native.switched_off():
        return {"state": "off", "detail": "CUDA_OPS=off is set"}
    try:
        make_plan(device)
        possible, reason = True, ""
    except BuildError as error:
        possible, reason = False, str(error)
    try:
        built = find_built(device)
        if built is None and build and possible:
            built = find_or_build(device, retry=True)
    except BuildError as error:
        return {"state": "failed", "detail": str(error)}
    if built is None:
        return (
            {"state": "not built", "detail": "built at first use, or by --build"} if possible else {"state": "impossible", "detail": reason}
        )
    if device == "cuda" and not torch.cuda.is_available():
        return {"state": "built", "detail": str(built)}
    outcome = native.attempt(device, retry=True)
    return {"state": "loaded", "detail": outcome.library} if outcome.loaded else {"state": "failed", "detail": outcome.reason}


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)
