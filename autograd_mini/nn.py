"""The package `nn` under a second name; it says which file hides the package, where one does.

>>> import nn
>>> from autograd_mini.nn.layer import Layer
>>> Layer is nn.Layer
True
"""

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import nn

_own = Path(__file__).parents[1] / "nn" / "__init__.py"
if not (nn.__file__ and Path(nn.__file__).samefile(_own)):
    raise ImportError(
        f"the name nn means {nn.__file__ or nn.__path__} here, which hides the package nn of autograd_mini: "
        "rename that file or folder, or start Python elsewhere"
    )


class _SecondName(MetaPathFinder, Loader):
    """Gives a module of `nn` where it is imported as one of `autograd_mini.nn`: so a class is one class."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name.startswith("autograd_mini.nn.") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(spec.name.removeprefix("autograd_mini."))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = module.__spec__ and module.__spec__.loader_state  # its own again


sys.meta_path.insert(0, _SecondName())
sys.modules["autograd_mini.nn"] = nn
