"""What every number of this package has in common, whether it is a node of a graph or one that is compiled."""

from __future__ import annotations

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


@cython.no_gc
@cython.cclass
class Scalar:
    """Base class of `Value` and of the numbers that `jit` traces."""

    __slots__ = ()
