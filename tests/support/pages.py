"""The project's Markdown as data: pages, blocks between fences, links, and the anchors that headings make."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:.|\n)+?(?<!`)\1(?!`)")
_LINK = re.compile(r"\]\(([^()\s]+(?:\([^()\s]*\))?[^()\s]*)\)")
_HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences: its info string, such as `sh`, and its text without the indent of a list."""

    info: str
    body: str


def list_pages() -> list[Path]:
    """List every page that is the project's own."""
    folders = ("docs", "charts")
    return sorted([*ROOT.glob("*.md"), *(page for folder in folders for page in (ROOT / folder).rglob("*.md"))])


def name_page(page: Path) -> str:
    """Name a page as one does in the project's folder."""
    return str(page.relative_to(ROOT))


def find_blocks(text: str, info: str) -> list[Block]:
    """Find the blocks with an info string that begins with a word, also in lists."""
    return [block for block in _read_blocks(text) if block.info.split(" ")[0] == info]


def _read_blocks(text: str) -> Iterator[Block]:
    for match in _FENCE.finditer(text):
        lines = match["body"].splitlines(keepends=True)
        yield Block(match["info"], "".join(line.removeprefix(match["indent"]) for line in lines))


def list_links(text: str) -> list[str]:
    """List where links and pictures lead, but for those in code."""
    return _LINK.findall(_CODE.sub("", _FENCE.sub("", text)))


def list_anchors(text: str) -> set[str]:
    """List the anchors that GitHub makes of headings: a repeated one gets a number."""
    seen: Counter[str] = Counter()
    anchors = set()
    for title in _HEADING.findall(_FENCE.sub("", text)):
        anchor = re.sub(r"[^\w -]", "", _LINK.sub("]", title).lower()).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors
