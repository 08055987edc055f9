"""Answers land on the layers that the RigNets write; the heat map shows the selection."""

import torch

from cddfm.attribution import FRAME, colour_of, heat_map, rig_answers
from cddfm.blocks import style_layers
from cddfm.params import ATTRIBUTES
from cddfm.rig import StyleRig
from tests.cddfm.standins import SIZES


def test_answers_show_which_layer_is_written(tiny_generator):
    torch.manual_seed(0)
    layout = tiny_generator.style_layout
    rig = StyleRig(style_layers(layout), SIZES, hidden=8)
    with torch.no_grad():
        for decoder in rig.rignets["pose"].decoders[1:]:
            decoder.weight.zero_()
    answers = rig_answers(rig, tiny_generator, 70, seed=1)
    assert set(answers) == set(ATTRIBUTES)
    s, answer = answers["pose"]
    assert s.shape == answer.shape == (70, layout.style_dim)
    first = layout.layers[0].slice
    assert (answer - s)[:, first].abs().sum() > 0
    assert torch.equal(answer[:, first.stop :], s[:, first.stop :])
    assert torch.equal(rig_answers(rig, tiny_generator, 70, seed=1)["light"][1], answers["light"][1])


def test_the_heat_map_frames_the_selection():
    table = {name: {f"b{2**k}.conv0": 0.1 * (k + 1) for k in range(2, 5)} for name in ATTRIBUTES}
    frame = torch.tensor(FRAME)

    def framed(chosen: dict[str, list[str]]) -> int:
        pixels = torch.frombuffer(bytearray(heat_map(table, chosen).tobytes()), dtype=torch.uint8).view(-1, 3)
        return int((pixels == frame).all(dim=1).sum())

    assert framed({"pose": ["b8.conv0"]}) > framed({}) + 300
    assert colour_of(0.0) > colour_of(0.5) > colour_of(1.0) == colour_of(2.0)
