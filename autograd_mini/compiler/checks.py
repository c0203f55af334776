"""What a compiled function can check of the numbers that it is given and gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_mini.transforms.vmap import RESULT, list_leaves


def check_anomaly(given: Sequence[Any], result: Any) -> None:
    """Keep the promise of detect_anomaly as far as compiled code can: it knows only arguments and results."""
    results = [np.asarray(leaf) for leaf in list_leaves(result, RESULT)[0]]
    if all(np.isfinite(numbers).all() for numbers in given) and not all(np.isfinite(r).all() for r in results):
        raise FloatingPointError(
            "the compiled function gave nan or inf for finite arguments; under detect_anomaly() call the function "
            "itself, without jit, to see which operation it was"
        )
