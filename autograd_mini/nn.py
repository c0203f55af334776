"""The package `nn` under a second name; it says which file hides the package, where one does.

>>> import nn
>>> from autograd_mini.nn.layer import Layer
>>> Layer is nn.Layer
True
"""

import sys
from pathlib import Path

import nn

_own = Path(__file__).parents[1] / "nn" / "__init__.py"
if not (nn.__file__ and Path(nn.__file__).samefile(_own)):
    raise ImportError(
        f"the name nn means {nn.__file__ or nn.__path__} here, which hides the package nn of autograd_mini: "
        "rename that file or folder, or start Python elsewhere"
    )
for _name in [name for name in sys.modules if name.partition(".")[0] == "nn"]:
    sys.modules[f"autograd_mini.{_name}"] = sys.modules[_name]  # the same modules: a class is one class
