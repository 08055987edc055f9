"""Our own file of a morphable model: one safetensors file, which holds everything and needs no further work when it is read."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cddfm.errors import UserError
from cddfm.morphable.model import PARTS, MorphableModel
from cddfm.morphable.raw import damaged
from stylespace.weights import write_atomically

FORMAT = "cddfm-morphable-1"

NAMES = ("identity_names", "expression_names", "albedo_names", "direction_names", "joint_names")
OPTIONAL = {"directions", "joints", "parts"}


def save_model(path: Path, model: MorphableModel, half: bool = False) -> None:
    """Write a model, atomically. half: bases as float16, which rounds displacements to about 0.1 %."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.tensors().items()}
    if half:
        tensors = {name: tensor.half() if name.endswith("_basis") else tensor for name, tensor in tensors.items()}
    names = {name: getattr(model, name) for name in NAMES}
    metadata = {"format": FORMAT, "name": model.name, "source": model.source, "names": json.dumps(names)}
    try:
        write_atomically(path, save(tensors, metadata=metadata))
    except OSError as error:
        raise UserError(f"the model cannot be written to {path} ({error.strerror}); choose another place") from error


def looks_like_own(head: bytes, size: int) -> bool:
    """Any safetensors file: the length of a JSON header, then the header."""
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8


def read_own(path: Path) -> MorphableModel:
    """The model as it was saved. Raises UserError when the file is another kind of safetensors, or does not hold together."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UserError(
                    f"{path} is a safetensors file of format {metadata.get('format')!r} where {FORMAT!r} is needed; "
                    "make one with 'cddfm morphable convert'"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise damaged(path, str(error)) from error
    wanted = {field.name for field in fields(MorphableModel)} - {"name", "source", *NAMES}
    if missing := sorted((wanted - OPTIONAL) - tensors.keys()):
        raise damaged(path, f"it lacks {missing[0]}")
    if unknown := sorted(tensors.keys() - wanted):
        raise damaged(path, f"it holds {unknown[0]!r}, which no model has")
    _check(path, tensors, names := _names(path, metadata))
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    return MorphableModel(name=metadata.get("name", path.name), source=metadata.get("source", ""), **tensors, **names)


def _names(path: Path, metadata: dict[str, str]) -> dict[str, tuple[str, ...]]:
    try:
        table = json.loads(metadata["names"])
        return {name: tuple(str(entry) for entry in table[name]) for name in NAMES}
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise damaged(path, f"its names cannot be read: {error}") from error


def _check(path: Path, tensors: dict[str, Tensor], names: dict[str, tuple[str, ...]]) -> None:
    """Every shape, type and index; so that a model that loads can be drawn."""
    count = tensors["mean"].shape[0] if tensors["mean"].dim() == 2 else -1
    expected: dict[str, tuple[int, ...]] = {
        "mean": (count, 3), "albedo_mean": (count, 3), "skin": (count,), "parts": (count,), "landmarks": (68,), "pivot": (3,),
        "triangles": (tensors["triangles"].shape[0] if tensors["triangles"].dim() else 0, 3),
        "identity_basis": (len(names["identity_names"]), count, 3), "expression_basis": (len(names["expression_names"]), count, 3),
        "albedo_basis": (len(names["albedo_names"]), count, 3), "joints": (len(names["joint_names"]), 3),
        "directions": (len(names["direction_names"]), len(names["expression_names"])),
    }  # fmt: skip
    for name, tensor in tensors.items():
        whole = name in ("triangles", "landmarks", "parts")
        kind = torch.bool if name == "skin" else torch.int64 if whole else None
        fits = tensor.is_floating_point() if kind is None else tensor.dtype == kind
        if tuple(tensor.shape) != expected[name] or not fits:
            raise damaged(path, f"{name} has shape {tuple(tensor.shape)} and type {tensor.dtype} where shape {expected[name]} belongs")
        if kind is None and not bool(tensor.isfinite().all()):
            raise damaged(path, f"{name} holds numbers that are not finite")
    for name, limit in (("triangles", count), ("landmarks", count), ("parts", len(PARTS))):
        if name in tensors and tensors[name].numel() and not (0 <= int(tensors[name].min()) and int(tensors[name].max()) < limit):
            raise damaged(path, f"{name} reach beyond {limit}")
    if bool(names["direction_names"]) != ("directions" in tensors) or bool(names["joint_names"]) != ("joints" in tensors):
        raise damaged(path, "directions or joints are named but absent, or the reverse")
