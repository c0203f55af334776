"""Compiled functions as C99: the file compiles alone, and computes what the compiled function does."""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from agreement import assert_agree, bits, identical, leaves
from recipes import KINDS, SMOOTH, Recipe
from references import rows_of

from autograd_mini import Value, cosh, dot, exp, fsum, grad, greater, hessian, jit, log, scan, value_and_grad, where
from autograd_mini.compiler.backends import c as backend
from autograd_mini.compiler.jit import Lowered
from autograd_mini.engine.operations import TABLE

COMPILER = shutil.which("cc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler, cc")
FLAGS = "-std=c99 -pedantic -Wall -Wextra -Werror -O1 -shared -fPIC".split()

inf, nan = math.inf, math.nan
GUARD = 12345.0  # stands behind memory that C may write to


@pytest.fixture(autouse=True, scope="module")
def numpy() -> Any:
    """Plan programs as for native code, but let NumPy run them: no second compilation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOGRAD_MINI_BACKEND", "numpy")
        yield


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], ctypes.CDLL]:
    def compile_and_load(text: str) -> ctypes.CDLL:
        name = f"f{len(list(tmp_path.iterdir()))}"  # a library is loaded once by its name
        (tmp_path / f"{name}.c").write_text(text)
        command = [str(COMPILER), *FLAGS, "-o", str(tmp_path / f"{name}.so"), str(tmp_path / f"{name}.c"), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return ctypes.CDLL(str(tmp_path / f"{name}.so"))

    return compile_and_load


def call(library: ctypes.CDLL, text: str, numbers: Sequence[float], count: int, examples: Any = None) -> list[float]:
    """Call the function of a text, and check that it writes to its memory alone, of which it expects nothing."""
    name = re.match(r"/\* (\w+):", text)[1]  # type: ignore[index]
    size = int(re.search(rf"#define {name.upper()}_WORK (\d+)\n", text)[1])  # type: ignore[index]
    work, results = np.full(size + 8, nan), np.full(count + 8, nan)
    work[size:] = results[count:] = GUARD
    pointers = [np.ascontiguousarray(numbers, np.float64), results, work]
    counts = []
    if examples is not None:
        pointers.insert(1, np.ascontiguousarray(examples, np.float64))
        counts = [ctypes.c_size_t(len(examples))]
    getattr(library, name)(*counts, *[ctypes.c_void_p(array.ctypes.data) for array in pointers])
    assert (work[size:] == GUARD).all()
    assert (results[count:] == GUARD).all()
    return results[:count].tolist()


def flat(tree: Any) -> list[float]:
    return np.concatenate([np.ravel(leaf) for path, leaf in leaves(tree) if " " not in path]).tolist()


def rows(tree: Any, batch: int) -> Any:
    """List the results of each example of a batch."""
    columns = [np.reshape(x, (batch, np.size(x) // max(1, batch))) for path, x in leaves(tree) if " " not in path]
    return np.column_stack(columns)


def test_every_operation_and_its_gradient_agree_with_the_compiled_function(load: Any) -> None:
    texts, checks = [], []
    for op in TABLE.values():
        for samples in rows_of(op.name, 5):
            columns = [np.array(column) for column in zip(*samples, strict=True)]
            places = tuple(range(len(columns)))
            of_operands: Callable[..., Any] = lambda *xs, op=op: op.apply(xs)  # noqa: E731
            derive = value_and_grad(of_operands, argnums=places)
            function = lambda *xs, derive=derive: derive(*xs)  # noqa: E731
            function.__qualname__ = f"{op.name}_{len(columns)}"
            compiled = jit(function, in_axes=0)
            text = compiled.lower(*columns).c
            texts.append(text)
            checks.append((text, columns, rows(compiled(*columns), len(samples))))
    library = load("\n".join(texts))  # so functions may stand in one file
    for text, columns, expected in checks:
        results = call(library, text, [], expected.size, np.column_stack(columns))
        assert_agree(np.reshape(results, expected.shape), expected)


def test_random_graphs_their_gradients_and_hessians_agree(load: Any) -> None:
    rng, texts, checks = Random(1), [], []
    for i in range(12):
        steps: list[tuple[str, tuple[int, ...]]] = []
        for node in range(3, 3 + rng.choice([5, 30, 120])):
            name = rng.choice(SMOOTH)
            steps.append((name, tuple(rng.randrange(max(0, node - 6), node) for _ in range(KINDS[name].arity))))
        recipe = Recipe((0.0, 0.0, 0.0), tuple(steps))

        def last(xs: Any, recipe: Recipe = recipe) -> Any:
            return recipe.nodes(xs, lambda kind: kind.ours)[-1]

        transform = hessian if len(steps) < 20 else value_and_grad
        derived = transform(last)
        function = lambda xs, derived=derived: derived(xs)  # noqa: E731
        function.__qualname__ = f"recipe {i}"
        compiled, point = jit(function), [rng.uniform(-1.0, 1.0) for _ in range(3)]
        texts.append(compiled.lower(point).c)
        checks.append((texts[-1], point, flat(compiled(point))))
    library = load("\n".join(texts))
    for text, point, expected in checks:
        assert_agree(call(library, text, point, len(expected)), expected)


def garch(p: Any, returns: Any) -> Any:
    def step(carry: Any, r: Any) -> Any:
        h = p[0] + p[1] * carry[1] ** 2 + p[2] * carry[0]
        return (h, r), [log(h) + r * r / h, h]

    (h, _), made = scan(step, (1.0, 0.0), returns)
    backwards, _ = scan(lambda c, x: (c * 0.5 + x[1], None), h, made, reverse=True)
    return sum(x[0] for x in made) + backwards


def nested(p: Any, xs: Any) -> Any:
    """Loops in a loop, the inner ones too large for registers."""

    def outer(c: Any, x: Any) -> Any:
        def inner(d: Any, w: Any) -> Any:
            mixed = [where(greater(d[i], w), d[i] * p[0], d[i - 1] + w * x) for i in range(30)]
            return mixed, fsum(mixed)

        d, made = scan(inner, [c + i for i in range(30)], [0.1, 0.7, 0.3])
        return sum(d) / 30.0, made[0] - made[2]

    c, made = scan(outer, p[1], xs)
    return c + dot(made, made)


@pytest.mark.parametrize("loop", [garch, nested])
def test_loops_agree_and_stay_loops(load: Any, loop: Any) -> None:
    compiled = jit(value_and_grad(loop))
    p, xs = [0.1, 0.15, 0.8], np.linspace(-1.0, 1.0, 40) ** 3
    text = compiled.lower(p, xs).c
    assert compiled.lower(p, np.resize(xs, 400)).c.count("const double v") < 1.2 * text.count("const double v")
    assert_agree(call(load(text), text, [*p, *xs], 4), flat(compiled(p, xs)))


def test_arrays_among_the_results_are_written_whole(load: Any) -> None:
    def running(xs: Any) -> Any:
        total, totals = scan(lambda c, x: (c + x, c + x), 0.0, xs)
        return [totals, total, xs[::2], totals[1:]]

    xs = np.array([1.0, -2.5, 4.0, 0.5, 8.0])
    totals = np.cumsum(xs)
    expected = [*totals, totals[-1], *xs[::2], *totals[1:]]
    text = jit(running).lower(xs).c
    assert call(load(text), text, xs.tolist(), len(expected)) == expected


def test_an_unrolled_loop_and_its_gradient_agree(load: Any) -> None:
    def unrolled(p: Any, xs: Any) -> Any:
        h, total = 1.0, 0.0
        for x in xs:
            h = p[0] + p[1] * x * x + p[2] * h
            total = total + log(h) + x * x / h
        return total

    compiled, p, xs = jit(value_and_grad(unrolled)), [0.1, 0.15, 0.8], [0.01 * i for i in range(300)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = compiled.lower(p, xs).c
    assert_agree(call(load(text), text, [*p, *xs], 4), flat(compiled(p, xs)))


def test_runs_that_share_an_expression_share_its_function(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "LINES", 5)  # functions follow one another soon

    def levels(xs: Any) -> Any:
        for _ in range(6):
            total = xs[0] + dot(xs, xs)
            xs = [exp(-x * x) * cosh(x) / (x * x + 1.0) + x / total for x in xs]
        return xs

    compiled, xs = jit(lambda xs: [levels(xs), fsum(levels(xs))]), [0.1 * i for i in range(40)]
    text = compiled.lower(xs).c
    assert text.count("cosh(") < 6
    assert_agree(call(load(text), text, xs, 41), flat(compiled(xs)))


@pytest.mark.parametrize("reduce", [None, "sum", "mean"])
@pytest.mark.parametrize("batch", [0, 1, 7])
def test_batches_agree(load: Any, reduce: Any, batch: int) -> None:
    def loss(w: Any, x: Any, y: Any) -> Any:
        hidden = [exp(-(dot(row, x) ** 2)) for row in w]
        return (sum(hidden) - y) ** 2

    compiled = jit(value_and_grad(loss), in_axes=(None, 0, 0), reduce=reduce)
    w = np.linspace(-1.0, 1.0, 12).reshape(4, 3)
    X, y = np.sin(np.arange(3.0 * batch)).reshape(batch, 3), np.arange(float(batch))
    text, found = compiled.lower(w, X, y).c, compiled(w, X, y)
    expected = flat(found) if reduce else rows(found, batch).ravel().tolist()
    assert_agree(call(load(text), text, w.ravel().tolist(), len(expected), np.column_stack([X, y])), expected)


def test_exact_sums_are_rounded_once(load: Any) -> None:
    big = 1.7976931348623157e308
    cases = [
        [1e16, 1.0, 1e-16, -1e16, 0.0, 0.0],
        [big, big, -big, -big, 5e-324, 1.0],
        [big, 2.0**970, 0.0, 0.0, 0.0, 5e-324],
        [big, big, 0.0, 0.0, -1.0, 0.0],
        [inf, 1.0, -inf, 0.0, 0.0, 0.0],
        [inf, big, big, 0.0, 0.0, 0.0],
        [nan, 1.0, 2.0, 0.0, 0.0, 0.0],
        [1.0, 2.0**-53, 2.0**-106, 0.0, 0.0, 0.0],
        [0.1] * 6,
    ]
    text = jit(lambda xs: fsum(xs), in_axes=0).lower(np.array(cases)).c
    results = call(load(text), text, [], len(cases), cases)
    for case, result in zip(cases, results, strict=True):
        assert identical(result, fsum(case)), case


def test_constants_and_captured_values_are_in_the_file(load: Any) -> None:
    w, known = Value(3.0), [inf, -inf, nan, -0.0, 5e-324, 0.1, 1e300]

    def scale(x: Any) -> Any:
        return [w * x, *[x * number for number in known], -0.0]

    compiled = jit(scale)
    lowered = compiled.lower(2.0)
    w.data = 5.0
    text = lowered.c
    expected = compiled(2.0)
    assert bits(call(load(text), text, [2.0], len(expected))) == bits(expected)
    assert expected[0] == 10.0


def test_a_nan_that_may_be_a_number_is_computed_as_one(load: Any) -> None:
    """What where did not choose has the derivative inf: the fast code's nan is no answer, and C has no second try."""
    compiled = jit(grad(lambda x: where(greater(x, 0.0), log(x), x * 2.0)))
    text = compiled.lower(0.0).c
    assert call(load(text), text, [0.0], 1) == [compiled(0.0)] == [2.0]


def test_a_function_of_no_numbers_and_one_without_results(load: Any) -> None:
    constant, nothing = jit(lambda: [1.5, -0.0]), jit(lambda x: [])
    text = constant.lower().c
    assert bits(call(load(text), text, [], 2)) == bits([1.5, -0.0])
    text = nothing.lower(1.0).c
    assert call(load(text), text, [1.0], 0) == []


@pytest.mark.parametrize(
    "name", ["double", "main", "exp", "a*/b", "<lambda>", "über x", "9", "", "\n#error\n", "a" * 300]
)
def test_any_name_of_a_function_makes_a_name_in_c(load: Any, name: str) -> None:
    def function(x: Any) -> Any:
        return x * 2.0

    function.__qualname__ = name
    text = jit(function).lower(1.0).c
    assert call(load(text), text, [4.0], 1) == [8.0]


def test_the_head_says_where_arguments_and_results_are() -> None:
    def f(a: Any, b: Any, table: Any, x: Any) -> Any:
        return [a * b * x[0], np.array([table[0, 0], x[1]])]

    lowered = jit(f, in_axes=(None, None, None, 0)).lower(1.0, 2.0, np.ones((2, 3)), np.ones((4, 2)))
    head = lowered.c.partition("*/")[0]
    assert "void jit_f(size_t n, const double *shared, const double *examples, double *results, double *work);" in (
        lowered.c
    )
    for line in (
        "shared 0..1: numbers",
        "shared 2..7: array of shape (2, 3), row by row",
        "of each example 0..1: array of shape (2), row by row",
        "results of each example 0: a number",
        "results of each example 1..2: array of shape (2), row by row",
    ):
        assert f"   {line}\n" in head


def test_the_file_is_the_same_for_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llvmlite", reason="compiling needs the extra jit: llvmlite")

    def lowered() -> Lowered:
        return jit(value_and_grad(garch)).lower([0.1, 0.15, 0.8], [0.5, 0.25])

    text = lowered().c
    monkeypatch.setenv("AUTOGRAD_MINI_BACKEND", "llvm")
    assert lowered().c == text
