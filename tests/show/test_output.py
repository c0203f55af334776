"""What `print` writes on a console, or into a file, whose encoding lacks the characters of formulas."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

import nn
from autograd_mini import Value, explain, sum
from autograd_mini.show.format import for_output

ENCODINGS = ["ascii", "cp1252", "cp437", "cp850", "latin-1"]


def printed(monkeypatch: pytest.MonkeyPatch, encoding: str, *shown: object) -> str:
    """Give what a strict stream of an encoding gets, without a UnicodeEncodeError."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", stream)
        print(*shown)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


def network(layers: list[int], limit: int = 300) -> object:
    model = nn.MLP(layers[0], layers[1:], activation="sigmoid", output_activation="sigmoid", seed=1)
    return nn.explain_network(model, [0.5] * layers[0], 1.0, loss="binary_cross_entropy", limit=limit)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_explanations_are_printed_on_any_stream(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    x, y = Value(2.0, "x"), Value(1 / 3, "y")
    explanation = explain(sum([x, y]) * x)
    lines = printed(monkeypatch, encoding, explanation).splitlines()
    assert printed(monkeypatch, encoding, explanation.backward[0]) == "df/df = 1\n"
    assert any(line.strip().startswith("df/dx += df/df ") for line in lines)
    for shown in (network([2, 3, 1]), network([2, 3, 1], limit=5)):
        assert "\\" not in printed(monkeypatch, encoding, shown)


def test_ascii_keeps_the_places_of_names_and_the_columns_of_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(monkeypatch, "ascii", network([2, 3, 1]))
    assert "delta_j = h'(z_j) * sum_k w_jk delta_k" in text
    assert "x_1 -> h_1(1): dE/dw = " in text
    header, *rows = printed(monkeypatch, "ascii", network([2, 3, 1], limit=5)).split("\n\n")[1].splitlines()[1:]
    assert "|dE/dW|" in header
    assert all(row[header.index("|delta|") - 1] == " " != row[header.index("|delta|")] for row in rows)


def test_brackets_and_their_digits_are_written_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, "cp1252", Shown("w₁,₁₂⁽¹⁾ ≤ 2")) == "w_1,12(1) <= 2\n"
    assert printed(monkeypatch, "cp437", Shown("Σ δ · π²")) == "Σ δ · π²\n"


def test_a_stream_that_can_show_all_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    text = str(explain(Value(2.0, "x") * 3.0))
    assert "∂f/∂x" in text
    assert printed(monkeypatch, "utf-8", Shown("w₁₂⁽¹⁾ ∂")) == "w₁₂⁽¹⁾ ∂\n"
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert for_output("∂") == "∂"
    monkeypatch.setattr("sys.stdout", None)  # as in a program without a console, on Windows
    assert for_output("∂") == "∂"


def test_names_that_no_table_foresees_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, "ascii", Shown("λ\ud800")) == "\\u03bb\\ud800\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_a_program_prints_an_explanation_into_a_pipe(encoding: str) -> None:
    program = "from autograd_mini import Value, explain; print(explain(2.0 / Value(2.0, 'x')))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, encoding=encoding, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "df/dx = df/df " in done.stdout


class Shown:
    """An object whose text is made for the output, as explanations are."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return for_output(self.text)
