"""``ferbench tune`` as its user meets it: what is asked, what is refused, what a study leaves behind."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from record_files import read_record

from ferbench.cli import cli
from ferbench.cli.tune import tune
from ferbench.records.ledger import read_ledger
from ferbench.runs.directory import RunDirectory, run_path

#: A run of it takes a second on one core, most of it spent on starting.
RECIPE = """
name = "tiny"

[dataset]
size = 16
train = 40
test = 14

[data]
image_size = 8

[model]
name = "linear"

[training]
epochs = 2
batch_size = 16

"""


def write_recipe(folder: Path, more: str = "") -> Path:
    path = folder / "tiny.toml"
    path.write_text(RECIPE + more)
    return path


def tail(done) -> list[str]:
    """The lines of a mistake, without what was said before it."""
    return done.stderr.strip().splitlines()[-2:]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def dry(ferbench_cli, cache, tmp_path):
    """``dry(*flags)`` shows the space of the tiny recipe."""
    recipe = write_recipe(tmp_path)

    def call(*flags: str):
        return ferbench_cli("tune", recipe, "--dry-run", "--cache", cache, *flags)

    return call


@pytest.fixture
def space(dry):
    """``space(*flags)``: the dimensions by key, as ``--dry-run --json`` gives them."""

    def call(*flags: str) -> dict[str, dict]:
        done = dry("--json", *flags)
        assert done.exit_code == 0, done.stderr
        return {one["key"]: one for one in json.loads(done.stdout)["space"]}

    return call


class TestDryRun:
    def test_by_default_it_has_what_authors_declared(self, dry):
        done = dry()
        assert done.exit_code == 0
        lines = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line and line[0].islower()}
        assert lines["optimizer.lr"][1:] == ["1e-05", "to", "0.01", "logarithmic", "default"]
        assert "only where" not in done.stdout
        assert "better: macro_f1 (higher), on validation" in done.stdout
        assert "50 trials chosen by tpe, pruner median; the best repeated over seeds 0, 1, 2" in done.stdout

    def test_nothing_is_trained_or_written(self, dry, tmp_path):
        dry()
        assert not (tmp_path / "results").exists()

    def test_a_range_a_logarithmic_one_and_steps(self, space):
        found = space(
            "--only",
            *("--search", "loss.label_smoothing=0..0.2"),
            *("--search", "optimizer.lr=1e-4..1e-2:log"),
            *("--search", "training.batch_size=8..32:step=8"),
        )
        assert set(found) == {"loss.label_smoothing", "optimizer.lr", "training.batch_size"}
        assert (found["loss.label_smoothing"]["low"], found["loss.label_smoothing"]["high"]) == (0, 0.2)
        assert (found["optimizer.lr"]["low"], found["optimizer.lr"]["log"]) == (1e-4, True)
        assert found["training.batch_size"]["step"] == 8

    def test_options_of_a_component_exist_where_it_is_chosen(self, dry, space):
        flags = ("--only", "--search", "loss=cross-entropy,focal", "--search", "loss.gamma=1..3")
        assert space(*flags)["loss"]["choices"] == ["cross-entropy", "focal"]
        assert set(space(*flags)) == {"loss", "loss.focal.gamma"}
        assert re.search(r"loss\.focal\.gamma +1 to 3 +linear +loss = focal", dry(*flags).stdout)

    def test_a_repeated_component_flag_is_a_choice(self, space):
        assert space("--only", "--sampler", "shuffled", "--sampler", "balanced")["sampler"]["choices"] == [
            "shuffled",
            "balanced",
        ]

    def test_a_batch_larger_than_an_epoch_is_said_unless_it_is_searched(self, dry):
        fixed = dry("--set", "training.batch_size=1000")
        assert fixed.stderr.count("each epoch is a single update") == 1
        searched = dry("--set", "training.batch_size=1000", "--search", "training.batch_size=8,16")
        assert "single update" not in searched.stderr

    def test_a_single_value_is_not_searched(self, dry):
        done = dry("--search", "optimizer.lr=0.002")
        assert re.search(r"optimizer\.lr +0\.002 +not searched", done.stdout)

    def test_a_warm_up_fits_into_the_run(self, space):
        assert space()["schedule.warmup"]["high"] == 1.25  # of 5 epochs in a run of 2

    def test_the_recipe_says_what_flags_do(self, ferbench_cli, cache, tmp_path):
        more = '[tune]\nonly = true\ntrials = 7\nalgorithm = "random"\n[tune.search]\noptimizer.lr = "1e-3..1e-2:log"\n'
        done = ferbench_cli("tune", write_recipe(tmp_path, more), "--dry-run", "--cache", cache, "--json")
        assert [one["key"] for one in json.loads(done.stdout)["space"]] == ["optimizer.lr"]
        shown = ferbench_cli("tune", tmp_path / "tiny.toml", "--dry-run", "--cache", cache, "--trials", "9").stdout
        assert "9 trials chosen by random" in shown

    def test_several_objectives_have_no_pruner(self, dry):
        done = dry("--objective", "macro_f1", "--objective", "f1:happy", "--objective", "flops")
        assert "better: macro_f1 (higher), f1:happy (higher), flops (lower)" in done.stdout
        assert "pruner none" in done.stdout

    def test_which_epoch_gives_the_value_of_a_trial_is_said_where_it_is_another_metric(self, dry):
        said = "the value of a trial is that of the epoch with the best macro_f1 (training.select)"
        assert dry("--objective", "accuracy").stderr.count(said) == 1
        for flags in ((), ("--objective", "flops"), ("--objective", "macro_f1"), ("--objective", "accuracy", "--json")):
            assert said not in dry(*flags).stderr
        selected = dry("--objective", "accuracy", "--set", "training.select=accuracy")
        assert "the value of a trial" not in selected.stderr

    @pytest.mark.parametrize("algorithm", ["tpe", "cma-es", "gp", "random", "nsga-ii"])
    def test_algorithms_by_name(self, dry, algorithm):
        assert f"chosen by {algorithm}" in dry("--algorithm", algorithm).stdout

    @pytest.mark.parametrize("pruner", ["median", "hyperband", "asha", "none"])
    def test_pruners_by_name(self, dry, pruner):
        assert f"pruner {pruner};" in dry("--pruner", pruner).stdout

    def test_a_grid_says_how_many_points_it_has(self, dry):
        flags = ("--search", "training.batch_size=8,16", "--search", "loss.label_smoothing=0..0.2:step=0.1")
        assert "6 trials chosen by grid" in dry("--only", "--algorithm", "grid", *flags).stdout

    def test_another_space_is_another_study(self, dry):
        def name(*flags: str) -> str:
            return json.loads(dry("--json", *flags).stdout)["study"]

        assert name() == name("--workers", "2", "--trials", "3")
        assert name() != name("--search", "optimizer.lr=1e-4..1e-3")
        assert name() != name("--objective", "accuracy")

    def test_another_algorithm_pruner_or_seed_is_another_study(self, dry, ferbench_cli, cache, tmp_path):
        def name(*flags: str) -> str:
            return json.loads(dry("--json", *flags).stdout)["study"]

        seeded = write_recipe(tmp_path, "[tune]\nseed = 1\n")
        by_seed = json.loads(ferbench_cli("tune", seeded, "--dry-run", "--json", "--cache", cache).stdout)["study"]
        write_recipe(tmp_path)
        assert name() == name("--algorithm", "tpe") == name("--pruner", "median") == name("--pruner", "auto")
        others = [("--algorithm", one) for one in ("cma-es", "gp", "random", "nsga-ii")]
        others += [("--pruner", one) for one in ("hyperband", "asha", "none")]
        assert len({name(), by_seed, *(name(*flags) for flags in others)}) == 2 + len(others)

    def test_a_name_of_hexadecimal_digits_alone_is_warned_of_or_refused(self, dry):
        warned = dry("--name", "beef")
        assert warned.exit_code == 0
        assert "warning: the name 'beef' also reads as the beginning of an id" in warned.stderr
        refused = dry("--name", "0123456789ab")
        assert refused.exit_code == 2
        assert "name '0123456789ab' looks like an id" in refused.stderr


@pytest.mark.parametrize(
    ("flags", "what", "remedy"),
    [
        (["--search", "optimizer.lr"], "is not KEY=VALUES", "--search model.dropout=0.1..0.6"),
        (["--search", "optimizer.lrr=1..2"], "has no such option", "did you mean 'optimizer.lr'?"),
        (["--search", "optimizer.lr=2..1"], "2 is not below 1", "optimizer.lr="),
        (["--search", "optimizer.lr=1..2:logg"], "':logg' says nothing", ":log"),
        (["--search", "optimizer.lr=-1..1"], "must be greater than 0", "set optimizer.lr to a number"),
        (["--search", "training.batch_size=1.5..3"], "takes whole numbers", "training.batch_size=1..4"),
        (["--search", "loss=focl,cross-entropy"], "unknown loss 'focl'", "did you mean 'focal'?"),
        (["--search", "training.seed=1,2"], "a seed is no setting", "search something else"),
        (["--search", "data.protocol=a,b"], "unlike samples", "search something else"),
        (["--search", "dataset.size=8,16"], "the dataset cannot be searched", "tune on one dataset"),
        (["--search", "schedule.warmup=0..9"], "takes all 4 steps", "make it shorter"),
        (["--dataset", "synthetic-faces", "--dataset", "fer2013"], "one dataset", "tune on one"),
        (["--only"], "there is nothing to search", "--search"),
        (["--objective", "acuracy"], "there is no objective 'acuracy'", "did you mean 'accuracy'?"),
        (["--objective", "f1:nobody"], "objective = 'f1:nobody': there is no class", "choose among"),
        (["--objective", "accuracy", "--objective", "accuracy"], "named twice", "once"),
        (["--algorithm", "bayes"], "--algorithm bayes is not known", "choose tpe, cma-es"),
        (["--pruner", "medain"], "--pruner medain is not known", "did you mean 'median'?"),
        (["--pruner", "asha", "--objective", "seconds"], "no epoch has this objective", "--pruner none"),
        (["--algorithm", "cma-es", "--objective", "accuracy", "--objective", "flops"], "one objective only", "nsga-ii"),
        (["--algorithm", "grid"], "a grid needs single values", "step"),
        (["--seeds", "0,x"], "these are no seeds", "--seeds 0,1,2"),
        (["--from", "nobody"], "there is no run 'nobody'", "ferbench runs list"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else None,
)
def test_a_mistake_takes_two_lines_and_exit_code_2(dry, flags, what, remedy):
    done = dry(*flags)
    assert done.exit_code == 2
    said, advice = tail(done)
    assert said.startswith("error: ")
    assert what in said
    assert advice.startswith("  → ")
    assert remedy in advice


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[tune]\ntrails = 3\n", "unknown option 'trails' for [tune]"),
        ("[tune]\ntrials = 0\n", "tune.trials = 0"),
        ("[tune]\nsearch = 3\n", "[tune.search] is no table"),
        ('[grid]\n"optimizer.lr" = [0.1, 0.2]\n', "the recipe has a grid over optimizer.lr"),
    ],
)
def test_a_mistake_in_the_recipe_takes_two_lines(ferbench_cli, cache, tmp_path, text, what):
    done = ferbench_cli("tune", write_recipe(tmp_path, text), "--dry-run", "--cache", cache)
    assert done.exit_code == 2
    assert what in tail(done)[0]


SEARCH = ("--only", "--search", "optimizer.lr=1e-3..1e-1:log", "--search", "loss=cross-entropy,focal")


@pytest.fixture(scope="module")
def first(tmp_path_factory, cache):
    """A study of four trials by two workers, the best of which is tested with two seeds; and what was printed."""
    root = tmp_path_factory.mktemp("study")
    recipe = write_recipe(root)
    flags = ("--trials", "4", "--workers", "2", "--seeds", "0,1", "--cache", str(cache))
    done = CliRunner().invoke(cli, ["tune", str(recipe), *SEARCH, *flags, "--results", str(root / "results")])
    assert done.exit_code == 0, done.output
    return root, done


@pytest.fixture
def study(first, ferbench_cli, cache, tmp_path):
    """``study(command, …)`` on a copy of that study's results."""
    shutil.copytree(first[0] / "results", tmp_path / "results")
    shutil.copy(first[0] / "tiny.toml", tmp_path)

    def call(*args: str):
        more = ("--cache", cache) if args[0] == "run" or args[1].endswith(".toml") else ()
        return ferbench_cli(*args, *more)

    return call


def place(results: Path) -> Path:
    (found,) = (results / "studies").iterdir()
    return found


class TestStudy:
    def test_the_terminal_says_how_many_were_tried_and_what_is_best(self, first):
        root, done = first
        assert re.search(r"4 trials tried: \d complete, \d pruned, 0 failed; chosen on validation, tested", done.stdout)
        assert f"best recipe: {place(root / 'results') / 'best.toml'}" in done.stdout
        assert re.search(r"^trial \d: loss [a-z-]+, lr ", done.stdout, re.MULTILINE)
        assert len(re.findall(r"^trial \d (?:complete|pruned) .* 4/4|^trial \d", done.stderr, re.MULTILINE)) >= 4

    def test_no_trial_read_the_test_set_and_each_seed_did_once(self, first):
        results = first[0] / "results"
        outcome = json.loads((place(results) / "outcome.json").read_text())
        tested = {run["run"] for finalist in outcome["finalists"] for run in finalist["runs"]}
        assert len(tested) == 2
        for path in (results / "runs").iterdir():
            if not (path / "run.json").is_file():
                continue
            splits = [one["split"] for one in read_record(RunDirectory(path))["evaluations"].values()]
            assert splits.count("test") == (path.name in tested)
        assert {(read.run, read.how) for read in read_ledger(results).reads} == {(run, "tune") for run in tested}

    def test_status_shows_every_trial_and_the_best(self, study):
        done = study("tune", "status", "tiny")
        assert done.exit_code == 0
        states = re.findall(r"^(\d)( \*)? +(complete|pruned)", done.stdout, re.MULTILINE)
        assert [int(number) for number, _, _ in states] == [0, 1, 2, 3]
        assert sum(bool(mark) for _, mark, _ in states) == 1
        assert "no process is at work on it" in done.stdout

    def test_status_as_json(self, study):
        told = json.loads(study("tune", "status", "tiny", "--json").stdout)
        assert told["counts"]["all"] == len(told["trials"]) == 4
        best = told["trials"][told["best"][0]]
        complete = [one["values"]["macro_f1"] for one in told["trials"] if one["state"] == "complete"]
        assert best["values"]["macro_f1"] == max(complete)
        assert set(best["params"]) == {"loss", "optimizer.lr"}
        assert [one["trial"] for one in told["outcome"]["finalists"]] == told["best"]

    def test_a_study_answers_to_its_first_digits_and_a_wrong_name_is_refused(self, study, tmp_path):
        assert study("tune", "status", place(tmp_path / "results").name[:6]).exit_code == 0
        done = study("tune", "status", "nothing")
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 2)
        assert "'tiny' (macro_f1 on synthetic-faces, by tpe, " in done.stderr

    def test_the_best_recipe_is_the_run_that_was_tested(self, study, tmp_path):
        path = place(tmp_path / "results") / "best.toml"
        assert tomllib.loads(path.read_text())["name"] == "tiny-best"
        assert "of 4 trials tried" in path.read_text()
        (outcome,) = json.loads(study("run", str(path), "--json", "--no-report").stdout)
        assert outcome["reused"]
        tested = json.loads((path.parent / "outcome.json").read_text())["finalists"][0]["runs"]
        assert {"seed": 0, "run": outcome["run"]} in tested

    def test_the_same_command_goes_on_and_repeats_nothing(self, study, tmp_path):
        before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "results" / "runs").glob("*/run.json")}
        flags = ("--trials", "4", "--seeds", "0,1")
        done = study("tune", "tiny.toml", *SEARCH, *flags)
        assert done.exit_code == 0
        assert "going on with study" in done.stderr
        assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "results" / "runs").glob("*/run.json")} == before

    def test_more_trials_go_on_and_a_narrow_space_is_a_new_study_that_says_why(self, study, tmp_path):
        done = study("tune", "tiny.toml", *SEARCH, "--trials", "5", "--no-final", "--json")
        assert done.exit_code == 0, done.stderr
        told = json.loads(study("tune", "status", "tiny", "--json").stdout)
        assert told["counts"]["all"] == 5
        assert [one["trial"] for one in told["trials"]] == [0, 1, 2, 3, 4]
        assert "before the last trial " in study("tune", "status", "tiny").stdout
        old = place(tmp_path / "results").name
        other = ("--only", "--search", "optimizer.lr=1e-3..1e-2:log", "--trials", "1", "--no-final", "--no-report")
        done = study("tune", "tiny.toml", *other)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("a new study: ")]
        assert f"it differs from study {old} in " in line
        assert set(line.partition(" in ")[2].split(", ")) == {"space.loss", "space.optimizer.lr.high"}
        assert "best: trial 0, macro_f1 " in done.stdout

    def test_another_algorithm_chooses_the_trials_of_a_study_of_its_own(self, study, tmp_path):
        old = place(tmp_path / "results").name
        more = ("--trials", "2", "--no-final", "--no-report")
        done = study("tune", "tiny.toml", *SEARCH, "--algorithm", "random", "--name", "by-chance", *more)
        assert done.exit_code == 0, done.stderr
        assert f"a new study: it differs from study {old} in" not in done.stderr  # another name
        before, new = (json.loads(study("tune", "status", one, "--json").stdout) for one in (old, "by-chance"))
        assert (before["label"], before["algorithm"], before["counts"]["all"]) == ("tiny", "tpe", 4)
        assert (new["label"], new["algorithm"], new["counts"]["all"]) == ("by-chance", "random", 2)
        for about in (before, new):
            assert {one["chosen_by"]["algorithm"] for one in about["trials"]} == {about["algorithm"]}
            assert {one["chosen_by"]["pruner"] for one in about["trials"]} == {"median"}
        assert [one["chosen_by"]["start_up"] for one in before["trials"]] == [True] * 4
        assert "chosen by random, pruner median" in study("tune", "status", "by-chance").stdout
        done = study("tune", "tiny.toml", *SEARCH, "--algorithm", "gp", *more)
        assert f"a new study: it differs from study {old} in search.algorithm" in done.stderr

    def test_a_study_keeps_its_name(self, study, tmp_path):
        done = study("tune", "tiny.toml", *SEARCH, "--trials", "4", "--seeds", "0,1", "--name", "other")
        assert done.exit_code == 0
        assert re.search(r"warning: study [0-9a-f]{12} is called 'tiny' already, and keeps that name", done.stderr)
        assert json.loads((place(tmp_path / "results") / "study.json").read_text())["label"] == "tiny"

    def test_an_older_study_goes_on_with_its_algorithm_and_with_no_other(self, study, tmp_path):
        """Older ones lie where the default algorithm's study does, whatever chose their trials."""
        path = place(tmp_path / "results") / "study.json"
        about = json.loads(path.read_text())
        del about["seed"]
        path.write_text(json.dumps({**about, "algorithm": "random", "pruner": "auto"}))
        refused = study("tune", "tiny.toml", *SEARCH, "--trials", "5", "--no-final", "--no-report")
        assert (refused.exit_code, len(tail(refused))) == (2, 2)
        assert "was made with --algorithm random --pruner median" in tail(refused)[0]
        same = ("--algorithm", "random", "--trials", "5", "--no-final", "--no-report")
        done = study("tune", "tiny.toml", *SEARCH, *same)
        assert done.exit_code == 0, done.stderr
        assert f"going on with study {path.parent.name} (tiny)" in done.stderr
        assert len(json.loads(study("tune", "status", "tiny", "--json").stdout)["trials"]) == 5

    def test_a_study_is_found_by_name_before_the_beginning_of_an_id(self, study, tmp_path):
        found = place(tmp_path / "results")
        named = found.with_name("0123456789ab")
        shutil.copytree(found, named)
        about = json.loads((named / "study.json").read_text())
        (named / "study.json").write_text(json.dumps({**about, "label": found.name[:6]}))
        done = study("tune", "status", found.name[:6])
        assert (done.exit_code, len(tail(done))) == (2, 2)
        assert f"{found.name} 'tiny' (macro_f1 on synthetic-faces, by tpe, " in tail(done)[0]
        assert f"0123456789ab '{found.name[:6]}' (" in tail(done)[0]
        assert study("tune", "status", found.name).exit_code == 0

    def test_the_page_has_trials_recipe_and_figures(self, study, tmp_path):
        done = study("tune", "report", "tiny", "--output", "page.html")
        assert done.exit_code == 0
        page = (tmp_path / "page.html").read_text()
        for part in ("Study tiny", "4 trials of 2 parameters by tpe", "best.toml", "All 4 trials", "Generated images"):
            assert part in page
        for figure in ("history-macro-f1", "parallel", "slice-optimizer-lr", "slice-loss"):
            assert figure in page
        assert "Pareto" not in page

    def test_what_was_tested_names_the_study(self, first):
        results = first[0] / "results"
        finalist = json.loads((place(results) / "outcome.json").read_text())["finalists"][0]
        record = read_record(RunDirectory(run_path(results, finalist["runs"][0]["run"])))
        assert record["tuning"]["study"] == place(results).name
        assert record["tuning"]["trials"]["all"] == 4


def test_two_objectives_leave_a_front_each_of_which_is_tested(ferbench_cli, cache, tmp_path):
    recipe = write_recipe(tmp_path)
    flags = ("--objective", "macro_f1", "--objective", "parameters", "--seeds", "3", "--best", "2", "--cache", cache)
    model = ("--only", "--algorithm", "grid", "--search", "data.image_size=8,10", "--workers", "1", "--json")
    done = ferbench_cli("tune", recipe, *model, *flags)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    status = json.loads(ferbench_cli("tune", "status", "tiny", "--json").stdout)
    values = {one["trial"]: (one["values"]["macro_f1"], -one["values"]["parameters"]) for one in status["trials"]}
    front = {
        a
        for a in values
        if not any(b != a and all(x >= y for x, y in zip(values[b], values[a], strict=True)) for b in values)
    }
    assert set(status["best"]) == front
    assert {one["trial"] for one in told["finalists"]} == front
    assert all([run["seed"] for run in one["runs"]] == [3] for one in told["finalists"])
    page = Path(told["report"]).read_text()
    assert "Pareto front: macro_f1 and parameters" in page


def test_trials_start_from_the_weights_of_a_run(ferbench_cli, cache, tmp_path):
    recipe = write_recipe(tmp_path)
    common = ("--cache", cache, "--quiet")
    assert ferbench_cli("run", recipe, "--name", "parent", "--no-report", *common).exit_code == 0
    flags = ("--only", "--search", "optimizer.lr=0.001,0.01", "--algorithm", "grid", "--seeds", "0", "--json")
    done = ferbench_cli("tune", "--from", "parent", "--name", "child", *flags, *common)
    assert done.exit_code == 0, done.stderr
    (finalist,) = json.loads(done.stdout)["finalists"]
    ids = {path.parent.name for path in (tmp_path / "results").glob("runs/*/run.json")}
    records = {one: read_record(RunDirectory(run_path(tmp_path / "results", one))) for one in ids}
    (parent,) = (one for one, record in records.items() if record["name"] == "parent")
    children = {one: record for one, record in records.items() if one != parent}
    assert len(children) == 2  # that of the best is tested, with the seed that it had
    assert all(record["lineage"]["parents"][0]["run"] == parent for record in children.values())
    weights = {record["lineage"]["parents"][0]["weights_sha256"] for record in children.values()}
    assert len(weights) == 1
    best = tmp_path / "results" / "studies" / json.loads(done.stdout)["study"] / "best.toml"
    assert tomllib.loads(best.read_text())["from"].startswith(f"{parent}@")
    again = ferbench_cli("run", best, "--json", "--no-report", *common)
    assert json.loads(again.stdout)[0]["reused"]
    assert finalist["runs"][0]["run"] == json.loads(again.stdout)[0]["run"]


def test_weights_rule_out_what_changes_their_shape(ferbench_cli, cache, tmp_path):
    recipe = write_recipe(tmp_path)
    small = ("--model", "basic-cnn", "--set", "model.width=8", "--set", "training.epochs=0", "--cache", cache)
    assert ferbench_cli("run", recipe, *small, "--name", "parent", "--no-report", "--quiet").exit_code == 0
    dry = ("tune", "--from", "parent", "--name", "child", "--dry-run", "--set", "training.epochs=2", "--cache", cache)
    done = ferbench_cli(*dry)
    assert done.exit_code == 0, done.stderr
    assert "do not fit: model.width" in done.stderr
    assert "model.dropout" in done.stdout
    assert "model.width" not in done.stdout
    for search in ("model.width=8,16", "model=basic-cnn,linear"):
        done = ferbench_cli(*dry, "--search", search)
        assert (done.exit_code, len(tail(done))) == (2, 2)
        assert "the weights of" in tail(done)[0]
    begun = json.loads(ferbench_cli(*dry, "--json").stdout)["study"]
    scratch = ferbench_cli(
        "tune",
        recipe,
        "--dry-run",
        *small[:-2],
        "--cache",
        cache,
        "--json",
        "--set",
        "training.epochs=2",
        "--search",
        "model.width=8",
    )
    assert begun != json.loads(scratch.stdout)["study"]


def test_the_reference_names_every_option():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "tune.md").read_text(encoding="utf-8")
    commands = [tune.commands["search"], tune.commands["status"], tune.commands["report"]]
    own = {
        name
        for command in commands
        for one in command.params
        if isinstance(one, click.Option)
        for name in one.opts
        if name.startswith("--")
    }
    shared = {"--dataset", "--model", "--loss", "--sampler", "--augmentation", "--optimizer", "--schedule"}
    shared |= {"--preprocessing", "--postprocessing"}
    assert sorted(name for name in own - shared if f"`{name}" not in page) == []
