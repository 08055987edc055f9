"""Models read once; where the numbers are our own head's, laying it over itself needs few rounds."""

from pathlib import Path

import pytest

from cddfm.morphable import load, register
from tests.cddfm.morphable import files

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
THOROUGH = (register.WHOLE_ROUNDS, register.STEPS)


@pytest.fixture(scope="session")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(register, "WHOLE_ROUNDS", 4)
        patch.setattr(register, "STEPS", ((4.0, 2.0), (0.5, 1.0)))
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def flame(quick, folder):
    return load(files.write_flame(folder / "generic_model.pkl"))


@pytest.fixture(scope="session")
def deep3d(quick, folder):
    return load(files.write_deep3d(folder / "front.mat"))


@pytest.fixture(scope="session")
def bfm_2009(quick, folder):
    return load(files.write_bfm_2009(folder / "renamed.bin"))


@pytest.fixture(scope="session")
def bfm_2017(quick, folder):
    return load(files.write_bfm_2017(folder / "model.h5"))


@pytest.fixture(scope="session")
def surrey(quick, tmp_path_factory):
    return load(files.write_surrey(tmp_path_factory.mktemp("surrey")))


@pytest.fixture(scope="session")
def ict(quick, tmp_path_factory):
    return load(files.write_ict(tmp_path_factory.mktemp("ict") / "FaceXModel"))
