"""How our figures look: colours that colour-blind readers can tell apart, thin lines, no decoration.

Colours are those of Okabe and Ito (2008), told apart with any of the common colour deficiencies and in grey
print; a second mark (symbol, dash) always goes with them. Black belongs to the baseline.
"""

import textwrap
from typing import Any

INK = "#000000"
MUTED = "#6b6b6b"
GRID = "#dddddd"
BLUE = "#0072B2"
VERMILLION = "#D55E00"

#: Colours of methods other than the baseline, in the order they are used. Okabe and Ito's yellow is left out:
#: too pale.
METHOD_COLOURS = (BLUE, VERMILLION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
#: matplotlib's markers and dashes, which change when the colours have been used up.
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")

#: Before and after temperature scaling; right and wrong answers.
RAW, SCALED = VERMILLION, BLUE
RIGHT, WRONG = BLUE, VERMILLION

#: Colour maps: around a middle (blue, white, vermillion's side), and from nothing to much; both read in grey.
DIVERGING, RISING = "RdBu_r", "Blues"

#: For `matplotlib.rc_context`: small sans-serif type, thin axes.
RC: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "axes.unicode_minus": True,
}


def method_colour(position: int) -> str:
    """Colour of the method at `position`, from 0, counting without the baseline; colours repeat after six."""
    return METHOD_COLOURS[position % len(METHOD_COLOURS)]


def method_dash(position: int) -> str:
    """Line style that tells apart methods with the same colour, up to 24 of them."""
    return DASHES[position // len(METHOD_COLOURS) % len(DASHES)]


def method_marker(position: int) -> str:
    """Marker of the method at `position`; seven markers against six colours, so that 42 pairs differ."""
    return MARKERS[position % len(MARKERS)]


def plain(text: str, *, width: int = 0, lines: int = 2) -> str:
    """Text that matplotlib shows as it is, wrapped to `width` characters (0: not at all) in at most `lines`
    lines.

    A dollar sign would start a formula and an underscore in front would hide it from legends; names may hold both.
    """
    if width:
        text = "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …")) or text
    text = text.replace("$", r"\$")
    return f"\u200b{text}" if text.startswith("_") else text  # a space without width


def tidy(ax: Any) -> None:
    """No box around the axes, a light grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=True, color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
