"""The syntax of expressions: a part of Python's, which is parsed and never run. The rest is refused with a remedy.

Knows nothing of what names and functions mean.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from itertools import accumulate
from typing import Any

from autograd_mini.show.format import shorten

MAX_LENGTH = 10_000

# Every Python's parser can read this much.
MAX_NESTING = 1_200  # of operators, calls and lists
MAX_BRACKETS = 100

WHOLE_NUMBER = "an index must be a whole number, as in softmax([x, y])[0]"

_ALLOWED = set(
    "Name List Tuple Subscript keyword int float bool Add Sub Mult Div FloorDiv Mod Pow USub UAdd Lt LtE Gt GtE".split()
)

# What else Python has, and what to write instead.
_REFUSALS = {
    "And Or Not IfExp Eq NotEq Is IsNot In NotIn": "to choose between values write where(condition, x, y), the "
    "condition with less, greater, <, <=, > or >=",
    "Compare": "comparisons can't be chained here; multiply two of them, (a < b) * (b < c)",
    "BitXor": "^ is no power in Python; write x ** y",
    "MatMult": "@ is for matrices; for a scalar product write dot([a, b], [x, y])",
    "BitAnd BitOr LShift RShift Invert": "&, |, <<, >> and ~ are for integers alone",
    "Attribute": "attributes can't be used here; call a function by its plain name, exp(x)",
    "Call": "only a function's plain name can be called, exp(x); a product needs its sign, 2 * (x + y)",
    "Starred": "arguments can't be unpacked here; write them one by one",
    "Slice": WHOLE_NUMBER,
    "NamedExpr": "names can't be assigned here; give a variable as x=1 beside the expression",
    "Dict Set": "only lists and tuples of numbers can be used here",
    "ListComp SetComp DictComp GeneratorExp": "comprehensions can't be used here; write the elements one by one",
    "Lambda Await Yield YieldFrom": "lambda, await and yield can't be used here",
    "JoinedStr TemplateStr str bytes": "a string is no number",
    "complex": "complex numbers can't be used here",
    "NoneType ellipsis": "None is no number, and ... is none",
}
_REFUSED = {name: message for names, message in _REFUSALS.items() for name in names.split()}

# What the parser reports less clearly.
_STRANGE = {
    "#": "a comment can't be part of an expression",
    "[\0\ud800-\udfff]": "this character can't be part of an expression",
    r"\d[\d_]{1000,}": "a number of over 1,000 digits; write it as 1.5e300",
    r"(?<![\w.])0+[1-9]\d*(?![\w.])": "a whole number can't start with 0",
}
_TOO_DEEP = "the expression is nested too deeply; write a long sum as sum([a, b, c])"


class ExpressionError(ValueError):
    """An error in an expression, and its column, counted in characters from 1; None if it has no column."""

    def __init__(self, message: str, text: str, column: int | None = None) -> None:
        super().__init__(message if column is None else f"column {column}: {message}")
        self.text = text
        self.column = column

    def excerpt(self, width: int = 76) -> str:
        """Give the part of the expression around the column, with a caret line below it; empty without a column."""
        if self.column is None:
            return ""
        start = max(0, min(self.column - 1 - width // 2, len(self.text) - width))
        line = "".join(c if c.isprintable() else " " for c in self.text[start : start + width])
        before = line[: self.column - 1 - start]
        is_mark = [unicodedata.category(c) in ("Mn", "Me") for c in before]  # written onto the character before it
        cells = sum(1 + (unicodedata.east_asian_width(c) in "FW") for c, mark in zip(before, is_mark) if not mark)
        return f"{line}\n{' ' * cells}^"


class Source:
    """The text of an expression, its syntax tree, and where in the text the parts of the tree stand."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"^(\s*)\ufeff+", r"\1", text)  # a byte order mark is no part of it
        self.text = re.sub(r"\s", " ", text)  # a line break is a space; columns stay what they are
        self._indent = len(self.text) - len(self.text.lstrip())
        self._line = self.text.strip()
        # The tree counts in bytes of UTF-8.
        self._places = [i for i, c in enumerate(f"{self._line} ") for _ in c.encode(errors="replace")]
        self.tree = self._parse()
        self._check()

    def _parse(self) -> ast.expr:
        text = self.text
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"an expression has at most {MAX_LENGTH:,} characters, this one {len(text):,}", text)
        if not self._line:
            raise ExpressionError("the expression is empty", text)
        for pattern, message in _STRANGE.items():
            if strange := re.search(pattern, text):
                raise ExpressionError(message, text, strange.start() + 1)
        if max(accumulate((c in "([{") - (c in ")]}") for c in text)) > MAX_BRACKETS:
            raise ExpressionError(_TOO_DEEP, text)
        try:
            return ast.parse(self._line, mode="eval").body
        except SyntaxError as error:
            place = (error.offset or len(self._line) + 1) - 1  # 0 is the parser's word for the end
            message, place = _explain(error.msg, self._line, place)
            raise ExpressionError(message, text, self._indent + place + 1) from None
        except (RecursionError, MemoryError):
            raise ExpressionError(_TOO_DEEP, text) from None

    def _check(self) -> None:
        """Refuse what is no part of an expression, without recursion and from left to right."""
        unread: list[tuple[ast.AST, int]] = [(self.tree, 1)]
        while unread:
            part, depth = unread.pop()
            if depth > MAX_NESTING:
                raise ExpressionError(_TOO_DEEP, self.text)
            kind, left = _kind(part)
            if kind not in _ALLOWED:
                raise self.error(_REFUSED.get(kind, "only arithmetic can stand here"), left or part, after=bool(left))
            children = [child for child in ast.iter_child_nodes(part) if isinstance(child, (ast.expr, ast.keyword))]
            unread.extend((child, depth + 1) for child in reversed(children))

    def error(self, message: str, part: Any, *, after: bool = False) -> ExpressionError:
        """Point at a part, or at the operator after it."""
        place = self._places[part.col_offset]
        if after:
            rest = self._line[self._places[part.end_col_offset] :]
            place = len(self._line) - len(rest.lstrip(") "))
        return ExpressionError(message, self.text, self._indent + place + 1)

    def segment(self, part: ast.expr) -> str:
        """Give the text of a part, and of a long one its beginning and its end."""
        text = self._line[self._places[part.col_offset] : self._places[part.end_col_offset or 0]]
        return re.sub(" +", " ", shorten(text, 200))


def _kind(part: ast.AST) -> tuple[str, ast.expr | None]:
    """Name what a part of the tree is, by its operator where it has one; give the operand that stands before that."""
    match part:
        case ast.Compare(comparators=[middle, _, *_], ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE(), *_]):
            return "Compare", middle
        case ast.BinOp(left=left, op=kind) | ast.Compare(left=left, ops=[kind, *_]):
            return type(kind).__name__, left
        case ast.BoolOp(op=kind, values=[left, *_]):
            return type(kind).__name__, left
        case ast.UnaryOp(op=kind) | ast.Constant(value=kind) | ast.Call(func=ast.Name() | ast.Attribute() as kind):
            return type(kind).__name__, None
        case ast.keyword(arg=None):
            return "Starred", None
    return type(part).__name__, None


def _explain(message: str, line: str, place: int) -> tuple[str, int]:
    """Say what a syntax error means in an expression, and at which place it is."""
    if line[place : place + 1] == "=" or "'=='" in message:
        return "an expression stands alone, without =; a variable's number stands beside it, as in x=1", place
    is_list = "comma" in message
    for operand in re.finditer(r"\d\.?(?=[^\W\d_])|[\w.)\]] +(?=[\w(\[])", line) if "invalid" in message else ():
        start = operand.end()
        words = [*re.findall(r"\w+", line[place:start]), re.split(r"\W", line[start:])[0]]
        is_the_place = place <= start and (is_list or re.fullmatch(r"[\w.)\] ]*", line[place:start]))
        if is_the_place and not any(map(keyword.iskeyword, words)):
            missing = f"an operator{' or a comma' if is_list else ''} is missing before {words[-1] or line[start]}"
            return f"{missing}; a product needs its sign, as in 2*x", start
    return message, place
