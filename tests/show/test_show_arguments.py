"""What `draw` and `explain` both refuse."""

from __future__ import annotations

from typing import Any

import pytest

from autograd_mini import Value, draw, explain


@pytest.mark.parametrize("function", [draw, explain])
@pytest.mark.parametrize(
    ("root", "options", "error", "message"),
    [
        (3.0, {}, TypeError, r"needs a Value, not 3\.0 \(float\)"),
        ([Value(1.0)], {}, TypeError, "needs a Value, not"),
        (Value(1.0), {"limit": 0}, ValueError, "limit must be at least 1, not 0"),
        (Value(1.0), {"limit": 1.5}, TypeError, "limit must be an integer, not 1.5"),
        (Value(1.0), {"limit": Value(1.0)}, TypeError, r"limit .* not a node: give Value.* the label 'limit'"),
        (Value(1.0), {"lr": 0.1}, TypeError, r"'lr' .* needs a Value, not 0\.1 \(float\)"),
        (Value(1.0) + 2.0, {"stranger": Value(1.0)}, ValueError, "'stranger' .* not in the graph"),
    ],
)
def test_a_bad_root_limit_or_name_is_refused(
    function: Any, root: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        function(root, **options)
