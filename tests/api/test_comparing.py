"""Comparisons from Python."""

from __future__ import annotations

import pytest

import ferbench as fb


def test_two_runs_or_configurations_are_compared(results):
    runs = fb.load_results(results)
    found = fb.compare(runs["good-0"], runs["bad-0"])
    assert found.sentence.startswith("good-0 is more accurate than bad-0")
    accuracy = found.frame.set_index("metric").loc["accuracy"]
    assert accuracy["low"] < accuracy["difference"] < accuracy["high"]
    assert set(found.samples["right"]) == {"A", "B"}
    assert found.sentence in str(found)
    whole = fb.compare("good", "bad", seeds=True, results=results)
    assert "over seeds (3 and 3)" in whole.sentence


def test_samples_are_sliced_by_a_table(results, tmp_path):
    runs = fb.load_results(results)
    ids = runs["good-0"].predictions("test")[["id"]]
    ids.assign(half=["a", "b"] * (len(ids) // 2)).to_csv(tmp_path / "halves.csv", index=False)
    compared = fb.compare(runs["good-0"], runs["bad-0"], slices=["half"], slice_table=tmp_path / "halves.csv")
    (rows,) = compared.document()["slices"].values()
    assert [row["value"] for row in rows] == ["a", "b"]
    assert compared.seeds == (3, 3)
    with pytest.raises(fb.UserError, match="the samples have no such column"):
        fb.compare(runs["good-0"], runs["bad-0"], slices=["third"])
