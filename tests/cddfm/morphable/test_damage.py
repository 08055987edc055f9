"""Damaged, truncated, wrong and hostile files: one sentence that names the file, and nothing executed."""

import io
import json
import os
import pickle
import struct
import zipfile

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from cddfm.errors import UserError
from cddfm.morphable import load, save_model
from cddfm.morphable.pickles import numbers, read_pickle
from stylespace.closed_pickle import Refused
from tests.cddfm.morphable import files

pytestmark = pytest.mark.usefixtures("quick")

WRITERS = {
    "bfm_2009.mat": files.write_bfm_2009, "deep3d.mat": files.write_deep3d, "bfm_2017.h5": files.write_bfm_2017,
    "flame.pkl": files.write_flame, "surrey.bin": lambda path: files.write_surrey(path.parent),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return {name: write(folder / name).read_bytes() for name, write in WRITERS.items()}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_file_is_named(whole, tmp_path, name, share):
    path = tmp_path / name
    path.write_bytes(whole[name][: int(len(whole[name]) * share)])
    with pytest.raises(UserError, match=name):
        load(path)


@pytest.mark.parametrize("key", ["shapePC", "tl", "texEV"])
def test_a_mat_file_without_an_array_says_which(tmp_path, key):
    path = files.write_bfm_2009(tmp_path / "model.mat")
    held = {name: value for name, value in loadmat(path).items() if not name.startswith("__") and name != key}
    savemat(path, held)
    with pytest.raises(UserError, match="model.mat"):
        load(path)


def test_a_mat_file_of_something_else_says_what_is_needed(tmp_path):
    savemat(tmp_path / "other.mat", {"x": np.zeros(3)})
    with pytest.raises(UserError, match="no face model; needed are shapeMU"):
        load(tmp_path / "other.mat")


@pytest.mark.parametrize("change", ["nan", "index", "giant", "short"])
def test_numbers_that_make_no_face_are_refused(tmp_path, change):
    path = files.write_bfm_2009(tmp_path / "model.mat")
    held = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    if change == "nan":
        held["shapeMU"][5] = np.nan
    elif change == "index":
        held["tl"][0, 0] = 10**6
    elif change == "giant":
        held["shapeMU"] = held["shapeMU"] * 100
    else:
        held["shapePC"] = held["shapePC"][:-3]
    savemat(path, held)
    with pytest.raises(UserError, match="model.mat is damaged"):
        load(path)


def test_hdf5_links_out_of_the_file_are_not_followed(tmp_path):
    files.write_bfm_2017(tmp_path / "real.h5")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["shape"] = h5py.ExternalLink(str(tmp_path / "real.h5"), "/shape")
    with pytest.raises(UserError, match="link.h5"):
        load(tmp_path / "link.h5")


def test_another_version_of_eos_is_named(tmp_path):
    path = files.write_surrey(tmp_path)
    path.write_bytes(struct.pack("<I", 3) + path.read_bytes()[4:])
    with pytest.raises(UserError, match="version 3; cddfm reads version 1"):
        load(path)


def test_blendshapes_alone_say_what_to_give(tmp_path):
    files.write_surrey(tmp_path)
    with pytest.raises(UserError, match="holds the Surrey model's blendshapes"):
        load(tmp_path / "moves.bin")


def test_a_length_that_lies_reserves_nothing(tmp_path):
    (tmp_path / "lie.bin").write_bytes(struct.pack("<Iii", 1, 2**31 - 1 - (2**31 - 1) % 3, 1) + bytes(64))
    with pytest.raises(UserError, match="lie.bin is damaged"):
        load(tmp_path / "lie.bin")


def test_ict_folders_with_a_broken_mesh_name_the_mesh(tmp_path):
    folder = files.write_ict(tmp_path / "FaceXModel")
    (folder / "jawOpen.obj").write_text("v 1 2 3\nv 4 5 six\n")
    with pytest.raises(UserError, match="jawOpen.obj"):
        load(folder)
    (folder / "vertex_indices.json").write_text(json.dumps({"expressions": ["../../secret"], "idx_to_landmark_verts": [0] * 68}))
    with pytest.raises(UserError, match="no plain word"):
        load(folder)


def test_archives_with_python_objects_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        for name in ("neutral", "triangles", "identity", "expression", "expression_names", "landmarks68"):
            buffer = io.BytesIO()
            np.save(buffer, np.array([Bomb(tmp_path / "ran")], dtype=object), allow_pickle=True)
            archive.writestr(f"{name}.npy", buffer.getvalue())
    with pytest.raises(UserError, match="bad.npz is damaged"):
        load(tmp_path / "bad.npz")
    assert not (tmp_path / "ran").exists()


def test_own_files_are_checked(ict, tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, ict)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="model.safetensors is damaged"):
        load(path)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(UserError, match="make one with 'cddfm morphable convert'"):
        load(path)


class Bomb:
    """What a hostile pickle holds: unpickled the usual way, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("protocol", range(6))
def test_hostile_pickles_execute_nothing(tmp_path, protocol):
    path, ran = tmp_path / "generic_model.pkl", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"v_template": Bomb(ran)}, protocol=protocol))
    with pytest.raises(UserError, match="generic_model.pkl is refused: .*mkdir.*nothing of it was executed"):
        load(path)
    assert not ran.exists()
    pickle.loads(path.read_bytes())
    assert ran.exists()


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cposix\nsystem\n(S'true'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nmatrix\n(I0\ntS'b'\ntR.",
        b"\x80\x04\x8c\x06chumpy\x8c\x12ch.Ch.__init__.x.y\x93.",
        b"\x80\x02cchumpy.ch\nCh\n}S'fill'\nI1\nsb.",
        b"cnumpy\ndtype\n(S'O'\nI0\nI1\ntR.",
        b"\x80\x02\x82\x01.",
        b"P1\n.",
        b"ccopyreg\n_reconstructor\n(cbuiltins\nobject\ncbuiltins\nobject\nNtR.",
    ],
)
def test_every_other_door_is_closed(opcodes):
    with pytest.raises(Refused):
        read_pickle(io.BytesIO(opcodes))


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_arrays_are_read_in_every_protocol_without_chumpy(protocol):
    values = np.arange(12.0).reshape(4, 3)
    held = {"sparse": csc_matrix(values), "plain": np.asfortranarray(values), "big": values.astype(">f4")}
    held["chumpy"] = files.chumpy_array(values)
    read = read_pickle(io.BytesIO(pickle.dumps(held, protocol=protocol)))
    for name, value in read.items():
        assert np.array_equal(numbers(value), values), name


def test_a_chumpy_expression_without_numbers_is_refused():
    held = files.chumpy_array(np.zeros(3))
    del held.__dict__["x"]
    with pytest.raises(Refused, match="whose numbers are not in the file"):
        numbers(read_pickle(io.BytesIO(pickle.dumps(held, protocol=2))))
