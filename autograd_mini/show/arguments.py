"""Checks of what `draw` and `explain` both take: a root, names for nodes, and a limit."""

from __future__ import annotations

from collections.abc import Container, Mapping
from numbers import Real
from typing import Any

from autograd_mini.engine.arithmetic import Scalar
from autograd_mini.engine.checks import check_count, describe
from autograd_mini.engine.modes import is_tracing
from autograd_mini.engine.refusals import refuse
from autograd_mini.engine.value import Value
from autograd_mini.show.format import MOST_DIGITS


def check_arguments(function: str, root: Any, limit: Any, names: Mapping[str, Any]) -> None:
    """Refuse a root or a named node that is no Value, and a limit that is no count."""
    if is_tracing() and isinstance(root, Scalar):
        refuse(f"{function} of", "; it needs Values: call the function without jit, and draw or explain its result")
    if type(root) is not Value:
        if isinstance(root, Scalar):
            root.refuse_outside()
        raise TypeError(f"{function} needs a Value, not {describe(root)}")
    if type(limit) is Value:
        raise TypeError(f"limit is a number of nodes or steps, not a node: give {describe(limit)} the label 'limit'")
    check_count(limit, "limit")
    for name, value in names.items():
        if type(value) is not Value:
            raise TypeError(f"the name {name!r} is for a node, and needs a Value, not {describe(value)}")


def check_names(names: Mapping[str, Value], nodes: Container[Value]) -> None:
    """Refuse a name for a Value that is not in the graph."""
    for name, value in names.items():
        if value not in nodes:
            raise ValueError(f"{name!r} names a Value that is not in the graph of the root: {value!r}")


def check_dpi(dpi: Any, most: int) -> float:
    """Refuse a resolution that is no number, or out of range."""
    if not (isinstance(dpi, Real) and 10 <= float(dpi) <= most):
        raise ValueError(f"dpi must be a number from 10 to {most}, not {describe(dpi)}")
    return float(dpi)


def check_digits(digits: Any) -> None:
    """Refuse a number of significant digits that no float has."""
    if type(digits) is Value:
        raise TypeError(f"digits is a number of digits, not a node: give {describe(digits)} the label 'digits'")
    if check_count(digits, "digits") > MOST_DIGITS:
        raise ValueError(f"digits must be at most {MOST_DIGITS}, which tell any two floats apart, not {digits}")
