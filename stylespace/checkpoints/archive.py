"""Files and storages written by `torch.save`, read without running anything in them."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Sequence
from typing import Any

import torch

from stylespace.weights import WeightsError


def refusal(name: str) -> WeightsError:
    """The one sentence for a file that names something it should not."""
    return WeightsError(
        f"it asks to call {name}, which no StyleGAN2 checkpoint of a known kind needs; nothing was executed. "
        "Get the file from its original source, or save the generator's plain tensors where the file was made"
    )


def load_archive(file: io.BufferedIOBase, allowed: Sequence[type] = ()) -> Any:
    """torch.load with weights only, onto the CPU; `allowed` are classes of plain attributes that may occur beside tensors."""
    try:
        with torch.serialization.safe_globals([*allowed]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"(?:GLOBAL|function|class) ([\w.]+\.[\w.]+)", str(error))
        if named is None:
            raise WeightsError("it is damaged, or was not written by torch.save; get it again") from error
        raise refusal(named[1]) from error
    except Exception as error:  # a damaged file can fail in any way: short reads, wrong sizes, a broken archive
        first = str(error).partition("\n")[0][:120]
        raise WeightsError(f"it is damaged, or was not written by torch.save ({type(error).__name__}: {first}); get it again") from error
