"""Backprop explained: the steps of both passes over any graph, as text.

Puts together the steps, their lines for the terminal, and the page that steps through them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograd_mini.engine.value import Value, topological_order
from autograd_mini.show.arguments import check_arguments, check_digits, check_names
from autograd_mini.show.browser import show_file
from autograd_mini.show.format import COLORS, DIGITS, for_output, sign
from autograd_mini.show.formulas import Text
from autograd_mini.show.graph_stepper import graph_page
from autograd_mini.show.names import suggested_names
from autograd_mini.show.stepper import Page, save_page
from autograd_mini.show.steps import BackwardStep, ForwardStep, Step, backward_steps, forward_steps, name_nodes

MAX_STEPS = 300  # as many as a reader can follow


@dataclass(frozen=True, repr=False)
class Explanation:
    """The forward and the backward pass over a graph, step by step; `explain` makes it.

    Printed, it is a line for each equation, with numbers rounded to some significant digits; rich, where installed,
    prints it in colour.

    Examples
    --------
    >>> from autograd_mini import Value, explain
    >>> explanation = explain(Value(3.0, "x") * 2.0)
    >>> print(explanation.forward[-1])
    f = x · 2 = 3 · 2 = 6
    >>> step = explanation.backward[-1]
    >>> step.upstream, step.local_derivative, step.contribution
    (1.0, 2.0, 2.0)
    """

    forward: tuple[ForwardStep, ...]  # each node, operands before results
    backward: tuple[BackwardStep, ...]  # seed, chain rule and accumulation, as backward() goes; empty for a constant
    digits: int = DIGITS  # significant ones, of every number shown

    def __str__(self) -> str:
        lines = ["Forward", *self._lines(self.forward)]
        if self.backward:
            lines += ["", "Backward", *self._lines(self.backward)]
        return for_output("\n".join(lines))

    def _lines(self, steps: Iterable[Step]) -> Iterator[str]:
        notation = Text(self.digits)
        return (f"  {line}" for step in steps for line in step.lines(notation))

    __repr__ = __str__

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page that steps through the graph: one file that needs no network and no other file.

        The key ? shows what other keys do. In the browser's address, `steps.html#7` opens the page at step 7, and
        `steps.html#7-slides` with picture and formula alone, in large type.

        The path ends with .html. An existing file is replaced only once the page is complete. Errors are as in
        `Drawing.save`.
        """
        return save_page(self._page, path)

    def show(self) -> None:
        """Open that page in the web browser, from a temporary file; a RuntimeError says if there is none."""
        show_file(self._page().html().encode(), ".html")

    def _repr_html_(self) -> str:
        return self._page().frame()

    def _page(self) -> Page:
        return graph_page(self.forward, self.backward, self.digits)

    def __rich__(self) -> Any:
        """Colour the lines for rich, results by their sign, as drawings do."""
        from rich.text import Text as Coloured

        notation = Text(self.digits)
        parts = [Coloured("Forward", "bold")]
        parts += [_coloured(step, notation, Coloured) for step in self.forward]
        if self.backward:
            parts += [Coloured("\nBackward", "bold"), *(_coloured(step, notation, Coloured) for step in self.backward)]
        return Coloured("\n").join(parts)


def _coloured(step: Step, notation: Text, text_class: Any) -> Any:
    """Colour the number that ends each of a step's equations, before the conditions if there are any."""
    lines = []
    for line, sides in zip(step.lines(notation), step.equations(notation)):
        [*_, last] = [i for i, side in enumerate(sides) if side.relation not in ("because", "and")]
        result, end = sides[last], len(notation.equation(sides[last + 1 :]))
        coloured = text_class(f"  {line}")
        stop = len(coloured) - end - (end > 0)
        start = stop - len(f" {notation.relation(result)} {result.written}")
        coloured.stylize(COLORS[sign(result.numbers[-1] if result.numbers else 0.0)], start, stop)
        lines.append(coloured)
    return text_class("\n").join(lines)


def explain(root: Value, /, *, limit: int = MAX_STEPS, digits: int = DIGITS, **names: Value) -> Explanation:
    """Take the computation of `root` and its backpropagation apart into steps.

    A forward step shows a node with its formula and its numbers. A backward step shows one application of the chain
    rule: first the local derivative, of the operation alone, with the rule that it follows from, then its product with
    the upstream gradient. Where paths meet, a step adds up what came along each. The steps come in the order of
    `backward()`. Gradients start from zero, and no `.grad` is read or changed.

    Parameters
    ----------
    root : Value
    limit : int, optional
        The largest number of steps.
    digits : int, optional
        How many significant digits numbers are rounded to, 17 at most. A number that is shorter is shown as it is; `≈`
        stands before numbers that are rounded.
    **names : Value
        Names for nodes, instead of their labels. Nodes without name and label are `v1`, `v2` and so on, the root `f`.

    Returns
    -------
    Explanation

    Raises
    ------
    TypeError
        If `root` or a name's value is no Value, or `limit` or `digits` no integer.
    ValueError
        If there are more steps than `limit`, a name's value is not in the graph, or the data of an operand was changed
        after its result was computed.

    Examples
    --------
    The example of CISC6000: Neural Networks:

    >>> from autograd_mini import Value, explain
    >>> x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    >>> q = x + y
    >>> explain(q * z, x=x, y=y, z=z, q=q)
    Forward
      x = -2
      y = 5
      q = x + y = -2 + 5 = 3
      z = -4
      f = q · z = 3 · (-4) = -12
    <BLANKLINE>
    Backward
      ∂f/∂f = 1
      ∂(q · z)/∂z = q = 3
          ∂f/∂z = ∂f/∂f · ∂(q · z)/∂z = 1 · 3 = 3
      ∂(q · z)/∂q = z = -4
          ∂f/∂q = ∂f/∂f · ∂(q · z)/∂q = 1 · (-4) = -4
      ∂(x + y)/∂y = 1
          ∂f/∂y = ∂f/∂q · ∂(x + y)/∂y = -4 · 1 = -4
      ∂(x + y)/∂x = 1
          ∂f/∂x = ∂f/∂q · ∂(x + y)/∂x = -4 · 1 = -4
    """
    check_arguments("explain", root, limit, names)
    check_digits(digits)
    order = topological_order(root)
    unique: dict[Value, str] = {}
    if len(order) <= 4 * limit:  # beyond this even the numbers, which are no steps, are too many to read
        check_names(names, set(order))
        given = {value: name for name, value in reversed(names.items())}
        unique = name_nodes(order, suggested_names(order) | given)
    uses = Counter(operand for node in unique for operand in node.operands if operand.requires_grad)
    edges, meetings = uses.total(), sum(times > 1 for times in uses.values())
    if not unique or (root.requires_grad and len(unique) + 1 + edges + meetings > limit):
        raise ValueError(
            f"too large to follow node by node, with more than {limit} steps: explain a part of it, such as one of its "
            "inputs; draw(root, depth=3) draws the part nearest to the root; for a network, nn.explain_network "
            "explains it layer by layer; a higher limit= allows more"
        )
    backward = tuple(backward_steps(unique)) if root.requires_grad else ()
    return Explanation(tuple(forward_steps(unique)), backward, digits)
