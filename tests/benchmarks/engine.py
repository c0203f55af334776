"""Forward and backward of one network, operation by operation: the workload of micrograd's demo.

python tests/benchmarks/engine.py
"""

from __future__ import annotations

import sys

from side_by_side import Contender, compare

from autograd_mini import COMPILED, Value

CONTENDERS = [
    Contender("autograd_mini, compiled", "autograd_mini", "autograd_mini", 40),
    Contender("autograd_mini, compiled, one dot node per neuron", "autograd_mini, dot", "autograd_mini", 100),
    Contender("autograd_mini, plain Python", "autograd_mini", "autograd_mini", 5),
    Contender("autograd_mini, plain Python, one dot node per neuron", "autograd_mini, dot", "autograd_mini", 10),
    Contender("XAD", "XAD", "xad", 5),
    Contender("PyTorch, scalar tensors", "PyTorch", "torch", 1),
    Contender("micrograd", "micrograd", "micrograd", 1),
]

if __name__ == "__main__":
    title = "Forward and backward of a 2-16-16-1 ReLU network, hinge loss, 100 points, about 65,000 nodes"
    compare(title, CONTENDERS, ["micrograd", "XAD"])
    node = Value(1.0) * Value(1.0)
    print(
        f"\nA binary node of the {'compiled' if COMPILED else 'plain Python'} engine takes {sys.getsizeof(node)} bytes."
    )
