"""What a report shows of probabilities, single samples, slices and costs."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from made_runs import make_run
from record_files import read_metrics, read_record, write_metrics, write_record
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from ferbench.data.cache import pack_dataset
from ferbench.data.sample import Dataset, Sample
from ferbench.errors import UserError
from ferbench.metrics.calibration import fitted_temperature
from ferbench.metrics.probabilities import log_loss
from ferbench.report import per_sample
from ferbench.report.contents import read_runs
from ferbench.report.contrasts import confusion_difference, frontier, pareto
from ferbench.report.export import write_tables
from ferbench.report.page import Extras, compose, report_page
from ferbench.report.run_tables import metrics
from ferbench.report.uncertainty import Probabilities, precision_recall_points, roc_points
from ferbench.runs.directory import RunDirectory


def evaluation_of(run: RunDirectory, split="test"):
    (key,) = [key for key, one in read_record(run)["evaluations"].items() if one["split"] == split]
    return key


def rewrite(run, split="test", **changes):
    key = evaluation_of(run, split)
    old = run.predictions(key)
    write_metrics(run, read_metrics(run, key), replace(old, **changes))


@pytest.fixture
def run(tmp_path):
    """A run with probabilities of all sizes, which validation says are too sure."""
    made = make_run(tmp_path / "results", name="one")
    for split in ("test", "validation"):
        rng = np.random.default_rng(7)
        logits = rng.normal(0, 1.0, (350, 7))
        truth = np.array([rng.choice(7, p=row) for row in np.exp(logits) / np.exp(logits).sum(1, keepdims=True)])
        sure = np.exp(3 * logits)
        probabilities = (sure / sure.sum(axis=1, keepdims=True)).astype(np.float32)
        rewrite(made, split, truth=truth, probabilities=probabilities)
    return made


def view(run, **options):
    contents = read_runs([run])
    return compose(contents, extras=Extras(**options)).runs[0] if options else contents.runs[0]


def predictions(run):
    return run.predictions(evaluation_of(run))


def test_the_temperature_comes_from_validation_and_lowers_the_log_loss(run):
    given = predictions(run)
    raw, after = compose(read_runs([run])).runs[0].calibration.rows
    wanted = run.predictions(evaluation_of(run, "validation"))
    assert after[1] == pytest.approx(fitted_temperature(wanted.truth, wanted.probabilities))
    assert 2 < after[1] < 4
    assert raw[4] == pytest.approx(log_loss(given.truth, given.probabilities))
    assert after[4] < raw[4]


def test_other_test_samples_leave_the_temperature_as_it_is(run):
    (_, before) = compose(read_runs([run])).runs[0].calibration.rows
    rewrite(run, truth=np.roll(predictions(run).truth, 1))
    (_, after) = compose(read_runs([run])).runs[0].calibration.rows
    assert after[1] == before[1]


def test_a_run_without_validation_has_raw_values_only(run):
    for path in (run.path / "evaluations" / evaluation_of(run, "validation")).glob("*.npz"):
        path.unlink()
    assert len(compose(read_runs([run])).runs[0].calibration.rows) == 1


def test_classes_without_probabilities_have_no_curves(run):
    hard = np.eye(7, dtype=np.float32)[predictions(run).probabilities.argmax(axis=1)]
    rewrite(run, probabilities=hard)
    part = compose(read_runs([run])).runs[0]
    assert (part.calibration, part.uncertainty) == (None, ())
    assert part.errors.rows


def test_curves_go_through_scikit_learns_points(run):
    given = predictions(run)
    positive, scores = given.truth == 2, np.round(given.probabilities[:, 2], 2)
    x, y, _ = roc_curve(positive, scores, drop_intermediate=False)
    assert np.stack(roc_points(positive, scores)) == pytest.approx(np.stack([x, y]))
    precision, recall, _ = precision_recall_curve(positive, scores)
    own = precision_recall_points(positive, scores)
    assert own[0][1:] == pytest.approx(recall[::-1][1:])
    assert own[1][1:] == pytest.approx(precision[::-1][1:])


def test_every_class_with_samples_has_its_curves(run):
    figures = {figure.id.partition("-")[0]: figure for figure in compose(read_runs([run])).runs[0].uncertainty}
    assert set(figures) == {"reliability", "risk", "roc", "pr"}
    assert len(figures["roc"].spec["data"]) == 7
    assert all(len(line["x"]) <= 201 for line in figures["roc"].spec["data"])


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


def test_of_how_many_samples_valence_is_known_is_no_metric(run):
    record = read_record(run)
    for one in record["evaluations"].values():
        one["metrics"] |= {"valence_n": 340.0, "arousal_n": 350.0, "valence_ccc": 0.5}
    write_record(run, record)
    table = metrics(view(run))
    labels = [row[0] for row in table.rows]
    assert "valence CCC" in labels
    assert not {"valence_n", "arousal_n"} & set(labels)
    assert "test: valence is annotated for 340 of 350 samples." in table.notes
    assert not any("arousal" in note for note in table.notes)


def test_the_samplers_weights_are_drawn_by_epoch(tmp_path):
    made = make_run(tmp_path, name="one", epochs=3)
    assert per_sample.focus(view(made)) is None
    epochs = made.epochs()
    made.start_history()
    for one, weight in zip(epochs, (1.0, 3.0, 9.0), strict=True):
        one.sampler = {"focus": ["fear"], "weights": {"fear": weight, "happy": 1.0}}
        made.append_history(one)
    figure = per_sample.focus(view(made))
    assert figure.spec["data"][0]["z"] == [[1.0, 3.0, 9.0], [1.0, 1.0, 1.0]]


def test_confusions_are_compared_in_points_of_each_true_class(tmp_path):
    runs = [make_run(tmp_path, name=name, skill=skill) for name, skill in (("a", 0.8), ("b", 0.4))]
    (group,) = read_runs(runs).comparisons
    shares = []
    for one in map(predictions, runs):
        shares.append(confusion_matrix(one.truth, one.probabilities.argmax(axis=1), normalize="true"))
    (found,) = [f for f in compose(read_runs(runs)).comparisons[0].figures if "difference" in f.id]
    change = 100 * (shares[1] - shares[0])
    said = [[one.rpartition("<br>")[2] for one in row] for row in found.spec["data"][0]["customdata"]]
    assert said == [[f"{one:+.1f} points".replace("-", "−") for one in row] for row in change]
    # Cells are drawn by how much better it is: more on the diagonal, fewer elsewhere.
    better = np.where(np.eye(len(shares[0]), dtype=bool), 1, -1) * change
    assert np.array(found.spec["data"][0]["z"]) == pytest.approx(better)
    ends = found.spec["layout"]["coloraxis"]
    assert -ends["cmin"] == ends["cmax"] == pytest.approx(np.abs(better).max())
    other = confusion_difference(group.runs[0], group.runs[1], "x")
    assert np.array(other.spec["data"][0]["z"]) == pytest.approx(-better)


def test_the_frontier_joins_what_nothing_cheaper_reaches():
    assert frontier([(1, 0.5), (2, 0.4), (3, 0.7), (3, 0.6), (4, 0.7), (0.5, 0.1)]) == [5, 0, 2]


def test_accuracy_is_drawn_against_a_cost_that_differs(tmp_path):
    runs = [make_run(tmp_path, name=name) for name in "ab"]
    record = read_record(runs[0])
    record["model"]["parameters"] = 10
    write_record(runs[0], record)
    (group,) = read_runs(runs).comparisons
    assert pareto(group, "flops", "x") is None
    runs, best = pareto(group, "parameters", "x").spec["data"]
    assert sorted(runs["x"]) == [10, 118531]
    assert best["text"][0] == "a"  # the cheapest is always on the frontier
    assert len(best["text"]) == len(best["x"])
    assert best["textposition"][0] == "bottom right"


class Noise(Dataset):
    """The images of the made-up test samples."""

    class_names = ("a", "b")
    channels = 1

    def source(self):
        return {}

    def samples(self):
        for i in range(350):
            yield Sample(f"test-{i:05d}", "test", "ab"[i % 2], np.full((8, 8), i % 250, dtype=np.uint8))


def test_pictures_of_errors_are_embedded_on_request_only(run, tmp_path):
    pack = pack_dataset(Noise(), name="noise", cache=tmp_path / "cache")
    record = read_record(run)
    record["data"]["pack"] = pack.digest
    write_record(run, record)
    assert "data:image/png" not in report_page(compose(read_runs([run])))
    with pytest.raises(UserError, match="the images of one are not in the cache"):
        view(run, gallery=1, cache=tmp_path / "none")
    extras = Extras(gallery=3, cache=tmp_path / "cache")
    page = report_page(compose(read_runs([run]), extras=extras))
    assert page.count("data:image/png;base64,") == 3
    assert "These pictures show faces" in page


def test_probabilities_of_many_classes_have_no_curves(tmp_path):
    made = make_run(tmp_path, classes=[f"c{i}" for i in range(12)])
    seen = view(made)
    figures = Probabilities(seen, predictions(made), None).figures()
    assert [figure.id.partition("-")[0] for figure in figures] == ["reliability", "risk"]
