"""A checkpoint file of any known format → our generator. The first bytes decide which format it is, never the file's name."""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylespace.checkpoints.archive import load_archive
from stylespace.checkpoints.nvidia import read_nvidia
from stylespace.checkpoints.rosinality import read_rosinality
from stylespace.checkpoints.tensorflow import read_tensorflow
from stylespace.checkpoints.unpickle import PersistentObject, read_pickle
from stylespace.generator import Generator
from stylespace.weights import WeightsError, load_network

OURS = "cddfm safetensors"
NVIDIA = "NVIDIA PyTorch pickle"
TENSORFLOW = "NVIDIA TensorFlow pickle"
ROSINALITY = "rosinality checkpoint"

ZIP = b"PK\x03\x04"
LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)[2:-1]
"""The number with which torch.save began its files before 2020, as a pickle writes it."""


@dataclass(frozen=True)
class Checkpoint:
    """A generator and where it comes from. format: one of the names above. digest: SHA-256 of the file. remarks: what to know about it."""

    generator: Generator
    format: str
    digest: str
    remarks: tuple[str, ...] = ()


def load_generator(path: Path | str) -> Generator:
    """A StyleGAN2 generator from NVIDIA's .pkl (PyTorch or TensorFlow), rosinality's .pt, or our safetensors, in evaluation mode.

    Nothing in the file is executed. Raises WeightsError when it is missing, damaged, hostile, or not exactly a StyleGAN2 generator.
    """
    return read_checkpoint(path).generator


def read_checkpoint(path: Path | str) -> Checkpoint:
    """`load_generator`, with the file's format and digest."""
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"there is no checkpoint file {path}; give a .pkl, .pt or .safetensors file")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            head = file.read(64)
            file.seek(0)
            if _is_safetensors(head, path.stat().st_size):
                return Checkpoint(load_network(path, Generator), OURS, digest)
            return _read(file, head, digest)
    except WeightsError as error:
        if str(path) in str(error):
            raise
        raise WeightsError(f"the checkpoint {path} cannot be used: {error}") from error
    except OSError as error:
        raise WeightsError(f"the checkpoint {path} cannot be read ({error.strerror or error}); check the file") from error
    except (TypeError, ValueError, LookupError, AttributeError) as error:  # values of another kind than such files have
        kind = type(error).__name__
        raise WeightsError(f"the checkpoint {path} cannot be used: it is damaged, or built in another way ({kind}: {error})") from error


def _is_safetensors(head: bytes, size: int) -> bool:
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size


def _read(file: io.BufferedIOBase, head: bytes, digest: str) -> Checkpoint:
    if head.startswith(ZIP) or LEGACY in head[:32]:
        loaded = load_archive(file, allowed=[argparse.Namespace])
        if not isinstance(loaded, Mapping):
            raise WeightsError(f"it holds a {type(loaded).__name__}; give a checkpoint in the layout of rosinality's stylegan2-pytorch")
        averaged = "the file holds no average w; it was taken over 4,096 samples"
        return Checkpoint(read_rosinality(loaded), ROSINALITY, digest, () if "latent_avg" in loaded else (averaged,))
    loaded = read_pickle(file)
    if isinstance(loaded, PersistentObject):
        loaded = {"G_ema": loaded}
    if isinstance(loaded, dict):
        return Checkpoint(read_nvidia(loaded), NVIDIA, digest)
    return Checkpoint(read_tensorflow(_as_tuple(loaded)), TENSORFLOW, digest)


def _as_tuple(loaded: Any) -> tuple[Any, ...]:
    return tuple(loaded) if isinstance(loaded, (tuple, list)) else (loaded,)
