"""Schedules: learning rates that change, as functions of the number of steps done so far."""

from __future__ import annotations

import math

from autograd_mini.engine.checks import check_count
from nn.checks import check_not_negative, check_positive
from nn.optim.optimizer import Schedule


def constant(lr: float) -> Schedule:
    """Give the same learning rate for every step.

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    start = check_positive(lr, "lr")
    return lambda step: start


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """Multiply the learning rate by a factor every so many steps; it starts with `lr` (PyTorch's StepLR).

    Examples
    --------
    >>> schedule = step_decay(0.8, every=10, factor=0.5)
    >>> schedule(0), schedule(9), schedule(10), schedule(25)
    (0.8, 0.8, 0.4, 0.2)
    """
    start, every, factor = check_positive(lr, "lr"), check_count(every, "every"), check_positive(factor, "factor")
    return lambda step: start * factor ** (step // every)


def exponential_decay(lr: float, factor: float) -> Schedule:
    """Multiply the learning rate by a factor after each step (PyTorch's ExponentialLR).

    Examples
    --------
    >>> exponential_decay(0.8, factor=0.5)(3)
    0.1
    """
    return step_decay(lr, 1, factor)


def cosine_decay(lr: float, steps: int, floor: float = 0.0) -> Schedule:
    """Lower the learning rate along half a cosine wave, and then keep it (Loshchilov and Hutter 2017, equation 5).

    It starts with `lr`, and is `floor` after so many steps.

    Examples
    --------
    >>> schedule = cosine_decay(1.0, steps=100)
    >>> schedule(0), round(schedule(50), 12), schedule(100), schedule(200)
    (1.0, 0.5, 0.0, 0.0)
    """
    start, steps, floor = check_positive(lr, "lr"), check_count(steps, "steps"), check_not_negative(floor, "floor")
    if floor > start:
        raise ValueError(f"floor must not be above lr, but is {floor}, and lr {lr}")
    return lambda step: floor + (start - floor) * (1.0 + math.cos(math.pi * min(step / steps, 1.0))) / 2.0
