"""Optimizers: step by step against PyTorch or a formula written out, at their edges, and what they refuse."""

import math
from typing import Any

import numpy as np
import pytest

from autograd_mini import Value, exp, log, no_grad, where
from nn import (
    MLP,
    SGD,
    Adam,
    LineSearch,
    Neuron,
    Newton,
    Optimizer,
    binary_cross_entropy_from_logits,
    half_squared_error,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3))
Y: Any = RNG.normal(size=6)

PYTORCH = [
    (SGD, "SGD", {"lr": 0.1}),
    (SGD, "SGD", {"lr": 0.1, "weight_decay": 0.03}),
    (SGD, "SGD", {"lr": 0.05, "momentum": 0.9}),
    (SGD, "SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    (Adam, "Adam", {"lr": 0.05}),
    (Adam, "Adam", {"lr": 0.05, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.02}),
]


@pytest.mark.parametrize(("ours", "theirs", "options"), PYTORCH)
def test_parameters_are_pytorchs_over_50_steps(ours, theirs, options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = MLP(3, [4, 1], activation="tanh", seed=1)
    tensors = [torch.tensor(array, requires_grad=True) for array in model.state_dict().values()]
    optimizer = ours(model.parameters(), **options)
    expected = getattr(torch.optim, theirs)(tensors, **options)
    for _ in range(50):
        optimizer.step(lambda: half_squared_error([model(x) for x in X], Y))
        expected.zero_grad()
        w, b, u, c = tensors
        outputs = (torch.tanh(torch.tensor(X) @ w.T + b) @ u.T + c)[:, 0]
        (((outputs - torch.tensor(Y)) ** 2).mean() / 2).backward()
        expected.step()
        for array, tensor in zip(model.state_dict().values(), tensors):
            assert np.allclose(array, tensor.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_a_step_without_closure_uses_the_gradients_that_are_there():
    x = Value(1.0)
    x.grad = 2.0
    assert SGD([x], lr=0.25).step() is None
    assert x.data == 0.5


def test_a_step_with_closure_gives_the_loss_and_forgets_older_gradients():
    x = Value(1.0)
    x.grad = 1000.0
    loss = SGD([x], lr=0.25).step(lambda: x * x)
    assert loss.data == 1.0
    assert x.data == 0.5


def test_a_closure_that_goes_backward_itself_as_pytorchs_do_makes_the_same_step():
    x = Value(1.0)

    def closure():
        loss = x * x
        loss.backward()
        return loss

    SGD([x], lr=0.25).step(closure)
    assert x.data == 0.5


def test_the_learning_rate_may_be_changed_between_steps():
    x = Value(0.0)
    optimizer = SGD([x], lr=1.0)
    optimizer.lr, x.grad = 0.5, -1.0
    optimizer.step()
    assert x.data == 0.5


# Line search.


def test_line_search_takes_the_first_rate_of_sufficient_decrease():
    # f = 5 x**2 from x = 1: the gradient is 10, so rates 1, 1/2, 1/4 lead to x = -9, -4, -1.5, where
    # f is no smaller; 1/8 leads to -0.25, where f = 0.3125 <= 5 - 0.5 * 100 / 8 does not hold for
    # decrease = 0.5, -1.25; 1/16 leads to 0.375, f = 0.703125 <= 5 - 0.5 * 100 / 16 = 1.875.
    x = Value(1.0)
    optimizer = LineSearch([x], lr=1.0, decrease=0.5)
    loss = optimizer.step(lambda: 5 * x * x)
    assert loss.data == 5.0
    assert (x.data, optimizer.chosen_lr) == (0.375, 1 / 16)


def test_every_step_of_a_line_search_satisfies_armijos_condition():
    model = MLP(3, [4, 1], activation="tanh", seed=1)
    parameters = model.parameters()
    optimizer = LineSearch(parameters, lr=10.0, decrease=0.1, shrink=0.7)

    def loss():
        return half_squared_error([model(x) for x in X], Y)

    for _ in range(30):
        before = optimizer.step(loss).data
        slope = sum(p.grad**2 for p in parameters)
        assert optimizer.chosen_lr > 0.0
        assert loss().data <= before - 0.1 * optimizer.chosen_lr * slope


def test_a_line_search_that_finds_nothing_leaves_the_parameters():
    x = Value(1.0)
    optimizer = LineSearch([x])
    optimizer.step(lambda: where(x.data == 1.0, x, 2.0))  # a jump up in every direction
    assert (x.data, optimizer.chosen_lr) == (1.0, 0.0)


def test_a_line_search_stays_at_a_minimum():
    x = Value(0.0)
    LineSearch([x]).step(lambda: x * x)
    assert x.data == 0.0


def test_a_line_search_backs_off_from_where_the_loss_is_nan_or_infinite():
    x = Value(0.1)
    optimizer = LineSearch([x], lr=100.0)
    optimizer.step(lambda: -log(x) + 20 * x)  # the gradient is 10: long steps lead to log of a negative
    assert optimizer.chosen_lr < 0.01
    assert 0.0 < x.data < 0.1


def test_an_error_in_a_trial_leaves_the_parameters():
    x = Value(1.0)
    calls = []

    def loss():
        calls.append(x.data)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return 5 * x * x

    with pytest.raises(KeyboardInterrupt):
        LineSearch([x]).step(loss)
    assert len(set(calls)) == 3
    assert x.data == 1.0


# Newton-Raphson.


def test_newton_solves_a_quadratic_in_one_step():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(4, 4))
    A, b = root @ root.T + np.eye(4), rng.normal(size=4)
    xs = [Value(v) for v in rng.normal(size=4)]

    def loss():
        quadratic = sum(A[i, j] * xs[i] * xs[j] for i in range(4) for j in range(4)) / 2
        return quadratic - sum(b[i] * xs[i] for i in range(4))

    Newton(xs).step(loss)
    assert [x.data for x in xs] == pytest.approx(np.linalg.solve(A, b), rel=1e-10)


def test_newton_on_logistic_regression_is_iteratively_reweighted_least_squares_step_by_step():
    labels: Any = np.array([0, 1, 1, 0, 1, 0])
    neuron = Neuron(3, nonlin=False, init="zeros")
    design, w = np.column_stack([X, np.ones(6)]), np.zeros(4)
    optimizer = Newton(neuron.parameters())
    for _ in range(4):
        optimizer.step(lambda: binary_cross_entropy_from_logits([neuron(x) for x in X], labels))
        p = 1 / (1 + np.exp(-design @ w))  # Bishop 2006, equations 4.96 to 4.99
        w = w - np.linalg.solve(design.T @ np.diag(p * (1 - p)) @ design, design.T @ (p - labels))
        assert [v.data for v in neuron.parameters()] == pytest.approx(w, rel=1e-9)


def test_newton_goes_the_part_of_the_step_that_its_rate_says():
    x = Value(4.0)
    Newton([x], lr=0.25).step(lambda: x * x)
    assert x.data == 3.0


def test_newton_refuses_a_singular_hessian_and_leaves_the_parameters():
    x, y = Value(1.0), Value(2.0)
    with pytest.raises(ValueError, match=r"singular.*l2"):
        Newton([x, y]).step(lambda: (x + y) ** 2)
    assert (x.data, y.data) == (1.0, 2.0)


def test_newton_refuses_an_undefined_hessian():
    x = Value(0.0)
    with pytest.raises(ValueError, match="infinite or undefined derivatives"):
        Newton([x]).step(lambda: log(x))
    assert x.data == 0.0


@pytest.mark.parametrize("optimizer", [LineSearch, Newton])
def test_optimizers_that_look_at_the_loss_need_a_closure(optimizer):
    with pytest.raises(TypeError, match=f"{optimizer.__name__}.step needs a closure that computes the loss"):
        optimizer([Value(1.0)]).step()


@pytest.mark.parametrize("optimizer", [SGD, Adam, LineSearch, Newton])
@pytest.mark.parametrize(
    ("parameters", "lr", "error", "message"),
    [
        ([], 0.1, ValueError, "no parameter to optimize"),
        ([1.0], 0.1, TypeError, "parameter 0 must be a Value, not 1.0"),
        ([exp(Value(1.0))], 0.1, TypeError, "parameter 0 was computed or detached"),
        ([Value(1.0)] * 2, 0.1, ValueError, "there twice"),
        (MLP(1, [1]), 0.1, TypeError, r"as model.parameters\(\) gives them, not MLP"),
        ([Value(1.0)], 0.0, ValueError, "lr must be positive and finite, not 0.0"),
        ([Value(1.0)], math.nan, ValueError, "lr must be positive and finite, not nan"),
        ([Value(1.0)], "0.1", TypeError, "lr must be a real number, not '0.1'"),
    ],
)
def test_bad_parameters_and_rates_are_refused(optimizer, parameters, lr, error, message):
    with pytest.raises(error, match=message):
        optimizer(parameters, lr=lr)


@pytest.mark.parametrize(
    ("optimizer", "options", "error", "message"),
    [
        (SGD, {"lr": 1, "momentum": 1.0}, ValueError, "momentum must be at least 0 and less than 1, not 1.0"),
        (SGD, {"lr": 1, "nesterov": True}, ValueError, "Nesterov's method needs a momentum above 0"),
        (SGD, {"lr": 1, "weight_decay": -1}, ValueError, "weight_decay must be 0 or more and finite, not -1"),
        (Adam, {"betas": (0.9, 1.0)}, ValueError, r"betas\[1\] must be at least 0 and less than 1, not 1.0"),
        (Adam, {"eps": 0}, ValueError, "eps must be positive and finite, not 0"),
        (LineSearch, {"decrease": 1}, ValueError, "decrease must be at least 0 and less than 1"),
        (LineSearch, {"shrink": 0}, ValueError, "shrink must be above 0"),
        (LineSearch, {"shrink": 1}, ValueError, "shrink must be at least 0 and less than 1"),
    ],
)
def test_bad_options_are_refused(optimizer, options, error, message):
    with pytest.raises(error, match=message):
        optimizer([Value(1.0)], **options)


@pytest.mark.parametrize("optimizer", [SGD, Adam, LineSearch, Newton])
def test_a_closure_that_gives_no_value_is_refused(optimizer):
    x = Value(1.0)
    with pytest.raises(TypeError, match=r"the closure must give the loss, a Value, not 1\.0"):
        optimizer([x], lr=0.1).step(lambda: x.data)


def test_a_loss_without_a_graph_is_refused():
    x = Value(1.0)

    def loss():
        with no_grad():
            return x * x

    with pytest.raises(RuntimeError, match="no_grad"):
        SGD([x], lr=0.1).step(loss)


def test_an_optimizer_without_an_update_says_so():
    with pytest.raises(NotImplementedError, match="Optimizer does not define _update"):
        Optimizer([Value(1.0)], lr=0.1).step()
