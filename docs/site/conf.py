"""How Sphinx makes a site of this repository's Markdown: `sphinx-build -W -n -c docs/site . DIRECTORY`.

The pages are plain Markdown that GitHub shows as well. The navigation is what docs/index.md links to, section by section.
"""

# ruff: noqa: INP001 - Sphinx reads this file, nobody imports it

import re
from typing import Any

project = "cloudtrail-operator"
html_title = project
extensions = ["myst_parser"]
myst_heading_anchors = 4
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/*/*.md", "charts/*/README.md"]
# Sphinx looks into every folder that is not named here.
exclude_patterns = [".[!/]*", "tests", "collector", "operator", "crds"]
html_theme = "furo"
html_extra_path = ["root"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
pygments_style = "friendly"

_LINK = re.compile(r"\]\(([^)#:]+)\.md\)")


def setup(app: Any) -> None:
    """Let the front page's links become the navigation."""
    app.connect("source-read", _add_navigation)


def _add_navigation(_app: Any, page: str, source: list[str]) -> None:
    """Behind the text of the front page, add a hidden list of pages for each of its sections."""
    if page == root_doc:
        for section in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
            caption, pages = section.splitlines()[0], dict.fromkeys(_LINK.findall(section))
            entries = "\n".join(pages)
            source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"
