"""Two runs or configurations on the same samples."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from made_runs import CLASSES, make_run
from record_files import read_metrics, read_record, write_metrics, write_record
from scipy.stats import binom, norm
from scipy.stats import t as student
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from ferbench.errors import UserError
from ferbench.ranking.compare import compare, slice_changes
from ferbench.ranking.sides import find_side, on_one_test_set
from ferbench.report.paired_tables import tables
from ferbench.runs.directory import RunDirectory
from ferbench.runs.index import summaries
from ferbench.runs.predictions import Predictions


def both(results, first, second):
    runs = summaries(results)
    return on_one_test_set(find_side(results, first, runs), find_side(results, second, runs))


def made(results, first="a", second="b", draws=400):
    return compare(results, *both(results, first, second), draws=draws)


def predictions(run: RunDirectory):
    (key,) = [key for key, one in read_record(run)["evaluations"].items() if one["split"] == "test"]
    return key, run.predictions(key)


def rewrite(run: RunDirectory, **changes):
    """Change what the run's test predictions hold."""
    key, old = predictions(run)
    values = {name: getattr(old, name) for name in ("ids", "truth", "probabilities", "columns")}
    write_metrics(run, read_metrics(run, key), Predictions(**{**values, **changes}))


@pytest.fixture
def pair(tmp_path):
    return make_run(tmp_path, name="a", skill=0.7), make_run(tmp_path, name="b", skill=0.4, model="other")


def test_who_alone_is_right_is_tested_as_statsmodels_does(tmp_path, pair):
    right = [(one.probabilities.argmax(axis=1) == one.truth) for _, one in map(predictions, pair)]
    only = [int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())]
    found = made(tmp_path).discordance
    assert [found.only_first, found.only_second] == only
    assert found.both + found.neither == 350 - sum(only)
    assert found.exact == pytest.approx(mcnemar([[0, only[0]], [only[1], 0]], exact=True).pvalue)


@pytest.fixture
def near(tmp_path):
    """Two that differ by little."""
    return make_run(tmp_path, name="a", skill=0.55), make_run(tmp_path, name="b", skill=0.5, model="other")


def test_p_of_the_accuracy_of_single_runs_is_mcnemars_mid_p(tmp_path, near):
    found = made(tmp_path)
    fewer = min(found.discordance.only_first, found.discordance.only_second)
    of_all = binom(found.discordance.only_first + found.discordance.only_second, 0.5)
    wanted = 2 * of_all.cdf(fewer) - of_all.pmf(fewer)
    assert found.changes[0].metric == "accuracy"
    assert found.changes[0].p == pytest.approx(wanted, rel=1e-9)
    assert 0.001 < wanted < 0.9


def test_p_of_each_class_is_corrected_for_all_classes(tmp_path, near):
    changes = made(tmp_path).changes
    overall, classes = changes[:3], changes[3:]
    assert [one.adjusted for one in overall] == [None] * 3
    assert [one.metric for one in classes] == [f"f1:{name}" for name in CLASSES]
    wanted = multipletests([one.p for one in classes], method="holm")[1]
    assert [one.adjusted for one in classes] == pytest.approx(wanted.tolist())
    assert any(one.p < one.adjusted < 1 for one in classes)


def test_the_improvement_is_relative_to_the_second(tmp_path, pair):
    (accuracy, *_) = made(tmp_path).changes
    a, b = (float((one.probabilities.argmax(axis=1) == one.truth).mean()) for _, one in map(predictions, pair))
    assert (accuracy.first, accuracy.second) == pytest.approx((a, b))
    assert accuracy.improvement == pytest.approx((a - b) / b)
    assert accuracy.low < a - b < accuracy.high


def test_the_better_one_is_named_whichever_stands_first(tmp_path, pair):
    for first, second in ("ab", "ba"):
        said = made(tmp_path, first, second).conclusion
        assert said.startswith("a is more accurate than b (+")
        assert "these two trained models" in said


def test_equal_models_are_not_told_apart(tmp_path):
    for name, model in (("a", "one"), ("b", "other")):
        make_run(tmp_path, name=name, model=model, skill=0.6)
    said = made(tmp_path).conclusion
    assert "cannot be told apart in accuracy" in said
    assert "nor in macro-F1" in said


def test_the_order_of_samples_and_classes_means_nothing(tmp_path, pair):
    wanted = made(tmp_path).changes
    run = pair[1]
    key, old = predictions(run)
    order, columns = np.random.default_rng(0).permutation(350), np.arange(7)[::-1]
    stored = read_metrics(run, key) | {"class_names": [CLASSES[k].upper() for k in columns]}
    turned = Predictions(old.ids[order], 6 - old.truth[order], old.probabilities[order][:, columns])
    write_metrics(run, stored, turned)
    assert made(tmp_path).changes == wanted


def test_seeds_of_a_name_or_configuration_are_one_side(tmp_path):
    for seed in range(3):
        make_run(tmp_path, name="many", seed=seed)
        make_run(tmp_path, name="more", seed=seed, model="other")
    config = summaries(tmp_path)[0].config
    found = made(tmp_path, "many", "more")
    assert [len(side.runs) for side in found.sides] == [3, 3]
    assert found.over_seeds
    assert found.discordance is None
    assert "over seeds (3 and 3) and samples" in found.conclusion
    by_id = find_side(tmp_path, config[3:11], summaries(tmp_path))
    assert {run.config for run in by_id.runs} == {config}


def test_the_name_of_a_grid_means_its_runs_where_they_are_one_configuration(tmp_path):
    for seed in range(3):
        make_run(tmp_path, name=f"cnn-{seed + 1}", seed=seed)
        make_run(tmp_path, name=f"cnn-wide-{seed + 1}", seed=seed, model="other")
    assert [len(side.runs) for side in made(tmp_path, "cnn", "cnn-wide").sides] == [3, 3]
    make_run(tmp_path, name="cnn-4", seed=3, model="third")
    with pytest.raises(UserError, match="the runs cnn-… are of 2 configurations") as found:
        made(tmp_path, "cnn", "cnn-wide")
    assert all(run.config[3:15] in found.value.remedy for run in summaries(tmp_path) if run.name.startswith("cnn-4"))


def test_configurations_are_told_apart_by_model_and_dataset(tmp_path):
    for seed, model in enumerate(("one-net", "other-net")):
        make_run(tmp_path, name=f"cnn-{seed + 1}", model=model)
    with pytest.raises(UserError) as found:
        find_side(tmp_path, "cnn", summaries(tmp_path))
    assert "(one-net on made-up: cnn-1)" in found.value.remedy
    assert "(other-net on made-up: cnn-2)" in found.value.remedy


def test_a_name_is_not_taken_for_the_id_of_a_configuration(tmp_path):
    make_run(tmp_path, name="seed-run")
    config = summaries(tmp_path)[0].config
    make_run(tmp_path, name=config[3:9], model="other")
    with pytest.raises(UserError, match="may mean any of these") as found:
        find_side(tmp_path, config[3:9], summaries(tmp_path))
    assert f"'{config[3:9]}' (other on made-up" in found.value.message
    assert f"configuration {config[3:15]} (some-net on made-up: seed-run)" in found.value.message


def test_runs_stand_for_their_configurations_on_demand(ferbench_cli, tmp_path):
    for seed in range(3):
        make_run(tmp_path, name=f"paper-{seed + 1}", seed=seed, skill=0.7)
        make_run(tmp_path, name=f"paper-{seed + 4}", seed=seed, model="other", skill=0.4)
    asked = ["compare", "paper-1", "paper-4", "--results", tmp_path, "--draws", 100, "--samples", 0]
    single = ferbench_cli(*asked)
    assert "these two trained models" in single.stdout
    assert "the configurations have 3 and 3 seeds; compare over them, not single runs, with --seeds" in single.stderr
    whole = ferbench_cli(*asked, "--seeds")
    assert whole.stdout.startswith("some-net (3 seeds) is more accurate than other (3 seeds) (")
    assert "over seeds (3 and 3) and samples" in whole.stdout
    assert "with --seeds" not in whole.stderr


def test_two_seeds_of_one_configuration_are_no_two_configurations(tmp_path, ferbench_cli):
    for seed in range(2):
        make_run(tmp_path, name=f"one-{seed}", seed=seed)
    finished = ferbench_cli("compare", "one-0", "one-1", "--results", tmp_path, "--seeds")
    assert (finished.exit_code, "are the same" in finished.stderr) == (2, True)
    assert ferbench_cli("compare", "one-0", "one-1", "--results", tmp_path, "--draws", 100).exit_code == 0


def test_one_seed_says_nothing_of_others(tmp_path):
    for seed in range(2):
        make_run(tmp_path, name="many", seed=seed)
    make_run(tmp_path, name="one", model="other")
    assert "fewer than 2 seeds" in made(tmp_path, "many", "one").estimand


def test_a_sample_that_most_seeds_get_right_counts_for_its_side(tmp_path, pair):
    found = made(tmp_path)
    for side in (0, 1):
        rows = found.only(side)
        assert (found.right(side)[rows] == 1).all()
        assert (found.right(1 - side)[rows] == 0).all()
        assert list(found.samples.ids[rows]) == sorted(found.samples.ids[rows])


def test_samples_of_one_person_are_drawn_together(tmp_path, pair):
    alone = made(tmp_path).changes[0]
    people = np.array([f"p{i // 35}" for i in range(350)])
    rewrite(pair[0], columns={"subject": people})
    found = made(tmp_path)
    assert found.samples.clustered_by == "subject"
    assert (found.changes[0].low, found.changes[0].p) != (alone.low, alone.p)


@pytest.mark.parametrize("knowing", [0, 1])
def test_it_does_not_matter_which_side_says_who_is_shown(tmp_path, near, knowing):
    people = {name: f"p{i // 35}" for i, name in enumerate(predictions(near[0])[1].ids.tolist())}
    rewrite(near[knowing], columns={"subject": np.array([people[i] for i in predictions(near[knowing])[1].ids])})
    found = made(tmp_path)
    assert found.samples.clustered_by == "subject"
    truth = found.samples.truth
    gains = (found.predictions[0][0].predicted == truth).astype(int) - (found.predictions[1][0].predicted == truth)
    sums = np.bincount([int(people[i][1:]) for i in found.samples.ids], gains)  # of ten people with 35 pictures each
    # Nine of ten are drawn, each counts for 10/9, and what comes out is spread as Student's t is beside the normal.
    drawn = np.random.default_rng(1).choice(sums, (4000, 9)).sum(axis=1) * 10 / 9 / 350
    drawn = gains.mean() + (drawn - gains.mean()) * student(9).ppf(0.975) / norm.ppf(0.975)
    (accuracy,) = [one for one in found.changes if one.metric == "accuracy"]
    assert (accuracy.low, accuracy.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.015)
    assert accuracy.p == pytest.approx(2 * min((drawn <= 0).mean(), (drawn >= 0).mean()), abs=0.08)


def test_slices_are_compared_with_a_correction(tmp_path, pair):
    column = np.array(["x", "y", "", "z", "z"] * 70)
    found = slice_changes(made(tmp_path), column)
    assert [(one.value, one.n) for one in found] == [("x", 70), ("y", 70), ("z", 140)]
    wanted = multipletests([one.gap.p for one in found], method="holm")[1]
    assert [one.adjusted for one in found] == pytest.approx(wanted.tolist(), abs=0)
    assert sum(one.adjusted > one.gap.p for one in found) == 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"test": "elsewhere"}, "they were measured on unlike test sets"),
        ({"classes": CLASSES[:3]}, "they were measured on unlike test sets"),
        ({"status": "failed"}, "has no result: its status is 'failed'"),
    ],
)
def test_what_cannot_be_compared_is_an_error(tmp_path, other, message):
    make_run(tmp_path, name="a")
    make_run(tmp_path, name="b", model="other", **other)
    with pytest.raises(UserError, match=message):
        made(tmp_path)


def test_a_run_is_not_compared_with_itself(tmp_path, pair):
    with pytest.raises(UserError, match="are the same"):
        made(tmp_path, "a", "a")


def test_unlike_samples_and_labels_behind_one_digest_are_errors(tmp_path, pair):
    ids = predictions(pair[1])[1].ids.copy()
    ids[0] = "other"
    rewrite(pair[1], ids=ids)
    with pytest.raises(UserError, match="1 are missing, 1 are not in the test set, such as 'test-00000', 'other'"):
        made(tmp_path)
    truth = predictions(pair[0])[1].truth.copy()
    truth[:2] = (truth[:2] + 1) % 7
    rewrite(pair[1], ids=predictions(pair[0])[1].ids, truth=truth)
    with pytest.raises(UserError, match="another true class than the others for 2 samples"):
        made(tmp_path)


def test_the_command_prints_a_sentence_and_writes_all_samples(ferbench_cli, tmp_path, pair):
    finished = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--samples", 2, "--csv", tmp_path / "all.csv")
    assert finished.exit_code == 0, finished.stderr
    assert finished.stdout.startswith("a is more accurate than b")
    assert "McNemar: A alone is right" in finished.stdout
    rows = list(csv.DictReader((tmp_path / "all.csv").open()))
    document = json.loads(ferbench_cli("compare", "a", "b", "--results", tmp_path, "--json").stdout)
    assert len(rows) == document["mcnemar"]["only_first"] + document["mcnemar"]["only_second"]
    assert [one["metric"] for one in document["metrics"]][:3] == ["accuracy", "macro-F1", "balanced accuracy"]
    again = json.loads(ferbench_cli("compare", "a", "b", "--results", tmp_path, "--json").stdout)
    assert again == document


@pytest.mark.parametrize("form", ["md", "csv", "html", "latex"])
def test_every_format_has_the_metrics(ferbench_cli, tmp_path, pair, form):
    finished = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--format", form, "--draws", 100)
    assert finished.exit_code == 0, finished.stderr
    assert "balanced accuracy" in finished.stdout
    said = finished.stderr if form == "csv" else finished.stdout
    assert "a is more accurate than b" in said
    assert "this holds for these two trained models, over samples: other seeds may differ." in said


@pytest.mark.parametrize("width", [60, 80, 100])
def test_tables_fit_a_terminal_and_keep_the_differences(ferbench_cli, tmp_path, pair, monkeypatch, width):
    monkeypatch.setattr("ferbench.cli.tables.terminal_width", lambda: width)
    shown = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--draws", 100).stdout.splitlines()
    headers = [line for line in shown if line.startswith(("metric ", "right "))]
    assert len(headers) == 2
    assert "A − B" in headers[0]
    assert "adjusted p" in headers[0]
    assert all(len(line) <= width for line in headers)
    assert ("improvement" in headers[0]) == (width == 100)
    assert any(line.startswith("left out for want of width: ") for line in shown) == (width < 100)


def test_two_forms_at_once_are_refused(ferbench_cli, tmp_path, pair):
    refused = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--json", "--format", "csv")
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (2, "error: --json and --format csv are given")
    both = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--json", "--format", "json", "--draws", 100)
    assert json.loads(both.stdout)["n"] == 350


def test_a_table_of_the_users_gives_columns_to_slice_by(ferbench_cli, tmp_path, pair):
    table = tmp_path / "people.csv"
    rows = "".join(f"test-{i:05d},{'f' if i % 2 else 'm'}\n" for i in range(300))
    table.write_text("id, sex\n" + rows)
    arguments = ["compare", "a", "b", "--results", tmp_path, "--json", "--slice", "sex", "--slice-table", table]
    document = json.loads(ferbench_cli(*arguments).stdout)
    assert [(one["value"], one["n"]) for one in document["slices"]["sex"]] == [("f", 150), ("m", 150)]
    finished = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--slice", "sxe", "--slice-table", table)
    assert (finished.exit_code, "did you mean 'sex'?" in finished.stderr) == (2, True)


def test_columns_that_differ_in_signs_alone_are_each_in_the_json(ferbench_cli, tmp_path, pair):
    table = tmp_path / "people.csv"
    table.write_text(
        "id,Age group,age_group\n" + "".join(f"test-{i:05d},{'ab'[i % 2]},{'cd'[i % 2]}\n" for i in range(300))
    )
    sliced = ["--slice", "Age group", "--slice", "age_group", "--slice-table", table]
    document = json.loads(ferbench_cli("compare", "a", "b", "--results", tmp_path, "--json", *sliced).stdout)
    values = [[one["value"] for one in rows] for rows in document["slices"].values()]
    assert values == [["a", "b"], ["c", "d"]]


def test_a_table_with_an_id_twice_is_refused(ferbench_cli, tmp_path, pair):
    table = tmp_path / "people.csv"
    table.write_text("id,sex\ntest-00001,f\ntest-00001,m\n")
    finished = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--slice", "sex", "--slice-table", table)
    assert finished.exit_code == 2
    assert "line 3: the id 'test-00001' stands there twice" in finished.stderr


@pytest.mark.parametrize("named", ["name", "config", "--seeds"])
def test_a_configuration_of_which_a_seed_diverged_is_refused_as_the_leaderboard_does(ferbench_cli, tmp_path, named):
    for seed in range(2):
        make_run(tmp_path, name=f"a-{seed + 1}", seed=seed)
    make_run(tmp_path, name="a-3", seed=2, status="diverged")
    make_run(tmp_path, name="b", model="other")
    config = (
        summaries(tmp_path)[0].config
        if named != "config"
        else next(run.config for run in summaries(tmp_path) if run.name == "a-1")
    )
    first = {"name": "a", "config": config[3:15], "--seeds": "a-1"}[named]
    more = ["--seeds"] if named == "--seeds" else []
    refused = ferbench_cli("compare", first, "b", "--results", tmp_path, "--draws", 100, *more)
    assert refused.exit_code == 2
    reason = "1 of its 3 seeds diverged, so that the others are a selection"
    assert reason in refused.stderr
    assert reason in ferbench_cli("leaderboard", "--results", tmp_path).stdout


def test_one_finished_seed_beside_a_diverged_one_is_no_configuration(tmp_path):
    make_run(tmp_path, name="a", seed=0)
    make_run(tmp_path, name="a", seed=1, status="diverged")
    make_run(tmp_path, name="b", model="other")
    with pytest.raises(UserError, match="1 of its 2 seeds diverged"):
        made(tmp_path)


def test_a_single_run_says_what_became_of_its_other_seeds(ferbench_cli, tmp_path):
    make_run(tmp_path, name="a-1", seed=0)
    make_run(tmp_path, name="a-2", seed=1, status="diverged")
    make_run(tmp_path, name="a-3", seed=2, status="failed")
    make_run(tmp_path, name="b", model="other")
    said = ferbench_cli("compare", "a-1", "b", "--results", tmp_path, "--draws", 100).stdout
    assert "Other seeds of A's configuration have no result: 1 diverged, 1 failed." in said
    document = json.loads(ferbench_cli("compare", "a-1", "b", "--results", tmp_path, "--draws", 100, "--json").stdout)
    assert document["first"]["without_result"] == {"diverged": 1, "failed": 1}


def test_what_p_is_not_corrected_for_is_said(ferbench_cli, tmp_path):
    for model in "abcd":
        make_run(tmp_path, name=model, model=model)
    asked = ["compare", "a", "b", "--results", tmp_path, "--draws", 100]
    for form in ("terminal", "md", "html", "latex"):
        assert "6 pairs of the 4 configurations on this test set" in ferbench_cli(*asked, "--format", form).stdout
    assert json.loads(ferbench_cli(*asked, "--json").stdout)["configurations"] == 4


def test_seeds_of_one_model_are_told_apart_by_their_configurations(ferbench_cli, tmp_path):
    for seed in range(2):
        make_run(tmp_path, name=f"x-{seed}", seed=seed, loss="one", skill=0.8)
        make_run(tmp_path, name=f"x-{seed + 2}", seed=seed, loss="two", skill=0.3)
    configs = {run.settings["loss"]: run.config[3:15] for run in summaries(tmp_path)}
    asked = ["compare", "x-0", "x-2", "--seeds", "--results", tmp_path, "--draws", 100]
    wanted = f"some-net {configs['one']} (2 seeds) is more accurate than some-net {configs['two']} (2 seeds)"
    assert ferbench_cli(*asked).stdout.startswith(wanted)


@pytest.mark.parametrize("n", [1, 3, 9])
def test_few_samples_are_not_tested_and_the_reason_is_given(ferbench_cli, tmp_path, n):
    for name, skill in (("a", 1.0), ("b", 0.0)):
        make_run(tmp_path, name=name, model=name, skill=skill, n=n)
    said = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--draws", 100)
    assert said.exit_code == 0, said.stderr
    count = "there is 1 sample" if n == 1 else f"there are {n} samples"
    assert said.stdout.splitlines()[0].endswith(f"{count}, and 10 are needed.")
    document = json.loads(ferbench_cli("compare", "a", "b", "--results", tmp_path, "--draws", 100, "--json").stdout)
    assert {(row["p"], row["low"], row["high"]) for row in document["metrics"]} == {(None, None, None)}
    board = json.loads(ferbench_cli("leaderboard", "--results", tmp_path, "--json").stdout)["groups"][0]
    assert {row["rank"] for row in board["rows"]} == {None}
    assert not any(key.endswith("_ci") for row in board["rows"] for key in row)
    assert f"No row is ranked: {count}, and 10 are needed." in ferbench_cli("leaderboard", "--results", tmp_path).stdout


def test_a_class_of_one_sample_leaves_accuracy_to_be_tested_and_not_macro_f1(ferbench_cli, tmp_path):
    runs = [make_run(tmp_path, name=name, model=name, skill=skill) for name, skill in (("a", 0.8), ("b", 0.4))]
    for run in runs:
        _, old = predictions(run)
        truth = np.where(old.truth == 6, 5, old.truth)
        truth[0] = 6
        rewrite(run, truth=truth)
    said = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--draws", 100).stdout
    assert said.startswith("a is more accurate than b (")
    assert "macro-F1 is not tested: the smallest class has 1 sample, and 5 are needed" in said
    assert "the class has 1 sample, and 5 are needed." in said
    board = ferbench_cli("leaderboard", "--results", tmp_path).stdout
    reason = "the smallest class has 1 sample, and 5 are needed; --rank-by accuracy does without"
    assert f"No row is ranked: {reason}." in board
    ranked = json.loads(ferbench_cli("leaderboard", "--results", tmp_path, "--json", "--rank-by", "accuracy").stdout)
    rows = ranked["groups"][0]["rows"]
    assert sorted(row["rank"] for row in rows) == [1, 2]
    assert all("accuracy_ci" in row and "macro_f1_ci" not in row for row in rows)


@pytest.fixture
def elsewhere(tmp_path):
    """Two models of seven classes on data that knows the first five of them; a sample taken for another is an error."""
    runs = [make_run(tmp_path, name="a", skill=0.7), make_run(tmp_path, name="b", skill=0.5, model="other")]
    for run in runs:
        key, old = predictions(run)
        record, stored = read_record(run), read_metrics(run, key)
        data = {**record["data"], "class_names": list(CLASSES[:5]), "only_model": list(CLASSES[5:])}
        write_metrics(run, {**stored, "data": data}, Predictions(old.ids, np.minimum(old.truth, 4), old.probabilities))
        record["evaluations"][key]["data"] = data
        write_record(run, record)
    return runs


def test_macro_f1_on_other_data_is_over_the_classes_that_the_data_knows(tmp_path, elsewhere):
    found = {one.metric: one for one in made(tmp_path).changes}
    wanted = [
        f1_score(one.truth, one.predicted, average="macro", labels=range(5), zero_division=0)
        for _, one in map(predictions, elsewhere)
    ]
    assert [found["macro_f1"].first, found["macro_f1"].second] == pytest.approx(wanted)
    assert found["macro_f1"].low < wanted[0] - wanted[1] < found["macro_f1"].high


def test_classes_that_the_data_does_not_know_are_neither_tested_nor_called_absent(tmp_path, elsewhere):
    comparison = made(tmp_path)
    assert [one.metric for one in comparison.changes[3:]] == [f"f1:{name}" for name in CLASSES[:5]]
    notes = tables(comparison, {}, 0)[0].notes
    assert not [note for note in notes if "no test sample" in note]
    assert [note for note in notes if note.startswith("The dataset does not know: sad, surprise; macro averages")]
