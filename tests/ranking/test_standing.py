"""Ranks within a test set, what refuses them, and the cache of tests."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_runs import make_run
from record_files import read_metrics, read_record, write_metrics, write_record
from scipy.stats import t as student
from scipy.stats import ttest_rel
from sklearn.metrics import f1_score

from ferbench.ranking import standing
from ferbench.ranking.grouping import group
from ferbench.ranking.kept_standings import KeptStandings
from ferbench.ranking.leaderboard import diverged
from ferbench.ranking.standing import ONE_SEED, TESTS_FILE, WITH_INTERVALS, with_standings
from ferbench.report.leaderboard_notes import ranking_notes
from ferbench.runs.index import summaries
from ferbench.runs.predictions import Predictions
from ferbench.statistics.estimates import difference, interval
from ferbench.statistics.holm import holm
from ferbench.statistics.mcnemar import mcnemar_mid_p
from ferbench.statistics.sampling import Design, measure


def ranked(results, metric="macro_f1", **options):
    found = summaries(results)
    groups, _ = group(found, **options)
    return with_standings(results, groups, diverged(found), metric)


def by_name(group, key):
    """A column of the rows, by their names."""
    return dict(zip(group.rows["name"], group.rows[key], strict=True))


def standings(groups):
    """What a rank and its intervals are, of all rows."""
    columns = ["name", "rank", "rank_range", "gap", "p", "unranked", "intervals"]
    return repr([[one.rows[key].tolist() for key in columns] for one in groups])


def predicted(run):
    (key,) = [key for key, one in read_record(run)["evaluations"].items() if one["split"] == "test"]
    one = run.predictions(key)
    return one.truth, one.probabilities.argmax(axis=1)


@pytest.fixture
def three(tmp_path):
    """Two alike and one that is worse."""
    skills = {"a": 0.72, "b": 0.7, "c": 0.3}
    return {name: make_run(tmp_path, name=name, model=name, skill=skill) for name, skill in skills.items()}


def test_rows_that_cannot_be_separated_share_a_rank(tmp_path, three):
    (one,) = ranked(tmp_path)
    assert [by_name(one, "rank_range")[name] for name in "abc"] == ["1–2", "1–2", "3"]
    assert by_name(one, "rank")["c"] == 3
    assert one.rows[["gap", "p"]].iloc[0].isna().all()
    assert by_name(one, "gap")["c"] == pytest.approx(f1(three["c"]) - max(f1(three[name]) for name in "ab"))


def f1(run):
    return f1_score(*predicted(run), average="macro")


def test_p_of_the_difference_to_the_leader_is_corrected_for_all_pairs(tmp_path, three):
    (one,) = ranked(tmp_path)
    truth, _ = predicted(three["a"])
    design = Design(truth, 7)
    measured = [measure("macro_f1", design, predicted(three[name])[1][None]) for name in one.rows["name"]]
    pairs = [(0, 1), (0, 2), (1, 2)]
    wanted = holm([difference(measured[i], measured[j], design).p for i, j in pairs])
    assert one.rows["p"].tolist()[1:] == pytest.approx(wanted[:2].tolist(), rel=1e-6, abs=0)


def test_accuracy_of_single_runs_is_ranked_by_mcnemars_test(tmp_path, three):
    (one,) = ranked(tmp_path, "accuracy")
    right = {name: np.equal(*predicted(run)) for name, run in three.items()}
    pairs = [(0, 1), (0, 2), (1, 2)]
    rows = [right[name] for name in one.rows["name"]]
    wanted = holm([float(mcnemar_mid_p((rows[i] & ~rows[j]).sum(), (rows[j] & ~rows[i]).sum())) for i, j in pairs])
    assert one.rows["p"].tolist()[1:] == pytest.approx(wanted[:2].tolist())


def test_gaps_are_to_the_best_in_the_metric_that_ranks(tmp_path):
    runs = {name: make_run(tmp_path, name=name, model=name) for name in "dfgh"}
    (found,) = ranked(tmp_path, "accuracy")
    right = {name: float(np.equal(*predicted(run)).mean()) for name, run in runs.items()}
    best = max(right, key=lambda name: right[name])
    assert found.rows["name"].iloc[0] != best  # the best in macro-F1 is another one
    gaps = by_name(found, "gap")
    assert np.isnan(gaps.pop(best))
    assert gaps == pytest.approx({name: right[name] - right[best] for name in gaps})


def test_intervals_are_of_the_model_or_of_the_configuration(tmp_path):
    for seed in range(3):
        make_run(tmp_path, model="three", seed=seed)
    make_run(tmp_path, model="one")
    for seed in range(2):
        make_run(tmp_path, model="two", seed=seed)
    (found,) = ranked(tmp_path)
    rows = found.rows.assign(macro_f1=found.metric("macro_f1")).set_index("model")
    assert rows["intervals"]["two"] == {}  # no other row but one says how much seeds vary
    assert rows["rank"].notna()["two"]
    assert (rows["unranked"].dropna().to_dict(), found.claim) == ({"one": ONE_SEED}, "configurations")
    for model in ("one", "three"):
        classes = {key for key in WITH_INTERVALS if not key.startswith(("valence", "arousal"))}
        assert set(rows["intervals"][model]) == classes & {*found.metrics}
        score = rows["macro_f1"][model]
        assert score.interval[0] < score.mean < score.interval[1]


def test_the_interval_of_a_row_is_that_of_its_seeds(tmp_path):
    runs = [make_run(tmp_path, model="three", seed=seed) for seed in range(3)]
    (found,) = ranked(tmp_path)
    truth, _ = predicted(runs[0])
    design = Design(truth, 7)
    wanted = interval(measure("accuracy", design, np.stack([predicted(run)[1] for run in runs])), design)
    assert found.rows["intervals"][0]["accuracy"] == pytest.approx((wanted.low, wanted.high))


def test_missing_predictions_refuse_a_rank_to_their_row_alone(tmp_path, three):
    for path in (three["b"].path / "evaluations").glob("*/predictions.npz"):
        path.unlink()
    (one,) = ranked(tmp_path)
    assert by_name(one, "unranked")["b"] == "predictions are missing"
    assert [by_name(one, "rank_range")[name] for name in "ac"] == ["1", "2"]


def test_damaged_predictions_refuse_a_rank_with_their_cause(tmp_path, three):
    for path in (three["a"].path / "evaluations").glob("*/predictions.npz"):
        path.write_bytes(b"no zip")
    (one,) = ranked(tmp_path)
    assert "is damaged" in by_name(one, "unranked")["a"]
    assert [by_name(one, "rank_range")[name] for name in "bc"] == ["1", "2"]


def test_a_fold_has_no_rank(tmp_path):
    make_run(tmp_path, fold="1/5")
    (one,) = ranked(tmp_path)
    assert "a fold is measured on the samples that its epoch was chosen on" in one.rows["unranked"].iloc[0]


def test_seeds_that_survive_others_have_no_rank(tmp_path, three):
    make_run(tmp_path, name="d", model="a", seed=1, status="diverged")
    (one,) = ranked(tmp_path)
    assert by_name(one, "unranked")["a"] == "1 of its 2 seeds diverged, so that the others are a selection"
    assert by_name(one, "rank")["b"] == 1


def test_unequally_skipped_samples_refuse_a_rank(tmp_path, three):
    record = read_record(three["a"])
    record["data"]["skipped_faulty"] = 4
    write_record(three["a"], record)
    (one,) = ranked(tmp_path)
    assert by_name(one, "unranked")["a"] == "4 faulty samples were left out, 0 for the others"


def test_a_row_without_a_rank_is_named_once_with_the_reason(tmp_path, three):
    (one,) = ranked(tmp_path)
    first, *others = one.rows["run"]
    refused = one.rows.assign(unranked=[f"{first} knows the classes a, b", *(None for _ in others)])
    *_, note = ranking_notes(replace(one, rows=refused), ["rank"])
    assert note == f"Not ranked: {first}: knows the classes a, b."


def test_what_was_tested_before_is_not_tested_again(tmp_path, three, monkeypatch):
    first = standings(ranked(tmp_path))
    monkeypatch.setattr(standing, "_computed", None)
    assert standings(ranked(tmp_path)) == first
    with pytest.raises(TypeError):
        ranked(tmp_path, "accuracy")


def test_other_predictions_are_tested_anew(tmp_path, three):
    before = standings(ranked(tmp_path))
    for path in (three["c"].path / "evaluations").glob("*/predictions.npz"):
        path.write_bytes(b"no zip")
    assert before != standings(ranked(tmp_path))


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 1, "boards": {}}', '{"version": 0}'])
def test_a_damaged_cache_is_made_anew(tmp_path, three, content):
    first = standings(ranked(tmp_path))
    (tmp_path / TESTS_FILE).write_text(content)
    assert standings(ranked(tmp_path)) == first
    document = json.loads((tmp_path / TESTS_FILE).read_text())
    document["boards"] = {key: [["x"]] for key in document["boards"]}
    (tmp_path / TESTS_FILE).write_text(json.dumps(document))
    assert standings(ranked(tmp_path)) == first


#: What somebody may write into the cache, which nothing says is not ours.
MADE_UP = (
    lambda board: board["rows"][0].__setitem__(0, "first"),
    lambda board: board["rows"][0].__setitem__(1, None),
    lambda board: board["rows"][1].__setitem__(3, 1e999),
    lambda board: board["rows"][1].__setitem__(4, {"macro_f1": [0.5]}),
    lambda board: board["rows"][1].append(7),
    lambda board: board.update(unclustered=-1),
    lambda board: board.update(lacking=[7]),
    lambda board: board.update(rows=7),
)


def test_a_cache_that_was_made_up_is_made_anew(tmp_path, three):
    (first,) = ranked(tmp_path)
    path = tmp_path / TESTS_FILE
    content = path.read_text()
    (key,) = json.loads(content)["boards"]
    for change in (*MADE_UP, lambda board: board["rows"].pop()):
        document = json.loads(content)
        change(document["boards"][key])
        path.write_text(json.dumps(document).replace("Infinity", "1e999"))
        assert change not in MADE_UP or KeptStandings(path).get(key) is None
    (again,) = ranked(tmp_path)
    pd.testing.assert_frame_equal(again.rows, first.rows)


def test_samples_of_one_subject_are_said_to_be_drawn_together_also_from_the_cache(tmp_path, three):
    (before,) = ranked(tmp_path)
    assert before.clustered_by is None
    assert not any("together" in note for note in ranking_notes(before, ["accuracy"]))
    for run in three.values():
        for path in (run.path / "evaluations").glob("*/predictions.npz"):
            one = run.predictions(path.parent.name)
            people = np.array([f"p{place // 5}" for place in range(len(one.ids))])
            path.write_bytes(replace(one, columns={"subject": people}).to_bytes())
    for _ in ("computed", "kept"):
        (after,) = ranked(tmp_path)
        assert after.clustered_by == "subject"
        assert "Samples of one subject err together: tests and intervals draw each as a whole." in ranking_notes(
            after, ["accuracy"]
        )
    # The standard error of a mean of 70 clusters, and Student's quantile with 69 degrees of freedom.
    right = np.equal(*predicted(three["a"]))
    sums = (right - right.mean()).reshape(70, 5).sum(axis=1)
    half = student.ppf(0.975, 69) * np.sqrt(70 / 69 * (sums**2).sum()) / 350
    low, high = by_name(after, "intervals")["a"]["accuracy"]
    assert (high - low) / 2 == pytest.approx(half, rel=0.02)
    assert by_name(before, "intervals")["a"]["accuracy"] != (low, high)


def test_accuracy_of_single_runs_whose_samples_belong_together_is_tested_by_students_test(tmp_path, three):
    """McNemar's test takes every sample for one that stands alone."""
    for run in three.values():
        for path in (run.path / "evaluations").glob("*/predictions.npz"):
            one = run.predictions(path.parent.name)
            people = np.array([f"p{place // 5}" for place in range(len(one.ids))])
            path.write_bytes(replace(one, columns={"subject": people}).to_bytes())
    (found,) = ranked(tmp_path, "accuracy")
    means = [np.equal(*predicted(three[name])).reshape(70, 5).mean(axis=1) for name in found.rows["name"]]
    wanted = holm([ttest_rel(means[i], means[j]).pvalue for i, j in ((0, 1), (0, 2), (1, 2))])
    assert found.rows["p"].tolist()[1:] == pytest.approx(wanted[:2].tolist(), rel=5e-3, abs=0)


def test_single_runs_are_ranked_as_configurations_of_one_seed_are(tmp_path, three):
    (before,) = ranked(tmp_path)
    assert sorted(Counter(before.rows["rank_range"]).items()) == [("1–2", 2), ("3", 1)]
    single = ranked(tmp_path, single=True)[0]
    assert single.rows["rank_range"].tolist() == before.rows["rank_range"].tolist()


def test_gaps_and_intervals_on_other_data_are_of_the_macro_f1_that_is_shown(tmp_path, three):
    for run in three.values():
        (key,) = [key for key, one in read_record(run)["evaluations"].items() if one["split"] == "test"]
        record, stored, old = read_record(run), read_metrics(run, key), run.predictions(key)
        data = {**record["data"], "class_names": stored["class_names"][:5], "only_model": stored["class_names"][5:]}
        truth = np.minimum(old.truth, 4)
        write_metrics(run, {**stored, "data": data}, Predictions(old.ids, truth, old.probabilities))
        shown = f1_score(truth, old.predicted, average="macro", labels=range(5))
        record["evaluations"][key] |= {
            "data": data,
            "metrics": {**record["evaluations"][key]["metrics"], "macro_f1": shown},
        }
        write_record(run, record)
    (one,) = ranked(tmp_path)
    first, *others = one.metric("macro_f1")
    for shown, gap in zip(others, one.rows["gap"].tolist()[1:], strict=True):
        assert gap == pytest.approx(shown.mean - first.mean)
        assert shown.interval[0] < shown.mean < shown.interval[1]
