"""How code is made, as the caller of `jit` chose."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Options(NamedTuple):
    """How native code is made; NumPy takes no notice of it.

    Attributes
    ----------
    fuse : bool
        Whether a product and the sum that it is a term of may be rounded once.
    folder : Path or None
        Where machine code is kept on disk.
    """

    fuse: bool = False
    folder: Path | None = None
