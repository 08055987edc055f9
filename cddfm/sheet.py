"""Contact sheets: rows of labelled pictures on one canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cddfm.images import to_picture

CELL = 224
GAP = 8
MARGIN = 28

PAPER = (250, 249, 246)
INK = (38, 38, 42)
FAINT = (116, 116, 122)
FRAME = (222, 220, 214)
ACCENT = (196, 88, 44)

SUBSTITUTES = str.maketrans({"×": "x", "−": "-", "–": "-", "σ": " sd", "…": "..."})
"""Pillow's built-in font lacks these."""

TITLE_SIZE, ROW_SIZE, CAPTION_SIZE = 26, 18, 15


@dataclass(frozen=True)
class Cell:
    """One picture with what stands under it; `marked` frames it as the one that the others are compared with."""

    image: Image.Image | Float[Tensor, "1 3 height width"] | Float[Tensor, "3 height width"]
    caption: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Row:
    """Cells side by side under a heading."""

    cells: Sequence[Cell]
    title: str = ""
    subtitle: str = field(default="")


def draw_sheet(rows: Sequence[Row], title: str = "", note: str = "", cell: int = CELL, per_line: int | None = None) -> Image.Image:
    """Rows of cells under their headings; rows longer than `per_line` wrap. Pictures are enlarged to the cell's width (bicubic)."""
    lines = [_wrap(row, per_line) for row in rows]
    columns = max(len(line) for wrapped in lines for line in wrapped)
    width = 2 * MARGIN + columns * cell + (columns - 1) * GAP
    heights = [_row_height(row, wrapped, cell) for row, wrapped in zip(rows, lines, strict=True)]
    head = MARGIN + (TITLE_SIZE + 18 if title else 0)
    foot = MARGIN + (CAPTION_SIZE + 8 if note else 0)
    canvas = Image.new("RGB", (width, head + sum(heights) + foot), PAPER)
    pen = ImageDraw.Draw(canvas)
    if title:
        pen.text((MARGIN, MARGIN - 4), title.translate(SUBSTITUTES), INK, _font(TITLE_SIZE))
    top = head
    for row, wrapped, height in zip(rows, lines, heights, strict=True):
        _draw_row(canvas, pen, row, wrapped, top, cell)
        top += height
    if note:
        pen.text((MARGIN, top + 8), note, FAINT, _font(CAPTION_SIZE))
    return canvas


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _wrap(row: Row, per_line: int | None) -> list[Sequence[Cell]]:
    step = per_line or max(len(row.cells), 1)
    return [row.cells[start : start + step] for start in range(0, len(row.cells), step)]


def _captioned(line: Sequence[Cell]) -> int:
    return CAPTION_SIZE + 10 if any(cell.caption for cell in line) else 0


def _row_height(row: Row, wrapped: list[Sequence[Cell]], cell: int) -> int:
    heading = ROW_SIZE + 14 if row.title else 0
    return heading + sum(cell + GAP + _captioned(line) for line in wrapped) + 8


def _draw_row(canvas: Image.Image, pen: ImageDraw.ImageDraw, row: Row, wrapped: list[Sequence[Cell]], top: int, cell: int) -> None:
    if row.title:
        pen.text((MARGIN, top), row.title, INK, _font(ROW_SIZE))
        after = MARGIN + pen.textlength(row.title, _font(ROW_SIZE)) + 12
        pen.text((after, top + ROW_SIZE - CAPTION_SIZE - 1), row.subtitle, FAINT, _font(CAPTION_SIZE))
        top += ROW_SIZE + 14
    for line in wrapped:
        for index, item in enumerate(line):
            left = MARGIN + index * (cell + GAP)
            _draw_cell(canvas, pen, item, left, top, cell)
        top += cell + GAP + _captioned(line)


def _draw_cell(canvas: Image.Image, pen: ImageDraw.ImageDraw, item: Cell, left: int, top: int, cell: int) -> None:
    picture = item.image if isinstance(item.image, Image.Image) else to_picture(item.image)
    scale = min(cell / picture.width, cell / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    placed = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    offset = ((cell - size[0]) // 2, (cell - size[1]) // 2)
    if offset != (0, 0):
        pen.rectangle((left, top, left + cell - 1, top + cell - 1), FRAME)
    canvas.paste(placed, (left + offset[0], top + offset[1]))
    if item.marked:
        pen.rectangle((left - 3, top - 3, left + cell + 2, top + cell + 2), outline=ACCENT, width=3)
    if item.caption:
        pen.text((left + cell / 2, top + cell + 6), _fitting(pen, item.caption, cell), FAINT, _font(CAPTION_SIZE), anchor="ma")


def _fitting(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """The caption, shortened with an ellipsis when it is wider than its cell."""
    font, text = _font(CAPTION_SIZE), text.translate(SUBSTITUTES)
    if pen.textlength(text, font) <= width:
        return text
    while text and pen.textlength(text + "...", font) > width:
        text = text[:-1]
    return text.rstrip(" ,") + "..."
