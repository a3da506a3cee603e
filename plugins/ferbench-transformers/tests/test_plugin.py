"""The distribution as ferbench finds and runs it."""

from __future__ import annotations

import importlib.metadata
import json
import tomllib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from ferbench.cli import cli
from ferbench.plugin.discovery import load_registry
from ferbench.testing import Subject, check, failed

ENTRY = "ferbench_transformers.plugin"
INSTALLED = any(entry.value == ENTRY for entry in importlib.metadata.entry_points(group="ferbench"))


def ferbench(*arguments: object) -> dict | list:
    plugin = () if INSTALLED else ("--plugin", ENTRY)
    done = CliRunner().invoke(cli, [*map(str, arguments), *plugin, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_entry_point_names_the_plugin():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"ferbench": {"transformers": ENTRY}}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    labels = dict(enumerate(["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]))
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=16,
        patch_size=8,
        id2label=labels,
        label2id={name: row for row, name in labels.items()},
    )
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("options", [{}, {"freeze": "backbone"}], ids=["all", "frozen"])
def test_it_keeps_the_rules_of_models(checkpoint, options):
    component = load_registry(() if INSTALLED else (ENTRY,)).find("model", "hf-image-classifier")
    subject = Subject(component, {"checkpoint": str(checkpoint), **options}, image_size=16)
    verdicts = {verdict.rule: verdict for verdict in check(subject, informational=False)}
    assert failed(verdicts.values()) == []
    assert verdicts["light-import"].status == "passed"


def test_its_layers_are_shown(checkpoint):
    sets = ("--set", "new_classes=true", "--set", f"checkpoint={checkpoint}")
    shown = ferbench("plugins", "show", "hf-image-classifier", "--image-size", 16, "--classes", 7, *sets)
    assert shown["layers"]["rows"][-1]["output_shape"] == [7]
    assert shown["layers"]["flops"] > 0


def test_it_predicts_neither_valence_nor_arousal(checkpoint, tmp_path):
    faces = ("dataset.size=16", "dataset.train=70", "dataset.test=14", "data.image_size=16", "training.epochs=1")
    sets = [part for one in (*faces, f"model.checkpoint={checkpoint}") for part in ("--set", one)]
    places = [
        "--results",
        tmp_path / "results",
        "--cache",
        tmp_path / "cache",
        *(() if INSTALLED else ("--plugin", ENTRY)),
    ]
    flags = ["--model", "hf-image-classifier", "--loss", "multi-task", *sets, *places]
    done = CliRunner().invoke(cli, ["run", *map(str, flags)])
    assert done.exit_code == 2
    assert "needs a model that predicts valence and arousal" in done.stderr


def test_it_is_fine_tuned_like_any_model_and_known_by_its_content(checkpoint, tmp_path):
    faces = ("dataset.size=16", "dataset.train=70", "dataset.test=14", "data.image_size=16", "training.epochs=1")
    places = ("--results", tmp_path / "results", "--cache", tmp_path / "cache")

    def run(folder: Path) -> dict:
        sets = (*faces, f"model.checkpoint={folder}", "training.head_lr_factor=10")
        flags = [part for one in sets for part in ("--set", one)]
        (outcome,) = ferbench("run", "--model", "hf-image-classifier", *flags, *places)
        return outcome

    first = run(checkpoint)
    assert first["status"] == "done"
    checkpoint.rename(tmp_path / "moved")
    again = run(tmp_path / "moved")
    (tmp_path / "moved").rename(checkpoint)
    assert again["reused"]
    assert again["training_id"] == first["training_id"]
