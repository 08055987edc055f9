"""The `cddfm` command. Command modules import what is heavy inside their functions, so that help is quick."""

from __future__ import annotations

import os
import sys

import typer

from cddfm.cli import analyse, controls, doctor, edit, evaluate, fit, generator, morphable, sample, training, world

INTERRUPTED = 130

SPINS = "10000"
"""Turns that a thread waits awake for the others before it sleeps: a tenth of a millisecond or two. GNU's OpenMP, by which PyTorch computes
on Linux, has them wait 300,000, and hold a core that another program's threads need to go on. Of five pairs of programs on two cores, an
edit took 46 to 75 ms in four and 250 ms in one, the estimator 150 to 170 ms in three and 1,000 to 1,250 ms in two; with this, in five
others, 41 to 54 ms and 137 to 157 ms. Alone 15.9 ms (15.0 and 15.4 without) and 27.5 ms (25.6 and 26.8)."""

app = typer.Typer(
    name="cddfm",
    help="Rig-like 3D control over portraits: find the face, change pose, expression, light, shape and albedo, draw it in any domain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
edit.register(app)
sample.register(app)
controls.register(app)
fit.register(app)
evaluate.register(app)
analyse.register(app)
world.register(app)
generator.register(app)
morphable.register(app)
training.register(app)
doctor.register(app)


def main() -> None:
    """Run a command. Exit code 0: done; 1: something the user can mend, said in one sentence; 2: bad usage; 130: interrupted."""
    share_cores()
    try:
        app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            _say_interrupted()
        raise
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(INTERRUPTED)
    except Exception as error:
        if not _mendable(error):
            raise
        from cddfm.report import fail

        fail(str(error))
        sys.exit(1)


def share_cores() -> None:
    """Has threads wait for `SPINS` turns, unless the user has said how they are to wait. Before PyTorch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def _mendable(error: Exception) -> bool:
    """The user's to mend; anything else is our mistake and keeps its traceback."""
    from cddfm.errors import UserError
    from stylespace.weights import WeightsError

    return isinstance(error, (UserError, WeightsError))


def _say_interrupted() -> None:
    from cddfm.report import say

    say("interrupted")
