"""The site: its generated pages are up to date, and it builds without a warning."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pages():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = pages().PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_from_the_code_says_what_the_code_says(name):
    """Run `make docs` and commit what it writes."""
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == PAGES[name]()


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", source / "mkdocs.yml", "-d", site]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_site_builds_without_a_warning_and_links_stay_on_it(tmp_path):
    finished = build(ROOT, tmp_path)
    assert finished.returncode == 0, finished.stderr
    front = (tmp_path / "index.html").read_text(encoding="utf-8")
    targets = set(re.findall(r'href="([^"#:]+\.html)', front))
    assert {"tutorial/first-run.html", "measured/recipes.html", "plugins/ferbench-transformers.html"} <= targets
    assert [target for target in targets if not (tmp_path / target).is_file()] == []


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path):
    for name in ("mkdocs.yml", "docs/outside.py"):
        (tmp_path / "docs").mkdir(exist_ok=True)
        text = (ROOT / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(re.sub(r"nav:\n(.*\n)+", "", text))
    (tmp_path / "README.md").write_text("# Front\n\n[away](docs/other.md) and [further](plugins/none/)\n")
    (tmp_path / "docs" / "other.md").write_text("# Other\n\n[gone](missing.md) [front](../README.md)\n")
    finished = build(tmp_path, tmp_path / "site")
    assert finished.returncode == 1
    assert "missing.md" in finished.stderr
    assert "plugins/none/" in finished.stderr
    assert "other.md' contains a link '../index.md" not in finished.stderr
    assert finished.stderr.count("contains") == 2
