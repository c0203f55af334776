"""How numbers, names and signs are shown, the same in text, DOT, SVG and HTML; knows nothing of graphs."""

from __future__ import annotations

import codecs
import math
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence

# Blue, vermillion and purple of Okabe and Ito's palette, which the colour-blind can tell apart; the last two a little
# darker, so that numbers in them can be read.
COLORS = {"positive": "#0072B2", "negative": "#C44E00", "nan": "#A0508A", "zero": "#999999"}
INK, FAINT = "#222222", "#666666"
INPUT, RESULT = "#FFF3C4", "#F4F4F4"  # what nodes are filled with

FONT = "Verdana"  # legible when small, and as wide as any that may stand in for it

# Numbers.

DIGITS = 4  # significant ones, unless a reader asks for others
MOST_DIGITS = 17  # tell any two floats apart


def number(x: float, digits: int | None = None) -> str:
    """Write a float in the shortest way that reads back as the same float, or rounded to some significant digits.

    Numbers up to a million keep all digits before the point, and a short number all of its digits.

    Examples
    --------
    >>> number(1 / 3), number(1 / 3, 4), number(123456.7, 4)
    ('0.3333333333333333', '0.3333', '123457')
    """
    exact = repr(float(x)).removesuffix(".0")
    if digits is None or digits >= MOST_DIGITS or (x and len(exact.lstrip("-")) <= digits + 1):
        return exact
    return f"{x:z.0f}" if 10 ** (digits - 1) <= abs(x) < 1e6 else f"{x:z.{digits}g}"


def sign(x: float) -> str:
    """Name a number's sign as `COLORS` does."""
    return "nan" if math.isnan(x) else "positive" if x > 0.0 else "negative" if x < 0.0 else "zero"


def largest(numbers: Iterable[float]) -> float:
    """Find the largest magnitude of the finite numbers; 0 if there is none."""
    return max((abs(x) for x in numbers if math.isfinite(x)), default=0.0)


def share(x: float, whole: float) -> float:
    """Give a number's magnitude as a share of the largest one: from 0 to 1, and 1 for nan and inf."""
    if not math.isfinite(x):
        return 1.0
    return abs(x) / whole if whole else 0.0


def tinted(color: str, share: float, ground: int = 255) -> str:
    """Mix a share of a colour with white, or with black where `ground` is 0."""
    channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(ground + (channel - ground) * share):02X}" for channel in channels)


# Names.


def shorten(text: str, width: int = 40) -> str:
    """Cut the middle out of a text that is longer than `width`: `x + x…x + y`."""
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


def superscript(number: int) -> str:
    """Write a number as a superscript in brackets: `⁽²⁾`."""
    return f"⁽{number}⁾".translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def listed(names: Sequence[str], last: str = "and") -> str:
    """Write a list in words: `x, y and z`."""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


# Text for Graphviz.

# Every character that means something to Graphviz, in a label, a record or a tooltip, and every character that XML does
# not have; control characters have pictures in Unicode.
_ESCAPES = str.maketrans(
    {chr(i): chr(0x2400 + i) for i in range(32)}
    | {"\x7f": "␡", "\ufffe": "\ufffd", "\uffff": "\ufffd", "\n": r"\n", "\r": r"\n", "\\": r"\\"}
    | {c: f"&#{ord(c)};" for c in "\"&'<>{|} \t"}
)


def dot_text(text: str) -> str:
    """Write any text so that Graphviz shows it as it is, in records too."""
    text = re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))
    return text.translate(_ESCAPES)


def dot_tooltip(*lines: str) -> str:
    """Write lines of any text, without empty lines, so that Graphviz shows them as they are in a tooltip."""
    text = dot_text("\n".join(filter(None, lines)))
    return text.replace("\\\\", "\\\\\\\\")  # Graphviz reads the escapes of a tooltip twice


# Text for a stream whose encoding lacks characters, as a console or a file of cp1252, cp437 or ASCII does.

PLAIN = "autograd_mini.plain"  # names the handler of errors that writes such characters in ASCII

_LOW, _HIGH = "₀₁₂₃₄₅₆₇₈₉", "⁰¹²³⁴⁵⁶⁷⁸⁹"
_DIGITS = str.maketrans(_LOW + _HIGH, "0123456789" * 2)
_IN_ASCII = {
    **{"∂": "d", "Σ": "sum", "π": "pi", "δ": "delta", "σ": "sigma", "η": "eta", "ŷ": "yhat", "ᵀ": "^T", "²": "^2"},
    **{"·": "*", "×": "x", "−": "-", "–": "-", "‖": "|", "∞": "inf", "…": "...", "→": "->", "←": "<-"},
    **{"≈": "~", "≤": "<=", "≥": ">=", "≠": "!=", "⁽": "(", "⁾": ")"},
    **{"\N{FIRST STRONG ISOLATE}": "", "\N{POP DIRECTIONAL ISOLATE}": ""},
}


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Write the characters that an encoding lacks in ASCII."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_IN_ASCII.get(c, ascii(c)[1:-1]) for c in error.object[error.start : error.end]), error.end


codecs.register_error(PLAIN, _in_ascii)


def for_output(text: str) -> str:
    """Write text in the characters that sys.stdout can show: `∂f/∂w₁₂` as `df/dw_12` where it lacks those.

    `__str__` is not told which stream it writes for. Where it is another one than sys.stdout, the text is right too.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        # A subscript, commas included, and a superscript in brackets are written as a whole: cp1252 has ¹, and no ⁽.
        text = re.sub(f"[{_LOW}]+(,[{_LOW}]+)*", r"_\g<0>", text)
        text = re.sub(f"[{_LOW}]|⁽[{_HIGH}]+⁾", lambda found: found[0].translate(_DIGITS), text)
        return text.encode(encoding, PLAIN).decode(encoding)
    return text


# Text in columns.


def columns(rows: Sequence[Sequence[str]], gap: str = "   ") -> list[str]:
    """Lay out rows of cells in columns, a line for each row, in characters that sys.stdout can show."""
    rows = [[for_output(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [gap.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def align_points(numbers: Sequence[str]) -> list[str]:
    """Move numbers to the right, so that their decimal points stand in one column."""
    before = [len(number.partition(".")[0]) for number in numbers]
    widest = max(before, default=0)
    return [" " * (widest - own) + number for own, number in zip(before, numbers)]
