"""Words around a grid of images, in Pillow's own bitmap font.

No font need be installed, and every machine draws alike.
"""

from collections.abc import Sequence
from typing import Any

LINE = 12  # pixels
GAP = 4
_BLACK, _WHITE = 0, 255


def labelled(image: Any, columns: Sequence[str], rows: Sequence[Sequence[str]], title: Sequence[str]) -> Any:
    """Returns a PIL image with lines of a title and a word for each column above it, and the words of each row beside.

    Args:
        image: the grid, in mode L or RGB.
        columns: one word for each, from the left.
        rows: lines for each, from the top.
        title: lines.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default_imagefont()

    def width_of(text: str) -> int:
        return int(font.getbbox(text)[2])

    left = 2 * GAP + max((width_of(line) for lines in rows for line in lines), default=0)
    top = GAP + LINE * len(title) + LINE * any(columns) + GAP
    width = max(left + image.width, *(2 * GAP + width_of(line) for line in title))
    sheet = Image.new(image.mode, (width, top + image.height), _WHITE if image.mode == "L" else (_WHITE,) * 3)
    sheet.paste(image, (left, top))
    draw = ImageDraw.Draw(sheet)
    ink = _BLACK if image.mode == "L" else (_BLACK,) * 3
    for i, line in enumerate(title):
        draw.text((GAP, GAP + i * LINE), line, ink, font)
    for i, word in enumerate(columns):
        middle = left + (2 * i + 1) * image.width // (2 * len(columns))
        draw.text((middle - width_of(word) // 2, top - GAP // 2 - LINE), word, ink, font)
    for i, lines in enumerate(rows):
        middle = top + (2 * i + 1) * image.height // (2 * len(rows))
        for j, line in enumerate(lines):
            draw.text((GAP, middle + (2 * j - len(lines)) * LINE // 2), line, ink, font)
    return sheet
