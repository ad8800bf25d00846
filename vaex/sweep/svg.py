"""Figures as inline SVG, whose points say what they are."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GREY, FAINT = "#222222", "#666666", "#cfcfcf"
# Okabe and Ito's colours but the yellow, which is too pale on white; markers repeat at another period.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "h", "p")
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a value may hold dollar signs
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.formatter.useoffset": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


def look(place: int, places: int) -> tuple[str, str]:
    """Returns the colour and marker of a curve; many curves take shades that run dark to light with their order."""
    if places <= len(COLOURS):
        return COLOURS[place], MARKERS[place]
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return to_hex(colormaps["viridis"](0.9 * place / (places - 1))), MARKERS[place % len(MARKERS)]


def preload() -> None:
    """Imports what drawing needs, which takes half a second."""
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401


@contextmanager
def blank(width: float, height: float) -> Iterator["Figure"]:
    """Yields an empty figure, inches wide and high, to be drawn and turned into SVG inside."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


class Tips:
    """What the points of one figure say, by the id that matplotlib writes."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> str:
        """Returns the id of a point that says `text`."""
        self._texts.append(text)
        return f"tip-{len(self._texts) - 1}"

    def _attributes(self, found: re.Match[str]) -> str:
        place = int(found[1])
        # One stop of the Tab key a figure; arrow keys go from point to point.
        stop = 0 if place == 0 else -1
        return f'<g class="tip" tabindex="{stop}" role="img" aria-label="{escape(self._texts[place])}">'

    def svg(self, figure: "Figure", name: str, title: str) -> str:
        """Returns the figure as an `<svg>` without ids of its own other than those it refers to."""
        import matplotlib

        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with matplotlib.rc_context({"svg.hashsalt": name}):
            figure.savefig(text, format="svg", transparent=True, metadata=nothing)
        drawn = text.getvalue()
        drawn = drawn[drawn.index("<svg") :]
        drawn = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", drawn, flags=re.DOTALL)
        drawn = re.sub(r'<g id="tip-(\d+)">', self._attributes, drawn)
        used = set(re.findall(r"#([\w-]+)", drawn))
        drawn = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", drawn)
        drawn = drawn.replace("'DejaVu Sans'", "inherit")
        drawn = re.sub(r"\n\s*", "\n", drawn)
        return drawn.replace("<svg ", f'<svg role="group" aria-label="{escape(title)}" ', 1)
