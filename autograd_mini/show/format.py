"""How numbers, names and signs are shown, the same in text, DOT, SVG and HTML; knows nothing of graphs."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence

# Blue, vermillion and purple of Okabe and Ito's palette, which the colour-blind can tell apart. The
# last two are darkened a little, for numbers printed in them.
COLORS = {"positive": "#0072B2", "negative": "#C44E00", "nan": "#A0508A", "zero": "#999999"}
INK, FAINT = "#222222", "#666666"
INPUT, RESULT = "#FFF3C4", "#F4F4F4"  # what nodes are filled with

FONT = "Verdana"  # legible when small, and as wide as any that may stand in for it

# Numbers.


def number(x: float, digits: int | None = None) -> str:
    """Write a float in the shortest way that reads back as the same float, or rounded to so many significant digits.

    Numbers up to a million keep all digits before the point, and a short number all of its digits.

    Examples
    --------
    >>> number(-4.0), number(1 / 3), number(1e300)
    ('-4', '0.3333333333333333', '1e+300')
    >>> [number(x, 4) for x in (-4.0, 1 / 3, 123456.7, 1.23456e-7)]
    ['-4', '0.3333', '123457', '1.235e-07']
    """
    exact = repr(float(x)).removesuffix(".0")
    if digits is None:
        return exact
    if x and len(exact.lstrip("-")) <= digits + 1:
        return exact
    return f"{x:z.0f}" if 10 ** (digits - 1) <= abs(x) < 1e6 else f"{x:z.{digits}g}"


def bracketed(written: str) -> str:
    """Put a number into brackets if it starts with a sign, to stand after an operator."""
    return f"({written})" if written.startswith("-") else written


def sign(x: float) -> str:
    """Name a number's sign as `COLORS` does."""
    return "nan" if math.isnan(x) else "positive" if x > 0.0 else "negative" if x < 0.0 else "zero"


def largest(numbers: Iterable[float]) -> float:
    """Find the largest magnitude of those that are finite; 0 if there is none."""
    return max((abs(x) for x in numbers if math.isfinite(x)), default=0.0)


def share(x: float, whole: float) -> float:
    """Give a number's magnitude as a share of the largest one: from 0 to 1, and 1 for nan and inf."""
    if not math.isfinite(x):
        return 1.0
    return abs(x) / whole if whole else 0.0


def tinted(color: str, share: float, ground: int = 255) -> str:
    """Mix so much of a colour with white, or with black where `ground` is 0.

    Examples
    --------
    >>> tinted("#0072B2", 0.5)
    '#80B8D8'
    """
    channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(ground + (channel - ground) * share):02X}" for channel in channels)


# Names.


def shorten(text: str, width: int = 40) -> str:
    """Cut the middle out of a text that is longer than `width`.

    Examples
    --------
    >>> shorten("x + x + x + x + x + y", 11)
    'x + x…x + y'
    """
    tail = (width - 1) // 2
    return text if len(text) <= width else f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def one_line(text: str) -> str:
    """Make any text one line of printable characters, which do nothing to a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def isolated(name: str) -> str:
    """Set a name that is read from right to left apart, so that it does not turn around what stands beside it."""
    if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in name):
        return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    return name


def listed(names: Sequence[str], last: str = "and") -> str:
    """Write a list in words.

    Examples
    --------
    >>> listed(["x", "y", "z"], "or")
    'x, y or z'
    """
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


# Text for Graphviz.

# Every character that means something to Graphviz, in a label, a record or a tooltip.
_ESCAPES = {"\n": r"\n", "\r": r"\n", "\\": r"\\"} | {c: f"&#{ord(c)};" for c in "\"&'<>{|} \t"}


def dot_text(text: str) -> str:
    """Write any text so that Graphviz shows it as it is, in records too."""
    return "".join(_ESCAPES.get(c) or _visible(c) for c in text.replace("\r\n", "\n"))


def dot_tooltip(*lines: str) -> str:
    """Write lines of any text, but for empty ones, so that Graphviz shows them as they are in a tooltip."""
    text = dot_text("\n".join(filter(None, lines)))
    return text.replace("\\\\", "\\\\\\\\")  # Graphviz reads the escapes of a tooltip twice


def _visible(c: str) -> str:
    if c < " " or c == "\x7f":  # XML has no control characters; Unicode has pictures of them
        return "␡" if c == "\x7f" else chr(0x2400 + ord(c))
    return "\N{REPLACEMENT CHARACTER}" if "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" else c


# Text in columns.


def columns(rows: Sequence[Sequence[str]], gap: str = "   ") -> list[str]:
    """Lay out rows of cells in columns, a line for each row.

    Examples
    --------
    >>> columns([["node", "value"], ["x", "3"]])
    ['node   value', 'x      3']
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [gap.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def align_points(numbers: Sequence[str]) -> list[str]:
    """Move numbers to the right, so that their decimal points stand in one column."""
    before = [len(number.partition(".")[0]) for number in numbers]
    return [" " * (max(before) - own) + number for own, number in zip(before, numbers)]
