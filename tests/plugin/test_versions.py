"""Versions of the plugin interface: those of version 1 as they were written, and those that are too new."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ferbench import UserError
from ferbench.plugin.discovery import load_registry
from ferbench.plugin.versions import spoken_by

API1 = Path(__file__).with_name("fixtures") / "api1"
FILES = sorted((API1 / "files").glob("*.py"))
DECLARED = [file for file in FILES if file.stem != "undeclared"]

SMALL = ["dataset.size=16", "dataset.train=35", "dataset.test=14", "training.epochs=1", "data.image_size=16"]
FLAGS = [part for setting in SMALL for part in ("--set", setting)]


@pytest.mark.parametrize("file", DECLARED, ids=lambda file: file.stem)
def test_a_plugin_of_version_1_loads_and_is_known_for_one(file):
    registry = load_registry([str(file)])
    [component] = [one for one in registry.components() if one.plugin.file == file]
    assert component.api == 1
    assert component.options().names is not None


def test_a_plugin_that_says_nothing_is_of_the_newest_version():
    assert load_registry([str(API1 / "files" / "undeclared.py")]).find("model", "undeclared").api == 2


def test_the_built_ins_speak_the_newest_version():
    assert {one.api for one in load_registry(environ={"FERBENCH_PLUGINS": ""}).components()} == {2}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_plugin_of_version_1_keeps_the_rules(ferbench_cli, file):
    checked = ferbench_cli("plugins", "check", file.stem.replace("_", "-"), "--plugin", file)
    assert checked.exit_code == 0, checked.stdout + checked.stderr


def test_packages_of_version_1_are_found_and_run_together(ferbench_cli):
    path = os.pathsep.join([str(API1 / "site"), *filter(None, sys.path)])
    chosen = ("--model", "older-model", "--loss", "older-loss")
    done = ferbench_cli("run", *chosen, *FLAGS, "--quiet", env={"PYTHONPATH": path}, fresh=True)
    assert done.exit_code == 0, done.stderr
    assert "macro average" in done.stdout


@pytest.mark.parametrize("name", ["old-model", "old-loss", "old-sampler", "old-augmentation", "old-optimizer"])
def test_a_plugin_of_version_1_takes_part_in_a_run(ferbench_cli, name):
    file = API1 / "files" / f"{name.replace('-', '_')}.py"
    done = ferbench_cli("run", "--plugin", file, f"--{name.removeprefix('old-')}", name, *FLAGS, "--quiet")
    assert done.exit_code == 0, done.stderr
    assert "macro average" in done.stdout


NEWER = """
import ferbench
{declared}
@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("later", build="later:build", {given})
"""


def broken(folder: Path, text: str) -> UserError:
    (folder / "later.py").write_text(text)
    with pytest.raises(UserError) as caught:
        load_registry([str(folder / "later.py")])
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        NEWER.format(declared="FERBENCH_API = 3", given="moods=1"),
        "import ferbench\nFERBENCH_API: int = 3\nferbench.MoodSpec\n",
        "FERBENCH_API = 3\nfrom ferbench import MoodSpec\n",
    ],
)
def test_a_plugin_of_a_newer_version_is_told_by_it_however_it_fails(tmp_path, text):
    error = broken(tmp_path, text)
    assert "written for version 3 of the plugin interface, this ferbench speaks 1 and 2: update ferbench" in str(error)
    assert "API_VERSION" in error.remedy


def test_a_field_that_there_is_not_is_named_with_the_version(tmp_path):
    error = broken(tmp_path, NEWER.format(declared="", given="moods=1"))
    newest = "in version 2 of the plugin interface, the newest that this ferbench speaks"
    assert f"LossSpec has no 'moods' {newest}: update ferbench, or correct the name" in error.message


def test_a_field_that_is_misspelt_is_told_the_nearest(tmp_path):
    assert "did you mean 'needs'?" in broken(tmp_path, NEWER.format(declared="", given="need=()")).message


def test_a_name_that_ferbench_has_not_is_told_the_nearest(tmp_path):
    assert "did you mean 'LossSpec'?" in broken(tmp_path, "import ferbench\nferbench.LosSpec\n").message


def test_what_fails_for_another_reason_says_so_itself(tmp_path):
    assert broken(tmp_path, "FERBENCH_API = 2\nlen(3)\n").message.endswith(
        "TypeError: object of type 'int' has no len()"
    )


def test_true_is_no_version():
    class Plugin:
        FERBENCH_API = True

    with pytest.raises(Exception, match="its FERBENCH_API is bool"):
        spoken_by(Plugin)
