"""Real data: what networks trained here are worth, next to scikit-learn's and to the notes' table."""

import numpy as np
import pytest

from nn import MLP, Neuron, fit, predict, predict_proba, score


@pytest.mark.parametrize(("loss", "low"), [("hinge", -1), ("binary_cross_entropy_from_logits", 0)])
def test_a_network_of_two_hidden_layers_separates_two_moons(loss, low):
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    X, labels = datasets.make_moons(100, noise=0.1, random_state=0)
    y = np.where(labels == 1, 1, low)
    model = MLP(2, [16, 16, 1], seed=0)
    history = fit(model, X, y, loss=loss, lr=0.02, batch_size=10, seed=0, epochs=40, metric="accuracy")
    assert np.mean(predict(model, X, loss) == y) >= 0.99
    assert history.metric[-1] >= 0.99


def split(name):
    """A data set's training and test part, each feature scaled to mean 0 and deviation 1 of the first."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, random_state=0, stratify=y)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


@pytest.mark.parametrize(
    ("name", "outputs", "loss", "epochs"),
    [
        ("iris", 3, "cross_entropy_from_logits", 60),
        ("breast_cancer", 1, "binary_cross_entropy_from_logits", 10),
    ],
)
def test_accuracy_on_data_not_seen_is_scikit_learns(name, outputs, loss, epochs):
    X, X_test, y, y_test = split(name)
    from sklearn.neural_network import MLPClassifier

    theirs = MLPClassifier([10], max_iter=2000, random_state=0).fit(X, y).score(X_test, y_test)
    model = MLP(X.shape[1], [10, outputs], init="he", seed=0)
    fit(model, X, y, loss=loss, lr=0.01, batch_size=16, seed=0, epochs=epochs, l2=1e-3)
    ours = score(model, X_test, y_test, loss=loss)
    assert ours >= theirs - 0.02 - 1e-12
    assert ours == pytest.approx(np.mean(predict(model, X_test, loss) == y_test))
    assert theirs > 0.9


# The table of CISC6000: Neural Networks: age, education, marital status, major; income in K, and whether it is high.
INCOME = [
    (35, "MS", "M", "Art", 70, 1),
    (40, "BS", "M", "Engineer", 65, 1),
    (25, "BS", "S", "Art", 40, 0),
    (50, "PhD", "D", "Engineer", 100, 1),
    (30, "MS", "S", "Science", 80, 1),
    (28, "BS", "S", "Art", 50, 0),
    (45, "PhD", "M", "Science", 90, 1),
    (60, "BS", "M", "Management", 120, 1),
    (20, "HS", "S", "Engineer", 30, 0),
]
DEGREES = ["HS", "BS", "MS", "PhD"]
PERSONS = np.array(
    [
        [age / 10, DEGREES.index(education), status == "M", major == "Engineer", major == "Management"]
        for age, education, status, major, _, _ in INCOME
    ]
)
PERSONS = (PERSONS - PERSONS.mean(axis=0)) / PERSONS.std(axis=0)
THOUSANDS = np.array([row[4] for row in INCOME])
HIGH = np.array([row[5] for row in INCOME])


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [({"optimizer": "newton", "epochs": 2}, 1e-9), ({"optimizer": "sgd", "lr": 0.4, "epochs": 1500}, 0.01)],
)
def test_linear_regression_of_income_is_that_of_least_squares(options, tolerance):
    design = np.column_stack([PERSONS, np.ones(9)])
    expected = np.linalg.lstsq(design, THOUSANDS, rcond=None)[0]
    unit = Neuron(5, nonlin=False, init="zeros")
    fit(unit, PERSONS, THOUSANDS, loss="half_squared_error", **options)
    assert [p.data for p in unit.parameters()] == pytest.approx(expected, abs=tolerance)
    assert predict(unit, PERSONS) == pytest.approx(design @ expected, abs=tolerance)


def test_classification_of_income_is_scikit_learns_logistic_regression():
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    strength = 0.1
    theirs = linear_model.LogisticRegression(C=1.0 / (strength * 9), tol=1e-10).fit(PERSONS, HIGH)
    unit = Neuron(5, nonlin=False, init="zeros")
    loss = "binary_cross_entropy_from_logits"
    fit(unit, PERSONS, HIGH, loss=loss, optimizer="newton", epochs=9, l2=strength)
    assert predict_proba(unit, PERSONS, loss) == pytest.approx(theirs.predict_proba(PERSONS)[:, 1], abs=1e-6)
