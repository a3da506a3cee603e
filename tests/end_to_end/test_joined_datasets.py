"""``ferbench run`` on datasets that are joined with ``+``, and on several in one grid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_images import draw
from record_files import read_record

from ferbench.runs.directory import all_runs

QUICK = ("--model", "linear", "--set", "data.image_size=8", "--set", "training.epochs=1", "--json")


def tree(root: Path, classes: tuple[str, ...], size: tuple[int, int], seed: int) -> Path:
    for part, count in (("train", 6), ("test", 3)):
        for k, name in enumerate(classes):
            for i in range(count):
                draw(root / part / name / f"{i}.png", seed + 100 * k + i + (50 if part == "test" else 0), size)
    return root


def table(root: Path) -> Path:
    lines = ["path,label,split"]
    for k, name in enumerate(("Happiness", "disgusted", "sad")):
        for i in range(6):
            draw(root / f"{name}{i}.png", 900 + 10 * k + i, (12, 9))
            lines.append(f"{name}{i}.png,{name},{'test' if i < 2 else 'train'}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def run(ferbench_cli, tmp_path):
    tree(tmp_path / "faces", ("disgust", "happy"), (8, 8), 0)
    table(tmp_path / "more")

    def call(*args, places=("--data", "folder=faces", "--data", "csv=more")):
        return ferbench_cli("run", *args, *places, *QUICK, "--cache", "cache")

    return call


def outcomes(finished) -> list[dict]:
    assert finished.exit_code == 0, finished.stderr
    return json.loads(finished.stdout)


def record(tmp_path: Path) -> dict:
    (run,) = all_runs(tmp_path / "results")
    return read_record(run)


def test_a_union_is_trained_and_tested_on_the_first_members_test_set(run, tmp_path):
    outcomes(run("--dataset", "folder+csv", "--set", "dataset.size=8"))
    data = record(tmp_path)["data"]
    assert data["dataset"] == "folder+csv"
    assert data["class_names"] == ["disgust", "happy", "sad"]
    assert data["counts"]["test"] == {"disgust": 3, "happy": 3, "sad": 0}
    assert data["counts"]["train"]["sad"] == 4
    assert data["notes"]["lacking"] == {"folder": ["sad"]}


def test_plans_have_the_test_digest_of_the_first_member_alone(run):
    alone, supplemented = outcomes(run("--dry-run", "--dataset", "folder", places=("--data", "faces"))) + outcomes(
        run("--dry-run", "--dataset", "folder+csv", "--set", "dataset.size=8", "--set", "dataset.supplement=[disgust]")
    )
    assert supplemented["test_digest"] == alone["test_digest"]
    assert supplemented["training_id"] != alone["training_id"]
    assert supplemented["samples"]["train"] == alone["samples"]["train"] + 4
    assert supplemented["samples"]["validation"] == alone["samples"]["validation"]


def test_spaces_around_the_plus_change_nothing(run):
    size = ("--set", "dataset.size=8")
    (typed,) = outcomes(run("--dry-run", "--dataset", "folder", "+", "csv", *size))
    (joined,) = outcomes(run("--dry-run", "--dataset", "folder+csv", *size))
    assert typed["training_id"] == joined["training_id"]


def test_a_recipe_joins_datasets_with_options_and_paths(run, tmp_path):
    (tmp_path / "both.toml").write_text(
        """
        [dataset]
        name = "csv+folder"
        size = 8
        fit = "pad"
        [dataset.csv]
        color = "gray"
        [data]
        protocol = "split-all"
        [data.paths]
        csv = "more"
        folder = "faces"
        """
    )
    outcomes(run("both.toml", places=()))
    written = record(tmp_path)
    assert written["components"]["dataset"]["members"]["csv"]["options"]["color"] == "gray"
    assert written["components"]["dataset"]["options"]["fit"] == "pad"
    assert written["data"]["counts"]["test"] == {"disgust": 5, "happy": 5, "sad": 2}


def test_a_grid_finds_each_dataset_in_its_own_place(run):
    plans = outcomes(run("--dry-run", "--dataset", "folder", "--dataset", "csv", "--grid", "dataset.size=8"))
    assert [plan["action"] for plan in plans] == ["run", "run"]


def test_folds_are_a_grid_over_them(run):
    plans = outcomes(run("--dry-run", "--dataset", "folder", "--folds", "3", places=("--data", "faces")))
    assert [plan["settings"]["data"]["fold"] for plan in plans] == ["1/3", "2/3", "3/3"]
    assert sum(plan["samples"]["validation"] for plan in plans) == 12


@pytest.mark.parametrize(
    ("args", "places", "message", "remedy"),
    [
        (["folder+csv"], ["--data", "folder=faces"], "dataset 'csv' needs to know where", "--data csv=DIR"),
        (["folder+csv"], ["--data", "faces"], "dataset 'folder' needs to know where", "[data.paths]"),
        (["folder+folder"], [], "names a dataset twice", "fer2013+raf-db"),
        (["folder+"], [], "names a dataset twice, or none", "fer2013+raf-db"),
        (["folder+cvs"], [], "unknown dataset 'cvs'", "csv"),
        (["folder"], ["--data", "floder=faces"], "unknown dataset 'floder'", "folder"),
        (["folder+csv", "--set", "dataset.sise=8"], [], "unknown option 'sise' for dataset 'folder+csv'", "size"),
        (["folder+csv", "--set", "dataset.csv=8"], [], "dataset.csv is no table", "[dataset.csv]"),
        (
            ["folder+csv", "--set", "dataset.csv={kolor='gray'}"],
            [],
            "unknown option 'kolor' for dataset 'csv'",
            "color",
        ),
        (
            ["folder", "--set", "dataset.fit=pad"],
            ["--data", "faces"],
            "dataset.fit = 'pad' needs dataset.size",
            "--set dataset.size=N",
        ),
        (["folder+csv", "--set", "dataset.fit=crop"], None, "dataset.fit = 'crop' needs dataset.size", "size=N"),
        (
            ["folder+csv", "--set", "dataset.csv={fit='pad'}"],
            None,
            "dataset.csv.fit = 'pad' needs dataset.size",
            "give dataset.size and dataset.fit, which are for all of a union",
        ),
    ],
)
def test_mistakes_are_explained(run, args, places, message, remedy):
    finished = run("--dataset", *args, **({} if places is None else {"places": places}))
    assert finished.exit_code == 2
    assert message in finished.stderr
    assert remedy in finished.stderr


def test_a_directory_with_an_equals_sign_can_be_named(run, tmp_path):
    (tmp_path / "faces").rename(tmp_path / "faces=8")
    (plan,) = outcomes(run("--dry-run", "--dataset", "folder", places=("--data", "./faces=8")))
    assert plan["action"] == "run"
