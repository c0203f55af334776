"""Special functions where the systematic tests do not sample them: tails, and negative arguments. mpmath is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpmath import mp

from autograd_mini import grad, jit, lgamma
from autograd_mini.engine.operations import TABLE

log_ndtr, polygamma = TABLE["log_ndtr"], TABLE["polygamma"]
TAIL = [-4.0, -4.000001, -5.0, -10.0, -19.999, -20.001, -40.0, -1e3, -1e5, 0.0, 8.0, 1e5]


def log_normal_distribution(x: float) -> list[float]:
    """Give log Phi(x) and its first three derivatives, by h = phi / Phi and h' = -h (x + h)."""
    with mp.workdps(60):
        z = mp.mpf(x)
        distribution = mp.erfc(-z / mp.sqrt(2)) / 2
        h = mp.npdf(z) / distribution
        slope = -h * (z + h)
        return [float(y) for y in (mp.log(distribution), h, slope, -slope * (z + h) - h * (1 + slope))]


@pytest.mark.parametrize("order", range(4))
def test_log_ndtr_and_its_derivatives_in_the_tail(order: int) -> None:
    f: Any = log_ndtr
    for _ in range(order):
        f = grad(f)
    tolerance = 1e-12 if order < 3 else 1e-11
    expected = [log_normal_distribution(x)[order] for x in TAIL]
    np.testing.assert_allclose([f(x) for x in TAIL], expected, rtol=tolerance)
    np.testing.assert_allclose(jit(f, in_axes=0)(np.array(TAIL)), expected, rtol=tolerance)


@pytest.mark.parametrize("n", range(1, 11))
def test_polygamma_of_negative_numbers(n: int) -> None:
    """Relative to the greatest term of its sum, |x + k|**-(n + 1): around its zeros the terms cancel."""
    points = np.array([-0.5, -0.25, -1e-3, -0.999, -1.75, -3.2, -10.3, -57.5, -1000.6])
    with mp.workdps(40):
        expected = [float(mp.psi(n, x)) for x in points.tolist()]
    greatest = [float(mp.factorial(n)) * abs(x - round(x)) ** -(n + 1.0) for x in points.tolist()]
    for found in (
        [polygamma(float(n), x) for x in points.tolist()],
        jit(lambda x: polygamma(float(n), x), in_axes=0)(points),
        jit(grad(lambda x: polygamma(n - 1.0, x)), in_axes=0)(points),
    ):
        assert np.all(np.abs(np.subtract(found, expected)) <= 1e-12 * np.array(greatest) + 1e-13 * np.abs(expected))


@pytest.mark.parametrize("n", [0.0, 1.0, 2.0, 3.0, 4.0, 7.0])
def test_polygamma_has_poles_at_whole_numbers(n: float) -> None:
    for pole in (-1.0, -2.0, -30.0):
        assert not np.isfinite(polygamma(n, pole))
    assert np.isnan(polygamma(n, -np.inf))
    assert np.isnan(polygamma(1.5, -0.5))


@pytest.mark.parametrize("x", [1.0 + 1e-7, 1.0 - 1e-7, 2.0 + 1e-7, 1.99999, 0.7501, 1.2499, 1.7501, 2.2499, 1.0, 2.0])
def test_lgamma_loses_no_digits_beside_its_zeros(x: float) -> None:
    with mp.workdps(40):
        exact = float(mp.loggamma(mp.mpf(x)))
    assert lgamma(x) == pytest.approx(exact, rel=1e-15, abs=0.0)
    assert jit(lgamma)(x) == pytest.approx(exact, rel=1e-15, abs=0.0)


@pytest.mark.parametrize("x", [-2.75, -2.4569777777777784, -4.039377777777778, -3.1435, 3.884139, 7.2, 9.4999, 9.75])
def test_lgamma_takes_no_differences_of_large_numbers(x: float) -> None:
    with mp.workdps(40):
        exact = float(mp.re(mp.loggamma(mp.mpf(x))))
    for found in (lgamma(x), jit(lgamma)(x), *jit(lgamma, in_axes=0)(np.full(9, x))):
        assert found == pytest.approx(exact, rel=1e-15, abs=2e-15)


@pytest.mark.parametrize("x", [-1.0, -1e16, -3e305, -1e308, -np.inf])
def test_lgamma_is_infinite_at_all_poles(x: float) -> None:
    assert lgamma(x) == jit(lgamma)(x) == np.inf
