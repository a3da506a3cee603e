"""What every distribution in this repository says about itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT, *sorted(file.parent for file in (ROOT / "plugins").glob("*/pyproject.toml"))]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name if folder != ROOT else "ferbench")
def test_a_distribution_is_licensed_classified_and_typed(folder):
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "Typing :: Typed" in project["classifiers"]
    assert (folder / project["name"].replace("-", "_") / "py.typed").is_file()
