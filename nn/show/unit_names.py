"""The names of a network's inputs and units, in texts and pictures."""

from __future__ import annotations

from collections.abc import Sequence

from autograd_mini.show.format import superscript
from nn.layer import Layer


def unit_names(layers: Sequence[Layer]) -> list[tuple[str, ...]]:
    """Name the inputs, and the units of each layer; of several hidden layers say which one a unit is in.

    Examples
    --------
    >>> from nn import MLP
    >>> unit_names(MLP(2, [2, 1]).layers)
    [('x1', 'x2'), ('h1', 'h2'), ('y',)]
    >>> unit_names(MLP(1, [1, 1, 2]).layers)
    [('x1',), ('h1⁽¹⁾',), ('h1⁽²⁾',), ('y1', 'y2')]
    """
    sizes = [len(layers[0].neurons[0].w), *(len(layer.neurons) for layer in layers)]
    last = len(layers)
    names = [tuple(f"x{k + 1}" for k in range(sizes[0]))]
    for i in range(1, last):  # as Neural Networks, chapter 1, section 1.5, has it
        layer = superscript(i) if last > 2 else ""
        names.append(tuple(f"h{k + 1}{layer}" for k in range(sizes[i])))
    return [*names, ("y",) if sizes[last] == 1 else tuple(f"y{k + 1}" for k in range(sizes[last]))]
