"""The notebooks: they run from top to bottom, show what they compute, and the solutions of their exercises run.

Each is executed once, in a fresh kernel, solutions included.
`python tests/project/test_notebooks.py` stores all outputs anew.

A cell with the tag "measured" prints times, or what else is the processor's own, such as the width of its vectors: of
its outputs the words must be current, and the numbers are those of the machine that stored them.
"""

from __future__ import annotations

import html
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"


def number(path: Path) -> int:
    """Give the number that a notebook's name begins with; sorted as text, 10 would stand before 2."""
    return int(path.name.partition("_")[0])


NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"), key=number)
SOLUTION = re.compile(r"<details><summary>Solution</summary>\n(.*?)\n</details>", re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
MEASURED = {"tags": ["measured"]}


@dataclass(frozen=True)
class Run:
    """A notebook's cells as they are stored and as they were executed, and the cells of its solutions."""

    stored: list[Any]
    executed: list[Any]
    solutions: list[Any]


def read(path: Path) -> Any:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def run(request, tmp_path_factory):
    for library in ("nbclient", "ipykernel", "matplotlib", "sklearn", "scipy", "llvmlite"):
        pytest.importorskip(library, reason=f"{library} is not installed")
    from nbformat.v4 import new_code_cell

    stored, executed = read(request.param), read(request.param)
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    solutions = [new_code_cell(text) for cell in executed.cells for text in solution_code(cell)]
    executed.cells = [*code, *solutions]
    execute(executed, IPYTHONDIR=str(tmp_path_factory.mktemp("ipython")))
    return Run([cell for cell in stored.cells if cell.cell_type == "code"], code, solutions)


def execute(notebook: Any, **environment: str) -> None:
    """Run a notebook's cells from top to bottom, also after an error, and put their outputs in the place of the old."""
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=300,
        allow_errors=True,
        coalesce_streams=True,  # how prints are bundled depends on time
        record_timing=False,
        resources={"metadata": {"path": str(ROOT)}},
    )
    # What depends on how long compiling takes stays out of the outputs.
    fixed = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "AUTOGRAD_MINI_PROGRESS": "0"}
    client.execute(env=os.environ | fixed | environment)


def solution_code(cell: Any) -> list[str]:
    if cell.cell_type != "markdown":
        return []
    return [code for solution in SOLUTION.findall(cell.source) for code in CODE.findall(solution)]


def complaints(cells: list[Any]) -> list[str]:
    """Errors and whatever was written to stderr, such as warnings."""
    outputs = [output for cell in cells for output in cell.outputs]
    errors = [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
    return errors + [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]


def shown(cell: Any) -> list[Any]:
    """What a cell's outputs say.

    Of pictures that is whether there is one, and the text in it: pixels and positions differ from
    one release of Matplotlib, Graphviz or a font to the next. Printed numbers are rounded by the
    notebooks; those in tooltips are not, and their last digits are those of the C library.
    """
    return [
        (without_numbers(output.text) if cell.metadata == MEASURED else output.text)
        if output.output_type == "stream"
        else {kind: said(kind, text) for kind, text in output.data.items()}
        for output in cell.outputs
    ]


def without_numbers(text: str) -> str:
    return " ".join(re.sub(r"\d[\d,]*(\.\d+)?(e[+-]?\d+)?", "#", text).split())


def said(kind: str, text: str) -> str:
    if kind == "image/png":
        return "a picture"
    if kind not in ("text/html", "image/svg+xml"):
        return text
    for page in re.findall(r'srcdoc="([^"]*)"', text):
        text = text.replace(page, "") + html.unescape(page)
    text = re.sub(r"<(script|style)\b.*?</\1>|<!--.*?-->", "", text, flags=re.DOTALL)
    words = html.unescape(re.sub(r"<[^>]*>", " ", text)).split()
    return " ".join(re.sub(r"\d+\.\d+(e[+-]?\d+)?", lambda number: f"{float(number[0]):.6g}", word) for word in words)


def test_a_notebook_runs_without_errors_and_warnings(run):
    assert complaints(run.executed) == []


def test_stored_outputs_are_those_that_are_computed(run):
    for stored, executed in zip(run.stored, run.executed, strict=True):
        assert shown(stored) == shown(executed), f"stored outputs are not current in the cell\n{stored.source}"


def test_the_solutions_of_the_exercises_run(run):
    assert len(run.solutions) >= 2  # a solution may be words and a formula
    assert complaints(run.solutions) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_can_be_read_without_running_it(path):
    cells = read(path).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell.outputs) for cell in code) > len(code) / 2
    assert complaints(code) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_what_one_will_be_able_to_do_and_ends_with_three_exercises(path):
    opening, *cells = (cell.source for cell in read(path).cells)
    assert opening.startswith(f"# {number(path)}. ")
    goals = opening.partition("\n\n**You will be able to**\n\n")[2].partition("\n\n")[0].split("\n")
    assert len(goals) >= 3
    assert all(goal.startswith("- ") for goal in goals)
    assert cells[-4].endswith("## Exercises")
    for i, exercise in enumerate(cells[-3:], start=1):
        assert exercise.startswith(f"**{i}.** ")
        assert SOLUTION.search(exercise)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_nothing_of_when_and_where_it_ran(path):
    notebook = read(path)
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(cell.metadata in ({}, MEASURED) for cell in notebook.cells)
    assert path.stat().st_size < 600_000


def test_of_measured_outputs_the_words_are_compared():
    from types import SimpleNamespace as Cell

    first, second, other = (
        Cell(metadata=MEASURED, outputs=[Cell(output_type="stream", text=text)])
        for text in ("step  9.5 ms\n", "step 12 ms\n", "step 12 s\n")
    )
    assert shown(first) == shown(second) != shown(other)


def test_the_notebooks_are_numbered_in_reading_order():
    assert list(map(number, NOTEBOOKS)) == list(range(14))


def test_the_list_of_lessons_names_each_notebook_by_its_title():
    table = (FOLDER / "README.md").read_text()
    for path in NOTEBOOKS:
        title = read(path).cells[0].source.partition("\n")[0].removeprefix("# ")
        listed = re.search(rf"\| \[(.*?)\]\({re.escape(path.name)}\)", table)
        assert listed is not None
        assert listed[1] == title


@pytest.mark.parametrize("path", [*NOTEBOOKS, FOLDER / "README.md"], ids=lambda path: path.stem)
def test_links_between_lessons_lead_somewhere(path):
    if path.suffix == ".md":
        text = path.read_text()
    else:
        text = "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    prose = re.sub(r"```.*?```|\$\$.*?\$\$|\$.*?\$", "", text, flags=re.DOTALL)  # f(x)[i](x) is no link
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", prose)
    for target, place in links:
        assert (FOLDER / target).exists(), target
        if place:
            headings = re.findall(r"^#+ (.*)$", (FOLDER / target).read_text(), re.MULTILINE)
            assert place in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def store_outputs(path: Path) -> None:
    import nbformat

    notebook = read(path)
    metadata = notebook.metadata.copy()
    execute(notebook)
    notebook.metadata = metadata  # without the version of this Python
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for notebook_path in NOTEBOOKS:
        store_outputs(notebook_path)
