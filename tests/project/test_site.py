"""The pages in notebooks/: examples that run, a reference that is whole, and a site that stands without the network."""

from __future__ import annotations

import doctest
import html.parser
import re
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
from built_site import build_site

import autograd_mini
import nn

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
PAGES = [ROOT / "README.md", *sorted(page for page in NOTEBOOKS.rglob("*.md") if ">>>" in page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.stem == "cluster":
        pytest.importorskip("dask.array", reason="its examples need the extra dask")
    monkeypatch.chdir(tmp_path)  # for the files that they save
    outcome = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize("package", [autograd_mini, nn], ids=lambda package: package.__name__)
def test_every_public_name_stands_in_the_reference(package: ModuleType) -> None:
    text = (NOTEBOOKS / "reference" / f"{package.__name__}.md").read_text("utf-8")
    named = re.findall(r"^\.\. auto(?:function|class|data|module):: (?:nn\.)?(?:autograd_mini\.)?(\w+)$", text, re.M)
    assert set(package.__all__) - {"__version__"} <= set(named)
    assert [name for name in named if not hasattr(package, name)] == []


class Page(html.parser.HTMLParser):
    """What a page links to, what it loads, and the places in it that others may link to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attributes if value}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag in ("a", "area"):
            self.links += [given["href"]] if "href" in given else []
        else:
            self.loads += [given[name] for name in ("src", "href", "data", "poster") if name in given]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.getbasetemp() / "site")


def test_links_of_the_site_lead_somewhere_and_no_page_asks_the_network(site: Path) -> None:
    pages = {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 20
    dead, outside = [], []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loads and parts.scheme != "data":
                    outside.append(f"{path.name}: {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = target in pages and (not parts.fragment or unquote(parts.fragment) in pages[target].places)
            if not (known or (target.is_file() and target not in pages)):
                dead.append(f"{path.name}: {link}")
    outside += [
        f"{sheet.name}: {found}"
        for sheet in site.rglob("*.css")
        for found in re.findall(r"url\(.?https?:[^)]*", sheet.read_text("utf-8"))
    ]
    assert dead == []
    assert outside == []
