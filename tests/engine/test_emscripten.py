"""How a browser's Python frees chains, which test_browser.py uses there."""

from __future__ import annotations

import sys
from typing import Any

from autograd_mini.engine.emscripten import let_go


def depth_of_call() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def test_a_chain_is_freed_without_going_deep():
    depths = []

    class Node:
        def __init__(self, left: Any, right: Any) -> None:
            self._left, self._right = left, right

        def __del__(self) -> None:
            depths.append(depth_of_call())
            let_go(self)

    chain = Node(None, None)
    for i in range(5_000):
        other = Node(None, None)
        chain = Node(chain, other) if i % 2 else Node(None, [other, chain])  # some have many operands
    del other
    before = depth_of_call()
    del chain
    assert len(depths) == 10_001  # all of them
    assert max(depths) <= before + 3
