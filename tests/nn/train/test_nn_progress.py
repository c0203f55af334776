"""The progress bar: seen on a terminal, and nowhere else."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
from nn import Neuron, fit, mean_squared_error
unit = Neuron(1, nonlin=False, init="zeros")
def mine(predictions, targets):
    return mean_squared_error(predictions, targets)
options = {{"loss": "mean_squared_error", "optimizer": "sgd", "lr": 0.25, "epochs": 3, **{options}}}
print(len(fit(unit, [[1.0]], [2.0], **options)))
"""
WITHOUT_TQDM = "import sys\nsys.modules['tqdm'] = None\n"


def train(options="{}", before="", stderr=subprocess.PIPE):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", before + SCRIPT.format(options=options)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=60,
        check=True,
    )


def train_on_terminal(options="{}", before=""):
    """Give what a terminal on stderr would show."""
    termios = pytest.importorskip("termios", reason="there are no terminals here")
    ours, terminals = os.openpty()
    termios.tcsetwinsize(terminals, (24, 120))
    try:
        assert train(options, before, terminals).stdout == "3\n"
    finally:
        os.close(terminals)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as screen:
        try:
            while chunk := screen.read(4096):
                shown += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
    return shown.decode()


def test_a_terminal_shows_epochs_and_figures():
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    shown = train_on_terminal("{'metric': 'half_squared_error'}")
    assert "3/3" in shown
    assert "loss 0" in shown
    assert "half_squared_error 0" in shown


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        ("{'jit': True}", "jit: "),
        ("{'jit': False}", "plain: "),
        ("{'loss': mine}", "plain (the loss mine is not nn's own"),
    ],
)
def test_the_line_begins_with_the_way_that_training_runs(options, begins):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    shown = train_on_terminal(options)
    assert shown.rstrip().split("\r")[-1].startswith(begins)
    assert shown.count("\n") == 1


AT_ONCE = "import autograd_mini.compiler.progress as progress\nprogress.SILENCE = 0.0\n"


def test_it_is_quiet_when_asked():
    assert "compiling" in train_on_terminal("{'jit': True}", AT_ONCE)
    assert train_on_terminal("{'jit': True, 'progress': False}", AT_ONCE) == ""


def test_without_tqdm_training_goes_on_in_silence():
    assert train_on_terminal("{'jit': False}", WITHOUT_TQDM) == ""


def test_where_stderr_is_no_terminal_it_says_once_why_training_is_plain_and_nothing_else():
    assert train().stderr == ""
    assert train("{'loss': mine, 'progress': False}").stderr == ""
    [line] = train("{'loss': mine}").stderr.splitlines()
    assert "the loss mine is not nn's own" in line
