"""Value: arithmetic, backward(), and what a Value refuses."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import autograd_mini
from autograd_mini import Value, relu, sqrt, topological_order


def test_lecture_example_has_the_gradients_of_the_slide() -> None:
    # CISC6000: Neural Networks, computation graphs: f = (x + y) z at x = -2, y = 5, z = -4.
    x, y, z = Value(-2), Value(5), Value(-4)
    q = x + y
    f = q * z
    f.backward()
    assert (q.data, f.data) == (3, -12)
    assert (f.grad, z.grad, q.grad, y.grad, x.grad) == (1, 3, -4, -4, -4)


def test_backprop_finds_gradients_in_the_order_of_the_slide() -> None:
    x, y, z = Value(-2, "x"), Value(5, "y"), Value(-4, "z")
    q = x + y
    q.label = "q"
    f = q * z
    f.label = "f"
    assert [node.label for node in reversed(topological_order(f))] == ["f", "z", "q", "y", "x"]


def test_micrograd_readme_example_gives_micrograds_figures() -> None:
    # The figures are those of micrograd's README; the comments there give PyTorch as their source.
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


def test_micrograd_attributes() -> None:
    x: Any = Value(2.0)
    y = Value(3.0)
    assert (x * y)._prev == {x, y}
    assert ((x * y)._op, (x + y)._op, (x**2)._op, x.relu()._op, x._op, x._prev) == ("*", "+", "**2", "ReLU", "", set())
    assert repr(Value(-4)) == "Value(data=-4.0, grad=0.0)"
    x.data, x.grad = 5, 1
    assert (x.data, x.grad) == (5.0, 1.0)
    assert x.exp().data == pytest.approx(math.exp(5))
    assert x.tanh().data == pytest.approx(math.tanh(5))


@pytest.mark.parametrize(
    "function",
    [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod, operator.floordiv],
)
@pytest.mark.parametrize("other", [3, 3.0, True, Fraction(5, 2), np.float64(2.5), np.float32(2.5), np.int64(3)])
def test_operators_take_numbers_of_any_kind_on_either_side(function: Callable[..., Any], other: Any) -> None:
    x = Value(2.0)
    for result, expected in [
        (function(x, other), function(2.0, float(other))),
        (function(other, x), function(float(other), 2.0)),
    ]:
        assert isinstance(result, Value)
        assert result.data == pytest.approx(expected, rel=1e-15)


def test_local_gradients_stand_beside_the_inputs() -> None:
    x, y = Value(3.0), Value(4.0)
    assert ((x * y).operands, (x * y).local_derivatives) == ((x, y), (4.0, 3.0))
    assert ((x / y).local_derivatives, (-x).local_derivatives) == ((0.25, -0.1875), (-1.0,))
    assert (x.operands, x.local_derivatives, x.op) == ((), (), None)
    assert (x * y).op.name == "mul"


def test_numbers_of_an_expression_are_constants() -> None:
    x = Value(3.0)
    two = (2 * x).operands[0]
    assert (two.data, two.is_leaf, two.requires_grad) == (2.0, True, False)
    assert (x.requires_grad, (2 * x).requires_grad, (2 * x).is_leaf) == (True, True, False)


def test_leaves_accumulate_and_interior_nodes_start_from_zero() -> None:
    x = Value(3.0)
    y = x * x
    z = y * 2
    z.backward()
    z.backward()
    assert (x.grad, y.grad, z.grad) == (24.0, 2.0, 1.0)


def test_backward_from_a_leaf_adds_the_seed() -> None:
    x = Value(3.0)
    x.backward()
    x.backward(2.5)
    assert x.grad == 3.5


def test_backward_of_a_root_leaves_gradients_of_earlier_roots_alone() -> None:
    x, y = Value(2.0), Value(3.0)
    a = x * y
    b = a * a
    b.backward()
    assert (a.grad, x.grad) == (12.0, 36.0)
    (x + y).backward()
    assert (a.grad, x.grad) == (12.0, 37.0)


def test_stored_local_derivatives_ignore_later_changes_of_data() -> None:
    x, y = Value(2.0), Value(3.0)
    product, fused = x * y, autograd_mini.dot([x], [y])
    x.data = y.data = 100.0
    product.backward()
    fused.backward()
    assert (x.grad, y.grad) == (6.0, 4.0)


def test_comparisons_and_truth_look_at_data_and_hash_at_identity() -> None:
    x, y = Value(1.0), Value(1.0)
    assert x <= y
    assert not x < y
    assert x < 2
    assert 2 > x
    assert x >= np.float64(1.0)
    assert x == y
    assert (x != y) is False
    assert x == 1
    assert x != 2.0
    assert x != "1"
    assert Value(math.nan) != Value(math.nan)
    assert 1.0 in [Value(2.0), x]
    assert len({x, y, x}) == 2
    assert not Value(0.0)
    assert Value(math.nan)
    assert max(Value(1.0), Value(2.0)).data == 2.0


def test_format_uses_the_data() -> None:
    assert f"{Value(math.pi):.3f}" == "3.142"
    assert f"{Value(1.0)}" == "Value(data=1.0, grad=0.0)"


def test_numpy_scalars_and_arrays_mix_with_values() -> None:
    v = Value(2.0)
    assert isinstance(np.float64(3) * v, Value)
    assert isinstance(v * np.float64(3), Value)
    product = v * np.array([1.0, 2.0])
    assert product.dtype == object
    assert [p.data for p in product] == [2.0, 4.0]
    assert [p.data for p in np.array([1.0, 2.0]) - v] == [-1.0, 0.0]
    total = (np.array([Value(1.0), v]) @ np.array([3.0, 4.0])) ** 2
    total.backward()
    assert v.grad == 2 * 11 * 4


@pytest.mark.parametrize(
    "name",
    "exp expm1 exp2 log log1p log2 log10 sqrt cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh "
    "degrees radians deg2rad rad2deg floor ceil trunc fabs absolute".split(),
)
def test_numpy_functions_work_through_methods(name: str) -> None:
    function = getattr(np, name)
    for given in (Value(0.5), np.array([Value(0.5), Value(0.25)])):
        result = np.ravel(function(given))
        numbers = np.ravel(np.vectorize(lambda v: v.data, otypes=[float])(given))
        assert [r.data for r in result] == pytest.approx(list(function(numbers)), rel=1e-15)


def test_math_rounding_functions_give_values() -> None:
    assert (math.floor(Value(1.5)).data, math.ceil(Value(1.5)).data, math.trunc(Value(-1.5)).data) == (1.0, 2.0, -1.0)


def test_math_functions_refuse_values_and_name_the_replacement() -> None:
    with pytest.raises(TypeError, match=r"autograd_mini\.exp"):
        math.exp(Value(1.0))
    for conversion in (float, int, complex):
        with pytest.raises(TypeError, match="Value"):
            conversion(Value(1.0))
    with pytest.raises(TypeError):
        np.array([Value(1.0)], dtype=float)


@pytest.mark.parametrize(
    "wrong",
    ["3", None, 1j, [1.0], np.array([1.0, 2.0]), Decimal(1), object(), Value(1.0)],
    ids=lambda w: type(w).__name__,
)
def test_data_must_be_a_real_number(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"data must be a real number, not .*\(" + type(wrong).__name__):
        Value(wrong)
    x = Value(7.0)
    with pytest.raises(TypeError, match="data must be a real number"):
        x.data = wrong
    with pytest.raises(TypeError, match="grad must be a real number"):
        x.grad = wrong
    assert (x.data, x.grad) == (7.0, 0.0)


@pytest.mark.parametrize("wrong", ["1", None, 1j, [1.0], Value(1.0), np.ones(2)], ids=lambda w: type(w).__name__)
def test_a_seed_that_is_no_number_is_refused_with_nothing_changed(wrong: Any) -> None:
    x = Value(2.0)
    y = x * x
    y.backward()
    with pytest.raises(TypeError, match="seed must be a real number"):
        y.backward(wrong)
    assert (x.grad, y.grad) == (4.0, 1.0)


@pytest.mark.parametrize("wrong", ["1", None, 1j, [1.0], Decimal(1), object()], ids=lambda w: type(w).__name__)
@pytest.mark.parametrize("function", [operator.add, operator.sub, operator.truediv, operator.pow, operator.lt])
def test_operators_refuse_what_is_no_number(function: Callable[..., Any], wrong: Any) -> None:
    with pytest.raises(TypeError):
        function(Value(1.0), wrong)
    with pytest.raises(TypeError):
        function(wrong, Value(1.0))


def test_integers_beyond_float64_are_refused() -> None:
    for attempt in (lambda: Value(10**400), lambda: Value(1.0) + 10**400, lambda: 10**400 * Value(1.0)):
        with pytest.raises(OverflowError, match="too large"):
            attempt()


def test_labels_are_strings() -> None:
    with pytest.raises(TypeError, match=r"label must be a string, not 5 .*autograd_mini\.operation"):
        Value(1.0, 5)
    x = Value(1.0, "weights")
    with pytest.raises(TypeError, match="label must be a string, not None"):
        x.label = None
    assert x.label == "weights"


def test_value_can_not_be_subclassed() -> None:
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (Value,), {})


def test_value_has_no_attributes_of_its_own_making() -> None:
    with pytest.raises(AttributeError):
        Value(1.0).gard = 0.0  # type: ignore[attr-defined]


def test_detach_gives_a_leaf_that_gradient_does_not_pass() -> None:
    x = Value(3.0, "x")
    y = (x * x).detach() * x
    y.backward()
    assert (y.data, x.grad) == (27.0, 9.0)
    assert (x.detach().label, x.detach().requires_grad, x.item()) == ("x", False, 3.0)
    with pytest.raises(RuntimeError, match="no graph"):
        x.detach().backward()


def test_nothing_flows_through_detach_where_a_derivative_is_infinite() -> None:
    for cut in (autograd_mini.detach, Value.detach):
        x = Value(0.0)
        y = cut(sqrt(x)) * x + x
        y.backward()
        assert (y.data, x.grad) == (0.0, 1.0)


def test_division_and_powers_are_ieee_754() -> None:
    zero = Value(0.0)
    assert (1 / zero).data == math.inf
    assert (-1 / zero).data == -math.inf
    assert (1 / Value(-0.0)).data == -math.inf
    assert math.isnan((zero / zero).data)
    assert (zero**-1).data == math.inf
    assert math.isnan((Value(-8.0) ** (1 / 3)).data)
    assert (Value(1e300) * 1e300).data == math.inf
    assert (Value(10.0) ** 400).data == math.inf
    assert math.isnan((zero % 0).data)
    assert (Value(1.0) // 0).data == math.inf
    assert (Value(-2.0) ** 3).data == -8.0
    with pytest.raises(TypeError):
        pow(Value(2.0), 3, 5)


def _graph() -> tuple[Value, Value, Value]:
    x = Value(2.0, "x")
    q = relu(x * 3) + x
    f = autograd_mini.dot([q, x], [x, 4.0], bias=1.0) ** 2
    f.backward()
    return x, q, f


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t)), lambda t: pickle._loads(pickle._dumps(t))],  # type: ignore[attr-defined]
    ids=["deepcopy", "pickle", "pickle in Python"],
)
def test_copies_of_a_graph_keep_identities_values_and_gradients(duplicate: Callable[..., Any]) -> None:
    original = _graph()
    x, q, f = duplicate(original)
    assert [(v.data, v.grad, v.label) for v in (x, q, f)] == [(v.data, v.grad, v.label) for v in original]
    fan = f.operands[0]
    assert fan.operands[0] is q
    assert fan.operands[1] is x
    assert q.operands[1] is x
    assert not fan.operands[3].requires_grad
    x.grad = 0.0
    f.backward()
    assert (x.grad, q.grad) == (original[0].grad, original[1].grad)
    assert original[0].grad != 0.0


def test_copy_of_one_node_shares_its_inputs() -> None:
    x, q, _ = _graph()
    twin = copy.copy(q)
    assert twin is not q
    assert twin.operands == q.operands
    assert copy.copy(x).label == "x"


def test_a_failed_pickle_leaves_later_ones_whole() -> None:
    x = Value(1.0)
    y = x
    for _ in range(3000):
        y = y * x
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps([y, lambda: None])

    class Stop(Exception):
        pass

    class File:
        def write(self, _: bytes) -> int:
            raise Stop

    with pytest.raises(Stop):
        pickle.dump(y, File())
    again = pickle.loads(pickle.dumps((y, y.operands[0])))
    assert again[0].operands[0] is again[1]


def test_dot_counts_what_it_is_given_not_what_len_says() -> None:
    class Liar:
        def __len__(self) -> int:
            return 200_000

        def __iter__(self) -> Iterator[float]:
            return iter([1.0])

    assert autograd_mini.dot(Liar(), [Value(2.0)]).data == 2.0
    with pytest.raises(ValueError, match="as many ws as xs, but got 1 and 2"):
        autograd_mini.dot(Liar(), [1.0, 2.0])


def test_a_node_that_is_initialised_again_is_a_leaf() -> None:
    x = Value(2.0)
    y = x * x
    y.__init__(3.0)
    assert (y.data, y.operands, y.op, y.is_leaf) == (3.0, (), None, True)
    y.backward()
    assert (x.grad, y.grad) == (0.0, 1.0)


def test_a_step_of_backward_by_hand_as_in_micrograd_s_lecture() -> None:
    """The neuron of the lecture, whose gradients are known: x1 -1.5, w1 1, x2 0.5, w2 0."""
    x1, x2, w1, w2, b = (Value(number) for number in (2.0, 0.0, -3.0, 1.0, 6.8813735870195432))
    x1w1, x2w2 = x1 * w1, x2 * w2
    total = x1w1 + x2w2
    n = total + b
    o = n.tanh()
    o.grad = 1.0
    for node in (o, n, b, total, x2w2, x1w1):
        node._backward()
    assert [p.grad for p in (x1, w1, x2, w2)] == pytest.approx([-1.5, 1.0, 0.5, 0.0], rel=1e-12)
