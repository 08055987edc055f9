import pytest
import torch

from stylespace.code import StyleLayout


def test_the_published_layout_at_1024():
    layout = StyleLayout(1024, 32768, 512)
    assert len(layout.layers) == 26
    assert layout.style_dim == 9088
    assert layout.num_ws == 18
    assert [index for index, layer in enumerate(layout.layers) if layer.is_torgb] == list(range(1, 26, 3))
    assert sum(layer.width for layer in layout.layers if not layer.is_torgb) == 6048
    assert [layer.width for layer in layout.layers] == [512] * 15 + [256] * 3 + [128] * 3 + [64] * 3 + [32] * 2
    assert [layer.resolution for layer in layout.layers[:5]] == [4, 4, 8, 8, 8]
    assert layout.layers[-1].slice == slice(9056, 9088)
    assert layout.names[:6] == ("b4.conv1", "b4.torgb", "b8.conv0", "b8.conv1", "b8.torgb", "b16.conv0")


def test_to_rgb_reads_the_w_of_the_next_block():
    layout = StyleLayout(64)
    names = ("b4.conv1", "b4.torgb", "b8.conv0", "b8.conv1", "b8.torgb", "b16.conv0")
    assert [layout[name].w_index for name in names] == [0, 1, 1, 2, 3, 3]
    assert layout.layers[-1].w_index == layout.num_ws - 1 == 9


@pytest.mark.parametrize("architecture", ["orig", "resnet"])
def test_one_torgb_where_no_picture_is_carried_along(architecture):
    layout = StyleLayout(64, architecture=architecture)
    assert [layer.name for layer in layout.layers if layer.is_torgb] == ["b64.torgb"]
    assert layout.num_ws == 10
    assert [layer.w_index for layer in layout.layers] == list(range(10))


def test_split_and_join_are_inverse():
    layout = StyleLayout(16, 128, 16)
    s = torch.randn(2, layout.style_dim)
    parts = layout.split(s)
    assert torch.equal(layout.join(parts), s)
    assert torch.equal(parts[3], s[:, layout.slices[layout.names[3]]])
    assert layout.mask(["b8.conv1"]).sum() == layout["b8.conv1"].width
    with pytest.raises(ValueError, match=f"has 3 numbers where this generator reads {layout.style_dim}"):
        layout.split(s[:, :3])
    with pytest.raises(ValueError, match="do not match"):
        layout.join(parts[::-1])


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="no style layer 'b9.conv1'.*b8.conv1"):
        StyleLayout(16)["b9.conv1"]
    with pytest.raises(ValueError, match="resolution 48 is not a power of two"):
        _ = StyleLayout(48).layers
