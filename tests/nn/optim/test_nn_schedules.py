"""Schedules: against PyTorch's, and as an optimizer's learning rate."""

import math

import pytest

from autograd_mini import Value
from nn import SGD, Adam, constant, cosine_decay, exponential_decay, step_decay

CASES = {
    "StepLR": (step_decay(0.3, every=7, factor=0.5), {"step_size": 7, "gamma": 0.5}),
    "ExponentialLR": (exponential_decay(0.3, factor=0.9), {"gamma": 0.9}),
    "CosineAnnealingLR": (cosine_decay(0.3, steps=50, floor=0.01), {"T_max": 50, "eta_min": 0.01}),
}


@pytest.mark.parametrize("name", CASES)
def test_rates_are_pytorchs_over_50_steps(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    schedule, options = CASES[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    for step in range(50):
        assert schedule(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-12)
        optimizer.step()
        theirs.step()


def test_a_constant_rate_stays_and_a_cosine_stays_at_its_floor():
    assert [constant(0.1)(step) for step in (0, 1, 10**6)] == [0.1, 0.1, 0.1]
    schedule = cosine_decay(1.0, steps=10, floor=0.2)
    assert [schedule(step) for step in (10, 11, 1000)] == [0.2, 0.2, 0.2]


def test_an_optimizer_counts_steps_for_its_schedule():
    x = Value(0.0)
    optimizer = SGD([x], lr=step_decay(1.0, every=2, factor=0.1))
    moves = []
    for _ in range(5):
        before, x.grad = x.data, -1.0
        optimizer.step()
        moves.append(x.data - before)
    assert moves == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01], rel=1e-12)


def test_a_bad_rate_from_a_schedule_is_refused_and_nothing_moves():
    x = Value(1.0)
    x.grad = 1.0
    optimizer = Adam([x], lr=lambda step: math.nan)
    with pytest.raises(ValueError, match="the learning rate of step 0 must be 0 or more and finite, not nan"):
        optimizer.step()
    assert (x.data, optimizer.steps) == (1.0, 0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: constant(0.0), ValueError, "lr must be positive and finite, not 0.0"),
        (lambda: step_decay(0.1, every=0), ValueError, "every must be at least 1, not 0"),
        (lambda: step_decay(0.1, every=2, factor=0), ValueError, "factor must be positive"),
        (lambda: cosine_decay(0.1, steps=1.5), TypeError, "steps must be an integer, not 1.5"),  # type: ignore[arg-type]
        (lambda: cosine_decay(0.1, steps=5, floor=0.2), ValueError, "floor must not be above lr"),
        (lambda: cosine_decay(0.1, steps=5, floor=-1), ValueError, "floor must be 0 or more"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
