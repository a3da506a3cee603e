"""What a report says of single samples."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from made_runs import make_run
from made_views import predictions, rewrite, view

from ferbench.errors import UserError
from ferbench.report import per_sample
from ferbench.report.contents import read_runs
from ferbench.report.export import write_tables
from ferbench.report.page import Extras, compose


def test_the_surest_errors_come_first_and_the_csv_has_all(run, tmp_path):
    given = predictions(run)
    wrong = given.probabilities.argmax(axis=1) != given.truth
    table = per_sample.errors(view(run), given)
    sure = [row[3] for row in table.rows]
    assert len(table.rows) == 32
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == pytest.approx(given.probabilities[wrong].max())
    written = write_tables(compose(read_runs([run])), tmp_path / "tables")
    (path,) = [one for one in written if one.name == f"errors-{run.path.name}.csv"]
    assert len(list(csv.DictReader(path.open()))) == wrong.sum()


def test_slices_have_intervals_the_worst_and_the_gap(run):
    given = predictions(run)
    right = given.probabilities.argmax(axis=1) == given.truth
    sex = np.where(right & (np.arange(350) % 3 > 0), "f", "m")
    sex[:5] = ""
    rewrite(run, columns={"sex": sex})
    (table,) = view(run, slices=("sex",)).slices
    f, m = table.rows
    assert (f[0], f[1], f[2]) == ("f", (sex == "f").sum(), 1.0)
    assert m[2] == pytest.approx(right[sex == "m"].mean())
    assert m[3] < m[2] < m[4]
    assert table.notes[0].startswith("Worst in accuracy: m ")
    assert "5 samples have no sex." in table.notes


def test_slices_by_columns_that_differ_in_signs_alone_are_tables_of_their_own(run, tmp_path):
    columns = {"Pose A": "ab", "pose-a": "cd", "表情": "ef", "年齢": "gh"}
    rewrite(run, columns={name: np.array([pair[row % 2] for row in range(350)]) for name, pair in columns.items()})
    written = write_tables(compose(read_runs([run]), extras=Extras(slices=tuple(columns))), tmp_path)
    assert len(written) == len(set(written))
    values = {row["value"] for path in written if path.match("by-*.csv") for row in csv.DictReader(path.open())}
    assert values == set("abcdefgh")


def test_in_slices_too_whole_subjects_are_drawn_where_samples_have_one(run):
    sex = np.where(np.arange(350) % 2, "f", "m")
    people = np.array([f"p{place // 10}" for place in range(350)])
    said = "Samples of one subject err together: intervals draw each as a whole."
    rewrite(run, columns={"sex": sex, "subject": people})
    (whole,) = view(run, slices=("sex",)).slices
    assert said in whole.notes
    people[:5] = ""
    rewrite(run, columns={"sex": sex, "subject": people})
    (some,) = view(run, slices=("sex",)).slices
    assert said in some.notes
    assert "5 of 350 samples have no subject and count as one each." in some.notes
    assert [row[2] for row in some.rows] == [row[2] for row in whole.rows]
    assert [row[3] for row in some.rows] == pytest.approx([row[3] for row in whole.rows], abs=0.01)


def test_an_unknown_slice_is_an_error(run):
    with pytest.raises(UserError, match="--slice sex: the samples have no such column"):
        view(run, slices=("sex",))


def test_valence_and_arousal_are_drawn_with_their_ccc(run):
    rng = np.random.default_rng(1)
    truth = rng.uniform(-1, 1, (350, 2)).astype(np.float32)
    truth[:10, 0] = np.nan
    rewrite(run, affect_truth=truth, affect=truth + np.float32(0))
    valence, arousal = compose(read_runs([run])).runs[0].affect
    assert len(valence.spec["data"][0]["x"]) == 340
    assert "CCC 1.000" in arousal.caption
    assert arousal.spec["layout"]["annotations"][0]["text"] == "CCC 1.000"


def test_the_samplers_weights_are_drawn_by_epoch(tmp_path):
    made = make_run(tmp_path, name="one", epochs=3)
    assert per_sample.focus(view(made)) is None
    epochs = made.epochs()
    made.start_history()
    for epoch, weight in zip(epochs, (1.0, 3.0, 9.0), strict=True):
        epoch.sampler = {"focus": ["fear"], "weights": {"fear": weight, "happy": 1.0}}
        made.append_history(epoch)
    figure = per_sample.focus(view(made))
    assert figure.spec["data"][0]["z"] == [[1.0, 3.0, 9.0], [1.0, 1.0, 1.0]]
