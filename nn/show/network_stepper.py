"""The stepper for networks: units and weights, activations forward, deltas back, the update, and the next step.

Draws the network and writes the steps; the page that steps through them is the graphs' own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from autograd_mini.show.format import number, sign
from autograd_mini.show.formulas import MathML, Side, Text
from autograd_mini.show.stepper import Item, Page, Shown
from nn.show.passes import LayerExplanation, Passes

_Both = tuple[Side, Side]  # of an equation, as text and typeset

# Of the picture, in its units.
_COLUMN, _ROW, _RADIUS, _MARGIN = 220, 116, 38, 56
_CLEAR = 68  # from the middle of a unit to the middle of a number beside it
_MOST_TERMS = 4  # of a sum that is written out in full


def network_page(network: Passes) -> Page:
    """Compose the page for one example's pass through a network."""
    steps = _Steps(network)
    picture = _Picture(network)
    text = Text(steps.digits)
    sections = [("Given", steps.given()), ("Forward", steps.forward(network)), ("Backward: deltas", steps.deltas())]
    if network.after is None:
        sections.append(("Gradients of the weights", steps.updates()))
    else:
        sections.append((f"Update, learning rate {text.number(network.lr or 0.0)}", steps.updates()))
        sections.append(("The next step", [steps.again(), *steps.forward(network.after)]))
    return Page(
        title=f"E = {text.number(network.error)}: a network, step by step",
        heading=MathML(steps.digits).equation([Side("", "<mi>E</mi>"), Side("=", steps.math.number(network.error))]),
        picture=picture.svg(),
        width=picture.width,
        height=picture.height,
        sections=sections,
        legend=[
            ("is-leaf", "input"),
            ("is-result", "unit: output y above, δ below"),
            ("is-now", "this step"),
            ("is-positive", "∂E/∂w positive"),
            ("is-negative", "∂E/∂w negative"),
            ("is-note", "activations go from left to right, deltas from right to left"),
        ],
    )


def _key(column: int, place: int) -> str:
    return f"u{column}-{place}"


class _Picture:
    """The network as an SVG, its units, weights and numbers marked as stepper.js says."""

    def __init__(self, network: Passes) -> None:
        self.network = network
        self.columns = [network.layers[0].input_names, *(layer.names for layer in network.layers)]
        # So far apart that the numbers of all edges stand beside the units, one below the other.
        gaps = [max(_COLUMN, _CLEAR * (len(names) + 1)) for names in self.columns[1:]]
        self.across = [_MARGIN + sum(gaps[:i]) for i in range(len(self.columns))]
        self.width = self.across[-1] + _COLUMN + _MARGIN
        self.height = _ROW * max(map(len, self.columns)) + 24

    def at(self, column: int, place: int) -> tuple[float, float]:
        """Place a unit: columns from left to right, each centred."""
        offset = place - (len(self.columns[column]) - 1) / 2
        return self.across[column], self.height / 2 + offset * _ROW

    def svg(self) -> str:
        parts = [*self._edges(), *self._units()]
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        style = 'font-family="Verdana, DejaVu Sans, sans-serif" font-size="12" text-anchor="middle"'
        return f'<svg {size} role="group" aria-label="Network" {style}>{"".join(parts)}</svg>'

    def _units(self) -> Iterator[str]:
        for column, names in enumerate(self.columns):
            for place, name in enumerate(names):
                (x, y), key = self.at(column, place), _key(column, place)
                numbers = _slot(f"{key}-y", "data", x, y + 5)
                if column:
                    numbers += _slot(f"{key}-delta", "grad", x, y + 21)
                    if self.network.layers[column - 1].bias is not None:
                        numbers += _slot(f"{key}-b", "bias", x, y + _RADIUS + 14)
                yield _node(key, name, "result" if column else "leaf", x, y, numbers)
        x, y = self.width - _MARGIN, self.height / 2
        yield _node("E", "E", "result root", x, y, _slot("E-y", "data", x, y + 5))

    def _edges(self) -> Iterator[str]:
        weights = []
        for column, layer in enumerate(self.network.layers):
            share = 1 / (len(layer.names) + 1)  # there the numbers of all edges stand apart by the same distance
            for head, tail in np.ndindex(layer.weight.shape):
                (x0, y0), (x1, y1) = self.at(column, tail), self.at(column + 1, head)
                key = f"{_key(column, tail)}-{head}"
                yield _line(key, sign(float(layer.weight_grad[head, tail])), (x0, y0), (x1, y1))
                weights.append(_slot(key, "weight", x0 + share * (x1 - x0), y0 + share * (y1 - y0) + 4))
        for place, slope in enumerate(self.network.layers[-1].output_grad.tolist()):
            start, end = self.at(len(self.columns) - 1, place), (self.width - _MARGIN, self.height / 2)
            yield _line(f"E-{place}", sign(slope), start, end)
        yield from weights  # above all lines


def _slot(key: str, kind: str, x: float, y: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" data-slot="{key}" data-kind="{kind}"></text>'


def _node(key: str, name: str, kind: str, x: float, y: float, numbers: str) -> str:
    half = f"{_RADIUS} {_RADIUS} 0 1 0"
    circle = f"M{x - _RADIUS:.1f} {y:.1f}a{half} {2 * _RADIUS} 0a{half} {-2 * _RADIUS} 0z"
    shown = f'<text x="{x:.1f}" y="{y - 12:.1f}" class="name">{escape(name)}</text>'
    marks = f'class="node {kind}" data-key="{key}" data-name="{escape(name)}" role="button"'
    return f'<g {marks}><path d="{circle}"/>{shown}{numbers}</g>'


def _line(key: str, kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    path = f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" fill="none" stroke-width="1.6"/>'
    return f'<g class="edge {kind}" data-key="{key}" aria-hidden="true">{path}</g>'


class _Steps:
    """The steps in words, lines and typeset formulas."""

    digits = 4

    def __init__(self, network: Passes) -> None:
        self.network, self.layers = network, network.layers
        self.text, self.math = Text(self.digits), MathML(self.digits)

    def _item(self, title: str, said: str, equations: Sequence[Sequence[_Both]], node: str) -> Item:
        """Make a step of equations, each a list of sides."""
        lines = [self.text.equation([text for text, _ in sides]) for sides in equations]
        formulas = [self.math.equation([math for _, math in sides]) for sides in equations]
        return Item(title, said, "\n".join(lines), formulas, node)

    def _side(self, relation: str, *parts: Any) -> _Both:
        """Write a side in both notations; a pair is a derivative, a list stands in brackets."""
        numbers = [float(part) for part in _flat(parts) if not isinstance(part, (str, tuple))]
        text, math = (Side(relation, self._written(notation, parts), numbers) for notation in (self.text, self.math))
        return text, math

    def _written(self, notation: Text, parts: Sequence[Any]) -> str:
        written = ""
        for i, part in enumerate(parts):
            if isinstance(part, tuple):
                written += notation.derivative(*part)
            elif isinstance(part, list):
                written += notation.brackets(self._written(notation, part))
            elif isinstance(part, str):
                written += notation.operator(part) if part in _OPERATORS else notation.name(part)
            else:
                shown = notation.number(float(part))
                written += notation.brackets(shown) if i and float(part) < 0.0 else shown
        return written

    def given(self) -> list[Item]:
        """Show the example, with the weights and the biases."""
        items = []
        for i, (name, x) in enumerate(zip(self.layers[0].input_names, self.layers[0].inputs)):
            said = f"{name} is given: {self._n(x)}." + ("" if i else " The weights and the biases are given too.")
            shows = [Shown(f"{_key(0, i)}-y", self._n(x)), *([] if i else self._weights(self.network))]
            equation = [self._side("", name), self._side("=", x)]
            items.append(self._item("Given", said, [equation], _key(0, i))._replace(shows=shows))
        return items

    def again(self) -> Item:
        """Begin the next step with the weights as they are now."""
        equation = [self._side("", "E"), self._side("=", self.network.error)]
        said = "The same example goes forward through the new weights; this was the loss before."
        item = self._item("The next step", said, [equation], _key(0, 0))
        places = [(i, j) for i, layer in enumerate(self.layers, start=1) for j in range(len(layer.names))]
        return item._replace(shows=[Shown(f"{_key(i, j)}-delta", "") for i, j in places])

    def _weights(self, network: Passes) -> Iterator[Shown]:
        for column, layer in enumerate(network.layers):
            for head in range(len(layer.names)):
                for tail in range(len(layer.input_names)):
                    yield Shown(f"{_key(column, tail)}-{head}", self._n(layer.weight[head, tail]))
                if layer.bias is not None:
                    yield Shown(f"{_key(column + 1, head)}-b", f"b {self._n(layer.bias[head])}")

    def forward(self, network: Passes) -> list[Item]:
        """Go through the units from left to right, then compute the loss."""
        items = []
        for column, layer in enumerate(network.layers):
            for j, name in enumerate(layer.names):
                z = self._name("z", name)
                symbols, numbers = self._sum(layer, j)
                function = "softmax" if layer.slope.ndim == 2 else layer.activation.lower()
                sums = [
                    self._side("", z),
                    self._side("=", *symbols),
                    self._side("=", *numbers),
                    self._side("=", layer.z[j]),
                ]
                outs = [self._side("", name), self._side("=", function, [z]), self._side("=", layer.y[j])]
                said = f"{name} adds up its weighted inputs to {self._n(layer.z[j])}, and gives {self._n(layer.y[j])}."
                tails = range(len(layer.input_names))
                items.append(
                    self._item("Forward", said, [sums, outs], _key(column + 1, j))._replace(
                        edges=[f"{_key(column, i)}-{j}" for i in tails],
                        uses=[_key(column, i) for i in tails],
                        shows=[Shown(f"{_key(column + 1, j)}-y", self._n(layer.y[j]))],
                    )
                )
        return [*items, self._loss(network)]

    def _loss(self, network: Passes) -> Item:
        last = len(network.layers)
        before = f", and was {self._n(self.network.error)} before the update" if network is not self.network else ""
        said = f"The loss of these outputs ({network.loss}) is {self._n(network.error)}{before}."
        item = self._item("Forward: the loss", said, [[self._side("", "E"), self._side("=", network.error)]], "E")
        places = range(len(network.layers[-1].names))
        return item._replace(
            edges=[f"E-{j}" for j in places],
            uses=[_key(last, j) for j in places],
            shows=[Shown("E-y", self._n(network.error))],
        )

    def _sum(self, layer: LayerExplanation, j: int) -> tuple[list[Any], list[Any]]:
        """Write a unit's weighted sum in names and in numbers, shortened where it is long."""
        terms: list[tuple[Sequence[Any], Sequence[Any]]] = [
            ((w, "·", x), (layer.weight[j, i], "·", layer.inputs[i]))
            for i, (w, x) in enumerate(zip(layer.weight_names[j], layer.input_names))
        ]
        if len(terms) > _MOST_TERMS:
            terms = [*terms[: _MOST_TERMS - 1], (("…",), ("…",)), terms[-1]]
        if layer.bias is not None:
            terms.append(((layer.bias_names[j],), (layer.bias[j],)))
        return _joined([symbols for symbols, _ in terms]), _joined([numbers for _, numbers in terms])

    def deltas(self) -> list[Item]:
        """Go back from the loss, layer by layer: each unit's delta by the delta rule."""
        items = []
        for column in range(len(self.layers), 0, -1):
            layer, is_last = self.layers[column - 1], column == len(self.layers)
            for j, name in enumerate(layer.names):
                delta, z = self._name("δ", name), self._name("z", name)
                key, heads = _key(column, j), [] if is_last else range(len(self.layers[column].names))
                back = "derivative of the loss" if is_last else "deltas that come back along its weights"
                said = f"{delta}, the derivative of E for {z}, is the slope of its activation times the {back}."
                found = float(layer.delta[j])
                items.append(
                    self._item("Backward: delta", said, [self._delta(column, j)], key)._replace(
                        source="E" if is_last else "",
                        edges=[f"E-{j}"] if is_last else [f"{key}-{k}" for k in heads],
                        uses=["E"] if is_last else [_key(column + 1, k) for k in heads],
                        shows=[Shown(f"{key}-delta", f"δ {number(found, 3)}", sign(found))],
                        flows=True,
                    )
                )
        return items

    def _delta(self, column: int, j: int) -> list[_Both]:
        """Write the delta rule of a unit with its numbers (From Logistic Regression to Neural Network, eqs. 10, 11)."""
        layer, is_last = self.layers[column - 1], column == len(self.layers)
        name = layer.names[j]
        start, end = self._side("", self._name("δ", name)), self._side("=", layer.delta[j])
        if layer.slope.ndim == 2:  # softmax: every output depends on every z
            pairs = [(layer.slope[k, j], "·", layer.output_grad[k]) for k in range(len(layer.names))]
            symbols = [((y, self._name("z", name)), "·", ("E", y)) for y in layer.names]
            return [start, self._side("=", *_joined(symbols)), self._side("=", *_joined(pairs)), end]
        if is_last:
            rule = [(name, self._name("z", name)), "·", ("E", name)]
            return [start, self._side("=", *rule), self._side("=", layer.slope[j], "·", layer.output_grad[j]), end]
        following = self.layers[column]
        names = [(w[j], "·", self._name("δ", unit)) for w, unit in zip(following.weight_names, following.names)]
        pairs = [(w, "·", d) for w, d in zip(following.weight[:, j], following.delta)]
        rule = [(name, self._name("z", name)), "·", _joined(names)]
        return [start, self._side("=", *rule), self._side("=", layer.slope[j], "·", _joined(pairs)), end]

    def updates(self) -> list[Item]:
        """Give the gradient of each weight, and with a learning rate the weight after the step."""
        items = []
        for column, layer in enumerate(self.layers):
            for j, name in enumerate(layer.names):
                delta, key = self._name("δ", name), _key(column + 1, j)
                for i, (weight, x) in enumerate(zip(layer.weight_names[j], layer.input_names)):
                    rule, numbers = [x, "·", delta], [layer.inputs[i], "·", layer.delta[j]]
                    numbers_of = weight, layer.weight[j, i], layer.weight_grad[j, i]
                    item = self._update(key, *numbers_of, rule, numbers, f"{_key(column, i)}-{j}", "")
                    items.append(item._replace(edges=[f"{_key(column, i)}-{j}"], uses=[_key(column, i)]))
                if layer.bias is not None:
                    numbers_of = layer.bias_names[j], layer.bias[j], layer.delta[j]
                    items.append(self._update(key, *numbers_of, [delta], [layer.delta[j]], f"{key}-b", "b "))
        return items

    def _update(
        self,
        key: str,
        name: str,
        weight: float,
        slope: float,
        rule: list[Any],
        numbers: list[Any],
        slot: str,
        mark: str,
    ) -> Item:
        """Write a weight's gradient, and its step against it (From Logistic Regression to Neural Network, eq. 15)."""
        gradient = [self._side("", ("E", name)), self._side("=", *rule), self._side("=", *numbers)]
        if len(numbers) > 1:
            gradient.append(self._side("=", slope))
        said = f"The gradient of {name} is what enters it times the delta of its unit: {self._n(slope)}"
        if self.network.lr is None:
            return self._item("Gradient", f"{said}.", [gradient], key)
        lr = self.network.lr
        after = float(weight) - lr * float(slope)  # which may overflow, and not by a warning of NumPy's
        step = [self._side("", name), self._side("←", name, "-", "η", "·", ("E", name))]
        step += [self._side("=", weight, "-", lr, "·", slope), self._side("=", after)]
        said += f". It moves against it, by the learning rate, to {self._n(after)}."
        return self._item("Update", said, [gradient, step], key)._replace(shows=[Shown(slot, mark + self._n(after))])

    def _name(self, letter: str, unit: str) -> str:
        """Name a quantity of a unit after the unit: `δ₁⁽²⁾` of `h₁⁽²⁾`."""
        return letter + unit[1:]

    def _n(self, x: float) -> str:
        return number(float(x), self.digits)


_OPERATORS = {"+", "-", "·", "…"}


def _flat(parts: Iterable[Any]) -> Iterator[Any]:
    for part in parts:
        yield from _flat(part) if isinstance(part, list) else [part]


def _joined(terms: Iterable[Sequence[Any]]) -> list[Any]:
    joined: list[Any] = []
    for term in terms:
        joined += ["+", *term] if joined else term
    return joined
