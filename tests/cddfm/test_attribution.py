"""Responses land on the layers that the RigNets write; the heat map shows the selection."""

import torch

from cddfm.attribution import FRAME, colour_of, heat_map, measure_responses
from cddfm.blocks import style_layers
from cddfm.params import ATTRIBUTES
from cddfm.rig import StyleRig
from tests.cddfm.standins import SIZES


def test_responses_show_which_layer_is_written(tiny_generator):
    torch.manual_seed(0)
    layout = tiny_generator.style_layout
    rig = StyleRig(style_layers(layout), SIZES, hidden=8)
    with torch.no_grad():
        for decoder in rig.rignets["pose"].decoders[1:]:
            decoder.weight.zero_()
    responses, scale = measure_responses(rig, tiny_generator, 70, seed=1)
    assert set(responses) == set(ATTRIBUTES)
    assert responses["pose"].shape == (70, layout.style_dim)
    first = layout.layers[0].slice
    assert responses["pose"][:, first].abs().sum() > 0
    assert responses["pose"][:, first.stop :].abs().sum() == 0
    assert scale.shape == (layout.style_dim,)
    assert torch.equal(measure_responses(rig, tiny_generator, 70, seed=1)[0]["light"], responses["light"])


def test_the_heat_map_frames_the_selection():
    table = {name: {f"b{2**k}.conv0": 0.1 * (k + 1) for k in range(2, 5)} for name in ATTRIBUTES}
    frame = torch.tensor(FRAME)

    def framed(chosen: dict[str, list[str]]) -> int:
        pixels = torch.frombuffer(bytearray(heat_map(table, chosen).tobytes()), dtype=torch.uint8).view(-1, 3)
        return int((pixels == frame).all(dim=1).sum())

    assert framed({"pose": ["b8.conv0"]}) > framed({}) + 300
    assert colour_of(0.0) > colour_of(0.5) > colour_of(1.0) == colour_of(2.0)
