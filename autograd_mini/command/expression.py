"""Arithmetic written as text, `"(x + y) * z"`, computed with Values; the text is parsed, never run.

Knows the operations, the functions of sequences and Values; nothing of the command line that uses it.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autograd_mini.engine import functions, operations
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.value import Value, topological_order

# Python's parser copes with any text up to this length: where it is nested too deeply it says so.
MAX_LENGTH = 10_000

# Every function that an expression may call.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **operations.TABLE,
    "fabs": operations.abs,
    "log": functions.log_to_base,
    "prod": functions.prod,
    "softmax": functions.softmax,
    "sumprod": functions.sumprod,
}

CONSTANTS = {"e": math.e, "inf": math.inf, "nan": math.nan, "pi": math.pi, "tau": math.tau}

# Names that other languages and libraries have.
_SYNONYMS = {"ln": "log", "max": "maximum", "min": "minimum", "power": "pow", "sgn": "sign"}

_OPERATORS: dict[type[ast.AST], Operation] = {
    ast.Add: operations.add,
    ast.Sub: operations.sub,
    ast.Mult: operations.mul,
    ast.Div: operations.div,
    ast.FloorDiv: operations.floor_divide,
    ast.Mod: operations.mod,
    ast.Pow: operations.pow,
    ast.USub: operations.neg,
    ast.UAdd: operations.identity,  # recorded as nothing: +x is x
    ast.Lt: operations.less,
    ast.LtE: operations.less_equal,
    ast.Gt: operations.greater,
    ast.GtE: operations.greater_equal,
}

_CHOICE = "to choose between values write where(condition, x, y), the condition with less, greater, <, <=, > or >="

_REFUSALS: dict[type[ast.AST], str] = {
    ast.And: f"and, or are no arithmetic; {_CHOICE}",
    ast.Or: f"and, or are no arithmetic; {_CHOICE}",
    ast.Not: f"not is no arithmetic; {_CHOICE}",
    ast.IfExp: f"if ... else is no arithmetic; {_CHOICE}",
    ast.Eq: f"== is no arithmetic; {_CHOICE}",
    ast.NotEq: f"!= is no arithmetic; {_CHOICE}",
    ast.Is: f"is is no arithmetic; {_CHOICE}",
    ast.IsNot: f"is not is no arithmetic; {_CHOICE}",
    ast.In: f"in is no arithmetic; {_CHOICE}",
    ast.NotIn: f"not in is no arithmetic; {_CHOICE}",
    ast.Compare: "comparisons can't be chained here; multiply two of them, (a < b) * (b < c)",
    ast.BitXor: "^ is no power in Python; write x ** y",
    ast.MatMult: "@ is for matrices; for a scalar product write dot([a, b], [x, y])",
    ast.BitAnd: "& is for integers alone",
    ast.BitOr: "| is for integers alone",
    ast.LShift: "<< is for integers alone",
    ast.RShift: ">> is for integers alone",
    ast.Invert: "~ is for integers alone",
    ast.Attribute: "attributes can't be used here; call a function by its plain name, exp(x)",
    ast.Call: "only a function's plain name can be called, exp(x); a product needs its sign, 2 * (x + y)",
    ast.Lambda: "lambda can't be used here",
    ast.JoinedStr: "a string is no number",
    ast.Starred: "arguments can't be unpacked with * here; write them one by one",
    ast.NamedExpr: "names can't be assigned here; give a variable as x=1 beside the expression",
    ast.Await: "await can't be used here",
    ast.Dict: "only lists and tuples of numbers can be used here",
    ast.Set: "only lists and tuples of numbers can be used here",
    ast.ListComp: "comprehensions can't be used here; write the elements one by one",
    ast.SetComp: "comprehensions can't be used here; write the elements one by one",
    ast.DictComp: "comprehensions can't be used here; write the elements one by one",
    ast.GeneratorExp: "comprehensions can't be used here; write the elements one by one",
}


class ExpressionError(ValueError):
    """What is wrong with an expression, and where.

    Parameters
    ----------
    message : str
    text : str
        The expression.
    column : int, optional
        Where in `text` the trouble starts, counted in characters from 1; None if nowhere in particular.

    Attributes
    ----------
    text : str
    column : int or None

    Examples
    --------
    >>> error = ExpressionError("unknown function foo", "x + foo(y)", 5)
    >>> print(error)
    column 5: unknown function foo
    >>> print(error.excerpt())
    x + foo(y)
        ^
    """

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
        return f"{line}\n{' ' * (self.column - 1 - start)}^"


@dataclass(frozen=True)
class Expression:
    """A computed expression.

    Attributes
    ----------
    text : str
        The expression.
    root : Value
        The result. Where no variable takes part in it, it is a constant, with `requires_grad` False.
    variables : dict of str to Value
        The leaf of each variable, labelled with its name.
    names : dict of Value to str
        The source text of every node behind `root`, in topological order. A node that a function made on its way to its
        result has none, and is named by its operation: `sub(x, logsumexp(x, y))`.
    """

    text: str
    root: Value
    variables: dict[str, Value]
    names: dict[Value, str]


def evaluate(text: str, variables: Mapping[str, float] | None = None) -> Expression:
    """Compute an expression with Values.

    The text may hold Python's arithmetic (+ - * / // % ** and a single < <= > >=), numbers, the
    functions in `FUNCTIONS`, lists as their arguments, elements of lists (`softmax([x, y])[0]`),
    the variables, and, unless a variable has their name, the `CONSTANTS`. Numbers are float64 from
    the start, so that `10 ** 400` is inf. What no variable takes part in is computed to a constant.

    Parameters
    ----------
    text : str
        The expression, of at most `MAX_LENGTH` characters.
    variables : mapping of str to real number, optional
        The value of each variable; each must occur in the expression.

    Returns
    -------
    Expression

    Raises
    ------
    ExpressionError
        If the text is no such expression, or its variables and those given are not the same.
    TypeError
        If a variable's value is no real number.

    Examples
    --------
    >>> expression = evaluate("(x + y) * z", {"x": -2, "y": 5, "z": -4})
    >>> expression.root.backward()
    >>> expression.root.data, expression.variables["z"].grad
    (-12.0, 3.0)
    >>> list(expression.names.values())
    ['x', 'y', 'x + y', 'z', '(x + y) * z']
    >>> evaluate("x + yy", {"x": 1, "y": 2})
    Traceback (most recent call last):
        ...
    autograd_mini.command.expression.ExpressionError: column 5: yy has no value: add yy=...; y is given but not used
    """
    source = _Source(text)
    leaves = {name: Value(number, name) for name, number in (variables or {}).items()}
    parts = _list_parts(source)
    _check_names(parts, leaves, source)
    names: dict[Value, str] = {}
    results: dict[ast.expr, Any] = {}
    for part in reversed(parts):
        try:
            results[part] = _compute(part, results, leaves)
        except (TypeError, ValueError) as error:
            raise source.error(str(error), part) from None
        _name_results(source.segment(part), results[part], names)
    root = results[parts[0]]
    if isinstance(root, list):
        raise source.error("the result is a list; take one element, [...][0], or its sum([...])", parts[0])
    return Expression(text, root, leaves, _complete(names, root))


class _Source:
    """The text of an expression, and where in it the parts of its syntax tree stand."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"an expression has at most {MAX_LENGTH:,} characters, this one {len(text):,}", text)
        strange = re.search("[\0\ud800-\udfff#]", text)
        if strange:
            what = "a comment" if strange[0] == "#" else f"the character {strange[0]!r}"
            raise ExpressionError(f"{what} can't be part of an expression", text, strange.start() + 1)
        digits = re.search(r"\d[\d_]{1000,}", text)
        if digits:  # Python refuses to read integers of some thousand digits
            raise ExpressionError("a number of over 1,000 digits; write it as 1.5e300", text, digits.start() + 1)
        line = re.sub(r"\s", " ", text)  # a line break is a space; columns stay what they are
        self._indent = len(line) - len(line.lstrip())
        self._utf8 = line.strip().encode()  # the tree counts in bytes of UTF-8

    def parse(self) -> ast.expr:
        if not self._utf8:
            raise ExpressionError("the expression is empty", self.text)
        try:
            return ast.parse(self._utf8, mode="eval").body
        except SyntaxError as error:
            offset = error.offset or len(self._utf8.decode()) + 1  # 0 is the parser's word for the end
            raise ExpressionError(error.msg, self.text, self._indent + offset) from None
        except (RecursionError, MemoryError):  # how the parser says that its own stack is full
            raise ExpressionError(
                "the expression is nested too deeply; Python's parser goes down about 3,000 levels, and 200 brackets. "
                "A long sum can be written as sum([a, b, c])",
                self.text,
            ) from None

    def error(self, message: str, part: ast.expr | ast.keyword) -> ExpressionError:
        return ExpressionError(message, self.text, self._column(part.col_offset))

    def error_after(self, message: str, left: ast.expr) -> ExpressionError:
        """Point at the operator that follows its left operand."""
        end = left.end_col_offset or 0
        rest = self._utf8[end:]
        return ExpressionError(message, self.text, self._column(end + len(rest) - len(rest.lstrip(b") "))))

    def segment(self, part: ast.expr) -> str:
        text = self._utf8[part.col_offset : part.end_col_offset].decode()
        return re.sub(" +", " ", text)

    def _column(self, offset: int) -> int:
        return self._indent + len(self._utf8[:offset].decode()) + 1


# Reading the syntax tree. Nothing here recurses: the tree of a long sum is as deep as the sum is long.


def _list_parts(source: _Source) -> list[ast.expr]:
    """List an expression and all that it is computed from, each part before its operands, from left to right."""
    parts = []
    unread = [source.parse()]
    while unread:
        part = unread.pop()
        parts.append(part)
        unread.extend(reversed(_operands(part, source)))
    return parts


def _operands(part: ast.expr, source: _Source) -> list[ast.expr]:
    """List what a part is computed from, or say why it can't stand in an expression."""
    match part:
        case ast.Constant():
            _check_number(part, source)
            return []
        case ast.Name():
            return []
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return [operand]
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            if type(op) not in _OPERATORS:
                raise source.error_after(_REFUSALS[type(op)], left)
            return [left, right]
        case ast.Compare(left=left, comparators=[middle, *_]):
            raise source.error_after(_REFUSALS[ast.Compare], middle)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return elements
        case ast.Subscript(value=sequence, slice=index):
            if _constant_index(index) is None:
                raise source.error("an index must be a whole number, as in softmax([x, y])[0]", index)
            return [sequence]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            if name not in FUNCTIONS:
                raise source.error(f"unknown function {name}{_guess(name)}", part)
            _check_keywords(keywords, source)
            return [*arguments, *(keyword.value for keyword in keywords)]
        case ast.BoolOp(op=op, values=[left, *_]):
            raise source.error_after(_REFUSALS[type(op)], left)
        case ast.UnaryOp(op=op):
            raise source.error(_REFUSALS[type(op)], part)
        case ast.Call(func=ast.Attribute() as function):
            raise source.error(_REFUSALS[ast.Attribute], function)
    raise source.error(_REFUSALS.get(type(part), "only arithmetic can stand here"), part)


def _check_number(constant: ast.Constant, source: _Source) -> None:
    if isinstance(constant.value, (str, bytes)):
        raise source.error("a string is no number", constant)
    if isinstance(constant.value, complex):
        raise source.error("complex numbers can't be used here", constant)
    if not isinstance(constant.value, (int, float)):
        raise source.error(f"{constant.value} is no number", constant)


def _check_keywords(keywords: list[ast.keyword], source: _Source) -> None:
    seen: set[str] = set()
    for keyword in keywords:
        if keyword.arg is None:
            raise source.error("arguments can't be unpacked with ** here; write them one by one", keyword)
        if keyword.arg in seen:
            raise source.error(f"the argument {keyword.arg} is given twice", keyword)
        seen.add(keyword.arg)


def _constant_index(index: ast.expr) -> int | None:
    match index:
        case ast.Constant(value=int(position)) if not isinstance(position, bool):
            return position
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(position))) if not isinstance(position, bool):
            return -position
    return None


def _check_names(parts: list[ast.expr], leaves: Mapping[str, Value], source: _Source) -> None:
    """Compare the variables that occur with those that are given."""
    occurring: dict[str, ast.Name] = {}
    for part in parts:
        if isinstance(part, ast.Name):
            occurring.setdefault(part.id, part)
    missing = [name for name in occurring if name not in leaves and name not in CONSTANTS]
    unused = [name for name in leaves if name not in occurring]
    for name in missing:
        if name in FUNCTIONS and not unused:
            raise source.error(f"{name} is a function; call it, {_usage(name)}", occurring[name])
    wanted = f"{_join(missing)} no value: add {' '.join(f'{name}=...' for name in missing)}"
    superfluous = f"{' and '.join(unused)} {'is' if len(unused) == 1 else 'are'} given but not used"
    if missing:
        raise source.error(f"{wanted}; {superfluous}" if unused else wanted, occurring[missing[0]])
    if unused:
        raise ExpressionError(f"{superfluous} in the expression", source.text)


def _join(names: list[str]) -> str:
    return f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'}"


def _guess(name: str) -> str:
    if name in _SYNONYMS:
        return f"; it is called {_SYNONYMS[name]} here"
    similar = difflib.get_close_matches(name, FUNCTIONS, n=1, cutoff=0.7)
    return f"; did you mean {similar[0]}?" if similar else "; the engine has " + ", ".join(sorted(FUNCTIONS))


# Computing the parts.


def _compute(part: ast.expr, results: Mapping[ast.expr, Any], leaves: Mapping[str, Value]) -> Any:
    """Compute a part from its operands' results: a Value, or a list of Values."""
    match part:
        case ast.Constant(value=int() | float() as number):
            return _constant(number)
        case ast.Name(id=name):
            return leaves[name] if name in leaves else _constant(CONSTANTS[name])
        case ast.UnaryOp(op=ast.UAdd(), operand=operand) if isinstance(results[operand], Value):
            return results[operand]
        case ast.UnaryOp(op=op, operand=operand):
            return _call(_OPERATORS[type(op)], [results[operand]], {})
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return _call(_OPERATORS[type(op)], [results[left], results[right]], {})
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_as_element(results[element]) for element in elements]
        case ast.Subscript(value=sequence, slice=index):
            return _element(results[sequence], _constant_index(index) or 0)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            named = {str(keyword.arg): results[keyword.value] for keyword in keywords}
            return _call(FUNCTIONS[name], [results[argument] for argument in arguments], named)
    raise AssertionError(f"unchecked syntax {part!r}")


def _constant(number: float) -> Value:
    try:
        return Value(float(number)).detach()
    except OverflowError:  # an integer beyond float64, read as 1e999 is
        return Value(math.inf).detach()


def _as_element(result: Any) -> Value:
    if isinstance(result, list):
        raise TypeError("a list must hold numbers, not lists")
    return result  # type: ignore[no-any-return]


def _element(sequence: Any, index: int) -> Value:
    if not isinstance(sequence, list):
        raise TypeError("only a list has elements")
    if not -len(sequence) <= index < len(sequence):
        raise ValueError(f"there is no element {index}: the list has {len(sequence)}, counted from 0")
    return sequence[index]  # type: ignore[no-any-return]


def _call(function: Callable[..., Any], arguments: list[Any], named: dict[str, Any]) -> Any:
    """Apply a function to Values and lists of them; a constant if no argument needs a gradient."""
    _check_arguments(function, arguments, named)
    everything = [*arguments, *named.values()]
    flat = [value for argument in everything for value in (argument if isinstance(argument, list) else [argument])]
    recorded = any(value.requires_grad for value in flat)
    if not (
        recorded and isinstance(function, Operation) and function.gather is None
    ):  # functions look for plain numbers: log's base 2, sum's 0
        arguments = [_without_constants(argument) for argument in arguments]
        named = {name: _without_constants(argument) for name, argument in named.items()}
    result = function(*arguments, **named)
    if recorded:
        return result
    return [_constant(number) for number in result] if isinstance(result, list) else _constant(result)


def _without_constants(argument: Any) -> Any:
    if isinstance(argument, list):
        return [_without_constants(element) for element in argument]
    return argument if argument.requires_grad else argument.data


def _check_arguments(function: Callable[..., Any], arguments: list[Any], named: dict[str, Any]) -> None:
    """Raise TypeError, with the function's usage, for a wrong number or kind of arguments."""
    name = function.__name__
    try:
        bound = inspect.signature(function).bind(*arguments, **named)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; it is called as {_usage(name)}") from None
    for parameter, argument in bound.arguments.items():
        is_list = isinstance(argument, list)
        if isinstance(function, Operation) and function.gather is None:
            if is_list or (isinstance(argument, tuple) and any(isinstance(x, list) for x in argument)):
                raise TypeError(f"{name} takes numbers, not a list")
        elif is_list != (parameter in _list_parameters(function)):
            kind = "a number" if is_list else "a list, [x, y]"
            raise TypeError(f"{name} needs {kind} for {parameter}; it is called as {_usage(name)}")


def _list_parameters(function: Callable[..., Any]) -> list[str]:
    """List the parameters that are annotated as sequences of numbers."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if re.search(r"\b(Iterable|Sequence)\b", str(p.annotation))]


def _usage(name: str) -> str:
    """Show how a function of an expression is called: `"elu(x, a=1.0)"`."""
    parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    return f"{name}({', '.join(str(p.replace(annotation=p.empty)) for p in parameters)})"


# Naming the nodes.


def _name_results(segment: str, result: Any, names: dict[Value, str]) -> None:
    if isinstance(result, list):
        for i, element in enumerate(result):
            names.setdefault(element, f"{segment}[{i}]")
    else:
        names.setdefault(result, segment)


def _complete(names: Mapping[Value, str], root: Value) -> dict[Value, str]:
    """Name each node behind the root; what stands nowhere in the text, by its operation."""
    complete: dict[Value, str] = {}
    for node in topological_order(root):
        complete[node] = names[node] if node in names else _describe(node, complete)
    return complete


def _describe(node: Value, names: Mapping[Value, str]) -> str:
    if node.op is None:
        return f"{node.data:g}"
    operands = [shorten(names[operand], 40) for operand in node.inputs]
    return shorten(f"{node.op.name.rstrip('_')}({', '.join(operands)})", 200)


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text that is longer than `width`.

    Examples
    --------
    >>> shorten("x + x + x + x + x + y", 13)
    'x + x...x + y'
    """
    if len(text) <= width:
        return text
    tail = (width - 3) // 2
    return f"{text[: width - 3 - tail]}...{text[len(text) - tail :]}"
