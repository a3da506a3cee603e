"""Initial weights enter the ids by their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ferbench import InitialWeights, UserError
from ferbench.experiment.initial_weights import identify_weights
from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.discovery import load_registry

MARKED = InitialWeights(names=("none",))


def identified(value, marked=MARKED):
    return identify_weights(marked, str(value), {"backbone": "b"})


def test_a_file_is_identified_by_its_sha256(tmp_path):
    (tmp_path / "w").write_bytes(b"weights")
    assert identified(tmp_path / "w") == "sha256:" + hashlib.sha256(b"weights").hexdigest()


def test_the_same_content_elsewhere_is_the_same(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"weights")
    assert identified(tmp_path / "one") == identified(tmp_path / "two")


def test_changed_content_is_another(tmp_path):
    (tmp_path / "w").write_bytes(b"one")
    before = identified(tmp_path / "w")
    (tmp_path / "w").write_bytes(b"other")
    assert identified(tmp_path / "w") != before


def test_a_folder_is_identified_by_the_names_and_content_of_its_files(tmp_path):
    for folder in ("a", "b", "renamed"):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "sub" / "model").write_bytes(b"x")
    (tmp_path / "b" / ".git").mkdir()
    (tmp_path / "b" / ".git" / "HEAD").write_text("hidden")
    (tmp_path / "renamed" / "sub" / "model").rename(tmp_path / "renamed" / "model")
    assert identified(tmp_path / "a") == identified(tmp_path / "b")
    assert identified(tmp_path / "a") != identified(tmp_path / "renamed")


def test_a_name_is_no_path_even_where_a_file_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").write_bytes(b"x")
    assert identified("none") == "none"


def test_the_author_may_say_what_a_name_stands_for():
    marked = InitialWeights(names=("hub",), identify=lambda value, options: f"{value}:{options['backbone']}")
    assert identified("hub", marked) == "hub:b"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that even root cannot read")
def test_what_cannot_be_read_is_the_users_mistake():
    with pytest.raises(UserError, match="cannot read initial weights"):
        identified("/proc/self/mem")


@pytest.mark.parametrize("name", ["basic-cnn", "resnet18", "timm"])
def test_a_model_is_identified_by_its_weights_and_described_by_their_path(name, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"weights")
    component = load_registry().find("model", name)
    options = {"weights": str(path), **({"backbone": "resnet18"} if name == "timm" else {})}
    chosen = ChosenComponent(component, component.options().validate(options, "model"))
    assert chosen.describe().options["weights"] == str(path)
    assert chosen.identify()["options"]["weights"] == "sha256:" + hashlib.sha256(b"weights").hexdigest()
    assert chosen.without_initial_weights().options == {**chosen.options, "weights": "none"}
