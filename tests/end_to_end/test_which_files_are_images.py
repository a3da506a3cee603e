"""What a file is called does not matter, and images that are left out are said wherever a dataset is read."""

from __future__ import annotations

import json
import shutil

import pytest
from made_images import draw

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
SAID = "2 images were left out that cannot be decoded (.heic 2), such as train/happy/new.heic"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two classes; of ``happy`` some pictures have names of browsers and some are of a telephone's own format."""
    root = tmp_path_factory.mktemp("tree")
    for part, count in (("train", 8), ("test", 3)):
        for k, name in enumerate(("angry", "happy")):
            for i in range(count):
                draw(root / "data" / part / name / f"{i}.png", 100 * k + i + (50 if part == "test" else 0))
        file = draw(root / "data" / part / "happy" / "drawn.jpg", 77 + count)
        file.rename(file.with_suffix(".jfif"))
        (root / "data" / part / "happy" / "new.heic").write_bytes(HEIC)
        for left in ("@eaDir", ".ipynb_checkpoints", "__MACOSX"):
            draw(root / "data" / part / left / "a.png", 5)
            draw(root / "data" / part / "happy" / left / "a.png", 6)
    return root


@pytest.fixture
def run(ferbench_cli, tree):
    def call(command, *args):
        places = ["--results", tree / "results"]
        places += ["--cache", tree / "cache"] if command in ("run", "evaluate", "audit") else []
        return ferbench_cli(command, *args, *places)

    return call


TRAIN = ("--dataset", "folder", "--model", "linear", "--set", "training.epochs=1", "--set", "data.image_size=8")


def test_images_left_out_are_said_and_recorded(run, tree):
    given = ("run", *TRAIN, "--data", tree / "data", "--name", "said", "--quiet")
    dry = run(*given, "--dry-run")
    assert f"warning: folder: {SAID}" in dry.stderr
    trained = run(*given, "--report")
    assert trained.exit_code == 0, trained.stderr
    assert SAID in trained.stderr
    told = json.loads(run("runs", "show", "said", "--json").stdout)
    assert told["data"]["class_names"] == ["angry", "happy"]
    assert told["data"]["notes"]["images"] == {"train": 17, "test": 7}
    assert told["data"]["notes"]["left_out_images"] == {"counts": {".heic": 2}, "example": "train/happy/new.heic"}
    assert "2 images were left out" in run("runs", "show", "said").stdout
    assert "2 images were left out" in next((tree / "results" / "reports").glob("*.html")).read_text("utf-8")
    assert SAID in run("evaluate", "said", "--set", "evaluation.tta=flip").stderr
    audit = ("audit", "data", "folder", "--data", tree / "data", "--no-near")
    assert SAID in run(*audit).stdout
    assert json.loads(run(*audit, "--json").stdout)["left_out_images"] == {".heic": 2}


def test_class_of_images_that_are_all_left_out_is_refused_by_saying_so(run, tree, tmp_path):
    shutil.copytree(tree / "data", tmp_path / "data")
    for file in (tmp_path / "data" / "train" / "happy").iterdir():
        if file.is_file() and file.suffix != ".heic":
            file.unlink()
    refused = run("run", *TRAIN, "--data", tmp_path / "data")
    assert refused.exit_code == 2
    assert "class 'happy' has no image in part 'train', only 1 that cannot be decoded" in refused.stderr
    assert "convert them to PNG or JPEG" in refused.stderr


def test_predict_and_timeline_read_what_the_datasets_read(run, tree, tmp_path):
    run("run", *TRAIN, "--data", tree / "data", "--name", "reader", "--no-report", "--quiet")
    folder = tmp_path / "pictures"
    draw(folder / "a.png")
    draw(folder / "b.jpg", 1).rename(folder / "b.jfif")
    (folder / "._a.png").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    (folder / "c.heic").write_bytes(HEIC)
    (folder / "Thumbs.db").write_bytes(b"no image")
    for left in (".ipynb_checkpoints", "__MACOSX", "@eaDir", ".thumbnails"):
        draw(folder / left / "a-checkpoint.png")
    predicted = run("predict", "reader", folder, "--format", "json")
    assert predicted.exit_code == 0, predicted.stderr
    assert [one["image"].rpartition("/")[2] for one in json.loads(predicted.stdout)] == ["a.png", "b.jfif"]
    watched = run("timeline", "reader", folder, "--format", "json")
    assert watched.exit_code == 0, watched.stderr
    assert [one["name"] for one in json.loads(watched.stdout)["frames"]] == ["a.png", "b.jfif"]
    for finished in (predicted, watched):
        assert "1 image was left out that cannot be decoded (.heic 1)" in finished.stderr
