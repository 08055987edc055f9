"""Nothing in a file is executed: every way in is tried with a command that would leave a marker behind."""

import argparse
import io
import os
import pickle
import struct
import sys
import types

import numpy as np
import pytest
import torch

from stylespace.checkpoints import load_generator
from stylespace.checkpoints.unpickle import read_pickle
from stylespace.weights import WeightsError
from tests.stylespace.checkpoints.writers import nvidia_bytes, small_generator, tensorflow_arrays, tensorflow_bytes


class Command:
    """Pickles to a call of os.system; unpickling it in the ordinary way creates the marker."""

    def __init__(self, marker):
        self.line = f"touch '{marker}'"

    def __reduce__(self):
        return os.system, (self.line,)


class Call:
    """Pickles to a call of anything."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def marker(tmp_path):
    path = tmp_path / "executed"
    yield path
    assert not path.exists(), "the file executed a command"


def refused(tmp_path, data, said):
    path = tmp_path / "hostile.bin"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=said) as raised:
        load_generator(path)
    return str(raised.value)


def test_the_marker_would_appear(tmp_path):
    """The command is real: this is what the tests below guard against."""
    pickle.loads(pickle.dumps(Command(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_command_in_a_plain_pickle(tmp_path, marker, protocol):
    message = refused(tmp_path, pickle.dumps({"G_ema": Command(marker)}, protocol=protocol), r"asks to call posix\.system")
    assert "nothing was executed" in message
    assert message.startswith("the checkpoint ")


def test_a_command_beside_a_sound_generator(tmp_path, marker):
    def change(path, state):
        if path == "synthesis.b4":
            state["hook"] = Command(marker)

    refused(tmp_path, nvidia_bytes(small_generator(8), change=change), r"posix\.system")


def legacy_archive(value):
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def zip_archive(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("packed", [legacy_archive, zip_archive, pickle.dumps])
def test_a_command_in_the_pickle_inside_a_tensor(tmp_path, marker, packed):
    def change(path, state):
        if path == "synthesis.b4":
            state["_parameters"]["const"] = Call(torch.storage._load_from_bytes, packed(Command(marker)))

    refused(tmp_path, nvidia_bytes(small_generator(8), change=change), r"posix\.system|damaged")


@pytest.mark.parametrize("value", [torch.zeros(3), {"a": 1}, [1, 2]])
def test_a_storage_is_a_storage(tmp_path, value):
    data = pickle.dumps({"G_ema": Call(torch.storage._load_from_bytes, legacy_archive(value))})
    refused(tmp_path, data, "where a tensor's numbers belong")


def test_a_command_in_a_tensorflow_file(tmp_path, marker):
    arrays = tensorflow_arrays(small_generator(8))
    refused(tmp_path, tensorflow_bytes(arrays, {"func_name": Command(marker)}), r"posix\.system")


@pytest.mark.parametrize("packed", [legacy_archive, zip_archive])
@pytest.mark.parametrize("wrap", [lambda command: command, lambda command: argparse.Namespace(size=command)])
def test_a_command_in_an_archive(tmp_path, marker, packed, wrap):
    refused(tmp_path, packed({"g_ema": {}, "args": wrap(Command(marker))}), r"asks to call posix\.system")


def test_an_unknown_class_in_an_archive_is_named(tmp_path):
    refused(tmp_path, zip_archive({"g_ema": Call(types.SimpleNamespace)}), r"types\.SimpleNamespace")


@pytest.mark.parametrize("function", [eval, exec, getattr, __import__, open])
def test_builtins_are_refused_by_name(tmp_path, marker, function):
    refused(tmp_path, pickle.dumps(Call(function, f"open({str(marker)!r}, 'w')")), rf"asks to call (builtins|_?io)\.{function.__name__}")


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"), ("posix", "system"), ("subprocess", "Popen"), ("numpy", "load"), ("numpy.testing._private.utils", "runstring"),
        ("torch", "load"), ("torch.storage", "_load_from_bytes.__globals__"), ("torch._utils", "_rebuild_parameter.__globals__"),
        ("torch.nn.modules.linear", "Linear"), ("collections", "OrderedDict.__init__"), ("dnnlib.util", "call_func_by_name"),
        ("stylespace.checkpoints.unpickle", "read_pickle"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dialect", ["text", "stack", "instance"])
def test_any_other_name_is_refused_and_said(tmp_path, marker, module, name, dialect):
    line = f"touch '{marker}'"
    stacked = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(part)]) + part.encode() + b"\x94" for part in (module, name))
    data = {
        "text": f"c{module}\n{name}\n(V{line}\ntR.".encode(),
        "stack": stacked + b"0" * 2 + b"h\x00h\x01\x93" + pickle.dumps((line,), protocol=1)[:-1] + b"R.",  # through the memo
        "instance": f"(V{line}\ni{module}\n{name}\n.".encode(),
    }[dialect]
    refused(tmp_path, data, rf"asks to call {module}\.{name},")


def test_object_arrays_are_refused(tmp_path, marker):
    array = np.array([Command(marker), None], dtype=object)
    refused(tmp_path, pickle.dumps({"G_ema": array}), "posix.system|arrays of Python objects")
    refused(tmp_path, pickle.dumps({"G_ema": np.array([None, 3], dtype=object)}), "numpy arrays of Python objects")
    refused(tmp_path, pickle.dumps({"G_ema": np.zeros(2, dtype=[("a", "f4")])}), "numpy arrays of type 'V4'")
    refused(tmp_path, pickle.dumps({"G_ema": np.array(["text"])}), "numpy arrays of type")
    refused(tmp_path, pickle.dumps({"G_ema": np.array([np.datetime64("2020-01-01")])}), "numpy arrays of type 'M8'")


def test_a_list_in_the_place_of_an_arrays_bytes(tmp_path):
    data = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR(I1\n(I2\ntcnumpy\ndtype\n(Vf4\ntRI00\n%stb."
    refused(tmp_path, data % b"(lNaNa", "not made of bytes")
    refused(tmp_path, data % b"c_codecs\nencode\n(Vabcd\ntR", "damaged")  # four bytes where eight are needed
    found = read_pickle(io.BytesIO(data % b"c_codecs\nencode\n(Vabcdefgh\ntR"))
    assert found.values.tobytes() == b"abcdefgh"


def test_structured_types_cannot_be_smuggled_into_a_plain_one(tmp_path):
    data = b"cnumpy\ndtype\n(Vf4\nI0\nI1\ntR(I3\nV<\nNVnames\n}I-1\nI-1\nI63\ntb."
    refused(tmp_path, data, "structured numpy arrays")


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("values", [np.arange(6.0).reshape(2, 3), np.arange(6, dtype=">f4").reshape(2, 3).T, np.array(2.5, np.float32)])
def test_plain_arrays_and_scalars_are_read(values, protocol):
    found = read_pickle(io.BytesIO(pickle.dumps([values, values.flat[0]], protocol=protocol)))
    assert np.array_equal(found[0].values, values)
    assert found[0].values.dtype.isnative
    assert found[1] == values.flat[0]


@pytest.mark.parametrize(
    "data, said",
    [
        (b"ccollections\nOrderedDict\n(dVa\nVb\nsb.", "tries to change a type"),  # BUILD on a class
        (b"ctorch._utils\n_rebuild_parameter\n(dVa\nVb\nsb.", "tries to change a function"),
        (b"(lVa\nb.", "tries to change a list"),
        (b"\x80\x02\x82\x01.", "asks to call extension 1"),
        (b"Pname\n.", "damaged"),  # a persistent id
        (b"\x80\x04h\x07.", "damaged"),  # from an empty memo
        (b"\x80\x09.", "damaged"),
        (b"N(tR.", "damaged"),  # a call of None
        (b"\x80\x02cdnnlib.util\nEasyDict\n)\x81Va\nb.", "holds nothing"),  # attributes of a dictionary are dropped
    ],
)
def test_tricks_of_the_pickle_machine(tmp_path, data, said):
    refused(tmp_path, data, said)


def test_a_large_memo_index_reserves_nothing(tmp_path):
    refused(tmp_path, b"\x80\x02N" + b"r" + struct.pack("<I", 2**32 - 1) + b".", "holds NoneType")


OUTSIDE = [(1, (3,), (1,)), (0, (4,), (1,)), (0, (2, 2), (2, 1)), (-1, (1,), (1,)), (2, (2,), (-1,)), (0, (2,), (2**62,))]


@pytest.mark.parametrize("offset, size, stride", OUTSIDE)
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_tensors_stay_within_their_numbers(tmp_path, offset, size, stride):
    value = Call(torch._utils._rebuild_tensor_v2, torch.zeros(3).storage(), offset, size, stride, False, None)
    refused(tmp_path, pickle.dumps({"G_ema": value}), "reaches beyond its 3 numbers")


def test_two_views_of_one_storage_are_read():
    whole = torch.arange(12.0).reshape(3, 4)
    found = read_pickle(io.BytesIO(pickle.dumps([whole.t(), whole[1:, ::2], torch.zeros(0, 4)])))
    assert torch.equal(found[0], whole.t())
    assert torch.equal(found[1], whole[1:, ::2])
    assert found[2].shape == (0, 4)


def test_reading_leaves_the_interpreter_as_it_was(tmp_path):
    before = set(sys.modules)
    path = tmp_path / "a.pkl"
    path.write_bytes(nvidia_bytes(small_generator(8)))
    load_generator(path)
    assert not {name for name in set(sys.modules) - before if name.startswith(("dnnlib", "torch_utils"))}
