"""Many fits at once, in processes and on a Dask cluster: the numbers are those of one process."""

from __future__ import annotations

import gc

import numpy as np
import pytest

joblib = pytest.importorskip("joblib", reason="scikit-learn is not installed")
pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from autograd_mini import multistart  # noqa: E402
from nn import MLP, fit  # noqa: E402
from nn.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

rng = np.random.default_rng(0)
X = rng.normal(5.0, 2.0, size=(60, 3))
Y = (X[:, 0] * X[:, 1] > 25.0).astype(int)


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(params=["loky", "dask"])
def two_workers(request):
    """Let joblib compute on two workers."""
    if request.param == "dask":
        request.getfixturevalue("client")
    with joblib.parallel_config(request.param, n_jobs=2):
        yield


PIPELINE = make_pipeline(StandardScaler(), MLPClassifier(solver="sgd", tol=0.1, max_iter=50, random_state=0))
GRID = {
    "mlpclassifier__hidden_layer_sizes": [(), 4, (4, 4)],
    "mlpclassifier__alpha": [1e-4, 1.0],
    "mlpclassifier__learning_rate_init": [0.01, 0.1],
}


@pytest.fixture(scope="module")
def searched_here():
    return GridSearchCV(PIPELINE, GRID, cv=3).fit(X, Y)


def test_a_grid_of_12_combinations_on_two_workers_is_that_of_one_process(searched_here, two_workers):
    there, here = GridSearchCV(PIPELINE, GRID, cv=3).fit(X, Y), searched_here
    assert len(here.cv_results_["params"]) == 12
    assert there.best_params_ == here.best_params_
    for split in range(3):
        name = f"split{split}_test_score"
        np.testing.assert_array_equal(there.cv_results_[name], here.cv_results_[name])
    np.testing.assert_array_equal(there.predict_proba(X), here.predict_proba(X))


def test_cross_validation_on_two_workers_is_that_of_one_process(two_workers):
    estimator = MLPRegressor(3, "tanh", early_stopping=True, tol=0.1, random_state=0)
    there = cross_val_score(estimator, X, X[:, 1], cv=4)
    with joblib.parallel_config("sequential"):
        np.testing.assert_array_equal(there, cross_val_score(estimator, X, X[:, 1], cv=4))


def train(seed):
    """Train a network from a seed."""
    model = MLP(3, [4, 1], activation="tanh", seed=seed)
    loss = "binary_cross_entropy_from_logits"
    return fit(model, X, Y, loss=loss, batch_size=20, epochs=5, progress=False, seed=seed), model


def test_seeds_on_a_cluster_give_the_bits_of_one_process(client):
    here = multistart(train, range(6))
    there = multistart(lambda seed: train(seed), range(6), client.get_executor())
    assert there.losses == here.losses
    assert there.best_index == here.best_index
    for (history, model), (expected, other) in zip(there.results, here.results, strict=True):
        assert history.loss == expected.loss
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, other.state_dict()[name])


def test_errors_on_a_cluster_are_named_and_no_task_is_left(client):
    def run(start):
        return {0: 3.0, 2: 1.0}[start]

    with pytest.warns(RuntimeWarning, match=r"1 of 3 starts failed: start 1, 1 \(int\): KeyError: 1"):
        found = multistart(run, range(3), client.get_executor())
    assert (found.results, found.best_index) == ([3.0, None, 1.0], 2)
    assert isinstance(found.errors[1], KeyError)
    del found
    gc.collect()  # an error and the frames of its traceback hold each other
    client.run_on_scheduler(lambda: None)  # the client lets go in its own thread
    assert not client.futures
