"""Random graphs with shared sub-expressions, to build on Values and on PyTorch's tensors, and how exact they can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import jets
from hypothesis import strategies as st

import autograd_mini
from autograd_mini import Value

with suppress(ImportError):  # the test that needs it is skipped where it is not installed
    import torch
    from torch.nn import functional


@dataclass(frozen=True)
class Kind:
    """A kind of node: how it is computed here, and how by PyTorch, from the same operands."""

    ours: Callable[..., Any]
    torchs: Callable[..., Any]
    arity: int
    smooth: bool = True


# Most of these keep results moderate, so that graphs of hundreds of nodes stay finite.
KINDS: dict[str, Kind] = {
    "add": Kind(lambda x, y: x + y, lambda x, y: x + y, 2),
    "sub": Kind(lambda x, y: x - y, lambda x, y: x - y, 2),
    "mul": Kind(lambda x, y: x * y, lambda x, y: x * y, 2),
    "div": Kind(lambda x, y: x / (y * y + 1.0), lambda x, y: x / (y * y + 1.0), 2),
    "neg": Kind(lambda x: -x, lambda x: -x, 1),
    "number": Kind(lambda x: 2.0 - x * 0.5, lambda x: 2.0 - x * 0.5, 1),
    "square": Kind(lambda x: x**2, lambda x: x**2, 1),
    "pow": Kind(lambda x, y: (x * x + 0.5) ** autograd_mini.tanh(y), lambda x, y: (x * x + 0.5) ** torch.tanh(y), 2),
    "exp": Kind(lambda x: autograd_mini.exp(-x * x), lambda x: torch.exp(-x * x), 1),
    "log": Kind(lambda x: autograd_mini.log(x * x + 0.5), lambda x: torch.log(x * x + 0.5), 1),
    "sqrt": Kind(lambda x: autograd_mini.sqrt(x * x + 0.5), lambda x: torch.sqrt(x * x + 0.5), 1),
    "sin": Kind(autograd_mini.sin, lambda x: torch.sin(x), 1),
    "cos": Kind(autograd_mini.cos, lambda x: torch.cos(x), 1),
    "tanh": Kind(autograd_mini.tanh, lambda x: torch.tanh(x), 1),
    "atan": Kind(autograd_mini.atan, lambda x: torch.atan(x), 1),
    "asinh": Kind(autograd_mini.asinh, lambda x: torch.asinh(x), 1),
    "erf": Kind(autograd_mini.erf, lambda x: torch.erf(x), 1),
    "sigmoid": Kind(autograd_mini.sigmoid, lambda x: torch.sigmoid(x), 1),
    "softplus": Kind(autograd_mini.softplus, lambda x: functional.softplus(x, threshold=700.0), 1),
    "silu": Kind(autograd_mini.silu, lambda x: functional.silu(x), 1),
    "gelu": Kind(autograd_mini.gelu, lambda x: functional.gelu(x), 1),
    "hypot": Kind(lambda x, y: autograd_mini.hypot(x, y, 1.0), lambda x, y: torch.sqrt(x * x + y * y + 1.0), 2),
    "logsumexp": Kind(
        lambda x, y, z: autograd_mini.logsumexp([x, y, z]), lambda x, y, z: torch.stack([x, y, z]).logsumexp(0), 3
    ),
    "softmax": Kind(
        lambda x, y: autograd_mini.softmax([x, y, 1.0])[0],
        lambda x, y: torch.softmax(torch.stack([x, y, torch.ones_like(x)]), 0)[0],
        2,
    ),
    "sum": Kind(lambda x, y, z: autograd_mini.sum([x, y, z]), lambda x, y, z: x + y + z, 3),
    "dot": Kind(
        lambda w, x, bias: autograd_mini.dot([w, x], [x, 0.5], bias), lambda w, x, bias: w * x + x * 0.5 + bias, 3
    ),
    "relu": Kind(lambda x: x.relu(), lambda x: torch.relu(x), 1, smooth=False),
    "leaky_relu": Kind(autograd_mini.leaky_relu, lambda x: functional.leaky_relu(x, 0.01), 1, smooth=False),
    "elu": Kind(autograd_mini.elu, lambda x: functional.elu(x), 1, smooth=False),
    "abs": Kind(abs, abs, 1, smooth=False),
    "maximum": Kind(autograd_mini.maximum, lambda x, y: torch.maximum(x, y), 2, smooth=False),
    "minimum": Kind(autograd_mini.minimum, lambda x, y: torch.minimum(x, y), 2, smooth=False),
    "clip": Kind(lambda x: autograd_mini.clip(x, -1.0, 1.5), lambda x: torch.clamp(x, -1.0, 1.5), 1, smooth=False),
    "where": Kind(
        lambda x, y: autograd_mini.where(autograd_mini.greater(x, y), x, y * 2.0),
        lambda x, y: torch.where(x > y, x, y * 2.0),
        2,
        smooth=False,
    ),
    "sign": Kind(lambda x: autograd_mini.sign(x) + x, lambda x: torch.sign(x) + x, 1, smooth=False),
    "floor": Kind(lambda x: x - autograd_mini.floor(x), lambda x: x - torch.floor(x), 1, smooth=False),
}
SMOOTH = [name for name, kind in KINDS.items() if kind.smooth]
BOUNDED = ["tanh", "sin", "cos", "sigmoid", "exp", "atan", "erf"]

Step = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Recipe:
    """A random graph: the leaves' data, and for each node its kind and which earlier nodes it takes."""

    leaves: tuple[float, ...]
    steps: tuple[Step, ...]

    def nodes(self, leaves: Sequence[Any], build: Callable[[Kind], Callable[..., Any]]) -> list[Any]:
        nodes = list(leaves)
        for name, operands in self.steps:
            kind = KINDS[name]
            nodes.append(build(kind)(*(nodes[i] for i in operands)))
        return nodes

    def values(self) -> list[Value]:
        return self.nodes([Value(x) for x in self.leaves], lambda kind: kind.ours)


@st.composite
def recipes(draw: st.DrawFn, kinds: Sequence[str] = tuple(KINDS), largest: int = 300) -> Recipe:
    """Random graphs whose last node is computed, directly or not, from much of the rest.

    Operands are counted back from the newest node, near ones mostly, so that graphs grow deep; each
    takes part as often as it is drawn, so that sub-expressions are shared.
    """
    leaves = draw(st.lists(st.floats(-2.0, 2.0).map(lambda x: round(x, 3)), min_size=1, max_size=6))
    size = draw(st.integers(1, largest) | st.integers(largest // 2, largest))
    random = Random(draw(st.integers(0, 2**32)))
    steps: list[Step] = []
    for position in range(len(leaves), len(leaves) + size):
        # Every third node is bounded: products of products leave float64's range within a dozen nodes.
        name = random.choice(BOUNDED) if len(steps) % 3 == 2 else random.choice(list(kinds))
        back = [min(position, 1 + int(random.expovariate(0.15))) for _ in range(KINDS[name].arity)]
        steps.append((name, tuple(position - b for b in back)))
    return Recipe(tuple(leaves), tuple(steps))


# Choices, of which the branch that is not taken may be infinite. `m` has the functions: autograd_mini, or jets.

CHOICES: dict[str, tuple[Callable[..., Any], int]] = {
    "add": (lambda m, x, y: x + y, 2),
    "sub": (lambda m, x, y: x - y, 2),
    "mul": (lambda m, x, y: x * y, 2),
    "div": (lambda m, x, y: x / y, 2),
    "half": (lambda m, x: x * 0.5 - 1.0, 1),
    "square": (lambda m, x: x**2.0, 1),
    "root": (lambda m, x: x**0.5, 1),
    "cube root of the square": (lambda m, x: x**1.5, 1),
    "inverse": (lambda m, x: x**-1.0, 1),
    "one": (lambda m, x: x**0.0, 1),
    "sqrt": (lambda m, x: m.sqrt(x), 1),
    "log": (lambda m, x: m.log(x), 1),
    "exp": (lambda m, x: m.exp(x), 1),
    "sin": (lambda m, x: m.sin(x), 1),
    "tanh": (lambda m, x: m.tanh(x), 1),
    "relu": (lambda m, x: m.relu(x), 1),
    "maximum": (lambda m, x, y: m.maximum(x, y), 2),
    "minimum": (lambda m, x, y: m.minimum(x, y), 2),
    "clip": (lambda m, x: m.clip(x, -0.5, 1.0), 1),
    "clip between": (lambda m, x, y, z: m.clip(x, y, z), 3),
    "where": (lambda m, x, y, z: m.where(m.greater(x, 0.0), y, z), 3),
    "where greater": (lambda m, x, y: m.where(m.greater(x, y), x, y * 2.0), 2),
    "guarded sqrt": (lambda m, x: m.where(m.greater(x, 0.0), m.sqrt(x), x), 1),
    "guarded log": (lambda m, x: m.where(m.greater(x, 0.0), m.log(x), x * 2.0), 1),
    "guarded power": (lambda m, x: m.where(m.greater(x, 0.0), x**0.5, 1.0), 1),
    "guarded quotient": (lambda m, x, y: m.where(m.greater(y * y, 0.0), x / y, x), 2),
    "sqrt above a floor": (lambda m, x: m.maximum(m.sqrt(x), 0.5), 1),
    "log above a floor": (lambda m, x: m.maximum(m.log(x), -2.0), 1),
    "clipped log": (lambda m, x: m.clip(m.log(x), -1.0, 1.0), 1),
    "relu of log": (lambda m, x: m.relu(m.log(x)), 1),
    "quotient below a ceiling": (lambda m, x, y: m.minimum(x / y, 2.0), 2),
}
EDGES = [0.0, 1.0, -1.0, 0.5, 2.0, -0.5, 0.25, 4.0]


def compute_choices(m: Any, steps: Sequence[Step], leaves: Sequence[Any]) -> Any:
    """Compute the last node of random choices, with the functions of `m`."""
    nodes = list(leaves)
    for name, operands in steps:
        nodes.append(CHOICES[name][0](m, *[nodes[i] for i in operands]))
    return nodes[-1]


def random_choices(random: Random) -> Recipe:
    """Draw a small graph of choices, whose leaves are at and around the edges of domains."""
    leaves = [random.choice(EDGES) for _ in range(random.randint(1, 4))]
    steps: list[Step] = []
    for position in range(len(leaves), len(leaves) + random.randint(2, 9)):
        name = random.choice(list(CHOICES))
        back = [min(position, 1 + int(random.expovariate(0.4))) for _ in range(CHOICES[name][1])]
        steps.append((name, tuple(position - b for b in back)))
    return Recipe(tuple(leaves), tuple(steps))


choices = st.integers(0, 2**32).map(lambda seed: random_choices(Random(seed)))


class Calculus:
    """What calculus says of random choices: the number, its gradient and Hessian, and how far rounding may be off.

    `results` is empty where rounding decides, or a result is not finite.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.results: list[float] = []
        self.errors: list[float] = []
        try:
            plain, *shaken = [self._evaluate(recipe, random) for random in (None, Random(1), Random(2), Random(3))]
        except jets.Unclear:
            return
        if all(map(math.isfinite, plain)) and max(map(abs, plain)) < 1e100:
            self.results = plain
            off = [max(abs(x - y) for y in others) for x, *others in zip(plain, *shaken, strict=True)]
            self.errors = [1e-12 * max(1.0, abs(x)) + 10.0 * error for x, error in zip(plain, off, strict=True)]

    def _evaluate(self, recipe: Recipe, random: Random | None) -> list[float]:
        jets.Jet.random = random
        root = compute_choices(jets, recipe.steps, [jets.leaf(i, x) for i, x in enumerate(recipe.leaves)])
        jets.Jet.random = None
        places = range(len(recipe.leaves))
        slopes = [root.slopes.get(i, 0.0) for i in places]
        return [root.value, *slopes, *[root.bends.get((i, j), 0.0) for i in places for j in places]]


def magnitudes(order: Sequence[Value], seed: float = 1.0) -> dict[Value, float]:
    """Backpropagate absolute values: what rounding errors of a gradient are in proportion to.

    The terms of a gradient may cancel, and functions that saturate have derivatives such as 1 - tanh**2,
    whose errors are in proportion to 1; hence the allowance on each local derivative.
    """
    sizes = dict.fromkeys(order, 0.0)
    sizes[order[-1]] = abs(seed)
    for node in reversed(order):
        for operand, partial in zip(node.operands, node.local_derivatives, strict=True):
            sizes[operand] += sizes[node] * (abs(partial) + 1e-2)
    return sizes


def is_well_conditioned(order: Sequence[Value]) -> bool:
    """Whether rounding stays rounding, so that two correct engines must agree.

    It does not where a chain of steep functions has blown it up (the sine of ten million), nor where
    it decides which side of a kink or step an operand is on; ties of leaves, and of a node with itself, are exact.
    """
    errors = dict.fromkeys(order, 0.0)
    for node in order:
        operands = list(zip(node.operands, node.local_derivatives, strict=True))
        passed_on = sum(abs(partial) * (errors[operand] + 1e-16 * abs(operand.data)) for operand, partial in operands)
        errors[node] = passed_on + 1e-16 * abs(node.data) if operands else 0.0
        if not errors[node] <= 1e-12 * max(1.0, abs(node.data)):
            return False
        is_exact = len(set(node.operands)) == 1 < len(operands) or all(
            errors[operand] == 0.0 for operand, _ in operands
        )
        if node.op is not None and distance_to_kink(node) < 1e-9 and not (is_exact and distance_to_kink(node) == 0.0):
            return False
    return True


def distance_to_kink(node: Value) -> float:
    assert node.op is not None
    x, *others = [operand.data for operand in node.operands]
    match node.op.name:
        case "relu" | "leaky_relu" | "elu" | "abs" | "sign":
            return abs(x)
        case "maximum" | "minimum" | "greater" | "clip":
            return min(abs(x - other) for other in others)
        case "floor":
            return abs(x - round(x))
    return math.inf
