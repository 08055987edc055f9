"""Weights of the picture loss lie where a face has its brows, eyes and mouth."""

import torch

from cddfm.attention import face_attention, landmark_bumps
from cddfm.params import FaceParams
from cddfm.reconstruct import Reconstructor
from cddfm.render import project_landmarks
from tests.cddfm.standins import SIZES, small_pool


def test_bumps_peak_at_their_points():
    points = torch.tensor([[[-0.5, 0.5]], [[0.25, -0.75]]])
    bumps = landmark_bumps(points, 64)
    assert bumps.shape == (2, 1, 64, 64)
    for bump, (x, y) in zip(bumps[:, 0], points[:, 0], strict=True):
        row, column = divmod(int(bump.argmax()), 64)
        assert abs((column + 0.5) / 32 - 1 - float(x)) < 0.04
        assert abs(1 - (row + 0.5) / 32 - float(y)) < 0.04
        assert 0.8 < bump.max() <= 1 and bump.mean() < 0.01


def test_a_face_counts_most_where_it_speaks(egg):
    network = Reconstructor("residual", 16, SIZES, width=8, hidden=16)
    truth = small_pool(egg).params[:4]
    levels = [network.statistics.standardise(truth)]
    weight = 1 + face_attention(network, egg, middle=3.0, features=4.0)(levels, 32)
    plain = 1 + face_attention(network, egg, middle=3.0, features=0.0)(levels, 32)
    assert torch.isclose(plain.mean(), torch.tensor(1.0), atol=1e-4)
    marks = project_landmarks(egg, FaceParams.unflatten(egg.layout, truth))[:, 48]
    for k, (x, y) in enumerate(marks.tolist()):
        row, column = int((1 - y) * 16), int((x + 1) * 16)
        assert weight[k, 0, row, column] > 2 * plain[k, 0, row, column]
