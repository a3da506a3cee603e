"""Options that name files and folders: ids know them by their content."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest

from ferbench import UserError
from ferbench.experiment import file_content
from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.component import Component, PluginRecord
from ferbench.plugin.options import OptionSchema
from ferbench.plugin.specs import InitialWeights, LossSpec


@dataclass
class Tables:
    prior: Path
    weight: float = 1.0
    more: list[Path] = field(default_factory=list)


def plain(task, *, x: Path): ...
def annotated(task, *, x: Annotated[Path, "of numbers"]): ...
def optional(task, *, x: Path | None = None): ...
def path_or_text(task, *, x: Path | str): ...
def text_or_path(task, *, x: str | Path = "none"): ...
def like(task, *, x: os.PathLike[str]): ...
def listed(task, *, x: list[Path]): ...
def tupled(task, *, x: tuple[Path, ...]): ...
def pair(task, *, x: tuple[str, Path]): ...
def several(task, *, x: set[Path]): ...
def named(task, *, x: dict[str, Path]): ...
def weighted(task, *, x: dict[Path, float]): ...
def deep(task, *, x: dict[str, list[tuple[int, Path | None]]]): ...
def grouped(task, *, x: Tables): ...
def groups(task, *, x: list[Tables]): ...


#: A builder, and how a value of its option holds a path.
HOLDERS: dict[Callable[..., Any], Callable[[str], Any]] = {
    plain: lambda path: path,
    annotated: lambda path: path,
    optional: lambda path: path,
    path_or_text: lambda path: path,
    text_or_path: lambda path: path,
    like: lambda path: path,
    listed: lambda path: [path],
    tupled: lambda path: [path],
    pair: lambda path: ["text", path],
    several: lambda path: [path],
    named: lambda path: {"key": path},
    weighted: lambda path: {path: 0.5},
    deep: lambda path: {"key": [[1, None], [2, path]]},
    grouped: lambda path: {"prior": path},
    groups: lambda path: [{"prior": __file__, "more": [path]}],
}
holders = pytest.mark.parametrize("builder", HOLDERS, ids=lambda one: one.__name__)


def chosen(builder: Callable[..., Any], monkeypatch, **options: Any) -> ChosenComponent:
    plugin = PluginRecord("p", "p", "1", "p", "ok", None, 0.0)
    component = Component("loss", LossSpec("my-loss", build="p:p"), plugin)
    schema = OptionSchema.of(builder, given=1, owner="loss 'my-loss'")
    monkeypatch.setattr(Component, "options", lambda self: schema)
    monkeypatch.setattr(Component, "source_hash", lambda self: None)
    return ChosenComponent(component, schema.validate(options, "loss"))


def covered(builder: Callable[..., Any], monkeypatch, path: Path) -> Any:
    return chosen(builder, monkeypatch, x=HOLDERS[builder](str(path))).identify()["options"]


@holders
def test_a_changed_file_is_another_value(builder, tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("one")
    before = covered(builder, monkeypatch, path)
    path.write_text("two")
    assert covered(builder, monkeypatch, path) != before


@holders
def test_one_content_in_two_places_is_one_value(builder, tmp_path, monkeypatch):
    found = []
    for name in ("here.csv", "there.txt"):
        (tmp_path / name).write_text("one")
        found.append(covered(builder, monkeypatch, tmp_path / name))
    assert found[0] == found[1]


@holders
def test_the_record_and_the_builder_have_the_path(builder, tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text("one")
    one = chosen(builder, monkeypatch, x=HOLDERS[builder](str(tmp_path / "table.csv")))
    assert str(tmp_path / "table.csv") in repr(one.describe().options)
    assert str(tmp_path / "table.csv") in repr(one.component.options().arguments(one.options))


@pytest.mark.parametrize("builder", [one for one in HOLDERS if one not in (path_or_text, text_or_path)])
def test_a_missing_file_is_named_with_its_option(builder, monkeypatch):
    with pytest.raises(UserError, match=r"loss\.x: there is no file or folder 'nowhere\.csv'") as caught:
        chosen(builder, monkeypatch, x=HOLDERS[builder]("nowhere.csv")).check_files()
    assert caught.value.remedy == "say where it is with --set loss.x=PATH"


def test_a_text_that_is_no_file_stands_for_itself(monkeypatch):
    assert chosen(text_or_path, monkeypatch).identify()["options"] == {"x": "none"}


def test_a_default_may_be_a_path(tmp_path, monkeypatch):
    def builder(task, *, x: Path = Path("priors.csv")): ...

    monkeypatch.chdir(tmp_path)
    (tmp_path / "priors.csv").write_text("one")
    one = chosen(builder, monkeypatch)
    assert one.options == {"x": "priors.csv"}
    assert one.component.options().arguments({}) == {"x": Path("priors.csv")}
    before = one.identify()
    (tmp_path / "priors.csv").write_text("two")
    assert one.identify() != before


def test_initial_weights_stay_the_authors_business(tmp_path, monkeypatch):
    def builder(task, *, x: Annotated[Path, InitialWeights(names=("none",))] = Path("none")): ...

    assert chosen(builder, monkeypatch).identify()["options"] == {"x": "none"}


def test_a_folder_is_known_by_the_names_and_the_content_of_its_files(tmp_path, monkeypatch):
    def made(name: str, files: dict[str, str]) -> Any:
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        return covered(plain, monkeypatch, tmp_path / name)

    one = made("one", {"a.csv": "1", "deep/b.csv": "2"})
    assert made("same", {"a.csv": "1", "deep/b.csv": "2", ".DS_Store": "x"}) == one
    assert made("renamed", {"a.csv": "1", "deep/c.csv": "2"}) != one
    assert made("changed", {"a.csv": "1", "deep/b.csv": "3"}) != one
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a.csv").symlink_to(tmp_path / "one" / "a.csv")
    (tmp_path / "linked" / "deep").symlink_to(tmp_path / "one" / "deep", target_is_directory=True)
    assert covered(plain, monkeypatch, tmp_path / "linked") == one


def test_a_folder_of_very_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(file_content, "MOST_FILES", 2)
    for name in "abc":
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"loss\.x .* holds more than 2 files"):
        covered(plain, monkeypatch, tmp_path)


def test_a_dataset_knows_folders_by_their_place_and_files_by_their_content(tmp_path, monkeypatch):
    (tmp_path / "list.csv").write_text("one")
    (tmp_path / "other.csv").write_text("one")

    def origin(name: str) -> Any:
        return chosen(plain, monkeypatch, x=str(tmp_path / name)).origin()

    assert origin("list.csv") == origin("other.csv")
    assert origin(".")["options"] == {"x": str(tmp_path)}
    (tmp_path / "list.csv").write_text("two")
    assert origin("list.csv") != origin("other.csv")


def test_a_set_has_one_order_in_every_process():
    code = """
from ferbench.plugin.options import OptionSchema
def build(task, *, x: frozenset[str] = frozenset("abcdefgh"), y: set[str]): ...
schema = OptionSchema.of(build, given=1, owner="loss 'l'")
print(schema.validate({"y": list("hgfedcba")}, "loss"), [one.default for one in schema.fields])
"""
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert said == {f"{{'x': {list('abcdefgh')}, 'y': {list('abcdefgh')}}} [{list('abcdefgh')}, None]\n"}
