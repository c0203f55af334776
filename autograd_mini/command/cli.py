"""The command line: an expression's values, gradients, explanation and drawing, or the console."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import keyword
import os
import platform
import re
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from autograd_mini import __version__
from autograd_mini.command.console import ENGINE, open_console
from autograd_mini.command.expression import CONSTANTS, FUNCTIONS, Expression, evaluate
from autograd_mini.command.report import TABLE_DIGITS, is_worth_a_line, report
from autograd_mini.command.syntax import ExpressionError
from autograd_mini.show.drawing import FORMATS, draw
from autograd_mini.show.explanation import Explanation, explain
from autograd_mini.show.format import DIGITS, MOST_DIGITS, PLAIN, number, one_line, shorten

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
{fill(" ".join(sorted(FUNCTIONS)), 79, initial_indent="  ", subsequent_indent="  ")}

constants, unless a variable has their name:
  {" ".join(CONSTANTS)}
"""

# Endings of a drawing's path, and of the path of the page that steps through the graph.
_SAVED_AS = (*FORMATS, "html")

_EXAMPLE = 'a command reads python -m autograd_mini "x * y" x=2 y=3'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the words after its name, and give its exit code; a wrong command raises SystemExit.

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
        sys.stdout.reconfigure(errors=PLAIN)
    parser = _parser()
    try:
        try:
            words = _guard_minus(sys.argv[1:] if arguments is None else arguments)
            _run(parser.parse_intermixed_args(words), parser)
        finally:
            print(end="", flush=True)
    except ExpressionError as error:
        parser.error("\n  ".join([str(error), *error.excerpt().splitlines()]))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what Python flushes at exit goes there
        is_gone = isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)
        if not is_gone:
            parser.error(f"the output can't be written: {error.strerror}")
        return 141
    return 0


# Reading the command.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograd_mini",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = f"autograd_mini {__version__}, {ENGINE} engine, Python {platform.python_version()}"
    add = parser.add_argument
    add("expression", nargs="?", help="the expression, in quotes")
    add("numbers", nargs="*", metavar="name=number", help="a number for each of its variables: x=-2")
    add("--version", action="version", version=version, help="say version and engine, and exit")
    add("--explain", action="store_true", help="show each step of both passes instead of the tables")
    help = f"round to N significant digits; tables to {TABLE_DIGITS}, all else to {DIGITS} unless given"
    add("--digits", metavar="N", type=_digits, help=help)
    help = f"write the drawing there, or the steps as a page; PATH ends in .{', .'.join(_SAVED_AS)}"
    add("--save", metavar="PATH", type=_path, help=help)
    return parser


def _digits(text: str) -> int:
    if not re.fullmatch(r"\d+", text, re.ASCII) or not 1 <= int(text) <= MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"takes a number from 1 to {MOST_DIGITS}, not {text!r}")
    return int(text)


def _path(text: str) -> Path:
    path = Path(text)
    if path.suffix.removeprefix(".").lower() not in _SAVED_AS:
        raise argparse.ArgumentTypeError(f"takes a file name that ends in .{', .'.join(_SAVED_AS)}, not {text!r}")
    return path


def _guard_minus(words: Sequence[str]) -> list[str]:
    """Put a space before an expression that starts with a minus, which argparse would take for an option."""
    guarded: list[str] = []
    for word in words:
        is_option = re.fullmatch(r"-h|--([A-Za-z][A-Za-z-]*(=.*)?)?", word, re.DOTALL) and "--" not in guarded
        is_path = guarded[-1:] in (["--save"], ["--digits"])
        guarded.append(f" {word}" if word.startswith("-") and not is_option and not is_path else word)
    return guarded


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    words = [word for word in (options.expression, *options.numbers) if word is not None]
    text, numbers = _split(words, parser)
    if text is None:
        if numbers or options.explain or options.save is not None or sys.stdin is None:
            parser.error(f"an expression is missing; {_EXAMPLE}")
        open_console()
        return
    expression = evaluate(text, numbers)
    if expression.root.requires_grad:
        expression.root.backward()
    _label(expression)
    is_page = options.save is not None and options.save.suffix.lower() == ".html"
    try:
        digits = options.digits or DIGITS
        steps = explain(expression.root, digits=digits) if options.explain or is_page else None
        if options.save is not None:
            picture = steps if is_page and steps else draw(expression.root, digits=digits)
            picture.save(options.save)
    except (ValueError, RuntimeError) as error:  # the graph is too large, or Graphviz is missing
        remedy = "(as arguments of draw and explain, in Python)"
        parser.error(f"no drawing or explanation: {error} {remedy}")
    except OSError as error:
        parser.error(f"{str(options.save)!r} can't be written: {error.strerror or error}")
    if options.explain and steps:
        print(f"{shorten(one_line(expression.text), 100)}\n")
        _print(steps)
    else:
        print(report(expression, options.digits or TABLE_DIGITS))
    if options.save is not None:
        print(f"\n{'Steps' if is_page else 'Drawing'} written to {options.save}")


def _split(words: Sequence[str], parser: argparse.ArgumentParser) -> tuple[str | None, dict[str, float]]:
    """Separate the expression from the numbers of its variables."""
    text: str | None = None
    numbers: dict[str, float] = {}
    for word in words:
        if re.fullmatch(r"\s*=[^=]*|[^=<>!]*=\s*", word):
            parser.error(f"{shorten(word, 30)!r}: give a variable's number without spaces around =, as in x=1")
    for word in words:
        if re.match(r"[^=()\[\]<>!]*=(?!=)", word):
            name, _, value = word.partition("=")
            name = unicodedata.normalize("NFKC", name.strip())  # as Python reads names
            if not name.isidentifier() or keyword.iskeyword(name):
                parser.error(
                    f"{shorten(word, 60)!r}: {shorten(name, 30)!r} can't be the name of a variable; {_EXAMPLE}"
                )
            if name in numbers:
                parser.error(f"{name} is given twice: {name}={number(numbers[name])} and {word.strip()}")
            try:
                numbers[name] = float(value)
            except ValueError:
                alone = f"; give an expression alone, without {name} =" if text is None else ""
                parser.error(f"{name} must be a number, not {shorten(value.strip(), 30)!r}{alone}")
        elif text is not None:
            shown = f"{shorten(text, 30)!r} and {shorten(word, 30)!r}"
            parser.error(f"more than one expression, {shown}: put the expression in quotes")
        else:
            text = word[1:] if word.startswith(" -") else word
    return text, numbers


# Showing the result.


def _label(expression: Expression) -> None:
    """Label nodes for drawings and explanations: constants that have a name, and the result."""
    root = expression.root
    for node, name in expression.names.items():
        if is_worth_a_line(node, name) and not node.requires_grad:
            node.label = name
    if root.requires_grad and not root.is_leaf and "f" not in expression.variables:
        root.label = "f"


def _print(explanation: Explanation) -> None:
    """Print the steps, in colour where rich is installed and a terminal is there to show it."""
    if sys.stdout.isatty():
        with contextlib.suppress(ImportError):
            from rich.console import Console

            return Console(soft_wrap=True).print(explanation)
    print(explanation)
