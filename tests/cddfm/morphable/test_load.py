"""Every format by its documented keys and shapes, in our frame and units."""

import pytest
import torch

from cddfm.errors import UserError
from cddfm.morphable import load, save_model
from tests.cddfm.morphable import files

SKIN_MODELS = ("deep3d", "bfm_2009", "bfm_2017", "surrey", "ict")


@pytest.fixture(params=[*SKIN_MODELS, "flame"])
def model(request):
    return request.getfixturevalue(request.param)


def test_the_frame_is_ours_whatever_the_file_has(model):
    eyes = model.mean[model.landmarks[36:48]].mean(dim=0)
    assert eyes.abs().max() < 1e-4
    corners = model.mean[model.landmarks[[36, 45]]]
    assert (corners[1] - corners[0])[0] == pytest.approx(8.92, abs=0.15)
    assert model.mean[model.landmarks[30]][2] > 3.3
    assert model.mean[model.landmarks[8]][1] < -10.0


def test_landmarks_that_a_file_lacks_are_found(model):
    wanted = files.MODEL.mean[files.MODEL.landmarks]
    wanted = wanted - wanted[36:48].mean(dim=0)
    assert (model.mean[model.landmarks] - wanted).norm(dim=1).mean() < 0.1


def test_triangles_face_outwards(model):
    a, b, c = model.mean[model.triangles].unbind(1)
    tip = (a - model.mean[model.landmarks[30]]).norm(dim=1) < 1.0
    assert (torch.linalg.cross(b - a, c - a)[tip][:, 2] > 0).float().mean() > 0.95


def test_shapes_are_in_standard_deviations(model):
    known = files.MODEL.identity_basis[:, files.MODEL.landmarks]
    assert torch.allclose(model.identity_basis[:2, model.landmarks[[30, 36, 45, 54]]], known[:2][:, [30, 36, 45, 54]], atol=0.02)


def test_every_model_has_colours_skin_and_names(model):
    assert model.albedo_basis.shape[0] == len(model.albedo_names) > 0
    assert 0 <= model.albedo_mean.min() and model.albedo_mean.max() <= 1
    assert 0.1 < model.skin.float().mean() <= 1
    assert len(set(model.identity_names)) == model.identity_basis.shape[0]
    assert len(set(model.expression_names)) == model.expression_basis.shape[0]


def test_the_jaw_opens_by_name_in_every_model(model):
    move = model.expression({"jawOpen": 1.0}) @ model.expression_basis.flatten(1)
    assert move.unflatten(0, (-1, 3))[model.landmarks[57]][1] < -2.0


def test_colours_of_basel_models_are_made_linear(bfm_2009, deep3d, bfm_2017):
    assert bfm_2009.albedo_mean.mean() == pytest.approx(((188 / 255 + 0.055) / 1.055) ** 2.4, abs=1e-3)
    assert deep3d.albedo_mean.mean() == pytest.approx(float(bfm_2009.albedo_mean.mean()), abs=1e-3)
    assert bfm_2017.albedo_mean.mean() == pytest.approx(((0.7 + 0.055) / 1.055) ** 2.4, abs=1e-3)


def test_a_model_without_expressions_borrows_ours(bfm_2009):
    assert bfm_2009.expression_names == files.MODEL.expression_names


def test_flame_has_joints_eyeballs_and_a_jaw(flame):
    assert flame.joint_names == ("root", "neck", "jaw", "eye_L", "eye_R")
    assert torch.allclose(flame.joints[3:], flame.mean[files.EYES[[9, 3]]], atol=1e-4)
    assert flame.part("eyeball_L").any() and flame.part("eyeball_R").any() and not (flame.part("eyeball_L") & flame.skin).any()
    assert flame.expression_names[-2:] == ("jawOpen", "jawLeft")


def test_surrey_blendshapes_lie_beside_the_shape(surrey, quick, tmp_path):
    assert surrey.expression_names == ("surprise", "happiness")
    alone = load(files.write_surrey(tmp_path, blendshapes=False))
    assert alone.expression_names == files.MODEL.expression_names


def test_ict_reads_the_expressions_whose_files_are_there(ict):
    assert ict.expression_names == ("jawOpen", "mouthSmile_L")


def test_own_files_hold_everything(model, tmp_path):
    save_model(tmp_path / "own.bin", model)
    again = load(tmp_path / "own.bin")
    assert all(torch.equal(tensor, again.tensors()[name]) for name, tensor in model.tensors().items())
    for name in ("name", "source", "identity_names", "expression_names", "albedo_names", "direction_names", "joint_names"):
        assert getattr(again, name) == getattr(model, name)


def test_truncation_keeps_the_first_components(deep3d):
    small = deep3d.truncated(identity=2, expression=5, albedo=1)
    assert (small.layout.identity, small.layout.expression, small.layout.albedo) == (2, 5, 1)
    assert small.directions.shape[1] == 5
    assert torch.equal(small.identity_basis, deep3d.identity_basis[:2])


def test_unknown_expressions_are_refused(ict):
    with pytest.raises(KeyError):
        ict.expression({"noSuchThing": 1.0})


@pytest.mark.parametrize("content", [b"", b"hello, this is no model at all", b"\x89HDF\r\n\x1a\n" + bytes(100), b"PK\x03\x04" + bytes(50)])
def test_other_files_are_one_clear_sentence(tmp_path, content):
    path = tmp_path / "thing.dat"
    path.write_bytes(content)
    with pytest.raises(UserError, match="thing.dat"):
        load(path)


def test_missing_files_and_folders_without_a_model_are_named(tmp_path):
    with pytest.raises(UserError, match="no model .*nothing.mat"):
        load(tmp_path / "nothing.mat")
    with pytest.raises(UserError, match="neither ICT-FaceKit"):
        load(tmp_path)
