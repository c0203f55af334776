"""Pictures of functions, losses, decision regions and networks, read back from what was drawn."""

from __future__ import annotations

import copy
import math
import pickle
import re
from functools import partial
from typing import Any

import numpy as np
import pytest
from pictures import look_at
from processes import run

from autograd_mini import Value, leaky_relu, no_grad, topological_order, where
from nn import MLP, Layer, Neuron, fit, half_squared_error, mean_squared_error
from nn.show.network_drawing import draw_network
from nn.show.plots import plot_activations, plot_curves, plot_decision_regions, plot_loss_landscape

BLUE, ORANGE, PURPLE, GREY = "#0072b2", "#c44e00", "#a0508a", "#999999"


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def ys(line):
    return np.asarray(line.get_ydata())


# Activation functions.


def test_figure_1_is_plotted_unless_told_otherwise(pyplot):
    figure = plot_activations()
    titles = ["Sigmoid", "Tanh", "ReLU", "LeakyReLU", "Softplus", "ELU"]  # as in the figure of the lecture note
    assert [axes.get_title() for axes in figure.axes] == titles


@pytest.mark.parametrize(
    ("name", "function", "derivative"),
    [
        ("tanh", np.tanh, lambda x: 1.0 - np.tanh(x) ** 2),
        ("elu", lambda x: np.where(x < 0, np.exp(x) - 1, x), lambda x: np.where(x < 0, np.exp(x), 1.0)),
    ],
)
def test_curves_are_the_function_and_its_derivative(name, function, derivative, pyplot):
    figure = plot_activations(name, xlim=(-3.0, 5.0))
    curve, slope = figure.axes[0].get_lines()[:2]
    xs = np.asarray(curve.get_xdata())
    assert (xs[0], xs[-1]) == (-3.0, 5.0)
    np.testing.assert_allclose(ys(curve), function(xs), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(ys(slope), derivative(xs), rtol=1e-12, atol=1e-15)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["function", "derivative"]


def test_any_function_of_a_value_can_be_plotted(pyplot):
    cube, leaky = plot_activations([lambda x: x**3, partial(leaky_relu, slope=0.1)]).axes
    xs = np.asarray(cube.get_lines()[0].get_xdata())
    np.testing.assert_allclose(ys(cube.get_lines()[1]), 3.0 * xs**2, rtol=1e-12)
    assert ys(leaky.get_lines()[1])[0] == 0.1


@pytest.mark.parametrize(
    ("arguments", "kwargs", "error", "message"),
    [
        ((["rely"],), {}, ValueError, "unknown activation 'rely'; known are"),
        (([],), {}, ValueError, "no activation function to plot"),
        ((["softmax"],), {}, ValueError, "softmax is a function of a whole layer's outputs"),
        ((), {"xlim": (1.0, 1.0)}, ValueError, "from a lower to a higher number, not from 1.0 to 1.0"),
        ((), {"xlim": (0.0, math.inf)}, ValueError, "xlim must be finite"),
    ],
)
def test_bad_arguments_of_activations_are_refused_before_a_figure_is_made(arguments, kwargs, error, message, pyplot):
    with pytest.raises(error, match=message):
        plot_activations(*arguments, **kwargs)
    assert pyplot.get_fignums() == []


# Curves.


def test_curves_are_plotted_against_epochs_counted_from_1(pyplot):
    axes = plot_curves({"training": [0.9, 0.5, 0.3], "validation": [1.0, float("nan")]}, ylabel="error")
    training, validation = axes.get_lines()
    assert np.asarray(training.get_xdata()).tolist() == [1, 2, 3]
    assert ys(training).tolist() == [0.9, 0.5, 0.3]
    np.testing.assert_array_equal(ys(validation), [1.0, math.nan])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "validation"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "error")


def test_curves_differ_in_colour_and_dashes(pyplot):
    lines = plot_curves({str(i): [float(i)] * 2 for i in range(4)}).get_lines()
    assert len({line.get_color() for line in lines}) == 4
    assert len({line.get_linestyle() for line in lines}) == 4


def test_a_single_epoch_is_visible(pyplot):
    [line] = plot_curves({"loss": [0.5]}).get_lines()
    assert line.get_marker() == "o"


@pytest.mark.parametrize(
    ("curves", "error", "message"),
    [
        ({}, ValueError, "no curve"),
        ({"loss": []}, ValueError, "the curve 'loss' must have one number for each epoch"),
        ({"loss": [[1.0]]}, ValueError, "the curve 'loss' must have one number for each epoch"),
        ({"loss": 0.5}, TypeError, "the curve 'loss' must be a sequence of numbers, not 0.5"),
        ([1.0, 0.5], TypeError, "curves must be a mapping"),
    ],
)
def test_bad_curves_are_refused(curves, error, message, pyplot):
    with pytest.raises(error, match=message):
        plot_curves(curves)
    assert pyplot.get_fignums() == []


# Decision regions.

X = [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]


def regions(axes):
    """Give each class's region as a test whether it contains a point."""
    found = {c.get_gid(): c.get_paths() for c in axes.collections if "region" in (c.get_gid() or "")}
    return {
        int(name.split()[-1]): lambda point, paths=paths: any(path.contains_point(point) for path in paths)
        for name, paths in found.items()
    }


def assert_regions_agree(axes, predicted):
    """Compare with the class that is right, off the borders of the regions."""
    found = regions(axes)
    for point in np.random.default_rng(2).uniform(-1.15, 1.15, size=(200, 2)):
        if predicted(point) is not None:
            assert [k for k, contains in found.items() if contains(point)] == [predicted(point)]


def test_one_output_is_compared_with_the_threshold(pyplot):
    unit = Layer.from_matrix([[1.0, 2.0, -0.5]], activation="identity")
    axes = plot_decision_regions(unit, X, [0, 0, 1, 1], threshold=0.0, resolution=30)

    def predicted(point):
        z = point[0] + 2.0 * point[1] - 0.5
        return None if abs(z) < 1e-6 else int(z > 0.0)

    assert_regions_agree(axes, predicted)


def test_a_probability_has_its_threshold_at_one_half(pyplot):
    unit = Neuron(2, activation="sigmoid", init="zeros")
    unit.w[0].data = 3.0
    axes = plot_decision_regions(unit, X, [0, 1, 0, 1], resolution=31)
    assert_regions_agree(axes, lambda point: None if abs(point[0]) < 0.01 else int(point[0] > 0.0))


def test_of_several_outputs_the_largest_says_the_class(pyplot):
    matrix = np.array([[1.0, 0.0, 0.0], [-1.0, 1.0, 0.0], [0.0, -2.0, 0.3]])
    axes = plot_decision_regions(Layer.from_matrix(matrix, activation="identity"), X, [0, 1, 2, 0], resolution=100)

    def predicted(point):
        scores = matrix @ [*point, 1.0]
        first, second = np.sort(scores)[::-1][:2]
        return None if first - second < 0.1 else int(scores.argmax())

    assert_regions_agree(axes, predicted)


def test_where_outputs_are_level_regions_do_not_overlap(pyplot):
    unit = Neuron(2, activation="relu", init="zeros")
    unit.w[1].data = 1.0
    axes = plot_decision_regions(unit, X, [0, 0, 1, 1], threshold=0.0, resolution=31)
    assert_regions_agree(axes, lambda point: None if abs(point[1]) < 0.1 else int(point[1] > 0.0))


@pytest.mark.parametrize("nout", [1, 3])
def test_a_tie_is_decided_as_predicted_class_does(nout, pyplot):
    model = Layer(2, nout, nonlin=False, init="zeros")
    axes = plot_decision_regions(model, X, [0, 1, 0, 1], threshold=0.0, resolution=5)
    assert list(regions(axes)) == [0]


def test_examples_are_drawn_in_the_colour_of_their_class(pyplot):
    axes = plot_decision_regions(Neuron(2, seed=1), X, [-1, 1, 1, -1], threshold=0.0, resolution=5)
    collections: list[Any] = list(axes.collections)
    points = [c for c in collections if c.get_label().startswith("class")]
    assert [c.get_label() for c in points] == ["class -1", "class 1"]
    assert [np.asarray(c.get_offsets()).tolist() for c in points] == [[X[0], X[3]], [X[1], X[2]]]
    colors = [tuple(c.get_facecolor()[0][:3]) for c in points]
    assert colors[0] != colors[1]


def test_a_frames_columns_name_the_axes(pyplot):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(X, columns=["age", "education"])
    axes = plot_decision_regions(Neuron(2), frame, pandas.Series([0, 1, 1, 0], index=[4, 5, 6, 7]), resolution=5)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("age", "education")


def test_decision_regions_go_into_axes_that_are_given(pyplot):
    figure, (_, axes) = pyplot.subplots(1, 2)
    assert plot_decision_regions(Neuron(2), np.array(X), np.array([0, 1, 1, 0]), axes, resolution=5) is axes
    assert pyplot.get_fignums() == [figure.number]


def test_the_model_records_no_graph(pyplot):
    outputs = []

    def model(x):
        outputs.append(Neuron(2)(x))
        return outputs[-1]

    plot_decision_regions(model, X, [0, 1, 1, 0], resolution=5)
    assert len(outputs) == 25
    assert all(len(topological_order(output)) == 1 for output in outputs)


@pytest.mark.parametrize(
    ("arguments", "kwargs", "error", "message"),
    [
        ((Neuron(2), [[1.0, 2.0, 3.0]], [1]), {}, ValueError, r"two features for each example, but has .*\(1, 3\)"),
        ((Neuron(2), [], []), {}, ValueError, "two features for each example"),
        ((Neuron(2), [[1.0, math.nan]], [1]), {}, ValueError, "X must be finite, but .* is nan"),
        ((Neuron(2), X, [1, 0]), {}, ValueError, "a class for each of the 4 examples, but y has the length 2"),
        ((Neuron(2), X, [0, 1, 2, 0]), {}, ValueError, r"y\[2\] must be 0 or 1, or -1 or 1, not 2"),
        ((Layer(2, 3), X, [[1, 0]] * 4), {}, ValueError, r"y\[0\] has 2 entries for 3 classes"),
        ((7, X, [0] * 4), {}, TypeError, "model must be a function of two features, not 7"),
        ((lambda x: math.nan, X, [0] * 4), {}, ValueError, "what the model gives must be finite, but .* is nan"),
        ((Neuron(2), X, [0] * 4), {"resolution": 1}, ValueError, "resolution must be at least 2"),
        ((Neuron(2), X, [0] * 4), {"threshold": "a"}, TypeError, "threshold must be a real number, not 'a'"),
        ((Neuron(2), X, [0] * 4), {"threshold": math.nan}, ValueError, "threshold must be finite, not nan"),
        ((Neuron(2), X, [0] * 4), {"loss": "cross_entropy"}, ValueError, "cross_entropy needs an output for each"),
    ],
)
def test_bad_arguments_of_decision_regions_are_refused(arguments, kwargs, error, message, pyplot):
    with pytest.raises(error, match=message):
        plot_decision_regions(*arguments, **({"resolution": 5} | kwargs))
    assert pyplot.get_fignums() == []


def test_without_matplotlib_the_error_names_the_extra():
    script = """
import sys
sys.modules["matplotlib"] = None
from nn.show import plots
for name in ("plot_activations", "plot_curves", "plot_decision_regions"):
    try:
        getattr(plots, name)(*[[]] * {"plot_activations": 1, "plot_curves": 1}.get(name, 3))
    except ImportError as error:
        print(error)
"""
    assert run(script) == "plotting needs matplotlib: pip install 'autograd_mini[plot]'\n" * 3


# Networks.


def units(seen):
    return [key for key in seen.nodes if re.fullmatch(r"c\d+u\d+", key)]


def test_there_is_a_unit_for_each_input_and_neuron_and_an_edge_for_each_parameter():
    model = MLP(3, [4, 2], seed=1)
    seen = look_at(draw_network(model))
    assert len(units(seen)) == 3 + 4 + 2
    assert {"c0bias", "c1bias"} <= seen.nodes.keys()
    assert len(seen.edges) == len(model.parameters())
    assert [seen.nodes[key].texts for key in ("c0u1", "c1u4", "c2u2")] == [["x₁"], ["h₄⁽¹⁾"], ["y₂"]]


def test_columns_stand_side_by_side_and_units_below_each_other():
    nodes = look_at(draw_network(MLP(3, [4, 1]))).nodes
    across: list[Any] = [nodes[f"c{i}u1"].place for i in range(3)]
    assert across == sorted(across)
    xs, down = zip(*(nodes[f"c1u{j}"].place for j in range(1, 5)))
    assert len(set(xs)) == 1
    assert list(down) == sorted(down)


def test_captions_name_layers_and_activations():
    nodes = look_at(draw_network(MLP(2, [3, 2], activation="relu", output_activation="softmax"))).nodes
    captions = [nodes[f"c{i}caption"].texts for i in range(3)]
    assert captions == [["input"], ["hidden", "ReLU"], ["output", "Softmax"]]


def test_colour_is_the_sign_and_width_the_size_of_a_weight():
    weights = [0.5, -2.0, 0.0, 1.0, math.nan]
    neuron = Neuron(5, bias=False)
    for w, number in zip(neuron.w, weights, strict=True):
        w.data = number
    seen = look_at(draw_network(neuron))
    edges = [seen.edge(f"c0u{i}", "c1u1") for i in range(1, 6)]
    assert [edge.colors for edge in edges] == [{BLUE}, {ORANGE}, {GREY}, {BLUE}, {PURPLE}]
    widths = [edge.widths for edge in edges]
    assert max(widths[2]) < max(widths[0]) < max(widths[3]) < max(widths[1])
    assert edges[1].tooltip == "weight from x₂ to y: -2.0"


def test_widths_are_in_the_order_of_the_weights_of_all_layers():
    model = MLP(3, [4, 2], init="normal", seed=3)
    seen = look_at(draw_network(model))
    drawn = [
        (abs(w.data), max(seen.edge(f"c{i}u{k + 1}", f"c{i + 1}u{j + 1}").widths))
        for i, layer in enumerate(model.layers)
        for j, neuron in enumerate(layer.neurons)
        for k, w in enumerate(neuron.w)
    ]
    in_order = [width for _, width in sorted(drawn)]
    assert in_order == sorted(in_order)


def test_an_example_shows_the_activations_in_the_units():
    model = MLP.from_layers([Layer.from_matrix([[3, 4, 2], [2, -3, -4]]), Layer.from_matrix([[5, 5, 2]])])
    seen = look_at(draw_network(model, x=[1, 0]))
    shown = [seen.nodes[key].texts for key in ("c0u1", "c1u1", "c1u2", "c2u1")]
    assert shown == [["x₁", "1"], ["h₁⁽¹⁾", "5"], ["h₂⁽¹⁾", "0"], ["y", "27"]]
    assert "#ffffff" in seen.nodes["c1u2"].colors
    assert "#ffffff" not in seen.nodes["c1u1"].colors


def test_an_example_is_computed_without_a_graph_and_leaves_gradients_alone():
    model = MLP(2, [2, 1], seed=1)
    model.layers[0].neurons[0].w[0].grad = 3.0
    draw_network(model, x=[Value(1.0), 2.0])
    assert [p.grad for p in model.parameters()] == [3.0] + [0.0] * 8


def test_after_backward_tooltips_give_the_gradients():
    layer = Layer.from_matrix([[1.0, 2.0, 0.0]])
    assert "gradient" not in look_at(draw_network(layer)).edge("c0u1", "c1u1").tooltip
    half_squared_error([layer([3.0, -1.0])], [0.0]).backward()  # y = 1, so the gradients are the inputs
    seen = look_at(draw_network(layer))
    assert seen.nodes["c0bias"].texts == ["1"]
    assert seen.edge("c0u1", "c1u1").tooltip == "weight from x₁ to y: 1.0\ngradient 3.0"
    assert seen.edge("c0bias", "c1u1").tooltip == "bias of y: 0.0\ngradient 1.0"


def test_edges_may_stand_for_gradients():
    layer = Layer.from_matrix([[1.0, 2.0, 0.0]])
    half_squared_error([layer([3.0, -1.0])], [0.0]).backward()
    drawing = draw_network(layer, edges="gradients")
    edges = [look_at(drawing).edge(f"c0{tail}", "c1u1") for tail in ("u1", "u2", "bias")]
    assert [edge.colors for edge in edges] == [{BLUE}, {ORANGE}, {BLUE}]
    assert max(edges[0].widths) > max(edges[1].widths) == max(edges[2].widths)
    assert ">edges: gradients, up to 3<" in drawing.svg()


def test_large_layers_are_drawn_as_their_first_units_and_their_last():
    seen = look_at(draw_network(MLP(20, [5, 6], bias=False), limit=5))
    assert units(seen) == [
        *("c0u1", "c0u2", "c0u3", "c0u20"),
        *("c1u1", "c1u2", "c1u3", "c1u4", "c1u5"),
        *("c2u1", "c2u2", "c2u3", "c2u6"),
    ]
    assert seen.nodes["c0more"].texts == ["⋮"]
    assert "c1more" not in seen.nodes
    assert len(seen.edges) == 4 * 5 + 5 * 4
    assert not any("bias" in key for key in seen.nodes)


def test_small_networks_have_their_weights_beside_the_edges_and_large_ones_when_asked():
    layer = Layer.from_matrix([[1.5, -2.0, 0.25]])
    numbers = [
        text for key, node in look_at(draw_network(layer)).nodes.items() if "number" in key for text in node.texts
    ]
    assert numbers == ["1.5", "-2", "0.25"]
    assert not any("number" in key for key in look_at(draw_network(layer, labels=False)).nodes)
    large = MLP(5, [5, 1])
    assert not any("number" in key for key in look_at(draw_network(large)).nodes)
    assert sum("number" in key for key in look_at(draw_network(large, labels=True)).nodes) == 36


def test_numbers_of_a_small_network_do_not_cover_each_other():
    source = draw_network(MLP(2, [3, 1], seed=1)).source
    places = [tuple(map(float, pos)) for pos in re.findall(r'number.*?pos="(.*?),(.*?)!"', source)]
    gaps = [abs(y - other) for i, (x, y) in enumerate(places) for x2, other in places[:i] if x == x2]
    assert len(places) == 13
    assert min(gaps) > 0.13  # inches, as high as a digit


def test_of_many_edges_the_weak_ones_fade():
    model = MLP(8, [8, 8], bias=False, init="normal", seed=1)
    seen = look_at(draw_network(model))
    strong = [edge for _, _, edge in seen.edges if min(edge.widths) > 0.6]
    assert len(strong) == 60
    assert len(seen.edges) == 128
    sizes = sorted((abs(w.data) for w in model.parameters()), reverse=True)
    assert {edge.tooltip.rpartition(" ")[2].lstrip("-") for edge in strong} == {repr(size) for size in sizes[:60]}


def test_a_unit_that_stands_alone_has_a_light_tint():
    layer = Layer.from_matrix([[2.0, 0.0]])
    two = Layer.from_matrix([[2.0, 0.0], [1.0, 0.0]])
    alone, among = (look_at(draw_network(x, [1.0])).nodes["c1u1"].colors - {"#222222"} for x in (layer, two))
    red_alone, red_among = (int(next(iter(colors))[1:3], 16) for colors in (alone, among))
    assert red_alone > red_among


@pytest.mark.parametrize("name", ["<lambda>", '"quoted" & \\n', "a\nb", "{x|y}"])
def test_names_of_activations_are_shown_as_they_are(name):
    def activation(x):
        return where(x > 0.0, x, 0.0)

    activation.__name__ = name
    shown = look_at(draw_network(Neuron(2, activation=activation))).nodes["c1caption"].texts
    assert "\n".join(shown[1:]) == re.sub("^a", "A", name)


@pytest.mark.parametrize(
    ("arguments", "kwargs", "error", "message"),
    [
        (([1.0],), {}, TypeError, r"an MLP, a Layer or a Neuron, not \[1.0\]"),
        ((Neuron(2), [1.0]), {}, ValueError, "expected 2 inputs, but got 1"),
        ((Neuron(2), [1.0, "a"]), {}, TypeError, "input 1 must be a number or a Value"),
        ((Neuron(2),), {"edges": "deltas"}, ValueError, "edges must be 'weights' or 'gradients', not 'deltas'"),
        ((Neuron(2),), {"limit": 2}, ValueError, "limit must be at least 3"),
    ],
)
def test_bad_arguments_of_networks_are_refused(arguments, kwargs, error, message):
    with pytest.raises(error, match=message):
        draw_network(*arguments, **kwargs)


# What the loss says, landscapes and animations.


def boundary_of(model, X, y, **options):
    """Find where the boundary crosses the line x2 = 0, by the regions' edges."""
    axes = plot_decision_regions(model, X, y, **options)
    [line] = [c for c in axes.collections if getattr(c, "filled", None) is False][:1]
    points = np.concatenate([np.asarray(path.vertices, dtype=np.float64) for path in line.get_paths()])
    return float(points[np.abs(points[:, 1]).argmin(), 0])


LOSSES_AND_BOUNDARIES = [("binary_cross_entropy_from_logits", 1.0), ("hinge", 1.0), ("half_squared_error", 1.5)]


@pytest.mark.parametrize(("loss", "boundary"), LOSSES_AND_BOUNDARIES)
def test_the_boundary_lies_where_the_loss_says(pyplot, loss, boundary):
    unit = Neuron(2, activation="identity").with_parameters([1.0, 0.0, -1.0])  # the output is x1 - 1
    X, y = [[0.0, -1.0], [3.0, 1.0]], [-1, 1] if loss == "hinge" else [0, 1]
    assert boundary_of(unit, X, y, loss=loss) == pytest.approx(boundary, abs=1e-6)
    assert boundary_of(unit, X, y, threshold=0.25) == pytest.approx(1.25, abs=1e-6)


def test_fit_leaves_the_loss_to_plots_and_copies_have_it_too(pyplot):
    unit = Neuron(2, activation="identity").with_parameters([1.0, 0.0, -1.0])
    X, y = [[0.0, -1.0], [3.0, 1.0]], [0, 1]
    history = fit(unit, X, y, loss="binary_cross_entropy_from_logits", optimizer="sgd", lr=1e-12, epochs=1)
    assert history.engine == "jit"  # the note makes the model no stranger
    for model in (unit, copy.deepcopy(unit), pickle.loads(pickle.dumps(unit))):
        assert boundary_of(model, X, y) == pytest.approx(1.0, abs=1e-6)


def test_probabilities_shade_the_regions(pyplot):
    unit = Neuron(2, activation="sigmoid").with_parameters([4.0, 0.0, -4.0])
    X, y = [[0.0, -1.0], [3.0, 1.0]], [0, 1]
    axes = plot_decision_regions(unit, X, y, loss="binary_cross_entropy", resolution=50)
    shades = {image.get_gid(): np.asarray(image.get_array())[0, :, 3] for image in axes.images}
    one = shades["probability of class 1"]
    assert one[0] == 0.0
    assert (np.diff(one) >= 0.0).all()
    # At x1 = 3.3, the right end, the probability is sigmoid(9.2).
    assert one[-1] == pytest.approx(0.4 * (2.0 / (1.0 + math.exp(-9.2)) - 1.0), rel=1e-9)
    assert not plot_decision_regions(unit, X, y).images


def test_derivatives_that_jump_are_drawn_without_a_vertical_line(pyplot):
    for axes in plot_activations(["relu", "leaky_relu"]).axes:
        xs, slopes = map(np.asarray, axes.lines[1].get_data())
        assert np.isnan(slopes).sum() == 1
        assert abs(xs[np.isnan(slopes).argmax() - 1]) <= 0.02
    [smooth] = plot_activations(["tanh"], xlim=(-400.0, 400.0)).axes
    assert np.nanmax(smooth.lines[1].get_ydata()) == 1.0


def test_the_loss_landscape_shows_the_losses_of_moved_parameters(pyplot):
    unit = Neuron(1, nonlin=False, bias=False).with_parameters([2.0])
    two = Neuron(2, nonlin=False, bias=False).with_parameters([3.0, 4.0])
    axes = plot_loss_landscape(two, [[1.0, 1.0]], [7.0], "half_squared_error", resolution=3, span=0.5)
    before = [p.data for p in two.parameters()]
    # At right angles and as long as the weights, 5: half a step to each side has 2.5.
    assert before == [3.0, 4.0]
    assert axes.get_xlim() == (-0.5, 0.5)
    assert axes.get_title() == "half_squared_error"
    with pytest.raises(ValueError, match="which loss"):
        plot_loss_landscape(unit, [[1.0]], [1.0])
    with pytest.raises(ValueError, match="span must be"):
        plot_loss_landscape(unit, [[1.0]], [1.0], "half_squared_error", span=0)
    with pytest.raises(TypeError, match="model must be a Module"):
        plot_loss_landscape(abs, [[1.0]], [1.0], "half_squared_error")  # type: ignore[arg-type]


def test_the_landscapes_lowest_point_is_a_trained_model(pyplot):
    unit = Neuron(2, nonlin=False, seed=1)
    X = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, -1.0]]
    fit(unit, X, [1.0, 2.0, 3.5, 3.0], loss="mean_squared_error", optimizer="newton", epochs=2)
    axes = plot_loss_landscape(unit, X, [1.0, 2.0, 3.5, 3.0], resolution=11)
    heights = axes.collections[0].get_clim()
    with no_grad():
        lowest = mean_squared_error([unit(x) for x in X], [1.0, 2.0, 3.5, 3.0]).data
    assert heights[0] <= lowest <= heights[0] + 0.1 * (heights[1] - heights[0])


@pytest.mark.parametrize(
    ("model", "kwargs", "error", "message"),
    [
        (Neuron(1, bias=False), {}, ValueError, "two directions, but the model has 1 parameters"),
        (Neuron(1), {"seed": "a"}, TypeError, "seed must be an integer or a random.Random, not 'a'"),
    ],
)
def test_a_landscape_without_two_directions_or_a_seed_is_refused(model, kwargs, error, message, pyplot):
    with pytest.raises(error, match=message):
        plot_loss_landscape(model, [[0.0], [1.0]], [0.0, 1.0], "half_squared_error", resolution=3, **kwargs)
    assert pyplot.get_fignums() == []
