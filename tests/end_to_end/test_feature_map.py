"""Maps of the features of trained runs: in reports, and in Python."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from made_images import draw
from PIL import Image

import ferbench as fb
from ferbench.cli import cli

CLASSES = ("angry", "happy")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A linear model, whose features are the pixels; two runs and what they predict together."""
    root = tmp_path_factory.mktemp("made")
    for part, count in (("train", 6), ("test", 5)):
        for k, name in enumerate(CLASSES):
            for i in range(count):
                file = draw(root / "home" / part / name / f"{i}.png", 100 * k + i + 50 * (part == "test"), (8, 8))
                Image.open(file).convert("L").save(file)
    places = ["--results", str(root / "results")]
    args = ["run", "--dataset", "folder", "--data", str(root / "home"), "--model", "linear", "--name", "lin"]
    sets = ["--set", "data.image_size=8", "--set", "training.epochs=1", "--seed", "0", "--seed", "1"]
    for command in (
        [*args, *sets, "--quiet", "--no-report", "--cache", str(root / "c")],
        ["ensemble", "lin-s0", "lin-s1", "--name", "both"],
    ):
        done = CliRunner().invoke(cli, [*command, *places])
        assert done.exit_code == 0, done.output
    shutil.rmtree(root / "results" / "reports", ignore_errors=True)
    return root


@pytest.fixture
def report(ferbench_cli, made, tmp_path):
    """A report, with a cache of its own."""
    shutil.copytree(made / "c", tmp_path / "c")

    def make(*args):
        places = ["--results", made / "results", "--cache", tmp_path / "c", "-o", tmp_path / "page.html"]
        return ferbench_cli("report", *args, *places)

    return make


def projected(root, ids: list[str]) -> np.ndarray:
    """The pixels on their two principal directions, by hand."""
    gray = [np.asarray(Image.open(root / "home" / one), dtype=float).ravel() for one in ids]
    centred = np.stack(gray) - np.mean(gray, axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return centred @ directions[:2].T / 255 / 0.25


def test_the_map_is_of_the_features_of_the_test_set(made, tmp_path):
    shutil.copytree(made / "c", tmp_path / "c")
    frame = fb.load_run("lin-s0", made / "results").feature_map("pca", cache=tmp_path / "c")
    assert list(frame.columns) == ["id", "x", "y", "true", "predicted"]
    assert len(frame) == 10
    expected = projected(made, frame["id"].tolist())
    at = frame[["x", "y"]].to_numpy()
    np.testing.assert_allclose(np.abs(at), np.abs(expected), atol=1e-3)
    assert all(f"/{true}/" in sample for sample, true in zip(frame["id"], frame["true"], strict=True))


def test_a_report_shows_it_with_its_table(report, tmp_path):
    done = report("lin-s0", "--map", "pca", "--tables", tmp_path / "tables")
    assert done.exit_code == 0, done.stderr
    assert "64 features of 10 samples" in done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "Map of the features" in page
    assert "<img" not in page
    (table,) = (tmp_path / "tables").glob("map-*.csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [len(rows), *rows[0]] == [10, "id", "x", "y", "true", "predicted"]


def test_it_is_not_made_again_while_nothing_has_changed(report, tmp_path):
    assert "features of" in report("lin-s0", "--map", "tsne").stderr
    page = (tmp_path / "page.html").read_bytes()
    again = report("lin-s0", "--map", "tsne")
    assert "features of" not in again.stderr
    assert (tmp_path / "page.html").read_bytes() == page
    assert "features of" in report("lin-s0", "--map", "pca").stderr
    for path in (tmp_path / "c" / "maps").iterdir():
        path.write_bytes(b"damaged")
    assert "features of" in report("lin-s0", "--map", "tsne").stderr


def test_without_the_option_there_is_none(report, tmp_path):
    assert report("lin-s0").exit_code == 0
    assert "Map of the features" not in (tmp_path / "page.html").read_text()


def test_of_several_runs_those_without_a_model_are_left_out_with_a_warning(report, tmp_path):
    done = report("lin-s0", "both", "--map", "pca")
    assert done.exit_code == 0, done.stderr
    assert "no map of run" in done.stderr
    assert (tmp_path / "page.html").read_text().count("Map of the features") == 1


def test_a_run_without_a_model_alone_is_refused(report):
    refused = report("both", "--map", "pca")
    assert refused.exit_code == 2
    assert "has no weights of its own" in refused.stderr


def test_images_that_are_not_in_the_cache_are_said_to_be_missing(report, tmp_path):
    shutil.rmtree(tmp_path / "c")
    refused = report("lin-s0", "--map", "pca")
    assert refused.exit_code == 2
    assert "are not in the cache" in refused.stderr


def test_another_method_is_refused_in_python(made):
    with pytest.raises(fb.UserError, match="method='umap' makes no map"):
        fb.load_run("lin-s0", made / "results").feature_map("umap", cache=made / "c")
