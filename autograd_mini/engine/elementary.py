"""Arithmetic and ReLU with their derivative rules: the rows of the table that are used most.

These functions are compiled twice, for C doubles and for objects (elementary.pxd). Value's operators
call the first kind, graphs of derivatives the second.
"""

from __future__ import annotations

from typing import Any

from autograd_mini.engine import ieee


def add_(x: Any, y: Any) -> Any:
    return x + y


def add_d(out: Any, x: Any, y: Any) -> Any:
    return 1.0


def sub_(x: Any, y: Any) -> Any:
    return x - y


def sub_dy(out: Any, x: Any, y: Any) -> Any:
    return -1.0


def mul_(x: Any, y: Any) -> Any:
    return x * y


def mul_dx(out: Any, x: Any, y: Any) -> Any:
    return y


def mul_dy(out: Any, x: Any, y: Any) -> Any:
    return x


def div_(x: Any, y: Any) -> Any:
    try:
        return x / y
    except ZeroDivisionError:  # floats outside the compiled engine
        return ieee.divide(x, y)


def div_dx(out: Any, x: Any, y: Any) -> Any:
    return div_(1.0, y)


def div_dy(out: Any, x: Any, y: Any) -> Any:
    return -div_(out, y)


def neg_(x: Any) -> Any:
    return -x


def neg_dx(out: Any, x: Any) -> Any:
    return -1.0


def relu_(x: Any) -> Any:
    return 0.0 if x <= 0.0 else x


def relu_dx(out: Any, x: Any) -> Any:
    return 1.0 - (x <= 0.0)
