"""Makes notebooks/pictures/training.gif, the picture of training in the README.

Run it in the project's folder: `python tests/helpers/make_training_gif.py [path]`.
"""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

from nn import MLP, fit

TARGET = Path(__file__).parents[2] / "notebooks" / "pictures" / "training.gif"


def two_moons(n: int = 50, seed: int = 1) -> tuple[list[list[float]], list[int]]:
    """Give two half circles that lie in one another, with noise."""
    noise = random.Random(seed)
    X, y = [], []
    for k in (0, 1):
        for i in range(n):
            angle, side = math.pi * i / (n - 1), 1 - 2 * k
            X.append(
                [
                    k + side * math.cos(angle) + noise.gauss(0, 0.1),
                    k * 0.5 + side * math.sin(angle) + noise.gauss(0, 0.1),
                ]
            )
            y.append(k)
    return X, y


def make(path: Path = TARGET, epochs: int = 120) -> Path:
    """Train a network of two hidden layers, and save how it learned."""
    X, y = two_moons()
    model = MLP(2, [8, 8, 1], activation="tanh", seed=1)
    loss = "binary_cross_entropy_from_logits"
    history = fit(model, X, y, loss=loss, optimizer="adam", lr=0.05, epochs=epochs, progress=False)
    return history.animate(model, X, y, seconds=0.2).save(path, dpi=50)


if __name__ == "__main__":
    print(make(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET))
