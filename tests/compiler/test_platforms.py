"""Native code on processors and systems that these tests do not run on: what it calls, and how wide its vectors are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_mini import abs, exp, jit, lgamma, scan, sin, sqrt, tanh, value_and_grad

pytest.importorskip("llvmlite", reason="native code needs the extra jit: llvmlite")

import llvmlite.binding as llvm

from autograd_mini.compiler.backends import machine
from autograd_mini.compiler.backends.lowering import LIBRARY

POINTS = np.linspace(-2.0, 2.0, 43)  # more than a whole number of vectors, of whatever width


def network(w: Any, x: Any) -> Any:
    hidden = [tanh(sum(w[5 * i + j] * x * (j + 1.0) for j in range(5))) for i in range(8)]
    return sum(hidden) * exp(-x) + lgamma(x * x + 1.0)


def recursion(w: Any, x: Any) -> Any:
    return scan(lambda state, _: (sin(state) * w[0] + x, None), x, range(50))[0]


def rational(w: Any, x: Any) -> Any:
    return sum(sqrt(x * x + w_i) / (1.0 + abs(x - w_i)) for w_i in w)


WEIGHTS = np.linspace(0.1, 0.9, 40).tolist()


@pytest.mark.parametrize("system", ["x86_64-pc-windows-msvc-elf", "x86_64-apple-macosx11"])
@pytest.mark.parametrize("function", [network, recursion, rational])
def test_code_calls_nothing_but_its_own_functions_and_those_of_c(
    monkeypatch: pytest.MonkeyPatch, system: str, function: Callable[..., Any]
) -> None:
    machine.describe_processor()  # loads what later tests call
    monkeypatch.setattr(machine, "_vector_library", lambda: None)  # glibc's alone
    text = jit(value_and_grad(function), in_axes=(None, 0), reduce="sum").lower(WEIGHTS, POINTS).llvm_ir
    target = llvm.Target.from_triple(system).create_target_machine(cpu="haswell", opt=machine.LEVEL, jit=True)
    assembly = target.emit_assembly(machine.optimise(text, target))
    # `movabsq $tanh` on Windows, where a library may be anywhere; `callq _tanh` on macOS.
    named = set(re.findall(r"(?:movabsq\s+\$|(?:call|jmp)q\s+)_?([A-Za-z]\w*)", assembly))
    own = set(re.findall(r'define [^@]*@"?(\w+)"?\(', text))
    assert named - own - {name for name in named if re.match("L?(BB|CPI|JTI)", name)} <= set(LIBRARY)
    assert "chkstk" not in assembly  # frames beyond a page would need a function of Windows


@pytest.mark.parametrize("function", [network, recursion, rational])
def test_vectors_of_any_width_agree(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any]) -> None:
    found = {}
    here = machine._features()
    for width, missing in (8, "none"), (4, "avx512|avx10|evex512"), (2, "avx|evex512|fma|f16c|vaes|vpclmul|xop"):
        features = {name: has and not re.match(missing, name) for name, has in here.items()}
        monkeypatch.setattr(machine, "_features", lambda features=features: llvm.FeatureMap(features))
        if machine.vector_width() == width:  # else this processor has no such instructions
            compiled = jit(value_and_grad(function), in_axes=(None, 0))
            values, slopes = compiled(WEIGHTS, POINTS)
            found[width] = np.array([values, *slopes])
    assert found
    narrowest = found[min(found)]
    for results in found.values():
        if function is rational:  # operations that IEEE 754 defines to the last bit
            assert results.tobytes() == narrowest.tobytes()
        np.testing.assert_allclose(results, narrowest, rtol=1e-11, atol=1e-13)
