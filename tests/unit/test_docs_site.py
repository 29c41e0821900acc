"""The documents become a site without a warning, and the site needs nothing but itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import ROOT, list_pages, name_page

# What a browser loads by itself; a link that somebody clicks may lead anywhere.
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=\"([^\"]+)\"|<link\b[^>]*?\bhref=\"([^\"]+)\"")
LOADED_BY_STYLE = re.compile(r"url\(\s*[\"']?(?!data:)([^)\"']+)|@import\s+[\"']([^\"']+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: any warning, such as a dead link, is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "--keep-going", "-c", "docs/site", "."]
    answer = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), str(folder / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (answer.returncode, answer.stderr) == (0, "")
    return folder / "html"


def test_every_page_is_in_the_site(site: Path) -> None:
    missing = [
        name_page(page) for page in list_pages() if not (site / page.relative_to(ROOT).with_suffix(".html")).exists()
    ]
    assert missing == []
    assert "docs/index.html" in (site / "index.html").read_text()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = [
        found
        for files, pattern in (("*.html", LOADED), ("*.css", LOADED_BY_STYLE), ("*.svg", LOADED_BY_STYLE))
        for file in site.rglob(files)
        for found in re.findall(pattern, file.read_text(encoding="utf-8"))
    ]
    assert loaded
    assert [names for names in loaded if any(re.match(r"([a-z]+:)?//", name) for name in names)] == []


def test_the_search_finds_words_without_a_server(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert "queueconflict" in index
    assert "docs/conditions" in index
    assert (site / "search.html").exists()


def test_the_front_page_leads_to_every_page(site: Path) -> None:
    """The navigation is made of the front page's links."""
    text = (site / "docs" / "index.html").read_text(encoding="utf-8")
    navigation = text[text.index('class="sidebar-tree"') :]
    for page in ("quick-start.html", "reference/cloudtrailsource.html", "../ARCHITECTURE.html"):
        assert f'href="{page}"' in navigation
