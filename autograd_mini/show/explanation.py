"""Backprop explained: the steps of both passes over any graph, as text.

Puts together the steps, their lines for the terminal, and the page that steps through them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograd_mini.engine.files import write_file
from autograd_mini.engine.value import Value, topological_order
from autograd_mini.show.arguments import check_arguments, check_names
from autograd_mini.show.format import COLORS, sign
from autograd_mini.show.names import suggested_names
from autograd_mini.show.stepper import frame, page
from autograd_mini.show.steps import BackwardStep, ForwardStep, backward_steps, forward_steps, name_nodes

MAX_STEPS = 300  # as many as a reader can follow


@dataclass(frozen=True, repr=False)
class Explanation:
    """The forward and the backward pass over a graph, step by step; `explain` makes it.

    Printed, it is one line for each step, with all digits of every number; rich, where installed, prints it in colour.

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

    def __str__(self) -> str:
        lines = ["Forward", *(f"  {step}" for step in self.forward)]
        if self.backward:
            lines += ["", "Backward", *(f"  {step}" for step in self.backward)]
        return "\n".join(lines)

    __repr__ = __str__

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page that steps through the graph: one file that needs no network and no other file.

        The path ends with .html. An existing file is replaced only once the page is complete. Errors are as in
        `Drawing.save`.
        """
        target = Path(path)
        if target.suffix.lower() != ".html":
            raise ValueError(f"can't tell the format from {str(target)!r}: an explanation is saved as .html")
        write_file(target, page(self.forward, self.backward).encode())
        return target

    def _repr_html_(self) -> str:
        return frame(self.forward, self.backward)

    def __rich__(self) -> Any:
        """Colour the lines for rich, results by their sign, as drawings do."""
        from rich.text import Text

        text = Text()
        for line in str(self).splitlines():
            left, equals, result = line.rpartition(" = ")
            style = COLORS[sign(float(result))] if equals else "bold"
            text.append(left).append(f"{equals}{result}\n", style=style)
        text.rstrip()
        return text


def explain(root: Value, /, *, limit: int = MAX_STEPS, **names: Value) -> Explanation:
    """Take the computation of `root` and its backpropagation apart into steps.

    A forward step shows a node with its formula and its numbers. A backward step shows one application of the chain
    rule, with upstream gradient, local derivative and contribution, or adds up contributions where paths meet. The
    steps come in the order of `backward()`. Gradients start from zero, and no `.grad` is read or changed.

    Parameters
    ----------
    root : Value
    limit : int, optional
        The largest number of steps.
    **names : Value
        Names for nodes, instead of their labels. Nodes without name and label are `v1`, `v2` and so on, the root `f`.

    Returns
    -------
    Explanation

    Raises
    ------
    TypeError
        If `root` or a name's value is no Value, or `limit` no integer.
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
      ∂f/∂z = ∂f/∂f · ∂f/∂z = 1 · 3 = 3
      ∂f/∂q = ∂f/∂f · ∂f/∂q = 1 · (-4) = -4
      ∂f/∂y = ∂f/∂q · ∂q/∂y = -4 · 1 = -4
      ∂f/∂x = ∂f/∂q · ∂q/∂x = -4 · 1 = -4
    """
    check_arguments("explain", root, limit, names)
    order = topological_order(root)
    unique: dict[Value, str] = {}
    if len(order) <= 4 * limit:  # beyond this even the numbers, which are no steps, are too many to read
        check_names(names, set(order))
        given = {value: name for name, value in reversed(names.items())}
        unique = name_nodes(order, suggested_names(order) | given)
    edges = sum(operand.requires_grad for node in unique for operand in node.operands)
    meetings = edges - sum(node.requires_grad for node in unique) + 1
    if not unique or (root.requires_grad and len(unique) + 1 + edges + meetings > limit):
        raise ValueError(
            f"too large to follow node by node, with more than {limit} steps: explain a part of it, such as one of its "
            "inputs; draw(root, depth=3) draws the part nearest to the root; for a network, nn.explain_network "
            "explains it layer by layer; a higher limit= allows more"
        )
    return Explanation(tuple(forward_steps(unique)), tuple(backward_steps(unique) if root.requires_grad else ()))
