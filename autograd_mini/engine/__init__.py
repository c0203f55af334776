"""The engine: a Value, its graph, and backward. Knows nothing of what is built on it."""
