"""The command line as its users call it, and the console behind it."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import autograd_mini
from autograd_mini.command.cli import main
from autograd_mini.command.expression import evaluate
from autograd_mini.command.report import report
from autograd_mini.engine.value import COMPILED

ROOT = Path(autograd_mini.__file__).parents[1]
COMMAND = [sys.executable, "-m", "autograd_mini"]


def environment(**more: str) -> dict[str, str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}


def run(*words: str, stdin: str = "", cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        cwd=cwd,
        env=environment(**more),
        timeout=100,
    )


@pytest.fixture
def assert_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., None]:
    """The command ends with an error, prints nothing else, and leaves in its folder what was there."""
    monkeypatch.chdir(tmp_path)

    def check(*words: str, said: str) -> None:
        left = list(tmp_path.iterdir())
        with pytest.raises(SystemExit) as ended:
            main(words)
        output, errors = capsys.readouterr()
        assert (ended.value.code, output) == (2, "")
        assert said in errors
        assert list(tmp_path.iterdir()) == left

    return check


def rows_below(title: str, output: str) -> list[list[str]]:
    """Read a table: the cells of each line between its header and the next empty line."""
    block = output.partition(title)[2].partition("\n\n")[0]
    return [re.split(r"\s{2,}", line.strip()) for line in block.splitlines()[2:]]


def test_the_main_job_prints_the_lecture_notes_figures_in_their_order(tmp_path: Path) -> None:
    done = run("(x + y) * z", "x=-2", "y=5", "z=-4", "--save", "graph.svg", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    values = [["x", "-2"], ["y", "5"], ["x + y", "3"], ["z", "-4"], ["(x + y) * z", "-12"]]
    assert rows_below("Values", done.stdout) == values
    assert rows_below("Gradients", done.stdout) == [
        ["(x + y) * z", "1", "1"],
        ["z", "3", "3"],
        ["x + y", "-4", "-4"],
        ["y", "-4", "-4"],
        ["x", "-4", "-4"],
    ]
    svg = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert "<svg" in svg
    assert all(f">{name}" in svg for name in "xyzf")


def test_central_differences_stand_beside_the_gradients_of_all_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log(1 + exp(-x*w))", "x=2", "w=0.5"]) == 0
    rows = rows_below("Gradients", capsys.readouterr().out)
    assert len(rows) == 7
    for _, gradient, estimate in rows:
        assert float(estimate) == pytest.approx(float(gradient), rel=1e-7)
    assert float({row[0]: row[1] for row in rows}["x"]) == pytest.approx(-0.5 / (1 + math.e), rel=1e-5)


def test_the_numbers_of_the_text_are_left_out_and_other_constants_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["2 * pi * x + -3", "x=1"])
    output = capsys.readouterr().out
    assert [row[0] for row in rows_below("Values", output)] == ["2 * pi", "x", "2 * pi * x", "2 * pi * x + -3"]
    assert [row[0] for row in rows_below("Gradients", output)] == ["2 * pi * x + -3", "2 * pi * x", "x"]


def test_numbers_alone_have_a_value_and_no_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["2 + 3"]) == 0
    output = capsys.readouterr().out
    assert rows_below("Values", output) == [["2 + 3", "5"]]
    assert "Gradients" not in output


def test_a_variable_alone_is_its_own_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["x", "x=nan"]) == 0
    assert rows_below("Gradients", capsys.readouterr().out)[0][:2] == ["x", "1"]


def test_equal_sub_expressions_are_numbered(capsys: pytest.CaptureFixture[str]) -> None:
    main(["3 * (x*y) + x*y", "x=1", "y=2"])
    rows = rows_below("Gradients", capsys.readouterr().out)
    assert ["x*y#2", "1", "1"] in rows
    assert ["x*y", "3", "3"] in rows


def test_a_kink_is_marked_where_the_two_differ(capsys: pytest.CaptureFixture[str]) -> None:
    main(["relu(x)", "x=0"])
    output = capsys.readouterr().out
    assert ["x", "0", "0.5", "differs"] in rows_below("Gradients", output)
    assert "kink" in output
    assert "not finite" not in output


@pytest.mark.parametrize(
    ("words", "gradients", "result"),
    [
        (["x/y", "x=1", "y=0"], {"x/y": ["1"], "x": ["inf", "not finite"], "y": ["-inf", "not finite"]}, "inf"),
        (["exp(x)", "x=1000"], {"exp(x)": ["1"], "x": ["inf", "not finite"]}, "inf"),
        (["x * inf", "x=0"], {"x * inf": ["1"], "x": ["inf", "not finite"]}, "nan"),
        (["sqrt(x)", "x=0"], {"sqrt(x)": ["1", "1"], "x": ["inf", "nan", "not finite"]}, None),
        (["1/exp(x)", "x=1000"], {"1/exp(x)": ["1", "1"], "exp(x)": ["0"], "x": ["nan", "0", "not finite"]}, None),
    ],
)
def test_what_is_not_finite_is_marked_and_not_compared(
    words: list[str], gradients: dict[str, list[str]], result: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    output = capsys.readouterr().out
    assert {name: row for name, *row in rows_below("Gradients", output)} == gradients
    assert "differs" not in output
    assert "not finite: the derivative is infinite or undefined" in output
    assert (f"The result is {result}: there are no differences" in output) == (result is not None)


def test_long_names_are_shortened_in_the_middle() -> None:
    expression = evaluate("x" + " + x" * 100, {"x": 1})
    expression.root.backward()
    assert max(map(len, report(expression).splitlines())) <= 100


@pytest.mark.parametrize("words", [["-x*2", "x=-3"], ["x=-3", "-x*2"], ["--", "-x*2", "x=-3"], ["- x*2", "x=-3"]])
def test_an_expression_may_start_with_a_minus(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert rows_below("Values", capsys.readouterr().out)[-1][1] == "6"


def test_options_may_stand_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, place in enumerate([0, 1, 2]):
        target = tmp_path / f"{i}.dot"
        words = ["-x", "x=1"]
        words[place:place] = ["--save", str(target)]
        assert main(words) == 0
        assert target.exists()
    assert main(["x", "x=1", f"--save={tmp_path / 'equals.dot'}"]) == 0
    assert (tmp_path / "equals.dot").exists()


def test_explain_shows_the_steps_in_place_of_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["(x + y) * z", "x=-2", "y=5", "z=-4", "--explain"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "v1 = x + y = -2 + 5 = 3" in lines
    backward = lines[lines.index("Backward") + 1 :]
    products = [line for line in backward if line.startswith("∂f/")]
    assert [line.split()[0] for line in products] == ["∂f/∂f", "∂f/∂z", "∂f/∂v1", "∂f/∂y", "∂f/∂x"]
    assert backward[-2:] == ["∂(x + y)/∂x = 1", "∂f/∂x = ∂f/∂v1 · ∂(x + y)/∂x = -4 · 1 = -4"]


def test_explain_names_constants_and_takes_expressions_of_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pi * x", "x=2", "--explain"]) == 0
    assert "f = pi · x ≈ 3.142 · 2 ≈ 6.283" in capsys.readouterr().out
    assert main(["2 + 3", "--explain"]) == 0
    assert "Backward" not in capsys.readouterr().out


def test_digits_say_how_many_significant_ones_are_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["1 / x", "x=3"]) == 0
    assert rows_below("Gradients", capsys.readouterr().out)[-1] == ["x", "-0.111111", "-0.111111"]
    assert main(["1 / x", "x=3", "--digits", "3"]) == 0
    assert rows_below("Gradients", capsys.readouterr().out)[-1] == ["x", "-0.111", "-0.111"]
    assert main(["1 / x", "x=3", "--explain"]) == 0
    assert "f = 1 / x = 1 / 3 ≈ 0.3333\n" in capsys.readouterr().out
    for suffix in ("html", "svg"):
        target = tmp_path / f"saved.{suffix}"
        assert main(["1 / x", "x=3", "--explain", "--digits=7", "--save", str(target)]) == 0
        assert "f = 1 / x = 1 / 3 ≈ 0.3333333\n" in capsys.readouterr().out
        saved = target.read_text(encoding="utf-8").replace("&#160;", " ").replace("\xa0", " ").replace("&#45;", "-")
        assert ">data 0.3333333<" in saved
        assert ">grad -0.1111111<" in saved


def test_save_writes_the_steps_as_a_page(tmp_path: Path) -> None:
    done = run("(x + y) * z", "x=-2", "y=5", "z=-4", "--save", "steps.html", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nSteps written to steps.html\n")
    assert rows_below("Gradients", done.stdout)[-1] == ["x", "-4", "-4"]
    assert "∂f/∂x = ∂f/∂v1 · ∂(x + y)/∂x = -4 · 1 = -4" in (tmp_path / "steps.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["--explain"], ["--save", "steps.html"], ["--save", "graph.svg"]])
def test_a_graph_too_large_to_show_is_an_error(words: list[str], assert_refused: Callable[..., None]) -> None:
    assert_refused("x" + "+x" * 500, "x=1", *words, said="too large to")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_terminal_shows_the_steps_in_colour_where_rich_is_installed() -> None:
    pytest.importorskip("rich", reason="needs rich")
    import pty

    master, slave = pty.openpty()
    settings = environment(TERM="xterm-256color")
    process = subprocess.Popen([*COMMAND, "x * -2", "x=3", "--explain"], stdout=slave, stderr=slave, env=settings)
    os.close(slave)
    seen = b""
    try:
        while piece := os.read(master, 4096):
            seen += piece
    except OSError:  # the other side is closed
        pass
    finally:
        os.close(master)
        assert process.wait(60) == 0
    text = seen.decode()
    assert re.search(r"\x1b\[[0-9;]+m = -6", text)
    assert "f = x · (-2) = 3 · (-2) = -6" in re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_version_says_which_engine_is_running() -> None:
    done = run("--version")
    engine = "compiled" if COMPILED else "plain Python"
    assert done.returncode == 0
    assert done.stdout.startswith(f"autograd_mini {autograd_mini.__version__}, {engine} engine")


def test_help_shows_examples_and_functions() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert '"(x + y) * z" x=-2 y=5 z=-4 --save graph.svg' in done.stdout
    assert "leaky_relu" in done.stdout
    about = dict(re.findall(r"--(digits|save) \w+\s+(\w+)", done.stdout))
    assert about == {"digits": "round", "save": "write"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x + foo(x)", "x=1"], "column 5: unknown function foo"),
        (["x", "x=abc"], "x must be a number, not 'abc'"),
        (["x", "x="], "as in x=1"),
        (["x*y", "x", "=", "1", "y=2"], "without spaces around =, as in x=1"),
        (["x*y", "x=", "1", "y=2"], "'x=': give a variable's number without spaces around =, as in x=1"),
        (["x*y", "x", "=1", "y=2"], "'=1': give a variable's number without spaces around =, as in x=1"),
        (["x*y x = 1"], '"x * y" x=2 y=3'),
        (["f = x*y", "x=1", "y=2"], "f must be a number, not 'x*y'; give an expression alone, without f ="),
        (["2x", "x=1"], "a product needs its sign, as in 2*x"),
        (["1 + [x, 2]", "x=1"], "must be a number, not a list of 2 elements"),
        (["x", "x=1", "x=2"], "x is given twice"),
        (["x", "2x=1"], "'2x' can't be the name of a variable"),
        (["x", "if=1"], "'if' can't be the name of a variable"),
        (["x", "+", "y", "x=1", "y=2"], "put the expression in quotes"),
        (["x=1"], "an expression is missing"),
        (["--explain"], "an expression is missing"),
        (["x", "x=1", "--digits", "0"], "--digits: takes a number from 1 to 17, not '0'"),
        (["x", "x=1", "--digits", "-3"], "--digits: takes a number from 1 to 17, not '-3'"),
        (["x", "x=1", "--digits", "many"], "--digits: takes a number from 1 to 17, not 'many'"),
        ([""], "the expression is empty"),
        (["x + \udcff", "x=1"], "column 5"),
    ],
)
def test_a_wrong_command_is_explained_and_writes_nothing(
    words: list[str], said: str, assert_refused: Callable[..., None]
) -> None:
    assert_refused(*words, "--save", "graph.svg", said=said)


def test_a_wrong_command_ends_its_process_with_an_error_and_no_traceback() -> None:
    done = run("x + \udcff", "x=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "column 5" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_caret_stands_below_the_column() -> None:
    *_, line, caret = run("x + foo(x)", "x=1").stderr.splitlines()
    assert line.index("foo") == caret.index("^")


def test_an_unknown_option_is_refused() -> None:
    done = run("x", "x=1", "--sav", "graph.svg")
    assert done.returncode == 2
    assert "--sav" in done.stderr


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("graph.gif", ".svg, .png, .pdf, .dot, .html"),
        ("graph", ".svg, .png, .pdf, .dot, .html"),
        ("missing/graph.svg", "can't be written"),
        ("missing/steps.html", "can't be written"),
        ("folder.svg", "can't be written"),
    ],
)
def test_a_drawing_that_cannot_be_saved_is_an_error(
    target: str, said: str, tmp_path: Path, assert_refused: Callable[..., None]
) -> None:
    (tmp_path / "folder.svg").mkdir()
    assert_refused("x", "x=1", "--save", target, said=said)


def test_a_picture_without_a_program_to_draw_it_is_an_error(
    monkeypatch: pytest.MonkeyPatch, assert_refused: Callable[..., None]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert_refused("x", "x=1", "--save", "graph.pdf", said="save as .svg")


# One argument of a process has at most 128 KiB on Linux, so the longest ones are given in a process of its own.
HUGE = {
    "sum": "'x' + '+x' * 500_000",
    "brackets": "'(' * 500_000",
    "minuses": "'-' * 1_000_000 + 'x'",
    "calls": "'sin(' * 250_000 + 'x' + ')' * 250_000",
    "powers": "'x' + '**x' * 333_333",
    "digits": "'9' * 1_000_000",
    "spaces": "' ' * 1_000_000",
    "powers within the limit of length": "'x' + '**x' * 3_000",
    "brackets within the limit of length": "'(' * 5_000",
    "minuses within the limit of length": "'- ' * 4_900 + 'x'",
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_a_huge_expression_is_an_error_and_no_crash(text: str) -> None:
    program = f"import sys; from autograd_mini.command.cli import main; sys.exit(main([{text}, 'x=1']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert "autograd_mini: error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 600


def test_a_long_expression_has_differences_for_its_variables_first() -> None:
    expression = evaluate(f"sum([{', '.join(['-x*y'] * 500)}])", {"x": 2, "y": 3})
    rows = rows_below("Gradients", report(expression))
    assert ["y", "-1000", "-1000"] in rows
    assert ["x", "-1500", "-1500"] in rows
    assert sum(len(row) == 3 for row in rows) == 100


def test_names_in_a_deep_expression_are_short() -> None:
    names = evaluate("-" * 1000 + "x", {"x": 1}).names
    assert max(map(len, names.values())) == 200


def test_a_hundred_thousand_characters_on_the_command_line_are_refused_with_the_limit() -> None:
    done = run("x" + "+x" * 50_000, "x=1")
    assert done.returncode == 2
    assert "10,000 characters" in done.stderr


def test_names_beyond_ascii_do_not_break_an_ascii_terminal() -> None:
    done = run("λ * 2", "λ=3", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u03bb * 2" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_steps_are_written_as_the_output_can_show_them(encoding: str) -> None:
    done = run("x * sum([x, 2])", "x=3", "--explain", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert "df/df = 1" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes and signals")
def test_a_reader_that_leaves_early_ends_the_command_quietly() -> None:
    command = [*COMMAND, "x" + "+x" * 300, "x=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes and signals")
def test_ctrl_c_ends_the_command_quietly() -> None:
    program = """
import os, signal, sys
from autograd_mini.command import cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts without
report = cli.report
def interrupted_report(*arguments):
    os.kill(os.getpid(), signal.SIGINT)  # as the terminal does on Ctrl-C, at a moment that is certain
    return report(*arguments)
cli.report = interrupted_report
sys.exit(cli.main(["x * 2", "x=1"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_console_knows_the_engine_and_leaves_at_the_end_of_input() -> None:
    done = run(stdin="Value(3)*2\nx = Value(2); y = tanh(x); y.backward(); x.grad > 0\n")
    assert done.returncode == 0
    assert "Value(data=6.0, grad=0.0)" in done.stdout
    assert "True" in done.stdout
    assert len(done.stderr.strip().splitlines()) == 3
    assert done.stderr.startswith(f"autograd_mini {autograd_mini.__version__}")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_the_console_works_in_a_terminal(tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    settings = environment(TERM="dumb", IPYTHONDIR=str(tmp_path))
    process = subprocess.Popen(COMMAND, stdin=slave, stdout=slave, stderr=slave, env=settings, start_new_session=True)
    os.close(slave)
    seen = b""
    try:
        os.set_blocking(master, False)
        sent, deadline = 0, time.monotonic() + 60
        script = [(b"x.grad", b"Value(3) * 14\n"), (b"data=42.0", b"\x04")]
        while process.poll() is None and time.monotonic() < deadline:
            try:
                seen += os.read(master, 4096)
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:  # the other side is closed
                break
            if sent < len(script) and script[sent][0] in seen:
                time.sleep(0.5)  # until the prompt is drawn
                os.write(master, script[sent][1])
                sent += 1
        assert process.wait(10) == 0, seen
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        os.close(master)
    assert b"Value(data=42.0, grad=0.0)" in seen
