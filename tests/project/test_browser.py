"""The package in a browser's Python, Pyodide: in Node, and in the pages of the site, in Chromium.

Needs a distribution of Pyodide with NumPy and Matplotlib, which is a hundred megabytes: .ci/run makes a small one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from built_site import build_site
from chromium import chromium, requests

pytestmark = pytest.mark.skipif(
    "AUTOGRAD_MINI_PYODIDE" not in os.environ,
    reason="AUTOGRAD_MINI_PYODIDE names no distribution of Pyodide (tests/helpers/pyodide_distribution.py makes one)",
)
HELPERS = Path(__file__).parents[1] / "helpers"
NODE = shutil.which("node")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.getbasetemp() / "site")


def in_pyodide(site: Path, file: Path, *packages: str) -> str:
    """Run a file by Pyodide in Node, and give what it prints."""
    if NODE is None:
        pytest.skip("needs node (apt install nodejs)")
    parts = (HELPERS / "pyodide.mjs", site / "pyodide", site / "_static" / "packages.zip", file)
    command = [NODE, *map(str, parts), *packages]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_computed_drawn_explained_compiled_and_trained_is_the_same(site: Path) -> None:
    tour = HELPERS / "tour.py"
    here = subprocess.run([sys.executable, tour], capture_output=True, text=True, check=True)
    expected = json.loads(here.stdout)
    assert expected["gradients"] == [-4.0, -4.0, 3.0]  # CISC6000: Neural Networks
    found = json.loads(in_pyodide(site, tour, "matplotlib").splitlines()[-1])
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert same(found[name], value), name


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):  # the last digits are those of the C library
        return bool(found == pytest.approx(expected, rel=1e-9))
    return bool(found == expected)


REFUSALS = """
from autograd_mini import Drawing, Value, draw, explain

drawing = draw(Value(1.0) + 2.0)
chain = "digraph { " + " ".join(f"n{i} -> n{i + 1}" for i in range(20_000)) + " }"
for call in (
    lambda: drawing.save("graph.png"),
    lambda: drawing.save("graph.pdf"),
    lambda: drawing.show(),
    lambda: explain(Value(1.0) + 2.0).show(),
    lambda: Drawing(chain, 20_001).svg(),
):
    try:
        call()
    except RuntimeError as error:
        print(error)
assert draw(Value(1.0) + 2.0).svg() == drawing.svg()
"""


def test_what_no_browser_can_do_is_said(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "refusals.py"
    file.write_text(REFUSALS, "utf-8")
    lines = in_pyodide(site, file).splitlines()
    no_program = "needs Graphviz's program dot, and no program runs in a browser"
    assert lines == [
        f"making this .png {no_program}: save as .svg",
        f"making this .pdf {no_program}: save as .svg",
        *["in a page nothing can be opened: without show(), the last line of a cell is shown there"] * 2,
        f"making this .svg {no_program}: draw less of a huge graph",
    ]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Serve the site as files, as any web server does."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.set_window_size(1200, 3000)  # a button in a frame is clicked only where it is seen
        yield driver


def until(condition: Callable[[], Any], patience: float = 120.0) -> Any:
    """Wait for something to become true, and give it."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
    return found


def run_all(driver: Any) -> None:
    """Press the page's button, and wait until each of its cells has run."""
    driver.find_element("xpath", "//button[text()='Run all']").click()
    states = "return [...document.querySelectorAll('div.cell')].map(cell => cell.dataset.state)"
    until(
        lambda: {"failed", "broken"} & {*driver.execute_script(states)} or {*driver.execute_script(states)} == {"ran"}
    )
    assert {*driver.execute_script(states)} == {"ran"}, driver.find_element("css selector", ".live-error").text


def outputs(driver: Any) -> list[Any]:
    return list(driver.find_elements("css selector", "div.cell .live-output"))


def test_the_page_try_differentiates_draws_steps_and_answers(driver: Any, address: str) -> None:
    driver.get(f"{address}try.html")
    run_all(driver)
    gradients, drawing, stepper, *_ = outputs(driver)
    assert gradients.text == "(-4.0, -4.0, 3.0)"
    assert len(drawing.find_elements("css selector", "svg .node")) == 5

    driver.switch_to.frame(stepper.find_element("css selector", "iframe"))
    for step in range(1, 10):
        assert driver.find_element("id", "count").text == f"Step {step} of 10"
        driver.find_element("id", "next").click()
    assert "grad -4" in driver.find_element("css selector", ".node[aria-label^='x:']").text.replace("\u00a0", " ")
    driver.switch_to.default_content()

    line = driver.find_element("css selector", "#live-console textarea")
    line.send_keys("x.grad + y.grad\n")
    log = driver.find_element("css selector", ".live-log")
    until(lambda: log.text.endswith("-8.0"))
    line.send_keys("for i in range(2):\n")
    until(lambda: "\n" in line.get_attribute("value"))
    line.send_keys("print(i)\n")
    until(lambda: "IndentationError" in log.text)

    assert [url for url in requests(driver) if not url.startswith((address, "chrome:"))] == []


def test_python_that_runs_for_too_long_is_stopped_and_starts_anew(driver: Any, address: str) -> None:
    driver.get(f"{address}try.html")
    [line, log] = [driver.find_element("css selector", f"#live-console {name}") for name in ("textarea", ".live-log")]
    line.send_keys("while True: pass\n")
    until(lambda: "\n" in line.get_attribute("value"))
    line.send_keys("\n")
    until(lambda: "running" in driver.find_element("css selector", ".live-status").text)
    driver.find_element("xpath", "//button[text()='Stop']").click()
    line.send_keys("6 * 7\n")
    until(lambda: log.text.endswith("42"))


def test_the_first_lesson_runs_in_its_page(driver: Any, address: str) -> None:
    driver.get(f"{address}1_backprop_by_hand_and_by_machine.html")
    stored = [cell.text for cell in driver.find_elements("css selector", "div.cell .cell_output")]
    run_all(driver)
    assert [cell.text for cell in outputs(driver)][:2] == stored[:2]
    assert len(driver.find_elements("css selector", ".live-output svg, .live-output iframe, .live-output img")) == 4
    assert [url for url in requests(driver) if not url.startswith((address, "chrome:"))] == []
