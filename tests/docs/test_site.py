"""The site: every page is on it and listed, every link leads somewhere, and nothing is loaded from elsewhere."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from .pages import ROOT

PACKAGES = ("metasim", "tasks", "datasets", "policies", "benchmarks")
LOADING = {("link", "href"), ("a", "ping"), ("form", "action"), *((tag, "srcset") for tag in ("img", "source"))}
LOADING |= {(tag, "src") for tag in ("script", "img", "iframe", "video", "audio", "source", "track", "embed", "input")}
LOADING |= {("object", "data"), ("video", "poster"), ("image", "href"), ("use", "href")}


class Loaded(HTMLParser):
    """Collects what a page loads, and the links it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag != "link" or given.get("rel") not in ("canonical", "next", "prev"):
            self.loaded += [value for name, value in attrs if value and (tag, name) in LOADING]


def outside(addresses: list[str]) -> list[str]:
    """Return the addresses of another host."""
    return [address for address in addresses if re.match(r"\s*([a-z]+:)?//", address) or address.startswith("http")]


def test_every_page_is_listed_on_the_landing_page_once() -> None:
    docs = ROOT / "docs"
    listed = re.findall(r"^- \[[^\]]+\]\(([^)]+\.md)\)", (docs / "README.md").read_text(), flags=re.MULTILINE)
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")} - {"README.md"}
    assert sorted(listed) == sorted(pages)


def test_what_is_looked_for_would_be_found() -> None:
    page = '<script src="https://a.b/c.js"></script><link rel="stylesheet" href="//fonts.x/y"><img src="p.jpg">'
    assert outside(Loaded(page).loaded) == ["https://a.b/c.js", "//fonts.x/y"]
    assert outside(Loaded('<a href="https://a.b">there</a><link rel="canonical" href="https://a.b/">').loaded) == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make docs`` builds it; a build that warns fails."""
    for name in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        if not _installed(name):
            pytest.skip(f"{name} comes with the extra dev, which is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    environment = {
        **os.environ,
        "NO_MKDOCS_2_WARNING": "1",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.slow
def test_no_page_loads_anything_from_outside(site: Path) -> None:
    pages = {page: page.read_text() for page in site.rglob("*.html")}
    assert len(pages) > 100
    assert {str(page): found for page, text in pages.items() if (found := outside(Loaded(text).loaded))} == {}
    for sheet in site.rglob("*.css"):
        addresses = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", sheet.read_text())
        assert outside(addresses) == [], sheet


@pytest.mark.slow
def test_every_document_and_every_package_has_a_page(site: Path) -> None:
    missing = [page for page in (ROOT / "docs").rglob("*.md") if not _page_of(site, page).is_file()]
    assert missing == []
    for folder in PACKAGES:
        for file in (ROOT / folder).rglob("__init__.py"):
            parts = file.parent.relative_to(ROOT).parts
            name = ".".join(parts if parts[0] == "metasim" else ("metasim", *parts))
            assert (site / "reference" / name / "index.html").is_file(), name


@pytest.mark.slow
def test_the_reference_says_what_docstrings_say(site: Path) -> None:
    page = (site / "reference" / "metasim.core.backend" / "index.html").read_text()
    assert "Return the joint-space inertia" in page and 'id="metasim.core.backend.Backend.step"' in page
    assert not re.search(r":(class|func|meth|data):<code>", page)  # roles became links or code


@pytest.mark.slow
def test_search_knows_the_pages_and_the_reference(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text()
    assert "tutorials/first_dataset/" in index and "reference/metasim.datasets" in index


def _page_of(site: Path, page: Path) -> Path:
    place = page.relative_to(ROOT / "docs")
    return site / ("index.html" if place.name == "README.md" else place.with_suffix("") / "index.html")
