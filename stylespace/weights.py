"""One network, one safetensors file: tensors, plus the class and constructor arguments that rebuild it in the metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

FORMAT = "cddfm-1"

Network = TypeVar("Network", bound=nn.Module)


class WeightsError(Exception):
    """A weight file that is missing, damaged or of another kind; the message says which and what to do."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a whole file or none: into a neighbour first, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        neighbour.write_bytes(data)
        os.replace(neighbour, path)
    finally:
        neighbour.unlink(missing_ok=True)


def save_network(
    path: Path, network: nn.Module, notes: dict[str, Any] | None = None, half: bool = False, without: Collection[str] = ()
) -> None:
    """Save a network that keeps its constructor arguments in `network.arguments` (JSON values).

    notes: free facts for the model card (images seen, seed, configuration). half: store floating tensors as float16; loading gives
    float32 back, so a network that was saved this way differs from the trained one by float16 rounding. without: names of tensors that
    whoever loads it has from elsewhere.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items() if name not in without}
    if half:
        tensors = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    metadata = {
        "format": FORMAT,
        "network": type(network).__name__,
        "arguments": json.dumps(network.arguments),
        "notes": json.dumps(notes or {}),
    }
    write_atomically(path, save(tensors, metadata=metadata))


def read_notes(path: Path) -> dict[str, Any]:
    """What `save_network` was told about the network."""
    return json.loads(_open(path)[1]["notes"])


def load_network(path: Path, kind: type[Network], others: Callable[[], Mapping[str, torch.Tensor]] | None = None) -> Network:
    """Rebuild a network from its file, in evaluation mode on the CPU; strict about class, keys and shapes.

    others: gives the tensors that the file was saved without; not asked where there are none.

    Raises WeightsError when the file is missing, is no safetensors file, holds another kind of network, or does not fit.
    """
    tensors, metadata = _open(path)
    if metadata["network"] != kind.__name__:
        raise WeightsError(f"{path} holds a {metadata['network']} where a {kind.__name__} is needed; check the stack folder")
    network = kind(**json.loads(metadata["arguments"]))
    expected = network.state_dict()
    if others is not None and expected.keys() - tensors.keys():
        tensors = {name: tensor for name, tensor in others().items() if name in expected} | tensors
    wrong = [name for name in sorted(expected.keys() | tensors.keys()) if not _fits(expected.get(name), tensors.get(name))]
    if wrong:
        raise WeightsError(f"{path} does not fit {kind.__name__}: {', '.join(wrong[:4])} differ; make the stack again with 'make stack'")
    network.load_state_dict({name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()})
    return network.eval().requires_grad_(False)


def _fits(expected: torch.Tensor | None, found: torch.Tensor | None) -> bool:
    return expected is not None and found is not None and expected.shape == found.shape


def _open(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if not path.is_file():
        raise WeightsError(f"the weight file {path} is missing; check the stack folder, or make it with 'make stack'")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"the weight file {path} is damaged ({error}); restore it, or make it with 'make stack'") from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} has format {metadata.get('format')!r} instead of {FORMAT!r}; it was not written by cddfm")
    return tensors, metadata
