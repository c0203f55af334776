"""Which target a program is compiled for: native code, by LLVM, or NumPy."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

# The environment variable that chooses one of the targets.
VARIABLE = "AUTOGRAD_MINI_BACKEND"


def backend_name(name: str | None = None) -> str:
    """Name the target: the one given, or that of the environment, or native code where llvmlite is installed.

    Raises
    ------
    ValueError
        If there is no such target.
    """
    name = name or os.environ.get(VARIABLE) or ("llvm" if find_spec("llvmlite") else "numpy")
    if name not in ("llvm", "numpy"):
        raise ValueError(f"a backend is 'llvm' or 'numpy', not {name!r}; {VARIABLE} in the environment names another")
    return name


def choose_backend(name: str | None = None) -> Any:
    """Give the class that makes code of a program for the target: see `backend_name`.

    The code of a program has a `text`, `seconds`, how long it took to `write` and to `compile` it, and `step`: a tile
    has a multiple of so many lanes. `code.frame(widths)` is memory for one call at a time, whose mapped arrays have
    rows of some widths. `frame.u` has the numbers of all lanes, and `frame.arrays` views of it, each with the leaf to
    be written there. `once` computes what is the same for all examples; `each` computes all examples; `begin` gets
    ready for a batch, whose totals will be divided, and then `part` computes some examples, in as many threads as
    there are.
    """
    if backend_name(name) == "numpy":
        from autograd_mini.compiler.backends.numpy import NumpyCode

        return NumpyCode
    from autograd_mini.compiler.backends.native import NativeCode

    return NativeCode
