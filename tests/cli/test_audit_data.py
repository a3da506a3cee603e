"""``ferbench audit data`` as people and programs see it."""

from __future__ import annotations

import json

SMALL = ("--set", "dataset.size=16", "--set", "dataset.train=70", "--set", "dataset.test=21", "--cache", "cache")


def test_a_dataset_is_audited_and_what_to_leave_out_is_written(ferbench_cli, tmp_path):
    done = ferbench_cli("audit", "data", "synthetic-faces", *SMALL, "--write-exclusions", "x.csv")
    assert done.exit_code == 0, done.stderr
    assert "exact copies (same pixels): " in done.stdout
    assert "test images with a twin in train: " in done.stdout
    assert (tmp_path / "x.csv").read_text().splitlines()[0] == "id,reason"


def test_near_copies_are_shown_side_by_side_on_request(ferbench_cli, tmp_path):
    done = ferbench_cli("audit", "data", "synthetic-faces", *SMALL, "--show-pairs", "pairs.html")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "pairs.html").read_text().startswith("<!doctype html>")


def test_json_has_every_finding(ferbench_cli):
    document = json.loads(ferbench_cli("audit", "data", "synthetic-faces", *SMALL, "--json").stdout)
    assert document["images"] == 91
    assert sum(document["counts"]["train"].values()) == 70
    assert {"exact", "near", "constant", "tiny", "imbalance", "mislabelled"} <= set(document)


def test_options_that_make_no_sense_are_errors(ferbench_cli):
    for options, said in (
        (("--exclude", "leek"), "did you mean 'leak'?"),
        (("--exclude", "mislabelled"), "name a finished run with --run"),
        (("--no-near", "--exclude", "near-leak"), "leave --no-near out"),
        (("--no-near", "--show-pairs", "x.html"), "leave --no-near out"),
        (("--set", "training.epochs=3"), "has no say in an audit"),
    ):
        done = ferbench_cli("audit", "data", "synthetic-faces", *SMALL, *options)
        assert done.exit_code == 2
        assert said in done.stderr
