"""The processor, and native code on it: LLVM IR in, addresses of functions out.

Knows no operation and no graph: only the text of a module, and C's math functions by name.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
import weakref
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import Any

import llvmlite.binding as llvm

from autograd_mini.compiler.backends.lowering import LIBRARY

# How libmvec names a function of so many lanes, and the feature that a processor needs for it.
_VARIANTS = {2: ("_ZGVbN2", "sse2"), 4: ("_ZGVdN4", "avx2"), 8: ("_ZGVeN8", "avx512f")}


_features = cache(llvm.get_host_cpu_features)


def vector_width() -> int:
    """Say how many doubles the processor's widest instructions work on."""
    return 8 if _features().get("avx512f") else 4 if _features().get("avx") else 2


def vector_function(name: str, arity: int, lanes: int) -> str | None:
    """Give the symbol of a math function of vectors; None where the platform has none for so many lanes.

    All functions of glibc's libmvec are used. They were compared with the engine at more than a million points each,
    among them multiples of pi / 2 and subnormal, huge and infinite numbers: for SSE and AVX2 (glibc 2.36) the relative
    error is below 7e-16 (exp, log, tanh: 5e-16), and infs, nans and signed zeros are the same.
    """
    prefix, feature = _VARIANTS[lanes]
    symbol = f"{prefix}{'v' * arity}_{name}"
    library = _vector_library()
    return symbol if library is not None and _features().get(feature) and hasattr(library, symbol) else None


@cache
def _vector_library() -> ctypes.CDLL | None:
    """Load glibc's library of vectorised math functions, for x86-64."""
    if platform.machine() == "x86_64":
        with suppress(OSError):
            return ctypes.CDLL("libmvec.so.1")
    return None


@cache
def _initialise() -> None:
    """Prepare LLVM, once: for this processor, and with the addresses of the functions that code calls."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    library = ctypes.CDLL("ucrtbase" if platform.system() == "Windows" else ctypes.util.find_library("m"))
    for name in LIBRARY:
        llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
    if _vector_library() is not None:
        llvm.load_library_permanently("libmvec.so.1")


def describe_processor() -> Any:
    """Describe this processor to LLVM; by default no instruction of it fuses a product and a sum."""
    _initialise()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features().flatten(), opt=2, jit=True
    )


@cache
def _passes() -> Any:
    """Choose the simplifications: masks instead of zeros and ones, variables in registers, nothing computed twice.

    These four take 4 µs for each instruction, where writing machine code takes 30. LLVM's own -O1
    takes 8 to 20 µs, and the code runs no faster.
    """
    passes = llvm.create_new_module_pass_manager()  # one for all: llvmlite 0.50 does not free them
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_new_gvn_pass()
    return passes


def optimise(text: str, target: Any) -> Any:
    """Parse a module and simplify it."""
    module = llvm.parse_assembly(text, llvm.create_context())
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    _passes().run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options()))
    return module


# Code that nothing refers to any more, to be freed at the next compilation: first the engine, then its module with its
# context, an order that the garbage collector does not keep. The thread that let go of the code may not free it: it
# would take llvmlite's lock, perhaps while another thread forks.
_to_free: SimpleQueue[tuple[Any, Any]] = SimpleQueue()


class Code:
    """LLVM IR compiled for this processor: native code, which lives as long as this object does.

    Raises
    ------
    RuntimeError
        If LLVM can't read the text.
    """

    def __init__(self, text: str) -> None:
        while not _to_free.empty():
            engine, _ = _to_free.get()
            engine.close()
        self.text = text
        target = describe_processor()
        module = optimise(text, target)
        self._engine = llvm.create_mcjit_compiler(module, target)
        self._engine.finalize_object()
        weakref.finalize(self, _to_free.put, (self._engine, module)).atexit = False

    def address(self, name: str) -> int:
        """Give the address of a function, for as long as this object lives."""
        address = int(self._engine.get_function_address(name))
        if address == 0:
            raise ValueError(f"this code has no function {name!r}")
        return address
