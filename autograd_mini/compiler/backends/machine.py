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
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from autograd_mini.compiler.backends.disk import keep_code, read_code
from autograd_mini.compiler.backends.lowering import LIBRARY
from autograd_mini.engine.locks import compiling
from autograd_mini.version import VERSION

# How libmvec names a function of so many lanes, and the feature that a processor needs for it.
_VARIANTS = {2: ("_ZGVbN2", "sse2"), 4: ("_ZGVdN4", "avx2"), 8: ("_ZGVeN8", "avx512f")}

# How much LLVM does when it chooses instructions and registers: its default.
LEVEL = 2

# The simplifications of LLVM, in their order: variables in registers, masks instead of zeros and ones. They take 2 µs
# for each instruction, where writing machine code takes 25. With value numbering, or all of LLVM's own -O1, it is 5 to
# 20 µs, and the code runs no faster: the graph has been simplified.
PASSES = ("sroa", "simplify_cfg", "instruction_combine")

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
        cpu=llvm.get_host_cpu_name(), features=_features().flatten(), opt=LEVEL, jit=True
    )


@cache
def _passes() -> Any:
    passes = llvm.create_new_module_pass_manager()  # one for all: llvmlite 0.50 does not free them
    for name in PASSES:
        getattr(passes, f"add_{name}_pass")()
    return passes


def _parse(text: str, target: Any) -> Any:
    module = llvm.parse_assembly(text, llvm.create_context())
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    return module


def optimise(text: str, target: Any) -> Any:
    """Parse a module and simplify it."""
    module = _parse(text, target)
    _passes().run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options()))
    return module


def emit(text: str, target: Any) -> bytes:
    """Write an object file: the machine code of a module."""
    return bytes(target.emit_object(optimise(text, target)))


def _key(text: str, target: Any) -> str:
    """Name the machine code of a module: by all that it depends on."""
    versions = (VERSION, llvmlite.__version__, llvm.llvm_version_info)
    parts = (text, target.triple, llvm.get_host_cpu_name(), _features().flatten(), versions, LEVEL, PASSES)
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()


# Code that nothing refers to any more, to be freed at the next compilation: first the engine, then its module with its
# context, an order that the garbage collector does not keep. The thread that let go of the code may not free it: it
# would take llvmlite's lock, perhaps while another thread forks.
_to_free: SimpleQueue[tuple[Any, Any]] = SimpleQueue()


class Code:
    """LLVM IR compiled for this processor: native code, which lives as long as this object does.

    With a folder, machine code is read from there, or kept there once it is written. `is_kept` says that it was there.

    Raises
    ------
    RuntimeError
        If LLVM can't read the text.
    """

    def __init__(self, text: str, folder: Path | None = None) -> None:
        while not _to_free.empty():
            engine, _ = _to_free.get()
            engine.close()
        self.text = text
        target = describe_processor()
        key = _key(text, target) if folder else ""
        machine_code = read_code(folder, key) if folder else None
        self.is_kept = machine_code is not None
        if machine_code is None:
            machine_code = emit(text, target)
            if folder:
                keep_code(folder, key, machine_code)
        module = _parse("", target)  # an engine can't be without one
        self._engine = llvm.create_mcjit_compiler(module, target)
        self._engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(machine_code))
        self._engine.finalize_object()
        weakref.finalize(self, _to_free.put, (self._engine, module)).atexit = False

    def assembly(self) -> str:
        """Write the machine code down as text."""
        target = describe_processor()
        with compiling:
            return str(target.emit_assembly(optimise(self.text, target)))

    def address(self, name: str) -> int:
        """Give the address of a function, for as long as this object lives."""
        address = int(self._engine.get_function_address(name))
        if address == 0:
            raise ValueError(f"this code has no function {name!r}")
        return address
