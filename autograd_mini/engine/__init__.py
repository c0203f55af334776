"""The engine: a Value, its graph, and backward. Knows nothing of what is built on it."""

from autograd_mini.engine import pickling as pickling  # registers how Values are pickled
