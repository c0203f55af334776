"""When two ways to compute give the same answer: to 1e-12, and exactly for inf and nan."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

LAW = 1e-12
# Below this a float64 has lost digits, or has none left, and relative errors say nothing.
UNDERFLOW = 1e-305


def same(a: float, b: float, tolerance: float = LAW, floor: float = 0.0) -> bool:
    """Whether two floats agree: exactly on inf and nan, relatively, or but for `floor`, on the rest."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return a == b or (math.isnan(a) and math.isnan(b))
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=max(floor, UNDERFLOW))


def identical(a: float, b: float) -> bool:
    """Whether two floats are one number, zeros by their sign too, or both nan."""
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1.0, a) == math.copysign(1.0, b))


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """List what is nested in a result, each number or array with the kind of place it has."""
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield from leaves(part, f"{path}[{key!r}]")
    elif isinstance(tree, (list, tuple)):
        yield f"{path} {type(tree).__name__} of {len(tree)}", 0.0
        for i, part in enumerate(tree):
            yield from leaves(part, f"{path}[{i}]")
    else:
        assert isinstance(tree, (float, np.ndarray)), f"{path} is {tree!r}"
        yield path, tree


def assert_agree(actual: Any, expected: Any, tolerance: float = LAW, floor: float = 0.0) -> None:
    """Compare nested results: the same nesting and shapes, and the same numbers."""
    found, wanted = list(leaves(actual)), list(leaves(expected))
    assert [path for path, _ in found] == [path for path, _ in wanted]
    for (path, a), (_, b) in zip(found, wanted, strict=True):
        assert np.shape(a) == np.shape(b), f"the shape of {path}"
        for i, (x, y) in enumerate(zip(np.ravel(a).tolist(), np.ravel(b).tolist(), strict=True)):
            assert same(x, y, tolerance, floor), f"number {i} of {path or 'the result'} is {x!r}, should be {y!r}"


def bits(tree: Any) -> list[bytes]:
    """Give a result's bits, where two are to be the same to the last one."""
    return [np.asarray(leaf, dtype=np.float64).tobytes() for _, leaf in leaves(tree)]
