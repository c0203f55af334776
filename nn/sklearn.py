"""Estimators: an MLP and its training behind scikit-learn's interface, for its pipelines, searches and scores.

Importing this module imports scikit-learn, so `import nn` does not import it.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autograd_mini.engine.checks import check_count
from nn.activations import Activation
from nn.checks import check_fraction, check_not_negative, check_positive, look_up
from nn.mlp import MLP
from nn.optim.optimizer import Optimizer, Schedule
from nn.train.evaluation import predict, predict_proba
from nn.train.fit import OPTIMIZERS, fit
from nn.train.stopping import Stall

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError("nn.sklearn needs scikit-learn 1.6 or newer: pip install 'autograd_mini[data]'") from None

__all__ = ["MLPClassifier", "MLPRegressor"]

# The loss that belongs to an output activation. The network itself has linear outputs: numbers or logits.
_LOSSES = {
    "identity": "half_squared_error",
    "logistic": "binary_cross_entropy_from_logits",
    "softmax": "cross_entropy_from_logits",
}


class _Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The options, the training and the outputs that a classifier and a regressor have in common."""

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Activation = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate_init: float | Schedule | None = None,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change

    def fit(self, X: Any, y: Any) -> Self:
        """Train on X of shape (n, features) and y of shape (n,) or (n, outputs).

        With `warm_start` a second call goes on from the parameters of the first, with a new optimizer.

        Raises
        ------
        FloatingPointError
            If the loss becomes nan or infinite, as with too high a learning rate.
        KeyboardInterrupt
            After a Ctrl-C; the estimator is fitted, if an epoch was complete, and predicts with its best parameters.
        """
        is_new = not (self.warm_start and hasattr(self, "model_"))
        X, y, generator = self._checked(X, y, is_new)
        model = self._make_model(generator) if is_new else self.model_
        patience = check_count(self.n_iter_no_change, "n_iter_no_change")
        rules = {
            "epochs": check_count(self.max_iter, "max_iter"),
            "callback": Stall(check_not_negative(self.tol, "tol"), patience),
        }
        if self.early_stopping:
            X, held_X, y, held_y = self._held_out(X, y, generator)
            rules |= {"validation": (held_X, held_y), "patience": patience + 1}  # which brings back the best parameters
        self._train(model, self._make_optimizer(model), X, y, generator, is_new, rules)
        if self.history_.stopped.startswith("epochs"):
            warnings.warn(
                f"the loss still falls after max_iter={self.max_iter} epochs: give more of them, or a larger tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _fit_more(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for an epoch, from the parameters and the optimizer's state as they are if there are any."""
        if self.early_stopping:
            raise ValueError("partial_fit can't hold out examples to stop early by: give early_stopping=False")
        is_new = not hasattr(self, "model_")
        X, y, generator = self._checked(X, y, is_new, classes)
        model = self._make_model(generator) if is_new else self.model_
        optimizer = self._make_optimizer(model) if is_new else self._optimizer
        self._train(model, optimizer, X, y, generator, is_new, {"epochs": 1})
        return self

    def _checked(self, X: Any, y: Any, is_new: bool, classes: Any = None) -> tuple[Any, Any, random.Random]:
        """Check data, and code the targets as the loss takes them; also give the generator of all that is random."""
        is_regressor = isinstance(self, RegressorMixin)
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=is_regressor, reset=is_new)
        y = y.toarray() if hasattr(y, "toarray") else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if is_new:
            self.__dict__.pop("model_", None)  # an error from here on must leave no network of other classes
            self.n_outputs_, self.out_activation_ = self._outputs_for(y, classes)
        columns, wanted = _columns(y), 1 if self.out_activation_ == "softmax" else self.n_outputs_
        if columns != wanted:
            raise ValueError(f"y has {columns} columns, but for the first call had {wanted}")
        generator = random.Random(int(check_random_state(self.random_state).randint(2**31 - 1)))
        return X, self._coded(y), generator

    def _outputs_for(self, y: Any, classes: Any) -> tuple[int, str]:
        """Give the number of outputs for targets, and what makes numbers, or probabilities, of them."""
        raise NotImplementedError

    def _coded(self, y: Any) -> Any:
        """Code targets as the loss takes them."""
        raise NotImplementedError

    def _held_out(self, X: Any, y: Any, generator: random.Random) -> list[Any]:
        """Split data into what is learned from and what is held out, with the same part of each class in both."""
        fraction = check_fraction(self.validation_fraction, "validation_fraction")
        if fraction == 0.0:
            raise ValueError("validation_fraction must be above 0 with early_stopping=True: some examples are held out")
        has_classes = isinstance(self, ClassifierMixin) and y.ndim == 1
        split: list[Any] = train_test_split(
            X, y, test_size=fraction, random_state=generator.getrandbits(32), stratify=y if has_classes else None
        )
        return split

    def _make_model(self, generator: random.Random) -> MLP:
        sizes = self.hidden_layer_sizes
        hidden = sizes if isinstance(sizes, Iterable) else [sizes]
        units = [check_count(size, "a size in hidden_layer_sizes") for size in hidden]
        activation = "sigmoid" if self.activation == "logistic" else self.activation  # scikit-learn's name
        return MLP(self.n_features_in_, [*units, self.n_outputs_], activation=activation, init="xavier", seed=generator)

    def _make_optimizer(self, model: MLP) -> Optimizer:
        make = look_up(OPTIMIZERS, self.solver, "solver")
        options: dict[str, Any] = {}
        if self.solver == "sgd":
            options = {"lr": 0.001, "momentum": self.momentum, "nesterov": self.nesterovs_momentum and self.momentum}
        elif self.solver == "adam":
            betas = check_fraction(self.beta_1, "beta_1"), check_fraction(self.beta_2, "beta_2")
            options = {"betas": betas, "eps": check_positive(self.epsilon, "epsilon")}
        rate = self.learning_rate_init
        if rate is not None:
            options["lr"] = rate if callable(rate) else check_positive(rate, "learning_rate_init")
        return make(model.parameters(), **options)

    def _train(
        self,
        model: MLP,
        optimizer: Optimizer,
        X: Any,
        y: Any,
        generator: random.Random,
        is_new: bool,
        rules: dict[str, Any],
    ) -> None:
        """Train by `nn.fit`, and keep what came of it."""
        size = 200 if self.batch_size == "auto" else check_count(self.batch_size, "batch_size")
        size = min(size, len(X))
        history = fit(
            model,
            X,
            y,
            loss=_LOSSES[self.out_activation_],
            optimizer=optimizer,
            batch_size=size,
            shuffle=self.shuffle,
            seed=generator,
            l2=check_not_negative(self.alpha, "alpha") / size,  # scikit-learn divides by the batch's examples
            progress=bool(self.verbose),
            **rules,
        )
        if history:
            before: list[float] = [] if is_new else self.loss_curve_
            self.model_, self._optimizer, self.history_ = model, optimizer, history
            self.loss_curve_: list[float] = before + history.loss
            self.n_iter_, self.loss_ = len(history), history.loss[-1]
        if history.stopped.startswith("interrupted"):  # so that Ctrl-C ends a search, too
            raise KeyboardInterrupt

    def _outputs(self, X: Any) -> tuple[MLP, Any]:
        """Check inputs to predict from; give them with the network."""
        check_is_fitted(self, "model_")
        return self.model_, validate_data(self, X, dtype=np.float64, reset=False)


class MLPClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A classifier by an `MLP`, with the interface and the parameters of scikit-learn's own `MLPClassifier`.

    Two classes have one output and the binary cross-entropy, more classes an output each and the cross-entropy.
    Several labels for an example, y of 0 and 1 of shape (n, labels), have an output each and the sum of binary
    cross-entropies.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, optional
        The number of units of each hidden layer; `()` is logistic regression.
    activation : str or callable, optional
        Of the hidden layers, as for `MLP`; `"logistic"` is `"sigmoid"`.
    solver : str, optional
        A key of `nn.OPTIMIZERS`. `"newton"` is for few parameters.
    alpha : float, optional
        The strength of the L2 term on weights, not biases: alpha / 2 times the sum of their squares, divided by the
        number of examples in a batch.
    batch_size : int or "auto", optional
        How many examples each step learns from; `"auto"` is 200, or all where there are fewer.
    learning_rate_init : float or callable, optional
        The learning rate, or a schedule of it, as for `nn.fit`. Unless given, the solver's own, and 0.001 for
        `"sgd"`.
    max_iter : int, optional
        How many times to go through the data, at most. Where training ends by it, there is a `ConvergenceWarning`.
    shuffle : bool, optional
        Whether each epoch takes the examples in another order.
    random_state : int, RandomState or None, optional
        Decides first weights, the order of examples, and what is held out; None takes NumPy's global generator.
    tol, n_iter_no_change : float, int, optional
        Training ends where the loss has not become lower by `tol` in more than so many epochs in a row.
    verbose : bool, optional
        Whether to show the progress of `nn.fit`.
    warm_start : bool, optional
        Whether another `fit` goes on from the present parameters.
    momentum, nesterovs_momentum : float, bool, optional
        Of `"sgd"`.
    beta_1, beta_2, epsilon : float, optional
        Of `"adam"`.
    early_stopping : bool, optional
        Whether to hold examples out, to judge `tol` by their loss, and to end with the best parameters for them.
    validation_fraction : float, optional
        Which part of the examples is held out.

    Attributes
    ----------
    model_ : MLP
        The network; its outputs are logits.
    history_ : History
        The course of the last `fit` or `partial_fit`.
    classes_ : array
        The classes, sorted; with several labels their places.
    n_features_in_, n_outputs_, n_iter_ : int
        The numbers of features, of outputs, and of epochs of the last call.
    loss_, loss_curve_ : float, list of float
        The last loss, and the loss of each epoch, with the L2 term, from the first parameters on.
    out_activation_ : str
        What makes probabilities of the outputs: `"logistic"` or `"softmax"`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier(8, learning_rate_init=0.03, max_iter=300, random_state=0)
    >>> scores = cross_val_score(make_pipeline(StandardScaler(), classifier), X, y, cv=3)
    >>> bool(scores.mean() > 0.95)
    True
    """

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one epoch on these data, from the present parameters; the first call needs all `classes`.

        A later call may name the same ones again; others are a ValueError.
        """
        if classes is not None and hasattr(self, "model_") and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes must be those of the first call, {self.classes_.tolist()}, not {classes}")
        return self._fit_more(X, y, classes)

    def predict(self, X: Any) -> NDArray[Any]:
        """Give each example's class, or its labels as 0 and 1, of the largest probability."""
        logits = self.decision_function(X)
        if self.out_activation_ == "softmax":
            return self.classes_[logits.argmax(axis=1)]  # type: ignore[no-any-return]
        chosen = (logits > 0.0).astype(int)
        return chosen if chosen.ndim == 2 else self.classes_[chosen]

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Give the logits, of shape (n,) for two classes, else (n, outputs)."""
        return predict(*self._outputs(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Give the probabilities of the classes or labels, of shape (n, classes)."""
        model, X = self._outputs(X)
        found = predict_proba(model, X, _LOSSES[self.out_activation_])
        return np.column_stack([1.0 - found, found]) if found.ndim == 1 else found

    def _outputs_for(self, y: Any, classes: Any) -> tuple[int, str]:
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multilabel-indicator":
            self.classes_ = np.arange(y.shape[1])
            return y.shape[1], "logistic"
        if y.ndim == 2:
            raise ValueError(f"y has several columns of classes, {kind}: train a classifier for each, or give 0 and 1")
        self.classes_ = np.unique(y if classes is None else classes)
        if len(self.classes_) < 2:
            raise ValueError(
                f"a classifier needs 2 or more classes, but y has one class: {self.classes_.tolist()}; if others come "
                "later, name them all in the first partial_fit, by classes="
            )
        return (1, "logistic") if len(self.classes_) == 2 else (len(self.classes_), "softmax")

    def _coded(self, y: Any) -> Any:
        if y.ndim == 2:
            return y
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y has classes that are not among the classes of the first call: {unknown.tolist()}")
        return np.searchsorted(self.classes_, y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A regression by an `MLP`, with the interface and the parameters of scikit-learn's own `MLPRegressor`.

    The loss is half the squared error, summed over the columns of y where it has several.

    Parameters
    ----------
    hidden_layer_sizes, activation, solver and all others
        As for `MLPClassifier`; with `hidden_layer_sizes=()` it is ridge regression.

    Attributes
    ----------
    model_, history_, n_features_in_, n_outputs_, n_iter_, loss_, loss_curve_
        As for `MLPClassifier`.
    out_activation_ : str
        `"identity"`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1.0, 1.0, 40).reshape(-1, 1)
    >>> y = np.sin(3.0 * X[:, 0])
    >>> model = MLPRegressor(10, "tanh", learning_rate_init=0.03, max_iter=500, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.97
    True
    """

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Train for one epoch on these data, from the present parameters if there are any."""
        return self._fit_more(X, y)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Give each example's prediction, of shape (n,), or (n, outputs) where y had several columns."""
        return predict(*self._outputs(X))

    def _outputs_for(self, y: Any, classes: Any) -> tuple[int, str]:
        return _columns(y), "identity"

    def _coded(self, y: Any) -> Any:
        return y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _columns(y: Any) -> int:
    return 1 if y.ndim == 1 else int(y.shape[1])
