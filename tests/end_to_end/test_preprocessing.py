"""Runs whose images are processed before they are stored, and everything that must do the same with an image."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_images import draw
from PIL import Image

import ferbench as fb
from ferbench.cli import cli
from ferbench.experiment.toml import recipe_toml
from ferbench.runs.find import find_run
from ferbench.runs.verify import Verification

CLASSES = ("angry", "happy", "sad")

#: Finds nothing in bright images, and takes the left half of others.
PLUGIN = """
import ferbench

@ferbench.hookimpl
def ferbench_preprocessing():
    yield ferbench.PreprocessingSpec("left-half", build="halves:left_half")
    yield ferbench.PreprocessingSpec("floats", build="halves:floats")

def left_half(*, most: int = 100):
    def process(face):
        return None if face.pixels.mean() > most else face.pixels[:, : face.pixels.shape[1] // 2]
    return process

def floats():
    return lambda face: face.pixels / 255
"""


def tree(root: Path, *, train: int = 12, test: int = 6) -> Path:
    for part, count in (("train", train), ("test", test)):
        for k, name in enumerate(CLASSES):
            for i in range(count):
                draw(root / part / name / f"{i}.png", 100 * k + i + (50 if part == "test" else 0), (16, 12))
    return root


def trained(root: Path, *flags: str) -> list[str]:
    args = ["run", "--dataset", "folder", "--data", str(root / "home"), "--model", "linear"]
    args += ["--set", "dataset.size=16", "--set", "data.image_size=16", "--set", "training.epochs=2", "--quiet"]
    return [*args, "--no-report", *flags]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Runs with and without."""
    root = tmp_path_factory.mktemp("made")
    (root / "halves.py").write_text(PLUGIN)
    tree(root / "home")
    for name, *flags in (
        ("plain",),
        ("equal", "--preprocessing", "equalize"),
        ("both", "--preprocessing", "centre-crop+equalize", "--set", "preprocessing.centre-crop={share=0.5}"),
        ("cropped", "--preprocessing", "centre-crop", "--set", "preprocessing.share=0.5"),
    ):
        places = ["--results", str(root / "results"), "--cache", str(root / "cache")]
        done = CliRunner().invoke(cli, [*trained(root, *flags), "--name", name, *places])
        assert done.exit_code == 0, done.output
    return root


@pytest.fixture
def call(ferbench_cli, made, tmp_path):
    """Commands on a copy of the results."""
    shutil.copytree(made / "results", tmp_path / "results")

    def run(command, *args):
        places = ["--cache", made / "cache"] if command in ("evaluate", "run", "tune") else []
        return ferbench_cli(command, *args, *places, "--results", tmp_path / "results")

    return run


def own(run, split="test"):
    return next(iter(run.load().own_evaluations(split).items()))


def test_runs_that_differ_in_it_are_others_on_the_same_test_set(made):
    records = {name: find_run(made / "results", name).load() for name in ("plain", "equal", "cropped", "both")}
    assert len({record.identity.training_id for record in records.values()}) == 4
    assert len({record.data.test_digest for record in records.values()}) == 1
    assert len({record.data.pack for record in records.values()}) == 4
    assert "preprocessing" not in records["plain"].components
    assert records["cropped"].components["preprocessing"].options == {"share": 0.5}
    covered = records["equal"].identity.covers["components"]["preprocessing"]
    assert (covered["name"], covered["distribution"]) == ("equalize", "ferbench")
    assert all(Verification.of(find_run(made / "results", name)).verdict == "whole" for name in records)


def test_the_stored_images_are_the_processed_ones(made):
    from ferbench.data.decode import decode
    from ferbench.data.fit import fitted
    from ferbench.data.pack import open_pack

    record = find_run(made / "results", "cropped").load()
    pack = open_pack(made / "cache" / "packs" / record.data.pack.removeprefix("v1:")[:16])
    for row in (0, 20, len(pack) - 1):
        native = decode(made / "home" / str(pack.ids[row]), pack.images.shape[1])
        height, width = native.shape[1:]  # 16 × 12: the middle 8 × 6
        middle = native[:, height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2]
        assert (pack.images[row] == fitted(middle, (16, 16), "stretch")).all()


@pytest.mark.parametrize("name", ["equal", "cropped", "both"])
def test_predict_does_with_pictures_what_was_done_with_test_images(made, call, tmp_path, name):
    done = call("predict", name, made / "home" / "test", "--format", "json")
    told = {"/".join(Path(one["image"]).parts[-2:]): one["probabilities"] for one in json.loads(done.stdout)}
    run = find_run(tmp_path / "results", name)
    tested = run.predictions(own(run)[0])
    assert len(told) == len(tested.ids) == 18
    for identity, row in zip(tested.ids, tested.probabilities, strict=True):
        assert list(told["/".join(Path(str(identity)).parts[-2:])].values()) == pytest.approx(row, abs=1e-6)


def test_python_predicts_so_too(made):
    run = fb.load_run("cropped", made / "results")
    frame = run.predict(made / "home" / "test")
    tested = run.predictions("test")
    columns = [f"probability:{name}" for name in CLASSES]
    frame["id"] = ["/".join(Path(image).parts[-3:]) for image in frame["image"]]
    both = frame.merge(tested, on="id", suffixes=("", "_tested"))
    assert len(both) == 18
    np.testing.assert_allclose(both[columns], both[[f"{column}_tested" for column in columns]], atol=1e-6)


def test_evaluate_processes_other_data_as_the_training_images(made, call, tmp_path):
    tree(tmp_path / "abroad", train=1, test=4)
    done = call("evaluate", "cropped", "--dataset", "folder", "--data", tmp_path / "abroad", "--split", "all", "--json")
    assert done.exit_code == 0, done.stderr
    run = find_run(tmp_path / "results", "cropped")
    given = run.predictions(json.loads(done.stdout)["evaluation"])
    told = json.loads(call("predict", "cropped", tmp_path / "abroad", "--format", "json").stdout)
    by_place = {"/".join(Path(one["image"]).parts[-3:]): list(one["probabilities"].values()) for one in told}
    assert len(by_place) == len(given.ids) == 15
    for identity, row in zip(given.ids, given.probabilities, strict=True):
        assert by_place[str(identity)] == pytest.approx(row, abs=1e-6)


def test_evaluate_of_its_own_test_is_reused(made, call, tmp_path):
    run = find_run(tmp_path / "results", "equal")
    before = set(run.load().evaluations)
    outcome = json.loads(call("evaluate", "equal", "--json").stdout)
    assert outcome["reused"] is True
    assert set(run.load().evaluations) == before
    refused = call("evaluate", "equal", "--set", "preprocessing.name=centre-crop")
    assert refused.exit_code == 2
    assert "[preprocessing] has no say in an evaluation" in refused.stderr


def test_leaderboard_ranks_them_together_and_names_the_difference(call):
    board = json.loads(call("leaderboard", "--format", "json", "--columns", "all").stdout)
    (group,) = board["groups"]
    assert {row["preprocessing"] for row in group["rows"]} == {None, "equalize", "centre-crop", "centre-crop+equalize"}
    assert call("report", "plain", "equal", "--output", "page.html").exit_code == 0
    page = Path("page.html").read_text()
    assert ">preprocessing<" in page
    assert ">equalize<" in page
    shown = call("runs", "show", "cropped")
    assert "share=0.5" in shown.stdout


def test_a_recorded_recipe_and_a_continuation_have_it(made, call, tmp_path):
    recipe = tomllib.loads(recipe_toml(find_run(tmp_path / "results", "cropped").load()))
    assert recipe["preprocessing"] == {"name": "centre-crop", "share": 0.5}
    flags = ("--from", "cropped", "--name", "more", "--set", "training.epochs=1", "--no-report", "--quiet")
    done = call("run", "--data", made / "home", *flags)
    assert done.exit_code == 0, done.stderr
    assert find_run(tmp_path / "results", "more").load().components["preprocessing"].options == {"share": 0.5}


def test_what_nothing_is_found_in_is_left_out_and_said(made, call, tmp_path, ferbench_cli):
    shutil.copytree(made / "home", tmp_path / "home")
    Image.new("L", (12, 16), 250).save(tmp_path / "home" / "test" / "sad" / "bright.png")
    plugin = ("--plugin", made / "halves.py")
    sets = ("--set", "dataset.size=16", "--set", "data.image_size=16", "--set", "training.epochs=1")
    flags = ("--dataset", "folder", "--data", tmp_path / "home", "--model", "linear", *sets, "--no-report")
    flags += ("--preprocessing", "left-half", "--set", "preprocessing.most=200", *plugin)
    done = ferbench_cli("run", *flags, "--name", "half", "--cache", tmp_path / "c", "--results", tmp_path / "results")
    assert done.exit_code == 0, done.stderr
    assert "1 samples left out, first" in done.stderr
    record = find_run(tmp_path / "results", "half").load()
    assert record.data.skipped_faulty == 1
    bright = tmp_path / "home" / "test" / "sad" / "bright.png"
    assert record.data.faults == [f"{bright}: preprocessing 'left-half' found nothing in it"]
    pictures = [tmp_path / "home" / "test" / "sad" / name for name in ("bright.png", "0.png")]
    told = call("predict", "half", *pictures, *plugin, "--format", "csv")
    assert told.exit_code == 2
    assert "bright.png: preprocessing 'left-half' found nothing in it" in told.stderr
    assert len(told.stdout.splitlines()) == 2
    (tmp_path / "frames").mkdir()
    for place, picture in enumerate(pictures):
        shutil.copy(picture, tmp_path / "frames" / f"{place}.png")
    frames = call("timeline", "half", tmp_path / "frames", "--skip-faulty", *plugin)
    assert frames.exit_code == 0, frames.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--preprocessing", "floats"), "gives no image: array of float64, expected uint8"),
        (("--preprocessing", "left-half", "--set", "preprocessing.most=-1"), "found nothing in it"),
        (("--preprocessing", "equalise"), "did you mean"),
        (("--set", "preprocessing.share=0.5"), "preprocessing.share is an option of no preprocessing"),
    ],
)
def test_what_cannot_be_is_said(made, call, flags, said):
    done = call(*trained(made, *flags), "--plugin", made / "halves.py")
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_grid_names_it_where_it_varies(made, call):
    flags = ("--preprocessing", "none", "--preprocessing", "equalize", "--dry-run", "--json")
    done = call(*[flag for flag in trained(made, *flags) if flag not in ("--no-report", "--quiet")])
    assert done.exit_code == 0, done.stderr
    labels = [one["label"] for one in json.loads(done.stdout)]
    assert labels == [
        "folder × linear × cross-entropy × shuffled, seed 0",
        "folder × linear × cross-entropy × shuffled, preprocessing equalize, seed 0",
    ]


def test_a_search_may_choose_it(made, call, tmp_path):
    flags = ("--search", "preprocessing=none,equalize", "--trials", "2", "--algorithm", "grid", "--only")
    rest = [flag for flag in trained(made)[1:] if flag not in ("--no-report", "--quiet")]
    done = call("tune", *rest, *flags)
    assert done.exit_code == 0, done.stderr


def test_its_code_is_part_of_the_ids(made, call):
    def identifier() -> str:
        flags = ("--preprocessing", "left-half", "--set", "preprocessing.most=255", "--dry-run", "--json")
        asked = [flag for flag in trained(made, *flags) if flag not in ("--no-report", "--quiet")]
        done = call(*asked, "--plugin", made / "halves.py")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)[0]["training_id"]

    first = identifier()
    (made / "halves.py").write_text(PLUGIN + "\n# other\n")
    second = identifier()
    (made / "halves.py").write_text(PLUGIN)
    assert first != second
    assert identifier() == first


def test_steps_in_a_row_are_done_in_their_order(made, call, tmp_path):
    record = find_run(tmp_path / "results", "both").load()
    used = record.components["preprocessing"]
    assert list(used.members) == ["centre-crop", "equalize"]
    assert used.members["centre-crop"].options == {"share": 0.5}
    recipe = tomllib.loads(recipe_toml(record))["preprocessing"]
    assert recipe == {"name": "centre-crop+equalize", "centre-crop": {"share": 0.5}, "equalize": {}}

    def pixels(name: str):
        from ferbench.data.pack import open_pack

        digest = find_run(tmp_path / "results", name).load().data.pack
        return open_pack(made / "cache" / "packs" / digest.removeprefix("v1:")[:16]).images[0]

    flags = ("--preprocessing", "equalize+centre-crop", "--set", "preprocessing.centre-crop={share=0.5}")
    done = call(*trained(made, *flags), "--name", "turned")
    assert done.exit_code == 0, done.stderr
    assert not np.array_equal(pixels("both"), pixels("turned"))
    assert json.loads(call("evaluate", "both", "--json").stdout)["reused"] is True
    dotted = call("leaderboard", "--format", "json", "--columns", "all").stdout
    assert "preprocessing.centre-crop" in dotted or '"turned"' in dotted


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--preprocessing", "equalize+equalize"), "names a step twice"),
        (("--preprocessing", "equalize+"), "names a step twice, or none"),
        (("--preprocessing", "equalize+centre-crop", "--set", "preprocessing.share=0.5"), "of none of the steps"),
        (("--preprocessing", "equalize+centre-crop", "--set", "preprocessing.equalize=1"), "is no table"),
        (("--preprocessing", "equalize+centre"), "did you mean"),
    ],
)
def test_what_cannot_be_in_a_row_is_said(made, call, flags, said):
    done = call(*trained(made, *flags))
    assert done.exit_code == 2
    assert said in done.stderr
