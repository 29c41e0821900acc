"""No link of the documents is dead: files and anchors are there, and what leads elsewhere is a whole address."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.pages import ROOT, list_anchors, list_links, list_pages, name_page

PAGES = list_pages()
EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:")


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_links_lead_somewhere(page: Path) -> None:
    for link in list_links(page.read_text(encoding="utf-8")):
        if EXTERNAL.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in list_anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_links_to_elsewhere_are_whole_addresses(page: Path) -> None:
    for link in filter(EXTERNAL.match, list_links(page.read_text(encoding="utf-8"))):
        address = urlsplit(link)
        assert address.scheme == "https", link
        assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", address.netloc), link
        assert re.fullmatch(r"[!-~]+", link), link
        assert link[-1] not in ".,;:", link


def test_every_page_is_reached_from_the_front_page() -> None:
    """Nobody finds a page that nothing leads to."""
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        links = (link.partition("#")[0] for link in list_links(page.read_text(encoding="utf-8")))
        waiting += [
            (page.parent / link).resolve() for link in links if link.endswith(".md") and not EXTERNAL.match(link)
        ]
    assert {name_page(page) for page in PAGES} - {name_page(page) for page in reached} == set()


def test_what_a_page_is_made_of_is_found() -> None:
    text = "# A `b` & c\n## Twice\n## Twice\n```sh\n# no heading\n[no](link)\n```\n`[no](link)` [yes](x.md#twice-1)\n"
    assert list_anchors(text) == {"a-b--c", "twice", "twice-1"}
    assert list_links(text) == ["x.md#twice-1"]


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_pictures_say_what_they_show(page: Path) -> None:
    """For those who cannot see them, and for the time until they are loaded."""
    for text, link in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        assert len(text.split()) >= 3, link
        assert not EXTERNAL.match(link), link
        assert (page.parent / link).stat().st_size < 400_000, link
