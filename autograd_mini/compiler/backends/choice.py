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
    """Give the class that makes code of a program, with some `Options`, for the target: see `backend_name`.

    Code has a `text`, `seconds`, which say how long it took to `write` and to `compile` it, and a `step`: the lanes of
    a tile are a multiple of it. `code.assembly()` is the machine code as text. `code.frame(widths)` is the memory of
    one call at a time, whose mapped arrays have rows of these widths. A frame has

    - `u`, the numbers of all lanes, and `arrays`: views of `u`, each with the number of the leaf to be written there;
    - `once()`, which computes what is the same for all examples;
    - `each(sources, cut, divisor, numbers)`, which computes all examples, and divides totals;
    - `begin(sources, cut, divisor)`, after which threads may call `part(begin, end, numbers)` at the same time.

    Raises
    ------
    ImportError
        For native code without llvmlite.
    """
    if backend_name(name) == "numpy":
        from autograd_mini.compiler.backends.numpy import NumpyCode

        return NumpyCode
    if not find_spec("llvmlite"):
        raise ImportError(
            "the backend 'llvm' needs llvmlite: pip install 'autograd_mini[jit]' (a browser has no native code); "
            "the backend 'numpy' needs nothing"
        )
    from autograd_mini.compiler.backends.native import NativeCode

    return NativeCode
