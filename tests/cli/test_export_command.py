"""``ferbench export``."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
from made_runs import make_run

import ferbench as fb


def test_csv_and_parquet_hold_the_predictions_of_a_split(ferbench_cli, tmp_path):
    make_run(tmp_path, name="one")
    for file in ("test.csv", "test.parquet", "validation.csv"):
        split = [] if file.startswith("test") else ["--split", "validation"]
        done = ferbench_cli("export", "one", "--predictions", tmp_path / file, *split, "--results", tmp_path)
        assert done.stdout == f"350 samples: {tmp_path / file}\n"
    run = fb.load_run("one", tmp_path)
    expected = run.predictions("test").astype({"true": str, "predicted": str})
    read = pd.read_csv(tmp_path / "test.csv"), pd.read_parquet(tmp_path / "test.parquet")
    for frame in read:
        assert list(frame) == list(expected)
        assert frame["id"].tolist() == expected["id"].tolist()
        assert frame["predicted"].astype(str).tolist() == expected["predicted"].tolist()
        assert (frame["probability:happy"].astype("float32") == expected["probability:happy"]).all()
    assert pd.read_csv(tmp_path / "validation.csv")["id"].tolist() == run.predictions("validation")["id"].tolist()
    theirs = fb.import_predictions(tmp_path / "test.csv", like=run, name="again")
    assert theirs.metrics()["accuracy"] == pytest.approx(run.metrics()["accuracy"])


def test_no_spreadsheet_runs_what_a_name_says(ferbench_cli, tmp_path):
    make_run(tmp_path, name="one", classes=("=1+1", "NA", "None"))
    ferbench_cli("export", "one", "--predictions", tmp_path / "a.csv", "--results", tmp_path)
    frame = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    assert set(frame["true"]) == {"'=1+1", "NA", "None"}
    ferbench_cli("export", "one", "--predictions", tmp_path / "a.parquet", "--results", tmp_path)
    assert set(pd.read_parquet(tmp_path / "a.parquet")["true"]) == {"=1+1", "NA", "None"}


def test_another_suffix_and_a_missing_writer_are_mistakes(ferbench_cli, tmp_path, monkeypatch):
    make_run(tmp_path, name="one")
    done = ferbench_cli("export", "one", "--predictions", tmp_path / "a.xlsx", "--results", tmp_path)
    assert done.exit_code == 2
    assert "what format is '.xlsx'?" in done.stderr
    done = ferbench_cli("export", "one", "--predictions", tmp_path / "a.csv", "--split", "train", "--results", tmp_path)
    assert done.exit_code == 2
    assert "was not evaluated on train" in done.stderr
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    from ferbench.api.export import check_format

    with pytest.raises(fb.UserError, match="pyarrow, which is not installed"):
        check_format(tmp_path / "a.parquet")
