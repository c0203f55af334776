"""Initializers: the distributions that weights start from, and the generator that they are drawn with."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from autograd_mini.engine.checks import describe
from nn.checks import look_up

Draw = Callable[[random.Random], float]


def uniform(nin: int, nout: int) -> Draw:
    """Draw from -1 to 1, as micrograd does."""
    return lambda generator: generator.uniform(-1.0, 1.0)


def normal(nin: int, nout: int) -> Draw:
    """Draw from the standard normal distribution."""
    return lambda generator: generator.gauss(0.0, 1.0)


def xavier(nin: int, nout: int) -> Draw:
    """Draw from -b to b, b = sqrt(6 / (nin + nout)) (Glorot and Bengio 2010, equation 16)."""
    bound = math.sqrt(6.0 / (nin + nout))
    return lambda generator: generator.uniform(-bound, bound)


def he(nin: int, nout: int) -> Draw:
    """Draw from a normal distribution with the standard deviation sqrt(2 / nin) (He et al. 2015, equation 10)."""
    deviation = math.sqrt(2.0 / nin)
    return lambda generator: generator.gauss(0.0, deviation)


def zeros(nin: int, nout: int) -> Draw:
    """Give 0: all units of a layer then stay equal for ever (CISC6000: Neural Networks, last question)."""
    return lambda generator: 0.0


INITIALIZERS: dict[str, Callable[[int, int], Draw]] = {
    function.__name__: function for function in (uniform, normal, xavier, he, zeros)
}


def weight_initializer(init: str | Draw, nin: int, nout: int) -> Draw:
    """Find the function that draws a weight of a layer of `nin` inputs and `nout` units."""
    if isinstance(init, str):
        return look_up(INITIALIZERS, init, "initializer")(nin, nout)
    if not callable(init):
        raise TypeError(f"init must be a name or a function of a random.Random, not {describe(init)}")
    return init


def random_generator(seed: int | random.Random | None) -> random.Random:
    """Give the generator that `seed` stands for; without one Python's global generator, as micrograd uses."""
    global_generator: Any = random  # the module's functions are that generator's methods
    if seed is None or seed is global_generator:
        return global_generator  # type: ignore[no-any-return]
    if isinstance(seed, random.Random):
        return seed
    if not isinstance(seed, int):
        raise TypeError(f"seed must be an integer or a random.Random, not {describe(seed)}")
    return random.Random(seed)
