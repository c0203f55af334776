"""Estimators: scikit-learn's own checks, and the results of its own models and of PyTorch."""

from __future__ import annotations

import pickle
import signal
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn import linear_model, neural_network  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from nn.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

Options = dict[str, Any]

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
SCORES = X @ rng.normal(size=(4, 3)) + 0.5 * rng.normal(size=(60, 3))
TWO = np.where(SCORES[:, 0] > 0, "yes", "no")
THREE = np.array(["a", "b", "c"])[SCORES.argmax(axis=1)]
LABELS = (SCORES > 0).astype(int)

quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@quiet
@pytest.mark.parametrize("estimator", [MLPClassifier(10, random_state=0), MLPRegressor(10, random_state=0)], ids=repr)
def test_scikit_learns_own_checks_pass(estimator):
    check_estimator(estimator, on_skip=None)  # the check of other libraries' arrays skips itself


def standing_at(estimator, start, y):
    """Fit an estimator so that it has the parameters of scikit-learn's own, and goes on from there."""
    estimator.set_params(warm_start=True, learning_rate_init=lambda step: 0.0, max_iter=1).fit(X, y)
    arrays = {f"layers.{i}.weight": matrix.T for i, matrix in enumerate(start.coefs_)}
    arrays |= {f"layers.{i}.bias": vector for i, vector in enumerate(start.intercepts_)}
    estimator.model_.load_state_dict(arrays)
    return estimator


@quiet
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(
    ("ours", "theirs", "y"),
    [
        (MLPClassifier, neural_network.MLPClassifier, TWO),
        (MLPClassifier, neural_network.MLPClassifier, THREE),
        (MLPClassifier, neural_network.MLPClassifier, LABELS),
        (MLPRegressor, neural_network.MLPRegressor, SCORES[:, 0]),
        (MLPRegressor, neural_network.MLPRegressor, SCORES),
    ],
    ids=["two classes", "three classes", "labels", "numbers", "rows of numbers"],
)
def test_training_is_scikit_learns_own_step_by_step(ours, theirs, y, solver):
    # scikit-learn adds epsilon elsewhere than PyTorch and nn do; so small, it does not matter where.
    options: Options = {
        "hidden_layer_sizes": (5, 4),
        "activation": "logistic",
        "solver": solver,
        "alpha": 0.3,
        "epsilon": 1e-30,
    }
    theirs = theirs(**options, warm_start=True, max_iter=1, random_state=3).fit(X, y)
    ours = standing_at(ours(**options), theirs, y)
    more = {"max_iter": 400, "learning_rate_init": 0.05, "tol": 1e-3}
    if y is SCORES:  # of which scikit-learn reports the mean, but minimizes the sum
        more = {"max_iter": 100, "learning_rate_init": 0.05, "tol": 0.0, "n_iter_no_change": 100}
    theirs.set_params(**more).fit(X, y)
    ours.set_params(**more).fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_
    for layer, matrix, vector in zip(ours.model_.layers, theirs.coefs_, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(layer.weight, matrix.T, rtol=0, atol=1e-8)
        np.testing.assert_allclose(layer.bias, vector, rtol=0, atol=1e-8)
    assert ours.out_activation_ == theirs.out_activation_
    if isinstance(ours, MLPClassifier):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-8)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-8)
    else:
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=1e-8)


@quiet
def test_first_step_goes_along_pytorchs_gradient():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    start = neural_network.MLPClassifier((3,), "tanh", max_iter=1, random_state=1).fit(X, THREE)
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3)).double()
    for layer, matrix, vector in zip((net[0], net[2]), start.coefs_, start.intercepts_, strict=True):
        layer.weight.data, layer.bias.data = torch.tensor(matrix.T.copy()), torch.tensor(vector)
    loss = torch.nn.functional.cross_entropy(
        net(torch.tensor(X)), torch.tensor(np.unique(THREE, return_inverse=True)[1])
    )
    loss.backward()
    ours = standing_at(MLPClassifier((3,), "tanh", solver="sgd", momentum=0.0, alpha=0.0), start, THREE)
    before = ours.model_.state_dict()
    ours.set_params(learning_rate_init=1.0).fit(X, THREE)
    assert ours.loss_ == pytest.approx(loss.item(), rel=1e-12)
    for name, theirs in (("0", net[0]), ("1", net[2])):
        for part in ("weight", "bias"):
            step = before[f"layers.{name}.{part}"] - ours.model_.state_dict()[f"layers.{name}.{part}"]
            np.testing.assert_allclose(step, getattr(theirs, part).grad.numpy(), rtol=0, atol=1e-14)


def test_classifier_without_hidden_layers_is_logistic_regression():
    ours = MLPClassifier((), solver="newton", alpha=2.0, tol=1e-12, random_state=0).fit(X, TWO)
    theirs = linear_model.LogisticRegression(C=0.5, tol=1e-10).fit(X, TWO)
    np.testing.assert_allclose(ours.model_.layers[0].weight, theirs.coef_, rtol=1e-5)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=0, atol=1e-5)


def test_classifier_of_three_classes_without_hidden_layers_is_logistic_regression():
    options: Options = {
        "solver": "sgd",
        "learning_rate_init": 1.0,
        "tol": 0.0,
        "n_iter_no_change": 100,
        "max_iter": 5000,
    }
    ours = MLPClassifier((), **options, alpha=2.0, random_state=0).fit(X, THREE)
    theirs = linear_model.LogisticRegression(C=0.5, tol=1e-10).fit(X, THREE)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-5)


def test_regressor_without_hidden_layers_is_ridge_regression():
    ours = MLPRegressor((), solver="newton", alpha=3.0, random_state=0).fit(X, SCORES)
    theirs = linear_model.Ridge(alpha=3.0).fit(X, SCORES)
    np.testing.assert_allclose(ours.model_.layers[0].weight, theirs.coef_, rtol=1e-10)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-10)


@quiet
def test_random_state_decides_everything_random():
    def curve(random_state):
        options: Options = {"batch_size": 16, "early_stopping": True, "max_iter": 3}
        return MLPClassifier(4, **options, random_state=random_state).fit(X, TWO).loss_curve_

    assert curve(1) == curve(1) == curve(np.random.RandomState(1))
    assert curve(1) != curve(2)
    np.random.seed(5)  # noqa: NPY002 (the generator that scikit-learn takes)
    first, second = curve(None), curve(None)
    np.random.seed(5)  # noqa: NPY002
    assert (curve(None), curve(None)) == (first, second)
    assert first != second


@quiet
def test_fit_forgets_and_warm_start_goes_on():
    options: Options = {"hidden_layer_sizes": 4, "max_iter": 5, "random_state": 0}
    once = MLPRegressor(**options).fit(X, SCORES)
    assert once.fit(X, SCORES).loss_curve_ == MLPRegressor(**options).fit(X, SCORES).loss_curve_
    warm = MLPRegressor(**options, warm_start=True).fit(X, SCORES).fit(X, SCORES)
    assert (len(warm.loss_curve_), warm.n_iter_) == (10, 5)
    assert warm.loss_curve_[:5] == once.loss_curve_
    assert max(warm.loss_curve_[5:]) < min(once.loss_curve_)


def test_partial_fit_goes_on_also_from_a_pickle():
    together = MLPClassifier(4, "tanh", random_state=0, shuffle=False)
    for _ in range(6):
        together.partial_fit(X, THREE, classes=["a", "b", "c"])
    apart = MLPClassifier(4, "tanh", random_state=0, shuffle=False)
    for _ in range(6):
        apart = pickle.loads(pickle.dumps(apart.partial_fit(X, THREE, classes=["a", "b", "c"])))
    assert apart.loss_curve_ == together.loss_curve_
    assert len(apart.loss_curve_) == 6
    with pytest.warns(ConvergenceWarning, match="max_iter=6"):
        at_once = clone(apart).set_params(max_iter=6).fit(X, THREE)
    assert at_once.loss_curve_ == together.loss_curve_


def test_partial_fit_learns_classes_that_come_later():
    model = MLPClassifier(4, random_state=0).partial_fit(X[THREE != "b"], THREE[THREE != "b"], classes=["a", "b", "c"])
    assert model.partial_fit(X, THREE).predict_proba(X).shape == (60, 3)
    with pytest.raises(ValueError, match=r"not among the classes of the first call: \['d'\]"):
        model.partial_fit(X[:2], ["a", "d"])


@pytest.mark.parametrize("kind", [MLPClassifier, neural_network.MLPClassifier], ids=["ours", "scikit-learn's"])
def test_partial_fit_refuses_other_classes_than_the_first_ones(kind):
    model = kind(4, random_state=0).partial_fit(X, THREE, classes=["a", "b", "c"])
    model.partial_fit(X, THREE, classes=["c", "b", "a"])
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(X, THREE, classes=["a", "b", "c", "d"])


def test_early_stopping_ends_with_the_best_parameters():
    options: Options = {
        "learning_rate_init": 0.1,
        "max_iter": 500,
        "early_stopping": True,
        "validation_fraction": 0.2,
    }
    model = MLPClassifier(16, **options, alpha=0.0, random_state=0).fit(X, THREE)
    history = model.history_
    assert model.n_iter_ == len(history) < 500
    assert len(history) - history.best_epoch <= 11
    assert history.validation_loss[history.best_epoch - 1] == min(history.validation_loss)


@quiet
def test_sparse_labels_are_the_dense_ones():
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    options: Options = {"hidden_layer_sizes": 4, "max_iter": 5, "random_state": 0}
    model = MLPClassifier(**options).fit(X, sparse.csr_matrix(LABELS))
    assert model.loss_curve_ == MLPClassifier(**options).fit(X, LABELS).loss_curve_
    assert model.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "y", "message"),
    [
        ({"solver": "lbfgs"}, TWO, "unknown solver 'lbfgs'; known are: adam, line_search, newton, sgd"),
        ({"hidden_layer_sizes": (3, 0)}, TWO, "a size in hidden_layer_sizes must"),
        ({"activation": "step"}, TWO, "unknown activation 'step'"),
        ({"alpha": -1.0}, TWO, "alpha must be 0 or more"),
        ({"max_iter": 0}, TWO, "max_iter must"),
        ({"learning_rate_init": 0.0}, TWO, "learning_rate_init must be positive"),
        ({"beta_2": 1.0}, TWO, "beta_2 must be at least 0 and less than 1"),
        ({"epsilon": 0.0}, TWO, "epsilon must be positive"),
        ({"batch_size": 0}, TWO, "batch_size must"),
        ({"tol": -1e-3}, TWO, "tol must be 0 or more"),
        ({"n_iter_no_change": 0}, TWO, "n_iter_no_change must"),
        ({"early_stopping": True, "validation_fraction": 1.0}, TWO, "validation_fraction must"),
        ({"early_stopping": True, "validation_fraction": 0.0}, TWO, "validation_fraction must be above 0"),
        ({}, ["one"] * 60, "needs 2 or more classes, but y has one class: \\['one'\\]"),
        ({}, np.column_stack([THREE, TWO]), "y has several columns of classes, multiclass-multioutput"),
        ({}, SCORES[:, 0], "Unknown label type"),
    ],
)
def test_bad_input_is_named(options, y, message):
    with pytest.raises((TypeError, ValueError), match=message):
        MLPClassifier(**options).fit(X, y)


def test_other_targets_than_those_of_the_first_call_are_refused():
    model = MLPRegressor(2, random_state=0).partial_fit(X, SCORES)
    with pytest.raises(ValueError, match="y has 1 columns, but for the first call had 3"):
        model.partial_fit(X, SCORES[:, 0])
    with pytest.raises(ValueError, match="give early_stopping=False"):
        model.set_params(early_stopping=True).partial_fit(X, SCORES)


def test_too_high_a_learning_rate_is_said():
    with pytest.raises(FloatingPointError, match="a lower learning rate may help"):
        MLPRegressor(4, "identity", solver="sgd", learning_rate_init=1e6, random_state=0).fit(X, SCORES)


@quiet
def test_a_fit_that_fails_leaves_no_network_of_other_classes():
    model = MLPClassifier(3, max_iter=1, random_state=0).fit(X, TWO)
    with pytest.raises(ValueError, match="unknown solver"):
        model.set_params(solver="none").fit(X, THREE)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_training_and_leaves_a_fitted_estimator():
    def interrupting(step):
        if step == 5:
            signal.raise_signal(signal.SIGINT)
        return 0.01

    model = MLPClassifier(3, learning_rate_init=interrupting, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TWO)
    assert model.n_iter_ == 5
    assert set(model.predict(X)) <= {"no", "yes"}


def test_parameters_of_iris_are_worth_scikit_learns():
    data, y = load_iris(return_X_y=True)
    data = (data - data.mean(axis=0)) / data.std(axis=0)
    options: Options = {"hidden_layer_sizes": 8, "learning_rate_init": 0.02, "max_iter": 400, "random_state": 0}
    ours = MLPClassifier(**options).fit(data, y)
    theirs = neural_network.MLPClassifier(**options).fit(data, y)
    assert ours.score(data, y) >= theirs.score(data, y) - 0.02
