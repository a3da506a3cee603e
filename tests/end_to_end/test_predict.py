"""``ferbench predict`` on a user's own pictures."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A linear model that tells dark from light, its results directory and some pictures."""
    from click.testing import CliRunner

    from ferbench.cli import cli

    root = tmp_path_factory.mktemp("trained")
    generator = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 10)):
        for name, level in (("dark", 0), ("light", 150)):
            (root / "data" / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 100, (8, 8), dtype=np.uint8) + level
                Image.fromarray(pixels.astype(np.uint8)).save(root / "data" / split / name / f"{split}{i}.png")
    args = [
        "run",
        "--dataset",
        "folder",
        "--set",
        "dataset.color=gray",
        "--data",
        str(root / "data"),
        "--quiet",
    ]
    args += [
        "--model",
        "linear",
        "--set",
        "data.image_size=8",
        "--set",
        "training.epochs=20",
        "--name",
        "shade",
    ]
    args += ["--set", "training.batch_size=16", "--set", "optimizer.lr=0.01"]
    args += ["--results", str(root / "results"), "--cache", str(root / "cache")]
    done = CliRunner().invoke(cli, args)
    assert done.exit_code == 0, done.output
    pictures = root / "pictures"
    (pictures / "deeper").mkdir(parents=True)
    Image.new("RGB", (300, 200), (250, 250, 250)).save(pictures / "a-light.jpg")
    Image.new("L", (20, 20), 5).save(pictures / "deeper" / "b-dark.png")
    (pictures / "notes.txt").write_text("not an image")
    return root


def test_a_directory_is_classified_whole(ferbench_cli, trained):
    finished = ferbench_cli(
        "predict", "shade", trained / "pictures", "--results", trained / "results", "--format", "json"
    )
    assert finished.exit_code == 0, finished.stderr
    answers = json.loads(finished.stdout)
    assert [(a["image"].rpartition("/")[2], a["predicted"]) for a in answers] == [
        ("a-light.jpg", "light"),
        ("b-dark.png", "dark"),
    ]
    for answer in answers:
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_csv_and_table_say_the_same(ferbench_cli, trained):
    args = ("predict", "shade", trained / "pictures" / "a-light.jpg", "--results", trained / "results")
    (row,) = csv.DictReader(io.StringIO(ferbench_cli(*args, "--format", "csv").stdout))
    assert row["predicted"] == "light"
    assert float(row["dark"]) + float(row["light"]) == pytest.approx(1, abs=1e-5)
    table = ferbench_cli(*args).stdout
    assert f"{100 * float(row['light']):.1f} %" in table


def test_stored_predictions_and_predict_agree(ferbench_cli, trained):
    """The model says of a test image what the run recorded for it."""
    (evaluation,) = [
        json.loads(p.read_text())
        for p in (trained / "results" / "runs").glob("*/evaluations/*/metrics.json")
        if json.loads(p.read_text())["split"] == "test"
    ]
    (path,) = (trained / "results" / "runs").glob(f"*/evaluations/{evaluation['evaluation_id'][3:15]}/predictions.npz")
    with np.load(path, allow_pickle=False) as stored:
        recorded = dict(zip(map(str, stored["ids"]), stored["probabilities"], strict=True))
    finished = ferbench_cli(
        "predict", "shade", trained / "data" / "test", "--results", trained / "results", "--format", "json"
    )
    answers = json.loads(finished.stdout)
    assert len(answers) == len(recorded) == 20
    for answer in answers:
        parts = answer["image"].split("/")
        (key,) = [k for k in recorded if k.endswith("/".join(parts[-2:])) or k.endswith("/".join(parts[-2:])[:-4])]
        np.testing.assert_allclose(list(answer["probabilities"].values()), recorded[key], atol=1e-6)


def test_what_is_no_image_is_named_and_the_others_are_classified(ferbench_cli, trained):
    finished = ferbench_cli(
        "predict",
        "shade",
        trained / "pictures" / "notes.txt",
        trained / "pictures" / "a-light.jpg",
        "--results",
        trained / "results",
        "--format",
        "json",
    )
    assert finished.exit_code == 2
    assert len(json.loads(finished.stdout)) == 1
    assert "notes.txt" in finished.stderr
    assert "1 image could not be classified" in finished.stderr


@pytest.mark.parametrize(
    ("run", "picture", "message"),
    [
        ("shade", "none.png", "there is no file"),
        ("shade", ".", "there is no image below"),
        ("nobody", "a.png", "there is no run 'nobody'"),
    ],
)
def test_mistakes_are_named(ferbench_cli, trained, tmp_path, run, picture, message):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    if picture == ".":
        (tmp_path / "a.png").unlink()
    finished = ferbench_cli("predict", run, tmp_path / picture, "--results", trained / "results")
    assert finished.exit_code == 2
    assert message in finished.stderr


def test_a_folder_of_frames_becomes_a_timeline(ferbench_cli, trained, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, level in enumerate((5, 5, 5, 250, 250, 5), start=8):  # frame8 … frame13
        Image.new("L", (20, 20), level).save(frames / f"frame{number}.png")
    args = ("timeline", "shade", frames, "--results", trained / "results", "--fps", "2")
    told = json.loads(ferbench_cli(*args, "--format", "json").stdout)
    assert [one["predicted"] for one in told["frames"]] == ["dark"] * 3 + ["light"] * 2 + ["dark"]
    assert [one["seconds"] for one in told["frames"]] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert told["patterns"]["dominant"] == "dark"
    assert told["patterns"]["switches"] == 2
    assert [one["seconds"] for one in told["patterns"]["episodes"]] == [1.5, 1.0, 0.5]
    rows = list(csv.DictReader(io.StringIO(ferbench_cli(*args, "--format", "csv").stdout)))
    assert [row["name"] for row in rows] == [f"frame{number}.png" for number in range(8, 14)]
    assert float(rows[3]["delta_light"]) == pytest.approx(float(rows[3]["p_light"]) - float(rows[2]["p_light"]))
    assert "dominant: dark, 67 % of 6 frames in 3.0 s" in ferbench_cli(*args).stdout
    finished = ferbench_cli(*args, "-o", tmp_path / "out")
    assert finished.exit_code == 0, finished.stderr
    made = {one.name for one in (tmp_path / "out").iterdir()}
    assert {"frames.csv", "episodes.csv", "timeline.json", "timeline.html", "timeline.png"} <= made


def test_a_frame_that_cannot_be_seen_is_an_error_unless_it_is_left_out(ferbench_cli, trained, tmp_path):
    for number in range(3):
        Image.new("L", (20, 20), 5).save(tmp_path / f"f{number}.png")
    (tmp_path / "f1.png").write_bytes(b"nothing")
    args = ("timeline", "shade", tmp_path, "--results", trained / "results")
    refused = ferbench_cli(*args)
    assert refused.exit_code == 2
    assert "1 frame could not be seen" in refused.stderr
    told = json.loads(ferbench_cli(*args, "--skip-faulty", "--format", "json").stdout)
    assert [one["frame"] for one in told["frames"]] == [0, 2]
    assert told["patterns"]["volatility"] is None
    assert ferbench_cli(*args, "--smooth", "4").exit_code == 2
