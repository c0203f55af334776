"""What compiling says while it goes on."""

from __future__ import annotations

import io
import logging
import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

from autograd_mini import exp, jit
from autograd_mini.compiler import progress

pytestmark = pytest.mark.usefixtures("backend")


class Terminal(io.StringIO):
    """A place to write to that somebody watches."""

    def isatty(self) -> bool:
        return True

    def rows(self) -> list[str]:
        """List what the line showed, one text after the other."""
        return [text.strip() for text in self.getvalue().split("\r") if text.strip()]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Watch standard error, and be told soon."""
    place = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=place))
    monkeypatch.setattr(progress, "SILENCE", 0.02)
    monkeypatch.setattr(progress, "PERIOD", 0.01)
    return place


def slow(x: Any) -> Any:
    time.sleep(0.2)
    return exp(x)


def test_a_long_compilation_is_told_in_a_terminal_and_erased(terminal: Terminal) -> None:
    jit(slow)(0.0)
    rows = terminal.rows()
    assert rows[0] == "compiling slow: trace, 0 s"
    assert terminal.getvalue().endswith("\r" + " " * max(map(len, rows)) + "\r")


def test_a_short_compilation_is_not_told(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SILENCE", 60.0)
    compiled = jit(slow)
    assert [compiled(0.0), compiled(0.0)] == [1.0, 1.0]
    assert terminal.getvalue() == ""


def test_a_call_of_what_is_compiled_is_not_told(terminal: Terminal) -> None:
    compiled = jit(slow)
    compiled(0.0)
    before = terminal.getvalue()
    compiled(1.0)
    assert terminal.getvalue() == before


def test_nothing_is_written_where_nobody_watches(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "isatty", lambda: False)
    jit(slow)(0.0)
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=None))
    jit(slow)(0.0)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("level", ["ERROR", "INFO"])
def test_the_level_of_the_logger_switches_the_line_off(terminal: Terminal, level: str, caplog: Any) -> None:
    with caplog.at_level(level, "autograd_mini.jit"):
        jit(slow)(0.0)
    assert terminal.getvalue() == ""


def test_the_environment_switches_the_line_off(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_MINI_PROGRESS", "0")
    jit(slow)(0.0)
    assert terminal.getvalue() == ""


@pytest.mark.usefixtures("ctrl_c")
def test_an_error_and_an_interrupt_erase_the_line(terminal: Terminal) -> None:
    def fails(x: Any) -> Any:
        time.sleep(0.1)
        raise OSError("no such thing")

    def interrupted(x: Any) -> Any:
        time.sleep(0.1)
        signal.raise_signal(signal.SIGINT)

    for function, error in ((fails, OSError), (interrupted, KeyboardInterrupt)):
        with pytest.raises(error):
            jit(function)(0.0)
        assert terminal.getvalue().endswith(" \r")
    written = terminal.getvalue()
    time.sleep(0.1)
    assert terminal.getvalue() == written, "no thread goes on"


def test_the_logger_has_a_record_for_each_pass_and_each_kernel(caplog: Any) -> None:
    def scaled(x: Any) -> Any:
        return 2.0 * exp(x)

    with caplog.at_level(logging.DEBUG, "autograd_mini.jit"):
        jit(scaled)(0.0)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told[0][1].startswith("scaled: trace ")
    assert told[0][1].endswith(" ms, 4 nodes")
    passes = [message.split()[1] for level, message in told if level == "INFO"]
    assert passes[:12] == "trace simplify expand merge totals settle split sums patterns schedule slots write".split()
    ((_, message),) = [record for record in told if record[0] == "DEBUG"]
    assert message.startswith("scaled: kernel for (number): 2 operations; trace ")
