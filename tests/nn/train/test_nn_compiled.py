"""Training and evaluation through jit: the same results as along the graph, and which of the two is chosen."""

import copy
import math
import random
import traceback
from functools import partial
from typing import Any

import numpy as np
import pytest

from autograd_mini import TracingError, Value, detect_anomaly, leaky_relu, less_equal, tanh, where
from autograd_mini import jit as compile_function
from nn import (
    ACTIVATIONS,
    MLP,
    SGD,
    Adam,
    Layer,
    Module,
    Neuron,
    activation_function,
    binary_cross_entropy,
    binary_cross_entropy_from_logits,
    cross_entropy,
    cross_entropy_from_logits,
    fit,
    half_squared_error,
    hinge,
    predict,
    predict_proba,
    score,
    step_decay,
)
from nn.train.objective import CompiledObjective, outputs_through_jit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 3))
Y = X @ [1.0, -2.0, 0.5] + RNG.normal(scale=0.3, size=10) + 0.7
LABELS = (Y > 0.5).astype(int)
THREE = np.digitize(Y, [-0.5, 1.5])


def mlp(outputs=1, **options):
    return MLP(3, [4, outputs], **{"activation": "tanh", "seed": 1, **options})


def figures(model, history):
    """All that a training leaves, as arrays."""
    parameters = model.parameters()
    columns = {name: column for name, column in history.as_dict().items() if name != "seconds"}
    return {
        "data": np.array([p.data for p in parameters]),
        "grad": np.array([p.grad for p in parameters]),
        **{name: np.array(column) for name, column in columns.items()},
    }


def train_both_ways(make, X, y, *, optimizer="sgd", compiled=None, **options):
    """Train along the graph and through jit, and compare all figures; give what the latter left."""
    runs = []
    for jit in (False, compiled):
        model = make()
        own = optimizer(model) if callable(optimizer) else optimizer
        inputs, targets = (X(), None) if callable(X) else (X, y)
        lr = options.get("lr", 0.1 if isinstance(own, str) else None)
        history = fit(model, inputs, targets, optimizer=own, **{"epochs": 100, **options, "lr": lr, "jit": jit})
        runs.append((model, history))
    (plain, plain_history), (model, history) = runs
    assert (plain_history.engine, plain_history.why_plain) == ("plain", "")
    assert (history.engine, history.why_plain, history.stopped) == ("jit", "", plain_history.stopped)
    expected, found = figures(plain, plain_history), figures(model, history)
    assert expected.keys() == found.keys()
    for name in expected:
        assert np.allclose(found[name], expected[name], rtol=1e-10, atol=1e-10), name
    return model, history


# The same parameters, gradients and history as along the graph.


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd",
        "adam",
        "line_search",
        lambda model: SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=0.01),
        lambda model: SGD(model.parameters(), step_decay(0.1, 30), momentum=0.5, nesterov=True),
        lambda model: Adam(model.parameters(), 0.01, weight_decay=0.1),
    ],
)
@pytest.mark.parametrize("batch_size", [None, 4])
def test_every_optimizer_leaves_the_same_figures_after_100_steps(optimizer, batch_size):
    options = {"batch_size": batch_size, "seed": 7, "epochs": 100 if batch_size is None else 34}
    train_both_ways(mlp, X, Y, loss="half_squared_error", optimizer=optimizer, l2=0.01, **options)


@pytest.mark.parametrize("activation", [*sorted(set(ACTIVATIONS) - {"softmax"}), partial(leaky_relu, slope=0.1)])
def test_every_activation_leaves_the_same_figures(activation):
    train_both_ways(lambda: mlp(activation=activation), X, Y, loss="mean_squared_error", lr=0.02)


@pytest.mark.parametrize(
    ("loss", "outputs", "activation", "targets"),
    [
        ("half_squared_error", 2, "identity", np.stack([Y, -Y], axis=1)),
        ("hinge", 1, "identity", 2 * LABELS - 1),
        ("binary_cross_entropy", 1, "sigmoid", LABELS),
        ("binary_cross_entropy_from_logits", 1, "identity", LABELS),
        ("binary_cross_entropy_from_logits", 1, "identity", 0.8 * LABELS + 0.1),
        ("binary_cross_entropy_from_logits", 2, "identity", np.stack([LABELS, 1 - LABELS], axis=1)),
        ("cross_entropy", 3, "softmax", THREE),
        ("cross_entropy", 3, "softmax", np.eye(3)[THREE]),
        ("cross_entropy_from_logits", 3, "identity", THREE),
        ("cross_entropy_from_logits", 3, "identity", THREE.astype(float)),
        ("cross_entropy_from_logits", 3, "identity", 0.7 * np.eye(3)[THREE] + 0.1),
    ],
)
def test_every_loss_leaves_the_same_figures(loss, outputs, activation, targets):
    make = partial(mlp, outputs, output_activation=activation)
    train_both_ways(make, X, targets, loss=loss, metric=loss, validation=(X[:7], targets[:7]))


def test_the_same_epoch_is_the_best_and_its_parameters_come_back():
    held_out = RNG.normal(size=(10, 3)), RNG.normal(size=10)
    options = {"validation": held_out, "patience": 5, "batch_size": 3, "seed": 1, "optimizer": "adam", "lr": 0.05}
    model, history = train_both_ways(mlp, X, Y, loss="half_squared_error", epochs=None, **options)
    kept = score(model, *held_out, metric="half_squared_error")
    assert kept == pytest.approx(history.validation_loss[history.best_epoch - 1], rel=1e-12)


def test_parameters_that_the_optimizer_does_not_have_stay_and_their_gradients_add_up():
    def last_layer(model):
        return SGD(reversed(model.layers[1].parameters()), lr=0.1)

    model, _ = train_both_ways(mlp, X, Y, loss="half_squared_error", optimizer=last_layer, batch_size=4, seed=1)
    assert [p.data for p in model.layers[0].parameters()] == [p.data for p in mlp().layers[0].parameters()]


def test_a_layer_that_is_there_twice_has_one_set_of_parameters():
    def make():
        layer = Layer(3, 3, activation="tanh", seed=1)
        return MLP.from_layers([layer, layer, Layer(3, 1, activation="identity", seed=2)])

    train_both_ways(make, X, Y, loss="half_squared_error", lr=0.02)


def test_a_stream_of_observations():
    def stream():
        return iter(list(zip(X, THREE)) * 4)

    train_both_ways(partial(mlp, 3), stream, None, loss="cross_entropy_from_logits", batch_size=3, steps_per_epoch=5)


def test_a_stream_sees_the_model_as_it_is():
    seen = []
    for jit in (False, True):
        model = Neuron(3, nonlin=False, seed=1)

        def observations(model=model):
            for x, y in zip(X, Y):
                seen.append(model.b.data)
                yield x, y

        fit(model, observations(), loss="half_squared_error", optimizer="sgd", lr=0.1, jit=jit)
    assert seen[10:] == pytest.approx(seen[:10], rel=1e-12)
    assert len(set(seen)) > 5


def test_a_wrong_target_of_a_stream_is_refused_when_it_comes():
    model = mlp()
    observations = iter([(X[0], 1), (X[1], -1), (X[2], 0)])
    with pytest.raises(ValueError, match="needs targets -1 and 1, but got 0"):
        fit(model, observations, loss="hinge", optimizer="sgd", lr=0.1, jit=True)
    by_hand = mlp()
    fit(by_hand, X[:2], [1, -1], loss="hinge", optimizer="sgd", lr=0.1, batch_size=1, shuffle=False, epochs=1)
    assert [p.data for p in model.parameters()] == pytest.approx([p.data for p in by_hand.parameters()], rel=1e-12)


def test_a_loss_and_a_model_of_ones_own_train_through_jit():
    class Curve(Module):
        def __init__(self):
            self.coefficients = {"a": Value(0.5), "b": Value(0.0)}

        def __call__(self, x):
            return self.coefficients["a"] * tanh(x[0]) + self.coefficients["b"]

    def huber(predictions, targets, width=0.5):
        errors = [abs(p - t) for p, t in zip(predictions, targets)]
        return sum(where(less_equal(e, width), e * e / 2, width * (e - width / 2)) for e in errors) / len(errors)

    train_both_ways(Curve, X, Y, loss=huber, compiled=True)


def test_a_loss_around_one_of_the_package_takes_class_indices():
    def smoothed(predictions, targets):
        spread = sum(z * z for row in predictions for z in row) / len(predictions)
        return cross_entropy_from_logits(predictions, targets) + 0.01 * spread

    train_both_ways(partial(mlp, 3), X, THREE, loss=smoothed, lr=0.02, compiled=True)


def test_a_callback_may_read_and_change_the_model():
    seen = []
    for jit in (False, True):
        model = mlp()

        def clip(history, model=model):
            seen.append([(p.data, p.grad) for p in model.parameters()])
            for parameter in model.parameters():
                parameter.data = max(-0.3, min(0.3, parameter.data))

        fit(model, X, Y, loss="half_squared_error", optimizer="adam", lr=0.1, epochs=10, callback=clip, jit=jit)
    assert np.allclose(seen[10:], seen[:10], rtol=1e-10, atol=1e-10)


def test_a_metric_of_ones_own_sees_the_model_after_the_epoch():
    model, norms = mlp(), []
    fit(
        model,
        X,
        Y,
        loss="half_squared_error",
        epochs=3,
        jit=True,
        metric=lambda outputs, targets: sum(p.data**2 for p in model.parameters()),
        callback=lambda history: norms.append(sum(p.data**2 for p in model.parameters())) and None,
    )
    history = fit(model, X, Y, loss="half_squared_error", epochs=1, jit=True, metric=lambda outputs, targets: norms[-1])
    assert history.metric == [norms[-1]]
    assert len(set(norms)) == 3


# How it ends.


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "line_search"])
@pytest.mark.parametrize(
    ("loss", "outputs", "activation", "why"),
    [
        ("binary_cross_entropy", 1, "identity", r"a prediction must be a probability from 0 to 1, not (1\.|-0\.)\d+"),
        (
            "cross_entropy",
            2,
            "sigmoid",
            r"predictions\[0\] must be probabilities that sum to 1, but they sum to [\d.]+",
        ),
        ("cross_entropy", 2, "identity", r"predictions\[0\] must be probabilities .*|a probability in .* not .*"),
    ],
)
def test_predictions_that_become_invalid_are_refused_at_the_same_step(optimizer, loss, outputs, activation, why):
    left = []
    for jit in (False, True):
        model = Layer(3, outputs, activation=activation, init="zeros")
        if activation == "identity":
            for unit in model.neurons:
                unit.b.data = 0.5
        with pytest.raises(ValueError, match=why) as caught:
            fit(model, X, LABELS, loss=loss, optimizer=optimizer, lr=0.3, epochs=50, jit=jit)
        left.append((str(caught.value)[:40], [p.data for p in model.parameters()]))
    assert left[0][0] == left[1][0]
    assert left[1][1] == pytest.approx(left[0][1], rel=1e-12, abs=1e-14)


def test_invalid_predictions_give_nan_where_nothing_can_be_refused():
    binary = compile_function(lambda p: binary_cross_entropy([p], [1]))
    assert [binary(p) for p in (0.5, 1.0)] == [-math.log(0.5), 0.0]
    assert all(math.isnan(binary(p)) for p in (-0.1, 1.1, math.nan, math.inf))
    several = compile_function(lambda p, q, r: cross_entropy([[p, q, r]], [0]))
    assert several(0.25, 0.5, 0.25) == -math.log(0.25)
    assert all(math.isnan(several(*row)) for row in [(0.5, 0.5, 0.1), (0.5, 0.4, 0.05), (1.5, -0.3, -0.2)])


@pytest.mark.parametrize(
    ("loss", "prediction", "valid", "invalid"),
    [
        (hinge, 0.5, {-1.0: 1.5, 1.0: 0.5}, [0.0, 2.0]),
        (binary_cross_entropy, 0.25, {1.0: math.log(4), 0.0: -math.log(0.75)}, [-1.0, 2.0]),
        (binary_cross_entropy_from_logits, 0.0, {1.0: math.log(2), 0.3: math.log(2)}, [-1.0, 2.0]),
        (cross_entropy, [0.25, 0.75], {0.0: math.log(4), 1.0: -math.log(0.75)}, [-1.0, 2.0, 0.5]),
        (cross_entropy_from_logits, [0.0, 0.0], {0.0: math.log(2), 1.0: math.log(2)}, [-1.0, 2.0, 0.5]),
    ],
)
def test_compiled_losses_take_classes_and_give_nan_for_what_is_none(loss, prediction, valid, invalid):
    compiled = compile_function(lambda target: loss([prediction], [target]), in_axes=None)
    assert {target: compiled(target) for target in valid} == pytest.approx(valid, rel=1e-14)
    assert all(math.isnan(compiled(target)) for target in invalid)


def test_detect_anomaly_still_names_the_operation():
    with detect_anomaly(), pytest.raises(FloatingPointError, match="dot gave inf for the operands"):
        fit(Neuron(3, nonlin=False, seed=1), X, Y, loss="half_squared_error", optimizer="sgd", lr=1e200, epochs=9)


# Models and losses of one's own.


def own_loss(predictions, targets):
    return half_squared_error(predictions, targets)


class Scaled(Module):
    """A linear unit and two factors: a number, and a Value that is no parameter."""

    def __init__(self, factor=1.0):
        self.unit, self.factor, self.scale = Neuron(3, nonlin=False, seed=1), factor, Value(1.0).detach()

    def __call__(self, x):
        return self.unit(x) * self.factor * self.scale


def with_own_method():
    unit = Neuron(3, nonlin=False, seed=1)
    unit.forward = lambda inputs: inputs[0] * unit.w[0]  # type: ignore[method-assign]
    return unit


class Subclass(Neuron):
    """A Neuron, but for its class."""


@pytest.mark.parametrize(
    ("make", "loss", "what"),
    [
        (mlp, own_loss, "the loss own_loss"),
        (mlp, partial(half_squared_error), "the loss partial"),
        (Scaled, "half_squared_error", "this Scaled"),
        (partial(Subclass, 3), "half_squared_error", "this Subclass"),
        (with_own_method, "half_squared_error", "this Neuron"),
        (partial(mlp, activation=lambda z: tanh(z)), "half_squared_error", "the activation <lambda>"),
        (
            partial(mlp, activation=partial(leaky_relu, slope=Value(0.1))),
            "half_squared_error",
            "the activation LeakyReLU",
        ),
    ],
)
def test_what_is_not_nns_own_trains_along_the_graph_and_fit_says_so_once(make, loss, what, caplog):
    history = fit(make(), X, Y, loss=loss, epochs=3)
    assert history.engine == "plain"
    assert history.why_plain.startswith(f"{what} is not nn's own")
    [record] = caplog.records
    assert (record.name, history.why_plain in record.getMessage()) == ("nn.fit", True)
    assert history.why_plain in repr(history)


@pytest.mark.parametrize("options", [{"jit": False}, {"loss": "half_squared_error"}, {"progress": False}])
def test_there_is_nothing_to_say_where_it_was_asked_for_or_runs_through_jit(options, caplog):
    history = fit(mlp(), X, Y, **{"loss": own_loss, "epochs": 3, **options})
    assert caplog.records == []
    assert ("not nn's own" in repr(history)) == ("progress" in options)


def change_number(model):
    model.factor *= 0.5


def change_value(model):
    model.scale.data *= 0.5


@pytest.mark.parametrize("change", [change_number, change_value])
def test_a_model_that_a_callback_changes_goes_on_compiled_as_it_now_is(change):
    left = []
    for jit in (False, True):
        model = Scaled()
        options: dict[str, Any] = {
            "optimizer": "sgd",
            "lr": 0.1,
            "epochs": 4,
            "callback": lambda history, m=model: change(m) and None,
        }
        history = fit(model, X, Y, loss="half_squared_error", jit=jit, **options)
        left.append([*history.loss, *(p.data for p in model.parameters())])
    assert history.engine == "jit"
    assert left[1] == pytest.approx(left[0], rel=1e-12)


@pytest.mark.parametrize("activation", ["relu", lambda z: z * z])
def test_an_activation_that_a_callback_replaces_is_used_from_then_on(activation, caplog):
    left = []
    for jit in (False, None):
        model = mlp()

        def replace(history, model=model):
            if len(history) == 2:
                model.layers[0] = replaced = copy.copy(model.layers[0])
                for unit in replaced.neurons:
                    unit.activation = activation_function(activation)

        history = fit(model, X, Y, loss="half_squared_error", lr=0.01, epochs=5, callback=replace, jit=jit)
        left.append([*history.loss, *(p.data for p in model.parameters())])
    assert left[1] == pytest.approx(left[0], rel=1e-10)
    assert history.engine == ("jit" if activation == "relu" else "plain")
    assert len(caplog.records) == (activation != "relu")


def add_layer(model):
    model.layers.append(Layer(1, 1, seed=2))


def exchange_parameter(model):
    model.layers[0].neurons[0].b = Value(1.0)


@pytest.mark.parametrize("jit", [None, False])
@pytest.mark.parametrize("change", [add_layer, exchange_parameter])
def test_other_parameters_than_those_in_training_are_refused_unless_training_ends(change, jit):
    def callback(history):
        if len(history) == 2:
            change(model)
            return stops

    options = {"loss": "half_squared_error", "epochs": 5, "callback": callback, "jit": jit}
    model, stops = mlp(), False
    with pytest.raises(RuntimeError, match="a callback added, removed or exchanged some"):
        fit(model, X, Y, **options)
    model, stops = mlp(), True
    assert fit(model, X, Y, **options).stopped == "the callback asked for it"


# What jit=True refuses.


class Impure(Module):
    """A linear unit that does something besides computing."""

    def __init__(self, doing):
        self.unit, self.doing, self.generator = Neuron(3, nonlin=False, seed=1), doing, random.Random(1)

    def __call__(self, x):
        z = self.unit(x)
        if self.doing == "branch":
            return z if z > 0.0 else 0.1 * z
        return z * self.generator.random()


def hidden_slope():
    slope = Value(0.5)
    unit = Neuron(3, activation=lambda z: z * slope, seed=1)

    class Hidden(Module):
        def __init__(self):
            self.unit, self.slope = unit, slope

        def __call__(self, x):
            return self.unit(x)  # whose function keeps the slope, where a copy of the model has its own

    return Hidden()


def of_a_sum(predictions, targets):
    return sum((p - t) * (p - t) for p, t in zip(predictions, targets))


def weighted_by_class(predictions, targets):
    weights = {1: 5.0}
    return sum(weights.get(t, 1.0) * (p - t) * (p - t) for p, t in zip(predictions, targets)) / len(targets)


@pytest.mark.parametrize(
    ("make", "loss", "error", "why"),
    [
        (partial(Impure, "branch"), "half_squared_error", TypeError, r"comparing a value that jit traces"),
        (partial(Impure, "draw"), "half_squared_error", ValueError, "the loss .*would differ"),
        (hidden_slope, "half_squared_error", ValueError, "the gradient .*would differ"),
        (mlp, of_a_sum, ValueError, "the loss .*would differ"),
        (mlp, weighted_by_class, TypeError, "looking up a value that jit traces"),
    ],
)
def test_what_differs_on_the_first_batch_is_refused(make, loss, error, why):
    model = make()
    before = [(p.data, p.grad) for p in model.parameters()]
    with pytest.raises(error, match=why):
        fit(model, X, Y, loss=loss, epochs=2, jit=True)
    assert [(p.data, p.grad) for p in model.parameters()] == before


def squares_of_large(predictions, targets):
    return half_squared_error([p if p > 0.5 else p * 2.0 for p in predictions], targets)


@pytest.mark.parametrize(
    ("refused", "user_code"),
    [
        (lambda: fit(mlp(), X, Y, loss=squares_of_large, epochs=2, jit=True), squares_of_large),
        (lambda: predict(Impure("branch"), X, jit=True), Impure.__call__),
    ],
)
def test_a_refusal_of_jit_has_a_short_traceback_with_the_users_own_frame(refused, user_code):
    with pytest.raises(TracingError, match=r"^jit=True can't compile .*comparing .*\(line \d+ of") as caught:
        refused()
    written = traceback.format_exception(caught.value)
    assert len("".join(written).splitlines()) < 40
    assert "exception" not in "".join(written).lower()  # no second error before it
    frames = [frame.f_code for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert user_code.__code__ in frames
    assert not [code for code in frames if "compiler" in code.co_filename]


def test_an_optimizer_that_needs_the_graph_has_it():
    unit = Neuron(3, nonlin=False, seed=1)
    history = fit(unit, X, Y, loss="half_squared_error", optimizer="newton", epochs=2)
    assert (history.engine, history.why_plain) == ("plain", "Newton works on the graph of the loss")
    with pytest.raises(TypeError, match="Newton works on the graph of the loss, so it can't"):
        fit(unit, X, Y, loss="half_squared_error", optimizer="newton", epochs=2, jit=True)


def test_without_llvmlite_the_compiled_code_runs_on_numpy(monkeypatch):
    monkeypatch.setenv("AUTOGRAD_MINI_BACKEND", "numpy")
    model, _ = train_both_ways(mlp, X, Y, loss="half_squared_error", epochs=3, batch_size=4, seed=1, l2=0.01)
    assert np.allclose(predict(model, X, jit=True), predict(model, X, jit=False), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("call", [partial(fit, y=Y, loss="half_squared_error", epochs=1), predict])
def test_jit_is_true_false_or_none(call):
    with pytest.raises(TypeError, match=r"jit must be True, False or None, not 'fast' \(str\)"):
        call(mlp(), X, jit="fast")


# What happens how often.


def test_a_model_is_compiled_once_for_batches_of_any_size(monkeypatch):
    kernels = []
    original = CompiledObjective._loss_of_example
    monkeypatch.setattr(
        CompiledObjective, "_loss_of_example", lambda self, *args: kernels.append(1) or original(self, *args)
    )
    fit(mlp(), X, Y, loss="half_squared_error", batch_size=4, epochs=6, validation=(X[:7], Y[:7]), jit=True)
    assert kernels == [1]


# predict, predict_proba, score.


@pytest.mark.parametrize(("outputs", "loss"), [(1, None), (3, None), (3, "cross_entropy_from_logits"), (1, "hinge")])
def test_predictions_are_the_same(outputs, loss):
    model = mlp(outputs)
    plain, compiled = (predict(model, X, loss, jit=jit) for jit in (False, True))
    assert compiled.dtype == plain.dtype
    assert np.allclose(compiled, plain, rtol=1e-14, atol=1e-15)


def test_probabilities_and_scores_are_the_same():
    model, loss = mlp(3), "cross_entropy_from_logits"
    assert np.allclose(predict_proba(model, X, loss, jit=True), predict_proba(model, X, loss, jit=False), rtol=1e-14)
    assert score(model, X, THREE, jit=True) == score(model, X, THREE, jit=False)
    found, expected = (score(model, X, THREE, loss, jit=jit) for jit in (True, False))
    assert found == pytest.approx(expected, rel=1e-14)


def test_outputs_that_are_plain_numbers_are_predicted():
    class Constant(Module):
        def __call__(self, x):
            return [x[0], 2.0]

    for jit in (False, True):
        assert predict(Constant(), [[1.0], [3.0]], jit=jit).tolist() == [[1.0, 2.0], [3.0, 2.0]]


def test_many_predictions_go_through_jit_without_being_asked(monkeypatch):
    sizes = []

    def through_jit(model, inputs):
        sizes.append(len(inputs))
        return outputs_through_jit(model, inputs)

    monkeypatch.setattr("nn.train.evaluation.outputs_through_jit", through_jit)
    model = MLP(3, [200, 1], seed=1)
    few = predict(model, X)
    assert sizes == []
    many = predict(model, np.tile(X, (110, 1)))
    assert sizes == [1100]
    assert np.allclose(many[:10], few, rtol=1e-13)


def test_a_model_of_ones_own_predicts_through_jit_only_if_asked():
    model = Impure("branch")
    assert predict(model, X, jit=None).tolist() == predict(model, X, jit=False).tolist()
    with pytest.raises(TypeError, match="comparing a value that jit traces"):
        predict(model, X, jit=True)
    with pytest.raises(ValueError, match=r"the outputs .*would differ"):
        predict(Impure("draw"), X, jit=True)
    assert predict(Scaled(2.0), X, jit=True) == pytest.approx(predict(Scaled(2.0), X), rel=1e-14)
