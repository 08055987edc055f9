import numpy as np
import torch
from PIL import Image

from cddfm.sheet import INK, PAPER, Cell, Row, draw_sheet


def test_cells_are_enlarged_and_side_by_side() -> None:
    colours = [torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 16, 16) for colour in ([1.0, -1, -1], [-1.0, 1, -1])]
    pixels = np.asarray(draw_sheet([Row([Cell(image, "caption") for image in colours])], cell=200)).astype(int)
    red = (pixels == [255, 0, 0]).all(axis=2)
    green = (pixels == [0, 255, 0]).all(axis=2)
    assert red.sum() == green.sum() == 200 * 200
    assert np.flatnonzero(red.any(axis=0)).max() < np.flatnonzero(green.any(axis=0)).min()


def test_text_is_drawn_and_long_captions_stay_in_their_cell() -> None:
    cell = Cell(Image.new("RGB", (8, 8)), "a caption that is very much wider than the cell that it belongs to")
    plain = draw_sheet([Row([cell])], cell=96)
    titled = draw_sheet([Row([cell], "row")], "title", "note", cell=96)
    assert titled.height > plain.height
    assert titled.width == plain.width
    pixels = np.asarray(plain)
    assert (pixels[:, :24] == PAPER).all()
    assert (pixels[:, -24:] == PAPER).all()
    assert (np.asarray(titled) == INK).all(axis=2).any()


def test_rows_wrap() -> None:
    row = Row([Cell(Image.new("RGB", (8, 8)))] * 5)
    assert draw_sheet([row], per_line=2, cell=64).height > 2 * draw_sheet([row], cell=64).height - 64


def test_pictures_keep_their_shape() -> None:
    pixels = np.asarray(draw_sheet([Row([Cell(Image.new("RGB", (40, 20), (255, 0, 0)))])], cell=200))
    assert (pixels == [255, 0, 0]).all(axis=2).sum() == 200 * 100
