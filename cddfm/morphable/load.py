"""Any morphable model, by what its file holds and not by what it is called."""

from __future__ import annotations

from pathlib import Path

from cddfm.errors import UserError
from cddfm.morphable.model import MorphableModel
from cddfm.morphable.raw import RawModel

KNOWN = (
    "Basel Face Model 2009 (.mat), Deep3DFaceRecon's BFM_model_front.mat, Basel Face Model 2017/2019 (.h5), FLAME (.pkl), "
    "the Surrey Face Model (eos .bin), ICT-FaceKit (its folder, or arrays in one .npz) and cddfm's own .safetensors"
)

PICKLE_STARTS = (b"\x80", b"(d", b"(l", b"(i", b"c", b"}", b"]")
"""Protocol 2 and later; the first opcodes of older ones."""


def load(path: Path | str) -> MorphableModel:
    """Read a model and bring it to our frame; what it lacks (landmarks, skin mask, albedo, names of expressions) is found with the help of
    the built-in head, which takes some seconds, except for our own files, which hold it.

    Raises UserError, naming the file and what to do, for what is missing, damaged, hostile or of no known kind.
    """
    from cddfm.morphable.assemble import assemble
    from cddfm.morphable.own import looks_like_own, read_own

    path = Path(path)
    try:
        if path.is_file():
            head = _head(path)
            if looks_like_own(head, path.stat().st_size):
                return read_own(path)
        return assemble(path, _read(path))
    except OSError as error:
        raise UserError(f"the model {path} cannot be read ({error.strerror or error}); check the path and its rights") from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(600)


def _read(path: Path) -> RawModel:
    from cddfm.morphable import basel, flame, ict, surrey

    if path.is_dir():
        folder = ict.find_folder(path)
        if folder is not None:
            return ict.read_folder(folder)
        shape = next((file for file in sorted(path.glob("*.bin")) if surrey.looks_like_shape(_head(file))), None)
        if shape is not None:
            return surrey.read_surrey(shape)
        raise UserError(f"the folder {path} holds neither ICT-FaceKit's {ict.NEUTRAL} nor the Surrey model's .bin; give a model's file")
    if not path.is_file():
        raise UserError(f"there is no model {path}; check the path")
    head = _head(path)
    if head.startswith(b"MATLAB 5.0"):
        return basel.read_mat(path)
    if head.startswith(b"MATLAB 7.3"):
        raise UserError(f"{path} is a MATLAB 7.3 file; save it in MATLAB with -v7, or take the file as it was published")
    if head.startswith(b"\x89HDF"):
        return basel.read_h5(path)
    if head.startswith(b"PK\x03\x04"):
        return ict.read_arrays(path)
    if surrey.looks_like_blendshapes(head):
        raise UserError(f"{path} holds the Surrey model's blendshapes; give sfm_shape_3448.bin, and keep the blendshapes beside it")
    if surrey.looks_like_shape(head):
        return surrey.read_surrey(path)
    if head.startswith(PICKLE_STARTS):
        return flame.read_flame(path)
    if path.suffix.lower() == ".obj":
        raise UserError(f"{path} is one mesh and no model; for ICT-FaceKit give the folder that holds it")
    what = "is empty" if not head else "is no morphable model that cddfm knows"
    raise UserError(f"{path} {what}; it reads {KNOWN}")
