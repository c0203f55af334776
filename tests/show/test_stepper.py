"""The stepper's page as its readers use it, in a real browser where there is one."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium, requests

from autograd_mini import Explanation, Value, dot, exp, explain, log, softmax, tanh
from autograd_mini import sum as sum_of
from autograd_mini.show.stepper import Item, Page, Shown


def explain_lecture_example() -> Explanation:
    """Explain f = (x + y) z of CISC6000: Neural Networks."""
    x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    q = x + y
    f = q * z
    return explain(f, x=x, y=y, z=z, q=q, f=f)


def explain_meeting_paths() -> Explanation:
    x = Value(-3.0, "x")
    return explain(x * x + x * 12.5)


# What a reader sees after each step of the lecture example: the line, and data and grad of each node.
LINES = [
    "x = -2",
    "y = 5",
    "q = x + y = -2 + 5 = 3",
    "z = -4",
    "f = q · z = 3 · (-4) = -12",
    "∂f/∂f = 1",
    "∂(q · z)/∂z = q = 3\n    ∂f/∂z = ∂f/∂f · ∂(q · z)/∂z = 1 · 3 = 3",
    "∂(q · z)/∂q = z = -4\n    ∂f/∂q = ∂f/∂f · ∂(q · z)/∂q = 1 · (-4) = -4",
    "∂(x + y)/∂y = 1\n    ∂f/∂y = ∂f/∂q · ∂(x + y)/∂y = -4 · 1 = -4",
    "∂(x + y)/∂x = 1\n    ∂f/∂x = ∂f/∂q · ∂(x + y)/∂x = -4 · 1 = -4",
]
DATA = {"x": "data -2", "y": "data 5", "q": "data 3", "z": "data -4", "f": "data -12"}
GRADS = {"f": "grad 1", "z": "grad 3", "q": "grad -4", "y": "grad -4", "x": "grad -4"}
LIT = [(), (), ("x-q", "y-q"), (), ("q-f", "z-f"), (), ("z-f",), ("q-f",), ("y-q",), ("x-q",)]


def texts_after(step: int) -> dict[str, list[str]]:
    """Give the numbers that each node shows after a step of the lecture example, counted from 0."""
    computed, found = list(DATA)[: step + 1], list(GRADS)[: max(0, step - 4)]
    return {name: [DATA[name]] * (name in computed) + [GRADS[name]] * (name in found) for name in DATA}


# The file.


class Reader(HTMLParser):
    """Collects the tags of a page, and whatever could make a browser fetch something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def page_of(explanation: Explanation, folder: Path) -> str:
    return explanation.save(folder / "steps.html").read_text(encoding="utf-8")


def test_the_page_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    page = page_of(explain_lecture_example(), tmp_path)
    reader = Reader(page)
    assert {"link", "img", "iframe", "object", "base"}.isdisjoint(reader.tags)
    assert {"src", "href", "xlink:href", "srcset", "data", "action"}.isdisjoint(name for name, _ in reader.attributes)
    assert not re.search(r"https?:|url\(|@import", page)


def test_the_page_has_no_inline_handlers_and_a_policy_without_exceptions(tmp_path: Path) -> None:
    reader = Reader(page_of(explain_lecture_example(), tmp_path))
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name == "style"]
    [policy] = [value for name, value in reader.attributes if name == "content" and "default-src" in value]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_lists_every_step_as_text(tmp_path: Path) -> None:
    page = page_of(explain_lecture_example(), tmp_path)
    assert re.findall(r'<button type="button">([^<]+)</button><template>', page) == LINES


def test_a_page_of_a_hundred_steps_is_far_below_a_megabyte(tmp_path: Path) -> None:
    xs = [Value(0.3), Value(-1.7), Value(1 / 3)]
    logits = [tanh(dot([Value(0.1 * i * j) for j in range(3)], xs)) for i in range(6)]
    explanation = explain(-log(softmax(logits)[0]))
    assert len(explanation.forward) + len(explanation.backward) >= 100
    assert len(page_of(explanation, tmp_path).encode()) < 330_000


def test_save_returns_the_path_and_replaces_a_file(tmp_path: Path) -> None:
    target = tmp_path / "steps.HTML"
    target.write_text("old")
    assert explain_lecture_example().save(str(target)) == target
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert os.listdir(tmp_path) == ["steps.HTML"]


@pytest.mark.parametrize("name", ["steps", ".html", "steps.html.gz", "steps.svg"])
def test_an_unknown_suffix_is_refused_and_leaves_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"an explanation is saved as \.html"):
        explain_lecture_example().save(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_page_shows_the_numbers_that_were_explained_whatever_they_are_now(tmp_path: Path) -> None:
    x = Value(3.0, "x")
    y = x * x
    explanation = explain(y)
    before = page_of(explanation, tmp_path)
    x.data, y.data, x.label = 77.0, 78.0, "other"
    assert page_of(explanation, tmp_path) == before


@pytest.mark.parametrize(
    "root",
    [
        Value(3.0, "x"),
        Value(3.0).detach(),
        Value(2.0, "x") ** 2,
        dot([Value(1.0)], [Value(2.0)]),
        log(Value(0.0)) * 0.0,
        exp(Value(1000.0)),
        sum_of([Value(1.0, "w"), Value(2.0, "w"), Value(3.0, "constant 2.0"), Value(2.0).detach()]),
    ],
    ids=["leaf", "constant", "constant exponent", "no bias", "nan", "inf", "labels alike"],
)
def test_any_graph_has_a_page(root: Value, tmp_path: Path) -> None:
    assert "</html>" in page_of(explain(root), tmp_path)


def test_jupyter_shows_the_page_in_a_frame_that_may_only_run_scripts() -> None:
    reader = Reader(explain_lecture_example()._repr_html_())
    assert reader.tags == ["iframe"]
    attributes = dict(reader.attributes)
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["srcdoc"].startswith("<!DOCTYPE html>")


# The page in a browser.


class Browser:
    """Chromium with one page open, seen through the eyes of a reader."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, theme: str = "light", width: int = 1200, height: int = 800, anchor: str = "") -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        features = {"prefers-color-scheme": theme, "prefers-reduced-motion": "reduce"}
        media = {"features": [{"name": name, "value": value} for name, value in features.items()]}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)  # which empties it
        self.driver.get(path.as_uri() + anchor)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        self.one(selector).click()

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def line(self) -> str:
        """Read the line of the step that the list marks as the current one."""
        [line] = self.run("return [...document.querySelectorAll('#steps [aria-current=step]')].map(e => e.textContent)")
        return str(line)

    def count(self) -> str:
        return str(self.run("return document.querySelector('#count').textContent"))

    def texts(self) -> dict[str, list[str]]:
        """Read the numbers that each node shows, by the node's name."""
        return self.run(
            """
            const shown = (e) => getComputedStyle(e).visibility === "visible";
            const texts = (node) => [...node.querySelectorAll(".data, .grad")].filter(shown).map((e) => e.textContent);
            return Object.fromEntries([...document.querySelectorAll(".node[data-key]")].map((node) => [
              [...node.querySelectorAll(".name")].at(-1).textContent,
              texts(node).map((text) => text.replace("\\u00a0", " ")),
            ]));
            """
        )

    def current(self) -> str:
        return str(self.run("return [...document.querySelectorAll('.node.now .name')].at(-1).textContent"))

    def lit(self) -> int:
        return int(self.run("return document.querySelectorAll('.edge.lit').length"))

    def node(self, name: str) -> Any:
        [node] = [
            node
            for node in self.driver.find_elements("css selector", ".node[data-key]")
            if node.get_attribute("aria-label").startswith(f"{name}:")
        ]
        return node

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """List the addresses that were asked for since the page was opened, those within the page aside."""
        return requests(self.driver)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield Browser(driver)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        "lecture": explain_lecture_example().save(folder / "lecture.html"),
        "paths": explain_meeting_paths().save(folder / "paths.html"),
    }


def check_step(browser: Browser, step: int) -> None:
    line = LINES[step]
    assert browser.line() == line
    assert browser.count() == f"Step {step + 1} of 10"
    assert browser.texts() == texts_after(step)
    assert browser.current() == [*DATA, *GRADS][step]
    assert browser.lit() == len(LIT[step])


def test_every_step_of_the_lecture_example_forward_and_back(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    for step in range(10):
        check_step(browser, step)
        browser.click("#next")
    check_step(browser, 9)  # there is none after the last
    for step in reversed(range(10)):
        check_step(browser, step)
        browser.click("#back")
    check_step(browser, 0)
    browser.click("#last")
    check_step(browser, 9)
    browser.click("#first")
    check_step(browser, 0)
    assert browser.complaints() == []
    assert browser.requests() == [pages["lecture"].as_uri()]


def test_the_formula_is_typeset_and_the_sentence_read_out(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    browser.press("\ue010", "\ue012")  # End, left arrow
    assert browser.one("#formula").get_attribute("aria-label") == LINES[8]
    assert browser.run("return document.querySelectorAll('#formula mfrac').length") == 4
    shown = browser.run("return [...document.querySelectorAll('#formula div')].map(e => e.textContent)")
    assert [line.replace("\n", "") for line in shown] == [
        "∂(x+y)∂y=1",
        "∂f∂y=∂f∂q·∂(x+y)∂y=−4upstream·1local=−4",
    ]
    said = browser.one("#said")
    assert said.text == "q passes its gradient -4 back to y, times the local derivative 1: that makes -4."
    assert (said.get_attribute("role"), said.get_attribute("aria-live")) == ("status", "polite")


def test_keys_do_what_the_buttons_do(browser: Browser, pages: dict[str, Path]) -> None:
    right, left, home, end = "\ue014", "\ue012", "\ue011", "\ue010"
    browser.open(pages["lecture"])
    for keys, step in [((right, right), 2), ((left,), 1), ((end,), 9), ((right,), 9), ((home,), 0), ((left,), 0)]:
        browser.press(*keys)
        check_step(browser, step)
    browser.press(" ")
    assert browser.one("#play").get_attribute("aria-label") == "Pause"
    browser.press(" ")
    assert browser.one("#play").get_attribute("aria-label") == "Play"


def test_keys_work_wherever_the_focus_is(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    for selector in ("#next", "#slider", "#steps li:first-child button", ".node.now"):
        browser.run("document.querySelector(arguments[0]).focus()", selector)
        before = browser.count()
        browser.press("\ue014")
        assert int(browser.count().split()[1]) == int(before.split()[1]) + 1
    browser.run("document.querySelector('#slider').focus()")
    for label in ("Pause", "Play"):
        browser.press(" ")
        assert browser.one("#play").get_attribute("aria-label") == label
    browser.run("document.querySelectorAll('#steps li button')[4].click()")
    browser.run("document.querySelector('#back').focus()")
    browser.press(" ")  # a focused button is pressed by the space bar, and nothing is played
    check_step(browser, 3)
    assert browser.one("#play").get_attribute("aria-label") == "Play"


def test_everything_can_be_reached_by_the_tab_key(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    browser.press("\ue014", "\ue014")
    reached = []
    for _ in range(30):
        browser.press("\ue004")
        name = browser.run("const e = document.activeElement; return e.ariaLabel ?? e.textContent")
        reached.append(name.replace("\xa0", " "))
    controls = ["First step", "Step back", "Play", "Step forward", "Last step"]
    wanted = ["q: data 3, go to its next step", "Step", *controls, *LINES]
    assert [name for name in wanted if name in reached] == wanted


def test_a_nodes_name_for_screen_readers_tells_the_numbers_known_by_then(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages["lecture"])
    for step in range(10):
        known = texts_after(step)
        for name, texts in known.items():
            label = browser.node(name).get_attribute("aria-label").replace("\xa0", " ")
            assert label == f"{name}: {', '.join([*texts, 'go to its next step'])}"
        browser.press("\ue014")


def test_a_constants_name_for_screen_readers_tells_its_number_too(browser: Browser, tmp_path: Path) -> None:
    pi = Value(3.14, "pi").detach()
    pi.label = "pi"
    browser.open(explain(pi * Value(2.0, "r")).save(tmp_path / "steps.html"))
    assert browser.node("pi").get_attribute("aria-label") == "pi: data 3.14, go to its next step"


def test_the_page_has_one_main_heading_which_is_its_title(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    headings = browser.run(
        "return [...document.querySelectorAll('h1, main h2')].map(e => [e.tagName, e.ariaLabel ?? e.textContent])"
    )
    title = "f = (x + y) · z = -12, step by step"
    assert headings == [["H1", title], ["H2", "Forward"], ["H2", "Backward"]]
    assert browser.run("return document.title") == title
    shown = browser.run("return document.querySelector('h1').textContent").replace("\n", "")
    assert shown == "f=(x+y)·z=−12"


def test_an_expression_too_long_for_a_title_is_left_out(tmp_path: Path) -> None:
    x, number = Value(0.5, "x"), 0.5
    for _ in range(20):
        x, number = tanh(x), math.tanh(number)
    assert f"<title>f ≈ {number:.4g}, step by step</title>" in page_of(explain(x), tmp_path)


def test_playing_goes_to_the_end_and_stops(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    browser.run("document.querySelectorAll('#steps li button')[7].click()")
    browser.click("#play")
    assert browser.one("#play").get_attribute("aria-label") == "Pause"
    deadline = time.monotonic() + 20
    while browser.count() != "Step 10 of 10" and time.monotonic() < deadline:
        time.sleep(0.1)
    check_step(browser, 9)
    assert browser.one("#play").get_attribute("aria-label") == "Play"
    browser.click("#play")  # and from the end plays from the beginning
    check_step(browser, 0)
    browser.click("#play")


def test_a_click_on_a_node_goes_to_its_next_step(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    for name, step in [("q", 2), ("q", 7), ("q", 2), ("x", 9), ("f", 4), ("f", 5), ("z", 6), ("z", 3)]:
        browser.node(name).click()
        check_step(browser, step)


def test_a_node_answers_to_enter_and_space(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    browser.run("document.querySelector('.node.now').focus()")
    browser.press("\ue007")
    check_step(browser, 9)
    browser.press(" ")
    check_step(browser, 0)


def test_the_slider_goes_to_any_step(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    browser.run("const s = document.querySelector('#slider'); s.value = 8; s.dispatchEvent(new Event('input'))")
    check_step(browser, 7)
    assert browser.one("#slider").get_attribute("aria-valuetext") == "Step 8 of 10"


def test_a_gradient_grows_where_paths_meet(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["paths"])
    seen = {}
    for _ in range(20):
        seen[browser.line()] = browser.texts()["x"]
        browser.press("\ue014")
    grads = {line.split("\n")[-1].strip(): texts[1] for line, texts in seen.items() if "∂f/∂x" in line}
    assert list(grads.items()) == [
        ("∂f/∂x += ∂f/∂v2 · d(x · 12.5)/dx = 1 · 12.5 = 12.5", "grad 12.5"),
        ("∂f/∂x += ∂f/∂v1 · ∂(x⁽¹⁾ · x⁽²⁾)/∂x⁽¹⁾ = 1 · (-3) = -3", "grad 9.5"),
        ("∂f/∂x += ∂f/∂v1 · ∂(x⁽¹⁾ · x⁽²⁾)/∂x⁽²⁾ = 1 · (-3) = -3", "grad 6.5"),
        ("∂f/∂x = 12.5 + (-3) + (-3) = 6.5", "grad 6.5"),
    ]
    assert browser.complaints() == []


def test_each_of_two_edges_between_the_same_nodes_lights_up(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["paths"])
    lit = []
    for _ in range(20):
        if "∂(x⁽¹⁾ · x⁽²⁾)/∂x" in browser.line():
            lit.append(browser.run("return document.querySelector('.edge.lit').dataset.key"))
        browser.press("\ue014")
    assert len(lit) == len(set(lit)) == 2


NASTY = [
    "<script>document.title='bad'</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><b>&amp;</b>",
    "a & b' \\",
    "grad 7",
    "data 3",
]


def test_labels_that_hold_html_are_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    values = [Value(float(i + 1), label) for i, label in enumerate(NASTY)]
    total = sum_of(values)
    total.label = "</template></li><script>document.title='bad'</script>"
    explanation = explain(total)
    browser.open(explanation.save(tmp_path / "nasty.html"))
    steps = [*explanation.forward, *explanation.backward]
    for step in steps:
        assert browser.line() == str(step)
        assert step.name in browser.one("#said").text
        browser.click("#next")
    for label in NASTY:
        assert len(browser.texts()[label]) == 2
    assert browser.run("return document.title").endswith("step by step")
    assert browser.run("return document.querySelectorAll('img, b, body script:not(:last-of-type)').length") == 0
    assert browser.complaints() == []
    assert len(browser.requests()) == 1


@pytest.mark.parametrize(("theme", "light"), [("light", True), ("dark", False)])
def test_the_page_follows_the_readers_theme(browser: Browser, pages: dict[str, Path], theme: str, light: bool) -> None:
    browser.open(pages["lecture"], theme)
    background, ink = browser.run(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        ".map((color) => color.match(/\\d+/g).reduce((a, b) => a + Number(b), 0))"
    )
    assert (background > 700, ink > 600) == (light, not light)


CONTRAST = """
const channel = (c) => (c /= 255, c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const luminance = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).map(Number);
  return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
};
const behind = (e) => {
  const shape = e.closest(".node")?.querySelector("path, polygon");
  if (shape) return getComputedStyle(shape).fill;
  for (; e; e = e.parentElement) {
    const color = getComputedStyle(e).backgroundColor;
    if (!color.endsWith(", 0)")) return color;
  }
};
return [...document.querySelectorAll(
  "h1 mi, p span, #said, #formula :is(mi, mtext), main h2, li button, #links, #links button, #legend li, #graph text"
)]
  .filter((e) => getComputedStyle(e).visibility === "visible" && e.textContent)
  .map((e) => {
    const style = getComputedStyle(e);
    const [a, b] = [luminance(e instanceof SVGElement ? style.fill : style.color), luminance(behind(e))];
    return [e.textContent, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_asks_for(browser: Browser, pages: dict[str, Path], theme: str) -> None:
    browser.open(pages["lecture"], theme)
    for _ in range(10):
        ratios = browser.run(CONTRAST)
        assert len(ratios) > 15
        assert [(text, ratio) for text, ratio in ratios if ratio < 4.5] == []
        browser.press("\ue014")


def test_a_phone_shows_it_without_sideways_scrolling(browser: Browser, pages: dict[str, Path]) -> None:
    for name in ("lecture", "paths"):
        browser.open(pages[name], width=360, height=740)
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        boxes = browser.run(
            "return [...document.querySelectorAll('#controls button')].map(b => [b.offsetWidth, b.offsetHeight])"
        )
        assert all(width >= 44 and height >= 44 for width, height in boxes)
        tops = browser.run(
            "return ['#graph', '#formula', '#slider', '#steps'].map("
            "s => document.querySelector(s).getBoundingClientRect().top)"
        )
        assert tops == sorted(tops)
        assert browser.run("return document.querySelector('#controls').getBoundingClientRect().bottom <= innerHeight")


@pytest.mark.parametrize("width", [360, 1200])
def test_long_words_scroll_in_the_formula_sideways_alone(browser: Browser, tmp_path: Path, width: int) -> None:
    product = Value(1.5e-300, "w" * 80) * Value(2.0, "a label of more words than fit into a line")
    explanation = explain(product)
    browser.open(explanation.save(tmp_path / "long.html"), width=width)
    for _ in range(len(explanation.forward) + len(explanation.backward)):
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("const f = document.querySelector('#formula'); return f.scrollHeight <= f.clientHeight")
        browser.click("#next")


# Large graphs and projectors.


def explain_a_hundred_steps() -> Explanation:
    h, w = Value(0.1, "h"), Value(0.9, "w")
    for i in range(14):
        h = tanh(h * w + 0.1 * i)
    explanation = explain(h)
    assert len(explanation.forward) + len(explanation.backward) > 100
    return explanation


@pytest.fixture(scope="module")
def long_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return explain_a_hundred_steps().save(tmp_path_factory.mktemp("long") / "long.html")


INSIDE = """
const outer = document.querySelector("#graph").getBoundingClientRect();
const inner = document.querySelector(arguments[0]).getBoundingClientRect();
return inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top && inner.bottom <= outer.bottom;
"""
TYPE = "return document.querySelector('.node.now .name').getBoundingClientRect().height"
WIDTH = "return document.querySelector('#graph > svg g').getBoundingClientRect().width"


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_the_page_fills_the_window_and_nothing_but_the_list_scrolls(
    browser: Browser, pages: dict[str, Path], long_page: Path, width: int, height: int
) -> None:
    for path in (pages["lecture"], long_page):
        browser.open(path, width=width, height=height)
        browser.press("\ue010")
        page = browser.run("const e = document.documentElement; return [e.scrollWidth, e.scrollHeight]")
        assert page == [width, height]
        left, right = browser.run(
            "const boxes = [...document.querySelectorAll('main > *')].map(e => e.getBoundingClientRect());"
            "return [Math.min(...boxes.map(b => b.left)), Math.max(...boxes.map(b => b.right))]"
        )
        assert left < 20
        assert right > width - 20
        graph = browser.run(
            "const b = document.querySelector('#graph').getBoundingClientRect(); return b.width * b.height"
        )
        assert graph > 0.25 * width * height


def test_every_step_of_a_long_graph_is_in_sight_in_a_size_to_read(browser: Browser, long_page: Path) -> None:
    browser.open(long_page, width=1280, height=720)
    total = int(browser.count().split()[-1])
    for _ in range(total):
        assert browser.run(INSIDE, ".node.now")
        assert browser.run(TYPE) >= 11.0
        assert browser.run("const s = document.querySelector('#stage'); return s.scrollHeight <= s.clientHeight")
        browser.press("\ue014")
    assert browser.complaints() == []


def test_fit_shows_all_of_a_long_graph_and_again_a_size_to_read(browser: Browser, long_page: Path) -> None:
    browser.open(long_page, width=1280, height=720)
    drawing = "#graph > svg g"
    assert not browser.run(INSIDE, drawing)
    browser.click("#fit")
    assert browser.run(INSIDE, drawing)
    browser.press("0")
    assert not browser.run(INSIDE, drawing)
    assert browser.run(INSIDE, ".node.now")


def test_a_picture_is_zoomed_by_buttons_keys_and_the_wheel(browser: Browser, pages: dict[str, Path]) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    browser.open(pages["lecture"], width=1280, height=720)
    at_first = browser.run(WIDTH)
    for zoom_in, zoom_out in [
        (lambda: browser.click("#in"), lambda: browser.click("#out")),
        (lambda: browser.press("+"), lambda: browser.press("-")),
    ]:
        zoom_in()
        assert browser.run(WIDTH) == pytest.approx(at_first * 1.25, rel=0.01)
        zoom_out()
        assert browser.run(WIDTH) == pytest.approx(at_first, rel=0.01)
    node = browser.node("y")
    before = node.rect
    origin = ScrollOrigin.from_element(node)
    ActionChains(browser.driver).scroll_from_origin(origin, 0, -200).perform()
    after = node.rect  # what is under the pointer stays there
    assert after["width"] > 1.3 * before["width"]
    assert after["x"] + after["width"] / 2 == pytest.approx(before["x"] + before["width"] / 2, abs=4)
    check_step(browser, 0)


def test_a_picture_is_moved_by_dragging_and_by_keys_and_no_step_is_taken(browser: Browser, long_page: Path) -> None:
    from selenium.webdriver import ActionChains

    browser.open(long_page, width=1280, height=720)
    for _ in range(30):
        browser.press("\ue014")
    count, node = browser.count(), browser.one(".node.now")
    before = node.rect
    ActionChains(browser.driver).drag_and_drop_by_offset(node, -60, 0).perform()
    assert node.rect["x"] == pytest.approx(before["x"] - 60, abs=2)
    ActionChains(browser.driver).key_down("\ue008").send_keys("\ue012").key_up("\ue008").perform()
    assert node.rect["x"] == pytest.approx(before["x"] + 20, abs=2)
    assert browser.count() == count


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_slides_show_picture_and_formula_alone_in_large_type(
    browser: Browser, pages: dict[str, Path], width: int, height: int
) -> None:
    browser.open(pages["lecture"], width=width, height=height)
    size = "return parseFloat(getComputedStyle(document.querySelector('#formula')).fontSize)"
    for _ in range(7):
        browser.press("\ue014")
    before = browser.run(size)
    browser.press("s")
    assert browser.run(size) > 1.5 * before
    assert browser.run(size) >= height / 20
    visible = browser.run(
        "return [...document.querySelectorAll('main > *, #stage > *')].filter("
        "e => e.checkVisibility({opacityProperty: true})).map(e => e.id)"
    )
    assert visible == ["graph", "stage", "formula"]
    for step in range(7, 10):
        check_step(browser, step)
        assert browser.run("const f = document.querySelector('#formula'); return f.scrollWidth <= f.clientWidth")
        assert browser.run("return document.documentElement.scrollHeight <= innerHeight")
        browser.press("\ue014")
    browser.press("\ue00c")  # Escape
    assert browser.run("return document.querySelector('#steps').checkVisibility()")
    assert browser.one("#slides").get_attribute("aria-pressed") == "false"


def test_keys_are_shown_and_hidden_again(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    for show in (lambda: browser.press("?"), lambda: browser.click("#keys")):
        show()
        assert browser.run("return document.querySelector('#help').open")
        assert {"U", "S", "Home", "Esc"} <= set(browser.one("#help").text.split())
        browser.press("\ue014")  # no step is taken behind it
        check_step(browser, 0)
        browser.press("\ue00c")
        assert not browser.run("return document.querySelector('#help').open")


def test_a_key_goes_from_a_value_to_each_of_its_uses(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    browser.press("\ue014", "\ue014")  # q = x + y
    for step in (4, 8, 9, 4):  # f, from whose gradient q has its own; then y and x, which have theirs from q
        browser.press("u")
        check_step(browser, step)
    browser.press("\ue014", "u")  # now it is about f
    check_step(browser, 6)


def test_links_go_to_the_steps_of_a_value_and_to_its_uses(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    browser.press("\ue014", "\ue014")
    assert browser.one("#links").text == "q: found in 3 8, used in 5 9 10"
    [link] = browser.driver.find_elements("css selector", "#links button[aria-label^='Step 9:']")
    link.click()
    check_step(browser, 8)


def test_an_address_may_name_a_step_and_slides(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"], anchor="#8")
    check_step(browser, 7)
    browser.open(pages["lecture"], anchor="#9-slides")
    check_step(browser, 8)
    assert not browser.run("return document.querySelector('#steps').checkVisibility()")
    browser.open(pages["lecture"], anchor="#99")
    check_step(browser, 9)


def test_a_legend_says_what_colours_and_shapes_mean(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["lecture"])
    legend = browser.one("#legend").text
    for word in ("leaf", "result", "this step", "gradient > 0", "gradient < 0", "local derivative"):
        assert word in legend


# A page for another picture.


def test_any_picture_with_marked_nodes_edges_and_numbers_has_a_page(browser: Browser, tmp_path: Path) -> None:
    unit = (
        '<g class="node unit" data-key="{0}" data-name="{0}" role="button"><circle cx="{1}" cy="30" r="20"/>'
        '<text x="{1}" y="30" data-slot="{0}-y" data-kind="data"></text>'
        '<text x="{1}" y="45" data-slot="{0}-delta" data-kind="grad"></text></g>'
    )
    edge = '<g class="edge" data-key="w"><path d="M50 30 L150 30"/><text x="100" y="25" data-slot="w"></text></g>'
    marked = f'<svg viewBox="0 0 200 60"><g>{unit.format("x", 30)}{edge}{unit.format("h", 170)}</g></svg>'
    weight = Item("Given", "w is 2.", "w = 2", ["<math><mi>w</mi></math>"], "h", shows=[Shown("w", "2")])
    forward = Item("Forward", "h is 6.", "h = 6", [], "h", edges=["w"], uses=["x"], shows=[Shown("h-y", "6")])
    delta = Shown("x-delta", "-2", "negative")
    back = Item("Back", "x gets -2.", "δ = -2", [], "x", source="h", edges=["w"], shows=[delta], flows=True)
    update = Item("Update", "w is 1.5 now.", "w = 1.5", [], "h", edges=["w"], shows=[Shown("w", "1.5")])
    sections = [("Forward", [weight, forward]), ("Backward", [back]), ("Nothing", []), ("Update", [update])]
    page = Page("a network", "<math><mi>y</mi></math>", marked, 200, 60, sections, [("is-now", "this unit")])
    target = tmp_path / "network.html"
    target.write_text(page.html(), encoding="utf-8")
    browser.open(target)
    shown = "return [...document.querySelectorAll('[data-slot]:not(.ahead)')].map(e => [e.dataset.slot, e.textContent])"
    seen = []
    for _ in range(4):
        seen.append((browser.line(), dict(browser.run(shown)), browser.lit()))
        browser.press("\ue014")
    assert seen == [
        ("w = 2", {"w": "2"}, 0),
        ("h = 6", {"w": "2", "h-y": "6"}, 1),
        ("δ = -2", {"w": "2", "h-y": "6", "x-delta": "-2"}, 1),
        ("w = 1.5", {"w": "1.5", "h-y": "6", "x-delta": "-2"}, 1),
    ]
    browser.press("\ue011")
    assert dict(browser.run(shown)) == {"w": "2"}
    assert browser.run("return [...document.querySelectorAll('main h2')].map(e => e.textContent)") == [
        "Forward",
        "Backward",
        "Update",
    ]
    assert browser.complaints() == []


# In a notebook.


def notebook(explanations: list[Explanation]) -> Any:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    v4 = nbformat.v4
    outputs = [v4.new_output("execute_result", data={"text/html": e._repr_html_()}) for e in explanations]
    return v4.new_notebook(cells=[v4.new_code_cell("explain(f)", outputs=[output]) for output in outputs])


def test_steppers_in_an_exported_notebook_work_without_a_kernel(browser: Browser, tmp_path: Path) -> None:
    nbconvert = pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    exporter = nbconvert.HTMLExporter(template_name="basic")  # the cells alone: no MathJax from the network
    body, _ = exporter.from_notebook_node(notebook([explain_lecture_example(), explain_meeting_paths()]))
    target = tmp_path / "notebook.html"
    target.write_text(f"<!DOCTYPE html><meta charset='utf-8'><title>notebook</title>{body}", encoding="utf-8")
    browser.open(target)
    first, second = browser.driver.find_elements("css selector", "iframe")
    try:
        browser.driver.switch_to.frame(first)
        for step in range(10):
            check_step(browser, step)
            browser.click("#next")
        browser.driver.switch_to.default_content()
        browser.driver.switch_to.frame(second)
        assert browser.count().startswith("Step 1 of")  # the other is where it was
        browser.press("\ue014")
        browser.click("#last")
        assert browser.texts()["x"] == ["data -3", "grad 6.5"]
        browser.driver.switch_to.default_content()
        browser.driver.switch_to.frame(first)
        check_step(browser, 9)
    finally:
        browser.driver.switch_to.default_content()
    assert browser.complaints() == []
    assert browser.requests() == [target.as_uri()]


@pytest.mark.parametrize("width", [760, 1000, 1400])
def test_a_frame_in_a_notebook_is_filled_to_its_end(browser: Browser, tmp_path: Path, width: int) -> None:
    target = tmp_path / "frames.html"
    explanations = [explain_lecture_example(), explain_a_hundred_steps()]
    frames = "<i></i>".join(explanation._repr_html_() for explanation in explanations)
    target.write_text(f"<!DOCTYPE html><meta charset='utf-8'><div style='width: {width}px'>{frames}</div>")
    browser.open(target, width=width + 40, height=900)
    for frame in browser.driver.find_elements("css selector", "iframe"):
        below = browser.run("const b = arguments[0]; return b.parentElement.getBoundingClientRect().bottom", frame)
        assert below >= frame.rect["y"] + frame.rect["height"]
        browser.driver.switch_to.frame(frame)
        try:
            end = browser.run("return document.querySelector('main').lastElementChild.getBoundingClientRect().bottom")
            height = browser.run("return innerHeight")
            assert end > height - 24
        finally:
            browser.driver.switch_to.default_content()
    [first, second] = browser.driver.find_elements("css selector", "iframe")
    gap = second.rect["y"] - first.rect["y"] - first.rect["height"]
    assert gap < 24  # a line of text, and nothing else
