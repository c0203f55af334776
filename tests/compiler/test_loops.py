"""Loops that stay loops: compiled, they compute what the same Python loop computes when it is unrolled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from agreement import assert_agree
from rounds import MODELS, unrolled

from autograd_mini import grad, hessian, hvp, jacobian, jit, jvp, scan, value_and_grad, vjp
from autograd_mini.compiler import parts

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(params=["registers", "rounds"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Compile rounds as straight-line code, then as runs that are done in each round."""
    if request.param == "rounds":
        monkeypatch.setattr(parts, "STRAIGHT", 0)
    return request.param


DIRECTION = [0.3, -1.2, 0.8, 0.5]


def third(f: Any) -> Any:
    """Differentiate backwards, backwards and forwards."""
    return lambda p: jvp(lambda q: hvp(f)(q, DIRECTION[: len(p)]), (p,), (DIRECTION[: len(p)],))[1]


TRANSFORMS = {
    "value": lambda f: f,
    "gradient": value_and_grad,
    "jacobian": jacobian,
    "jvp": lambda f: lambda p: jvp(f, (p,), (DIRECTION[: len(p)],)),
    "vjp": lambda f: lambda p: vjp(f, p)[1](1.5),
    "hessian": hessian,
    "hvp": lambda f: lambda p: hvp(f)(p, DIRECTION[: len(p)]),
    "forward over backward": lambda f: jacobian(grad(f)),
    "backward over forward": lambda f: grad(lambda p: jvp(f, (p,), (DIRECTION[: len(p)],))[1]),
    "third": third,
}


@pytest.mark.parametrize("transform", list(TRANSFORMS))
@pytest.mark.parametrize("name", list(MODELS))
def test_a_compiled_loop_agrees_with_the_loop_unrolled(name: str, transform: str, form: str) -> None:
    model = MODELS[name]
    derived = TRANSFORMS[transform]
    expected = derived(model.write(unrolled))(model.point)
    assert_agree(jit(derived(model.write(scan)))(model.point), expected)
