"""What identifies the source of a plugin, however it got here."""

from __future__ import annotations

import compileall
import importlib
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from ferbench.plugin.discovery import load_registry

PLUGIN = """
import ferbench
@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("my-loss", build="{build}:my_loss", summary="A line")
"""
LOSS = """
def my_loss(task):
    return None
"""


def forget(folders: list[str]) -> None:
    """Modules that were imported from below some folders are no longer imported."""
    for name, module in list(sys.modules.items()):
        known = vars(module)  # torch.classes gives something for every name that it is asked for
        places = [known.get("__file__") or "", *map(str, known.get("__path__", []))]
        if any(place.startswith(folder) for place in places for folder in folders):
            del sys.modules[name]


@pytest.fixture
def on_path(monkeypatch):
    """Puts folders on ``sys.path``; what was imported from them is forgotten at the end."""
    folders = []

    def put(*some: Path) -> None:
        for folder in some:
            monkeypatch.syspath_prepend(str(folder))
            folders.append(str(folder))

    yield put
    forget(folders)
    sys.modules.pop("home_made", None)  # what a file is called besides
    importlib.invalidate_caches()


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def about(site: Path, name: str, entry: str, files: dict[str, str] | None) -> None:
    """What an installer leaves of a distribution; ``files`` None: it is installed in editable mode."""
    folder = written(
        site / f"{name}-1.0.dist-info",
        {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"},
    )
    if entry:
        (folder / "entry_points.txt").write_text(f"[ferbench]\n{name} = {entry}\n")
    if files is None:
        (folder / "direct_url.json").write_text('{"url": "file:///somewhere", "dir_info": {"editable": true}}')
    listed = [*(files or [f"_editable_{name}.pth"]), f"{folder.name}/METADATA"]
    (folder / "RECORD").write_text("".join(f"{one},,\n" for one in listed))


def source(*local: str) -> str | None:
    importlib.invalidate_caches()
    return load_registry(local).find("loss", "my-loss").source_hash()


def as_wheel(root: Path, on_path, files: dict[str, str], entry: str) -> Path:
    site = written(root / "site-packages", files)
    about(site, "theirs", entry, files)
    on_path(site)
    return site


def as_editable(root: Path, on_path, files: dict[str, str], entry: str) -> Path:
    tree = written(root / "checkout" / "src", files)
    about(root / "site-packages", "theirs", entry, None)
    on_path(root / "site-packages", tree)
    return tree


LAYOUTS = {
    "a package": (
        {"theirs/__init__.py": "", "theirs/plugin.py": PLUGIN.format(build="theirs.net"), "theirs/net.py": LOSS},
        "theirs.plugin",
        "theirs/net.py",
    ),
    "a module": ({"theirs.py": PLUGIN.format(build="theirs") + LOSS}, "theirs", "theirs.py"),
    "two modules": (
        {"theirs.py": PLUGIN.format(build="theirs_net"), "theirs_net.py": LOSS},
        "theirs",
        "theirs_net.py",
    ),
    "a package beside": (
        {
            "theirs.py": PLUGIN.format(build="theirs") + LOSS + "    from theirs_core.parts import width\n",
            "theirs_core/__init__.py": "",
            "theirs_core/parts.py": "width = 3",
        },
        "theirs",
        "theirs_core/parts.py",
    ),
    "a namespace": (
        {"lab/theirs/__init__.py": "", "lab/theirs/plugin.py": PLUGIN.format(build="lab.theirs.plugin") + LOSS},
        "lab.theirs.plugin",
        "lab/theirs/plugin.py",
    ),
    "modules in a namespace": (
        {"lab/plugin.py": "from . import parts\n" + PLUGIN.format(build="lab.plugin") + LOSS, "lab/parts.py": "a = 1"},
        "lab.plugin",
        "lab/parts.py",
    ),
    "data beside code": (
        {
            "theirs/__init__.py": "",
            "theirs/plugin.py": PLUGIN.format(build="theirs.plugin") + LOSS,
            "theirs/tables/priors.json": "[1]",
        },
        "theirs.plugin",
        "theirs/tables/priors.json",
    ),
}


@pytest.mark.parametrize("install", [as_wheel, as_editable])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_changed_source_of_one_version_is_another_source(tmp_path, on_path, install, layout):
    files, entry, edited = LAYOUTS[layout]
    where = install(tmp_path, on_path, files, entry)
    before = source()
    assert before is not None
    (where / edited).write_text(files[edited] + " ")
    assert source() != before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_wheel_and_an_editable_install_of_one_source_are_the_same(tmp_path, monkeypatch, layout):
    found = []
    for install in (as_wheel, as_editable):
        with pytest.MonkeyPatch.context() as patch:
            folders = []

            def put(*some, patch=patch, folders=folders):
                for folder in some:
                    patch.syspath_prepend(str(folder))
                    folders.append(str(folder))

            files, entry, _ = LAYOUTS[layout]
            install(tmp_path / install.__name__, put, files, entry)
            found.append(source())
            forget(folders)
    assert found[0] == found[1] is not None


def test_what_other_distributions_install_does_not_count(tmp_path, on_path):
    files, entry, _ = LAYOUTS["a namespace"]
    files = {**files, "lab/theirs/net.py": "import torch, other, lab.other\n"}
    site = as_wheel(tmp_path, on_path, files, entry)
    others = {"other.py": "a = 1", "lab/other/__init__.py": "a = 1"}
    about(written(site, others), "other", "", others)
    before = source()
    written(site, dict.fromkeys(others, "a = 2"))
    assert source() == before


@pytest.mark.parametrize(
    "name", ["__pycache__/a.json", "fast.so", ".ipynb_checkpoints/a.py", "weights.pt", ".cache.json"]
)
def test_what_comes_and_goes_in_a_package_does_not_count(tmp_path, on_path, name):
    files, entry, _ = LAYOUTS["a package"]
    site = as_wheel(tmp_path, on_path, files, entry)
    before = source()
    written(site, {f"theirs/{name}": "whatever"})
    assert source() == before


def test_a_linked_part_of_a_package_counts_and_a_loop_of_links_ends(tmp_path, on_path):
    files, entry, _ = LAYOUTS["a package"]
    site = as_wheel(tmp_path, on_path, files, entry)
    before = source()
    written(tmp_path / "elsewhere", {"__init__.py": ""})
    (site / "theirs" / "part").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (site / "theirs" / "round").symlink_to(site / "theirs", target_is_directory=True)
    assert source() != before


def test_a_package_without_its_source_is_told_by_what_it_has(tmp_path, on_path):
    files, entry, _ = LAYOUTS["a package"]
    site = as_wheel(tmp_path, on_path, files, entry)
    compileall.compile_dir(site / "theirs", quiet=2, legacy=True)
    for name in files:
        (site / name).unlink()
    before = source()
    assert before is not None
    (site / "theirs" / "net.pyc").write_bytes((site / "theirs" / "net.pyc").read_bytes() + b" ")
    assert source() != before


def test_a_zipped_package_is_told_by_its_archive(tmp_path, on_path):
    files, entry, _ = LAYOUTS["a package"]
    about(tmp_path / "site-packages", "theirs", entry, {})
    with zipfile.ZipFile(tmp_path / "theirs.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    on_path(tmp_path / "site-packages", tmp_path / "theirs.zip")
    assert len(source()) == 64


# local plugins

HELPED = {
    "at its head": ("import aside\n", "aside.py"),
    "among others": ("import json, aside as other; import os\n", "aside.py"),
    "in a function": ("def late():\n    from aside import width\n", "aside.py"),
    "where it may fail": ("try: import aside\nexcept ImportError: pass\n", "aside.py"),
    "by its name": ("from importlib import import_module\nlate = lambda: import_module('aside')\n", "aside.py"),
    "over two lines": ("from aside \\\n    import width\n", "aside.py"),
    "through another": ("import between\n", "aside.py"),
    "from a package": ("from parts.deep import width\n", "parts/deep/__init__.py"),
    "a comment among names": ("from folder import (  # some (few\n    inner,\n)\n", "folder/inner.py"),
    "a name that is not ASCII": ("import hälfer\n", "hälfer.py"),
    "from a folder": ("from folder import (\n    inner,\n)\n", "folder/inner.py"),
    "from deep in a folder": ("import folder.inner\n", "folder/inner.py"),
}


def helped(folder: Path, head: str) -> Path:
    return written(
        folder,
        {
            "home_made.py": head + PLUGIN.format(build="home_made") + LOSS,
            "aside.py": "width = 1\n",
            "hälfer.py": "width = 1\n",
            "between.py": "def late():\n    import aside\n",
            "parts/__init__.py": "",
            "parts/deep/__init__.py": "width = 1\n",
            "folder/inner.py": "width = 1\n",
            "stranger.py": "width = 1\n",
        },
    )


@pytest.mark.parametrize("how", HELPED)
@pytest.mark.parametrize("as_file", [False, True], ids=["module", "file"])
def test_an_edited_neighbour_of_a_local_plugin_is_another_source(tmp_path, on_path, how, as_file):
    head, edited = HELPED[how]
    folder = helped(tmp_path / "code", head)
    on_path(folder)
    given = str(folder / "home_made.py") if as_file else "home_made"
    before = source(given)
    (folder / edited).write_text("width = 2\n")
    assert source(given) != before


def test_a_file_that_makes_its_own_folder_importable_is_told_with_its_neighbours(tmp_path, on_path):
    folder = helped(tmp_path / "code", "def late():\n    import sys\n    sys.path.append('code')\n    import aside\n")
    before = source(str(folder / "home_made.py"))
    (folder / "aside.py").write_text("width = 2\n")
    assert source(str(folder / "home_made.py")) != before


def test_a_module_in_a_namespace_is_told_with_what_it_imports_from_it(tmp_path, on_path):
    files = {
        "lab/home_made.py": "from .parts import a\n" + PLUGIN.format(build="lab.home_made") + LOSS,
        "lab/parts.py": "a = 1",
    }
    on_path(written(tmp_path / "code", files))
    before = source("lab.home_made")
    (tmp_path / "code/lab/parts.py").write_text("a = 2")
    assert source("lab.home_made") != before


def test_neighbours_that_are_not_imported_do_not_count(tmp_path, on_path):
    folder = helped(tmp_path / "code", "import aside\n# import stranger\n")
    on_path(folder)
    before = source("home_made")
    (folder / "stranger.py").write_text("width = 2\n")
    assert source("home_made") == before


@pytest.mark.parametrize("as_file", [False, True], ids=["module", "file"])
def test_where_a_local_plugin_and_its_neighbours_lie_does_not_count(tmp_path, monkeypatch, as_file):
    found = set()
    for place in ("here", "there/deeper"):
        folder = helped(tmp_path / place, "import between, parts.deep\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(folder))
            found.add(source(str(folder / "home_made.py") if as_file else "home_made"))
            for name in ("home_made", "aside", "between", "parts", "parts.deep"):
                sys.modules.pop(name, None)
        shutil.rmtree(folder)
    assert len(found) == 1


def test_ferbench_itself_is_no_neighbour(tmp_path, on_path):
    (tmp_path / "home_made.py").write_text("import ferbench.data.pack\n" + PLUGIN.format(build="home_made") + LOSS)
    before = source(str(tmp_path / "home_made.py"))
    written(tmp_path, {"ferbench/__init__.py": "", "ferbench/data/pack.py": ""})
    assert source(str(tmp_path / "home_made.py")) == before
