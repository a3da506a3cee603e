"""``ferbench leaderboard`` from the command line."""

from __future__ import annotations

import csv
import io
import json
import os

import pytest
from made_records import made_record, write_runs
from made_runs import make_run

from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import only_writer


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two configurations of two and one seed, one on generated images, and one that failed."""
    results = tmp_path_factory.mktemp("results")
    write_runs(
        results,
        made_record("a", config="c1", seed=0, metrics={"accuracy": 0.5, "macro_f1": 0.25, "loss": 2.0}),
        made_record("b", config="c1", seed=1, metrics={"accuracy": 0.75, "macro_f1": 0.5, "loss": 1.0}),
        made_record(
            "d",
            config="c2",
            model="=linear|",
            metrics={"accuracy": 0.25, "macro_f1": 0.5, "loss": 3.0},
            f1={"happy": 0.125, "sad": 1.0},
            optimizer={"lr": 0.1},
        ),
        made_record("e", config="c3", synthetic=True, test="v1:t2", name="faces"),
        made_record("f", config="c4", status="failed"),
    )
    return results


@pytest.fixture
def board(ferbench_cli, made):
    def call(*arguments, exit_code=0):
        finished = ferbench_cli("leaderboard", "--results", made, *arguments)
        assert finished.exit_code == exit_code, finished.stderr
        return finished

    return call


def rows_of(finished):
    return list(csv.DictReader(io.StringIO(finished.stdout)))


def test_configurations_stand_in_one_table_for_each_test_set(board):
    real, synthetic, unfinished, notes = board().stdout.split("\n\n")
    lines = real.splitlines()
    assert lines[0] == "faces, official, test set t1, n = 7, 2 classes: happy, sad"
    assert lines[2].split()[0] == "=linear|"
    assert "c20000000000" in lines[2]
    assert "0.6250 (0.5000–0.7500)" in lines[3]
    assert lines[3].endswith("a00000000000 b00000000000")
    assert synthetic.startswith("SYNTHETIC IMAGES, not comparable with real data: ")
    assert "No row is ranked: predictions are missing." in notes
    assert unfinished.splitlines()[0] == "without a result"
    assert unfinished.splitlines()[2].split() == ["f00000000000", "failed", "it", "broke"]


def test_csv_is_one_table_whose_rows_say_what_they_were_measured_on(board):
    finished = board("--format", "csv")
    rows = rows_of(finished)
    assert [(row["config"], row["images"], row["test_set"]) for row in rows] == [
        ("c20000000000", "real", "t1"),
        ("c10000000000", "real", "t1"),
        ("c30000000000", "synthetic", "t2"),
    ]
    assert rows[0]["model"] == "'=linear|"
    assert [rows[1][f"accuracy_{part}"] for part in ("mean", "min", "max")] == ["0.625", "0.5", "0.75"]
    assert (rows[1]["seeds"], rows[1]["runs"]) == ("2", "a00000000000 b00000000000")
    assert (rows[0]["optimizer.lr"], rows[1]["optimizer.lr"]) == ("0.1", "")
    assert rows[1]["measured_loss_mean"] == "1.5"
    assert finished.stderr == "1 run without a result left out; see them with --format json\n"


def test_people_do_not_see_a_setting_that_only_one_row_has(board):
    assert "optimizer.lr" not in board().stdout
    assert "optimizer.lr" in board("--columns", "model,optimizer.lr").stdout


@pytest.mark.parametrize("arguments", [["--json"], ["--format", "json"]])
def test_json_lists_the_runs_of_a_configuration(board, arguments):
    document = json.loads(board(*arguments).stdout)
    real, synthetic = document["groups"]
    assert (real["test_digest"], real["n"], real["class_names"]) == ("v1:t1", 7, ["happy", "sad"])
    assert (real["synthetic"], synthetic["synthetic"]) == (False, True)
    assert real["varied"] == ["optimizer.lr"]
    assert real["rows"][1]["macro_f1"] == {"mean": 0.375, "min": 0.25, "max": 0.5}
    assert real["rows"][1]["seeds"] == 2
    assert real["rows"][1]["runs"] == [
        {"run": "a00000000000", "name": None, "seed": 0},
        {"run": "b00000000000", "name": None, "seed": 1},
    ]
    assert document["unfinished"] == [{"run": "f00000000000", "name": None, "status": "failed", "reason": "it broke"}]


def test_markdown_and_latex_have_a_table_for_each_group(board):
    markdown = board("--format", "md").stdout
    assert markdown.count("**faces, official") + markdown.count("**SYNTHETIC IMAGES") == 2
    assert "=linear\\|" in markdown
    latex = board("--format", "latex").stdout
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 3
    assert r"\label{tab:leaderboard-faces-t1}" in latex
    assert r"=linear\textbar{}" in latex


def test_html_is_a_page(board):
    page = board("--format", "html").stdout
    assert page.lower().startswith("<!doctype html>")
    assert "=linear|" in page
    assert "SYNTHETIC IMAGES" in page


def test_runs_stand_alone_on_demand(board):
    rows = rows_of(board("--runs", "--format", "csv", "--columns", "run,seed,accuracy"))
    assert [(row["run"][0], row["seed"], row["accuracy"]) for row in rows] == [
        ("b", "1", "0.75"),
        ("d", "0", "0.25"),
        ("a", "0", "0.5"),
        ("e", "0", ""),
    ]


def test_conditions_choose_runs_and_those_without_a_result(board):
    shown = board("--where", "model=cnn", "--where", "status=done,failed", "--where", "seed=0").stdout
    assert "c10000000000" in shown
    assert "c20000000000" not in shown
    assert "f00000000000" in shown
    assert "f00000000000" not in board("--where", "status=done").stdout


def test_a_row_is_over_the_chosen_seeds_only(board):
    (row,) = rows_of(board("--where", "config=c1", "--where", "seed=1", "--format", "csv"))
    assert (row["seeds"], row["accuracy_mean"]) == ("1", "0.75")


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        (["--sort", "accuracy"], "12"),
        (["--sort", "accuracy", "--reverse"], "21"),
        (["--sort", "measured_loss"], "12"),
        (["--sort", "f1:sad"], "21"),
        (["--sort", "model"], "21"),
        (["--reverse"], "12"),
        (["--sort", "optimizer.lr"], "21"),
    ],
)
def test_rows_are_sorted_best_first(board, arguments, order):
    rows = rows_of(board("--format", "csv", *arguments))
    assert "".join(row["config"][1] for row in rows if row["images"] == "real") == order


def test_columns_are_those_asked_for_in_that_order(board):
    _, header, *_ = board("--columns", "f1:happy,model,optimizer.lr").stdout.splitlines()
    assert header.split() == ["happy", "F1", "model", "optimizer.lr"]


def test_all_columns_are_shown_on_demand(board):
    header = board("--format", "csv", "--columns", "all").stdout.partition("\n")[0].split(",")
    assert {"config", "measured_loss_mean", "recall:sad_max", "optimizer.lr", "data.fold", "flops"} <= set(header)


def test_scores_of_classes_are_added_on_demand(board):
    assert "f1:happy_mean" not in board("--format", "csv").stdout
    (row, *_) = rows_of(board("--format", "csv", "--per-class"))
    assert [row[f"{which}:happy_mean"] for which in ("precision", "recall", "f1")] == ["1.0", "0.75", "0.125"]


@pytest.mark.parametrize(
    ("arguments", "message", "remedy"),
    [
        (["--columns", "modle"], "--columns: there is no column 'modle'", "did you mean 'model'? columns: config, "),
        (["--sort", "f1:sda"], "--sort: there is no column 'f1:sda'", "did you mean 'f1:sad'?"),
        (["--where", "modle=x"], "--where: no run has a 'modle'", "did you mean 'model'?"),
        (["--where", "model=x"], "--where model=x: no run has that", "runs have: =linear|, cnn"),
    ],
)
def test_a_mistake_is_an_error_that_lists_the_choices(board, arguments, message, remedy):
    finished = board(*arguments, exit_code=2)
    assert finished.stderr.startswith(f"error: {message}\n  → {remedy}")


def test_no_runs_are_an_empty_table_for_programs(ferbench_cli, tmp_path):
    shown = ferbench_cli("leaderboard", "--results", tmp_path / "none", "--format", "csv").stdout
    assert shown.splitlines()[0].startswith(
        "dataset,protocol,test_set,n,classes,images,test_reads,tested,removed,config,"
    )
    assert len(shown.splitlines()) == 1
    shown = ferbench_cli("leaderboard", "--results", tmp_path / "none", "--json").stdout
    assert json.loads(shown) == {"groups": [], "unfinished": [], "unranked": []}


def test_a_narrow_terminal_names_what_it_leaves_out(board, monkeypatch):
    monkeypatch.setattr("ferbench.cli.tables.terminal_width", lambda: 100)
    real = board().stdout.split("\n\n")[0].splitlines()
    (left_out,) = (number for number, line in enumerate(real) if line.startswith("left out for want of width"))
    assert real[left_out].startswith("left out for want of width: runs, kind, training time, ")
    assert all(len(line) <= 100 for line in real[1:left_out])


def test_a_narrow_terminal_keeps_the_components_that_tell_rows_apart(ferbench_cli, tmp_path, monkeypatch):
    for loss, sampler in (("cross-entropy", "shuffled"), ("focal", "shuffled"), ("focal", "adaptive")):
        for seed in (0, 1):
            make_run(tmp_path, loss=loss, sampler=sampler, seed=seed, n=70)
    monkeypatch.setattr("ferbench.cli.tables.terminal_width", lambda: 80)
    lines = ferbench_cli("leaderboard", "--results", tmp_path).stdout.splitlines()
    assert lines[1].split()[:5] == ["rank", "model", "loss", "sampler", "seeds"]
    assert "lowest and highest seed" in next(line for line in lines if line.startswith("left out"))
    assert "The same in all rows: augmentation standard, optimizer adam, schedule constant." in lines


def test_80_columns_have_rank_model_seeds_accuracy_and_macro_f1(ferbench_cli, tmp_path, monkeypatch):
    for model in ("linear", "cnn4"):
        for seed in (0, 1):
            make_run(tmp_path, model=model, seed=seed, n=70)
    monkeypatch.setattr("ferbench.cli.tables.terminal_width", lambda: 80)
    header = ferbench_cli("leaderboard", "--results", tmp_path).stdout.splitlines()[1].split()
    assert {"rank", "model", "seeds", "accuracy", "macro-F1"} <= {*header}


def test_columns_that_no_row_has_are_not_shown(ferbench_cli, tmp_path):
    make_run(tmp_path, n=70)
    header = ferbench_cli("leaderboard", "--results", tmp_path).stdout.splitlines()[1]
    assert "to leader" not in header
    assert "adjusted p" not in header


def test_two_seeds_of_real_runs_are_one_row(ferbench_cli, tmp_path):
    small = ["--set", "dataset.size=24", "--set", "dataset.train=70", "--set", "dataset.test=35"]
    small += ["--set", "training.epochs=1", "--model", "linear", "--cache", tmp_path / "cache"]
    finished = ferbench_cli("run", *small, "--seed", 0, "--seed", 1, "--json")
    assert finished.exit_code == 0, finished.stderr
    outcomes = json.loads(finished.stdout)
    scores = [outcome["evaluations"]["test"]["metrics"]["macro_f1"] for outcome in outcomes]
    ((group,), unfinished, _) = json.loads(ferbench_cli("leaderboard", "--json").stdout).values()
    (row,) = group["rows"]
    assert {run["run"]: run["seed"] for run in row["runs"]} == {outcomes[0]["run"]: 0, outcomes[1]["run"]: 1}
    assert row["macro_f1"] == {"mean": pytest.approx(sum(scores) / 2), "min": min(scores), "max": max(scores)}
    assert (group["n"], group["synthetic"], row["model"], unfinished) == (35, True, "linear", [])
    singles = rows_of(ferbench_cli("leaderboard", "--runs", "--format", "csv"))
    assert {float(row["macro_f1"]) for row in singles} == set(scores)


@pytest.mark.parametrize("form", ["terminal", "csv", "md"])
def test_a_results_directory_that_is_not_there_is_named(form, ferbench_cli, tmp_path):
    finished = ferbench_cli("leaderboard", "--results", tmp_path / "none", "--format", form)
    assert finished.stderr.startswith(f"no runs in {tmp_path / 'none'} yet, since there is no such directory; ")


def test_the_column_that_rows_are_sorted_by_is_shown(board, monkeypatch):
    assert board("--sort", "seconds").stdout.splitlines()[1].split()[-5:] == [
        "training",
        "time",
        "kind",
        "config",
        "runs",
    ]
    monkeypatch.setattr("ferbench.cli.tables.terminal_width", lambda: 100)
    assert "balanced" not in board().stdout.splitlines()[1]
    assert "parameters" in board("--sort", "parameters").stdout.splitlines()[1]


def test_a_run_that_died_is_told_from_one_that_goes_on(ferbench_cli, tmp_path):
    write_runs(tmp_path, made_record("a", status="running"), made_record("b", status="running"))
    with only_writer(RunDirectory(run_path(tmp_path, "a00000000000"))):
        document = json.loads(ferbench_cli("leaderboard", "--results", tmp_path, "--json").stdout)
    dead = "no process is at work on it any more"
    reasons = [one["reason"] for one in document["unfinished"]]
    assert f" pid {os.getpid()} since " in reasons[0]
    assert reasons[1] == dead


def test_csv_says_on_stderr_what_a_list_leaves_out_and_why(ferbench_cli, tmp_path):
    make_run(tmp_path / "results", name="one")
    (tmp_path / "list.csv").write_text("id,reason\ntest-00001,leak\ntest-00002,leak\ntest-00003,constant\n")
    finished = ferbench_cli("leaderboard", "--format", "csv", "--without", "list.csv")
    assert "without the 3 of 350 samples (0.9%) that the list names: leak 2, constant 1." in finished.stderr
    assert "accuracy_without" in finished.stdout.splitlines()[0]
