"""The command line: an expression's values, gradients, explanation and drawing, or the console."""

from __future__ import annotations

import argparse
import io
import keyword
import os
import platform
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from autograd_mini import __version__
from autograd_mini.command.console import engine, open_console
from autograd_mini.command.expression import CONSTANTS, FUNCTIONS, Expression, ExpressionError, evaluate, shorten
from autograd_mini.command.report import is_worth_a_line, report
from autograd_mini.show.drawing import FORMATS, draw
from autograd_mini.show.explanation import Explanation, explain

_DESCRIPTION = """\
Compute an expression and its derivatives by backpropagation: the value of every
node, the gradient of every node, and beside it the same derivative by central
differences. Without an expression, open a console with the engine's names."""

_EPILOG = f"""\
examples:
  python -m autograd_mini "(x + y) * z" x=-2 y=5 z=-4 --save graph.svg
  python -m autograd_mini "(x + y) * z" x=-2 y=5 z=-4 --explain --save steps.html
  python -m autograd_mini "log(1 + exp(-x*w))" x=2 w=0.5
  python -m autograd_mini "where(x > 0, x, 0.1 * x)" x=-3
  python -m autograd_mini "softmax([a, b, c])[0]" a=5 b=2 c=-1

operators:
  + - * / // % **  and a single  < <= > >=,  which give 1 or 0

functions:
  {{functions}}

constants, unless a variable has their name:
  {" ".join(CONSTANTS)}
"""


# A drawing, or the page that steps through the graph.
_SAVED_AS = (*FORMATS, "html")


class _UsageError(Exception):
    """Something in the command is wrong; the message is for its user."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the command's name; those of this process unless given.

    Returns
    -------
    int
        The exit code: 0, or 2 for a wrong command, 130 after Ctrl-C, 141 where nobody reads the output.

    Examples
    --------
    >>> main(["2 * x", "x=3"])  # doctest: +NORMALIZE_WHITESPACE
    2 * x
    <BLANKLINE>
    Values, operands before results
      node    value
      x       3
      2 * x   6
    <BLANKLINE>
    Gradients of the result, in the order backpropagation finds them
      node    gradient   central differences
      2 * x   1          1
      x       2          2
    0
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may have letters that the terminal has not
    try:
        try:
            words = _guard_minus(sys.argv[1:] if arguments is None else arguments)
            _run(_parser().parse_intermixed_args(words))
        finally:
            print(end="", flush=True)
    except ExpressionError as error:
        return _refuse(str(error), error.excerpt())
    except _UsageError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what Python flushes at exit goes there
        return 141 if isinstance(error, BrokenPipeError) else _refuse(f"the output can't be written: {error.strerror}")
    return 0


def _refuse(message: str, excerpt: str = "") -> int:
    print(f"autograd_mini: error: {message}", file=sys.stderr)
    for line in excerpt.splitlines():
        print(f"  {line}", file=sys.stderr)
    return 2


# Reading the command.


def _parser() -> argparse.ArgumentParser:
    names = _filled(sorted(FUNCTIONS), 76)
    parser = argparse.ArgumentParser(
        prog="python -m autograd_mini",
        usage='%(prog)s [-h] [--version] ["expression" [name=number ...]] [--explain] [--save PATH]',
        description=_DESCRIPTION,
        epilog=_EPILOG.replace("{functions}", "\n  ".join(names)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = f"autograd_mini {__version__}, {engine()} engine, Python {platform.python_version()}"
    parser.add_argument("--version", action="version", version=version, help="say version and engine, and exit")
    parser.add_argument("--explain", action="store_true", help="show each step of both passes instead of the tables")
    help = f"write the drawing there, or the steps as a page; PATH ends in .{', .'.join(_SAVED_AS)}"
    parser.add_argument("--save", metavar="PATH", help=help)
    help = "the expression, in quotes, and a number for each of its variables: x=-2"
    parser.add_argument("words", nargs="*", metavar="expression, name=number", help=help)
    return parser


def _filled(words: Iterable[str], width: int) -> list[str]:
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _guard_minus(words: Sequence[str]) -> list[str]:
    """Put a space before an expression that starts with a minus, which argparse would take for an option."""
    guarded: list[str] = []
    only_expressions = False
    for word in words:
        if word == "--" and not only_expressions:
            only_expressions = True
            continue
        is_option = not only_expressions and re.fullmatch(r"-h|--[A-Za-z][A-Za-z-]*(=.*)?", word, re.DOTALL)
        is_path = guarded[-1:] == ["--save"]
        guarded.append(f" {word}" if word.startswith("-") and not is_option and not is_path else word)
    return guarded


def _run(options: argparse.Namespace) -> None:
    text, numbers = _split(options.words)
    if text is None:
        if numbers or options.explain or options.save is not None or sys.stdin is None:
            raise _UsageError('an expression is missing: python -m autograd_mini "x * y" x=2 y=3')
        open_console()
        return
    if options.save is not None:
        _check_suffix(options.save)
    expression = evaluate(text, numbers)
    if expression.root.requires_grad:
        expression.root.backward()
    _label(expression)
    explanation = _explain(expression) if options.explain else None
    if options.save is not None:
        _save(expression, options.save)
    if explanation is None:
        print(report(expression))
    else:
        _print_explanation(expression, explanation)
    if options.save is not None:
        print(f"\n{'Steps' if _is_page(options.save) else 'Drawing'} written to {options.save}")


def _split(words: Iterable[str]) -> tuple[str | None, dict[str, float]]:
    """Tell the expression from the variables' numbers."""
    text: str | None = None
    numbers: dict[str, float] = {}
    for word in words:
        if re.match(r"[^=()\[\]<>!]*=(?!=)", word):
            name, number = _assignment(word)
            if name in numbers:
                raise _UsageError(f"{name} is given twice: {name}={numbers[name]:g} and {word.strip()}")
            numbers[name] = number
        elif text is not None:
            shown = f"{shorten(text, 30)!r} and {shorten(word, 30)!r}"
            raise _UsageError(f"more than one expression, {shown}: put the expression in quotes")
        else:
            text = word[1:] if word.startswith(" -") else word
    return text, numbers


def _assignment(word: str) -> tuple[str, float]:
    name, _, number = word.partition("=")
    name = unicodedata.normalize("NFKC", name.strip())  # as Python reads names
    if not name.isidentifier() or keyword.iskeyword(name):
        raise _UsageError(f"{shorten(word, 60)!r}: {shorten(name, 30)!r} can't be the name of a variable")
    try:
        return name, float(number)
    except ValueError:
        raise _UsageError(f"{name} must be a number, not {shorten(number, 30)!r}") from None


# Explaining.


def _label(expression: Expression) -> None:
    """Label what drawings and explanations name: constants that have a name, and the result."""
    root = expression.root
    for node, name in expression.names.items():
        if is_worth_a_line(node, name) and not node.requires_grad:
            node.label = name
    if root.requires_grad and not root.is_leaf and "f" not in expression.variables:
        root.label = "f"


def _explain(expression: Expression) -> Explanation:
    try:
        return explain(expression.root)
    except ValueError as error:
        raise _UsageError(f"no explanation: {error} (as arguments of explain and draw, in Python)") from None


def _print_explanation(expression: Expression, explanation: Explanation) -> None:
    """Print the steps, in colour where rich is installed and a terminal is there to show it."""
    print(f"{shorten(' '.join(expression.text.split()), 100)}\n")
    if not sys.stdout.isatty():
        print(explanation)
        return
    try:
        from rich.console import Console
    except ImportError:
        print(explanation)
    else:
        Console(soft_wrap=True).print(explanation)


# Writing the drawing, or the page.


def _is_page(path: str) -> bool:
    return Path(path).suffix.lower() == ".html"


def _check_suffix(path: str) -> None:
    if Path(path).suffix.removeprefix(".").lower() not in _SAVED_AS:
        raise _UsageError(f"--save takes a file name that ends in .{', .'.join(_SAVED_AS)}, not {path!r}")


def _save(expression: Expression, path: str) -> None:
    try:
        picture = _explain(expression) if _is_page(path) else draw(expression.root)
    except ValueError as error:
        raise _UsageError(f"no drawing: {error} (as arguments of draw, in Python)") from None
    try:
        picture.save(path)
    except OSError as error:
        raise _UsageError(f"{path!r} can't be written: {error.strerror or error}") from None
    except RuntimeError as error:  # no program to draw with
        raise _UsageError(f"no drawing: {error}") from None
