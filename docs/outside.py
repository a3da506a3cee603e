"""Brings pages that lie outside ``docs/`` onto the site, and makes links between the two hold there. A mkdocs hook."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#:\s]*)(#[^)\s]*)?\)")


def _places() -> dict[str, str]:
    """Where each page from outside lies on the site, by its path in the repository."""
    places = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
    for page in sorted(_ROOT.glob("benchmarks/*/README.md")):
        places[f"benchmarks/{page.parent.name}/README.md"] = f"measured/{page.parent.name}.md"
    for page in sorted(_ROOT.glob("plugins/*/README.md")):
        places[f"plugins/{page.parent.name}/README.md"] = f"plugins/{page.parent.name}.md"
    return {path: place for path, place in places.items() if (_ROOT / path).is_file()}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages from outside."""
    for path, place in _places().items():
        files.append(File.generated(config, place, content=(_ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where their targets are on the site; a file that is not there is only named."""
    places = _places()
    here = page.file.src_uri
    source = next((path for path, place in places.items() if place == here), f"docs/{here}")

    def led(match: re.Match[str]) -> str:
        image, text, target, anchor = match.groups()
        if not target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if (_ROOT / path).is_dir():
            path = posixpath.join(path, "README.md")
        place = places.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if place is not None:
            return f"{image}[{text}]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{anchor or ''})"
        if not (_ROOT / path).exists():
            return match[0]  # strict mode reports it
        return text if text.strip("`") == posixpath.basename(path) else f"{text} (`{path}`)"

    return _LINK.sub(led, markdown)
