"""One training step through `nn`, from the inputs to the updated weights, against the peers' own networks.

python tests/benchmarks/training.py
"""

from __future__ import annotations

from side_by_side import Contender, compare

CONTENDERS = [
    Contender("nn, compiled", "nn", "autograd_mini", 100),
    Contender("nn, plain Python", "nn", "autograd_mini", 10),
    Contender("PyTorch, tensors", "PyTorch, nn", "torch", 100),
    Contender("micrograd", "micrograd, nn", "micrograd", 1),
]

if __name__ == "__main__":
    compare(
        "One SGD step of a 2-16-16-1 ReLU network, hinge loss, 100 points",
        CONTENDERS,
        ["micrograd", "PyTorch, tensors"],
    )
