"""What ferbench's own further distributions offer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ferbench.errors import UserError
from ferbench.plugin.ours import ELSEWHERE
from ferbench.plugin.registry import Registry

PLUGINS = Path(__file__).parents[2] / "plugins"
KINDS = {"TrackerSpec": "tracker", "ModelSpec": "model", "DatasetSpec": "dataset", "CommandSpec": "command"}


def test_the_plugins_offer_what_the_list_says():
    found = {}
    for path in PLUGINS.glob("ferbench-*/*/plugin.py"):
        for spec, name in re.findall(r"ferbench\.(\w+Spec)\(\s*\"([^\"]+)\"", path.read_text()):
            found[KINDS[spec], name] = path.parents[1].name
    assert ELSEWHERE.items() <= found.items()


@pytest.mark.parametrize(("kind", "name"), ELSEWHERE)
def test_what_is_not_installed_says_what_to_install(kind, name):
    with pytest.raises(UserError, match="not installed") as error:
        Registry(()).find(kind, name)
    assert error.value.remedy.endswith(f"pip install {ELSEWHERE[kind, name]}")
