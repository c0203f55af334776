"""Every operation of the table on arrays, against the engine on floats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from agreement import assert_agree
from references import rows_of

from autograd_mini import jit, operation
from autograd_mini.compiler.backends.lowering import Number, lower
from autograd_mini.compiler.backends.numpy import Arrays
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.lowering != "fsum"], ids=lambda op: op.name)
def test_arrays_agree_with_the_engine(op: Operation) -> None:
    for rows in rows_of(op.name, 40):
        target = Arrays()
        with np.errstate(all="ignore"):
            found = lower(op, [Number(target, np.array(column)) for column in zip(*rows, strict=True)]).value
        assert_agree(found, np.array([op.function(*row) for row in rows]))


def test_operation_of_users_may_name_a_function_that_numpy_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_MINI_BACKEND", "numpy")
    gamma = operation("gamma(x)", math.gamma, lambda out, x: out, lowering="tgamma")
    np.testing.assert_allclose(jit(gamma, in_axes=0)(np.array([0.5, 5.0])), [math.sqrt(math.pi), 24.0], rtol=1e-14)


def test_unknown_backends_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_MINI_BACKEND", "cuda")
    with pytest.raises(ValueError, match="'llvm' or 'numpy', not 'cuda'; AUTOGRAD_MINI_BACKEND"):
        jit(lambda x: x * x)(2.0)
