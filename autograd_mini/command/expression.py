"""Arithmetic written as text, `"(x + y) * z"`, computed with Values.

Knows what names and functions mean; nothing of the command line that uses it.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from autograd_mini.command.syntax import WHOLE_NUMBER, ExpressionError, Source
from autograd_mini.engine import functions, operations
from autograd_mini.engine.value import Value, topological_order
from autograd_mini.show.format import number, shorten
from autograd_mini.show.formulas import TEXT, Term

# Every function that an expression may call.
FUNCTIONS: dict[str, Callable[..., Any]] = functions.PUBLIC

CONSTANTS = {"e": math.e, "inf": math.inf, "nan": math.nan, "pi": math.pi, "tau": math.tau}

# Names that other languages and libraries have.
_SYNONYMS = {"ln": "log", "max": "maximum", "min": "minimum", "power": "pow", "sgn": "sign"}

# fmt: off
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operations.add, ast.Sub: operations.sub, ast.Mult: operations.mul, ast.Div: operations.div,
    ast.FloorDiv: operations.floor_divide, ast.Mod: operations.mod, ast.Pow: operations.pow,
    ast.USub: operations.neg, ast.UAdd: lambda x: x,
    ast.Lt: operations.less, ast.LtE: operations.less_equal,
    ast.Gt: operations.greater, ast.GtE: operations.greater_equal,
}
# fmt: on


@dataclass(frozen=True)
class Expression:
    """A computed expression: its text, its result, and the leaf of each variable.

    `names` has the source text of every node behind the result, in topological order. A node that a function made on
    the way to its result is named by its formula, `x - logsumexp(x, y)`. Without a variable the result is constant.
    """

    text: str
    root: Value
    variables: dict[str, Value]
    names: dict[Value, str]


def evaluate(text: str, variables: Mapping[str, float] | None = None) -> Expression:
    """Compute an expression with Values.

    The text may hold Python's arithmetic (+ - * / // % ** and a single < <= > >=), numbers, the variables, the
    `FUNCTIONS`, lists as their arguments, elements of lists (`softmax([x, y])[0]`), and the `CONSTANTS`, unless a
    variable has their name. Numbers are float64 from the start: `10 ** 400` is inf. A part without variables becomes
    a constant. Anything else in the text, and a variable without a use or a value, is an ExpressionError.

    Examples
    --------
    >>> expression = evaluate("(x + y) * z", {"x": -2, "y": 5, "z": -4})
    >>> expression.root.backward()
    >>> expression.root.data, expression.variables["z"].grad
    (-12.0, 3.0)
    >>> list(expression.names.values())
    ['x', 'y', 'x + y', 'z', '(x + y) * z']
    """
    source = Source(text)
    leaves = {name: Value(number, name) for name, number in (variables or {}).items()}
    parts: list[tuple[ast.expr, list[ast.expr], Callable[..., Any]]] = []
    unread = [source.tree]
    while unread:  # each part before its operands, from left to right, and without recursion
        part = unread.pop()
        operands, compute = _read(part, leaves, source)
        parts.append((part, operands, compute))
        unread.extend(reversed(operands))
    _check_names([part for part, _, _ in parts], leaves, source)
    names: dict[Value, str] = {}
    results: dict[ast.expr, Any] = {}  # of each part a Value, a float where no variable takes part in it, or a list
    for part, operands, compute in reversed(parts):
        try:
            results[part] = result = compute(*[results[operand] for operand in operands])
        except (TypeError, ValueError) as error:
            raise source.error(str(error), part) from None
        for i, element in enumerate(result if isinstance(result, list) else [result]):
            if type(element) is Value:
                names.setdefault(element, source.segment(part) + (f"[{i}]" if element is not result else ""))
        numbers = {results[operand]: operand for operand in operands if isinstance(results[operand], float)}
        for node in result.operands if numbers and type(result) is Value else ():  # floats have become constants
            if node.data in numbers and not node.requires_grad:
                names.setdefault(node, source.segment(numbers[node.data]))
    first, root = parts[0][0], results[parts[0][0]]
    if isinstance(root, list):
        raise source.error("the result is a list; take one element, [...][0], or its sum([...])", first)
    if type(root) is not Value:
        root = Value(root).detach()
        names[root] = source.segment(first)
    return Expression(source.text, root, leaves, _complete(names, root))


def _complete(names: Mapping[Value, str], root: Value) -> dict[Value, str]:
    """Name each node behind the root; a node that stands nowhere in the text, by its formula."""
    complete: dict[Value, str] = {}
    for node in topological_order(root):
        terms = [Term(shorten(complete[operand]), operand.data) for operand in node.operands]
        formula = number(node.data, 6) if node.op is None else TEXT.compose(node.op, terms)
        complete[node] = names.get(node, shorten(formula, 200))
    return complete


# Reading the syntax tree.


def _read(part: ast.expr, leaves: Mapping[str, Value], source: Source) -> tuple[list[ast.expr], Callable[..., Any]]:
    """Give a part's operands and the function that computes it from their results."""
    match part:
        case ast.Constant(value=int() | float() as x):
            return [], lambda: float(x) if abs(x) < 2**1024 - 2**970 else math.inf  # an integer may be beyond float64
        case ast.Name(id=name):
            return [], lambda: leaves[name] if name in leaves else CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand):
            return [operand], partial(_operate, type(op))
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return [left, right], partial(_operate, type(op))
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return elements, lambda *results: list(results)
        case ast.Subscript(value=sequence, slice=index):
            if not re.fullmatch(r"-? ?[\d_]+", position := source.segment(index)):
                raise source.error(WHOLE_NUMBER, index)
            return [sequence], partial(_element, int(position.replace(" ", "")))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            if name in leaves and name not in FUNCTIONS:
                raise source.error(f"{name} is a variable and no function; a product needs its sign, 2 * (x + y)", part)
            if name not in FUNCTIONS:
                raise source.error(f"unknown function {name}{_guess(name)}", part)
            for i, named in enumerate(keywords):
                if named.arg in [other.arg for other in keywords[:i]]:
                    raise source.error(f"the argument {named.arg} is given twice", named)
            operands = [*arguments, *(named.value for named in keywords)]
            return operands, partial(_call, name, [str(named.arg) for named in keywords])
    raise AssertionError(part)


def _operate(kind: type[ast.AST], *operands: Any) -> Any:
    for operand in operands:
        _check_number(operand, "an operand")
    return _OPERATORS[kind](*operands)


def _check_number(operand: Any, role: str) -> None:
    if isinstance(operand, list):
        elements = f"a list of {len(operand)} elements" if len(operand) != 1 else "a list of one element"
        raise TypeError(f"{role} must be a number, not {elements}")


def _element(index: int, sequence: Any) -> Any:
    if not isinstance(sequence, list):
        raise TypeError("only a list has elements")
    if not -len(sequence) <= index < len(sequence):
        raise ValueError(f"there is no element {index}: the list has {len(sequence)}, counted from 0")
    return sequence[index]


def _call(name: str, keywords: Sequence[str], *arguments: Any) -> Any:
    n = len(arguments) - len(keywords)
    named = dict(zip(keywords, arguments[n:]))
    try:
        signature = inspect.signature(FUNCTIONS[name])
        for parameter, argument in signature.bind(*arguments[:n], **named).arguments.items():
            needs_list = re.search(r"\b(Iterable|Sequence)\b", str(signature.parameters[parameter].annotation))
            if needs_list and not isinstance(argument, list):
                raise TypeError(f"{name} needs a list, [x, y], for {parameter}")
            for element in argument if isinstance(argument, tuple) or needs_list else [argument]:
                _check_number(element, f"each element of {parameter}" if needs_list else parameter)
        return FUNCTIONS[name](*arguments[:n], **named)
    except TypeError as error:
        raise TypeError(f"{error}; it is called as {_usage(name)}") from None


def _usage(name: str) -> str:
    """Show how a function of an expression is called: `"elu(x, a=1.0)"`."""
    parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    return f"{name}({', '.join(str(p.replace(annotation=p.empty)) for p in parameters)})"


def _guess(name: str) -> str:
    if name in _SYNONYMS:
        return f"; it is called {_SYNONYMS[name]} here"
    similar = difflib.get_close_matches(name, FUNCTIONS, n=1, cutoff=0.7)
    return f"; did you mean {similar[0]}?" if similar else "; the engine has " + ", ".join(sorted(FUNCTIONS))


def _check_names(parts: Sequence[ast.expr], leaves: Mapping[str, Value], source: Source) -> None:
    """Compare the variables that occur with the variables that are given."""
    occurring: dict[str, ast.Name] = {}
    for part in parts:
        if isinstance(part, ast.Name):
            occurring.setdefault(part.id, part)
    missing = [name for name in occurring if name not in leaves and name not in CONSTANTS]
    unused = [name for name in leaves if name not in occurring]
    superfluous = f"{' and '.join(unused)} {'is' if len(unused) == 1 else 'are'} given but not used"
    for name in missing:
        if name in FUNCTIONS and not unused:
            raise source.error(f"{name} is a function; call it, {_usage(name)}", occurring[name])
    if missing:
        values = f"{' and '.join(missing)} {'has' if len(missing) == 1 else 'have'} no value"
        wanted = f"{values}: add {' '.join(f'{name}=...' for name in missing)}"
        raise source.error(f"{wanted}; {superfluous}" if unused else wanted, occurring[missing[0]])
    if unused:
        raise ExpressionError(f"{superfluous} in the expression", source.text)
