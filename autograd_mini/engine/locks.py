"""Locks, which a forked child does not inherit from another thread of its parent."""

from __future__ import annotations

import os
import threading

# Held while a graph is walked: the walk leaves marks in nodes, and threads may share nodes.
walking = threading.Lock()

# Held while open blocks are counted. A lock of its own: the collector may close a block in the midst of a walk.
counting = threading.RLock()

# Held while code is made, kept or freed, but not while a user's function runs.
compiling = threading.RLock()

if hasattr(os, "register_at_fork"):
    for _lock in (walking, counting, compiling):  # waited for before a fork, released on both sides
        os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
