"""Every leaf of ``run.json`` and a byte of every file changed alone, for a run of each kind.

A leaf is changed as somebody would who does not know of the record's own digest, and again as somebody who computes
that anew: ids, the recipe, the evaluations and the files then say something else, but for the leaves in `FREE`, which
nothing else knows of. `README.md` has the same as a table.
"""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ferbench.cli import cli
from ferbench.errors import UserError
from ferbench.records.own import with_own
from ferbench.records.reading import read_run
from ferbench.runs.agreement import disagreements
from ferbench.runs.directory import RunDirectory
from ferbench.runs.find import find_run
from ferbench.runs.index import summaries
from ferbench.runs.recompute import record_differs_from_folds, record_differs_from_members
from ferbench.runs.verify import Verification
from ferbench.storage import json_bytes

SETTINGS = {
    "dataset.train": "60",
    "dataset.test": "20",
    "dataset.size": "16",
    "data.image_size": "16",
    "training.epochs": "2",
    "training.batch_size": "16",
}

NAMES = {"trained": "run-s0", "ensemble": "both", "pooled": "folds", "imported": "theirs"}

#: Leaves that nothing else says: changed together with the record's own digest they go unnoticed.
FREE = {
    "trained": (
        r"name|started|finished",
        r"recipe\.(name|runtime\..*|evaluation\.metrics)",
        r"recipe\.data\.(path|paths|protocol|classes|num_classes|(train|test)_limit(_per_class)?|validation|test|test_seed)",
        r"recipe\.data\.(group_by|split_seed|skip_faulty|exclude|label_confusion|noise_seed)",
        r"recipe\.training\.(start_size|growing|loss_lr_factor|loss_decay|teacher_decay|keep|parameter_budget)",
        r"components\.\w+\.options",  # more of them than ids cover, as those are that a component got later
        r"components\.dataset\.(distribution|source|options\.(?!train$|test$|size$).*)",
        r"plugins\..*",
        r"data\.(has_affect|pack|color|image_size\.\d|skipped_faulty|excluded|faults|notes.*)",
        r"environment\..*",
        r"model\.flops",
        r"training\.(seconds|images_per_second|micro_batch)",
    ),
    "ensemble": (
        r"name|started|finished",
        r"recipe\.(name|data\.paths?|training\.(keep|parameter_budget))",
        r"components\.model\.version",
        r"data\.pack",
        r"environment\..*",
        r"training\.seconds",
    ),
    "pooled": (
        r"name|started|finished",
        r"recipe\.(name|data\.paths?|runtime\..*|evaluation\..*)",
        r"plugins\..*",
        r"data\.pack",
        r"environment\..*",
        r"training\.seconds",
    ),
    "imported": (r"name|started|finished", r"environment\..*"),
}

#: Of these there are hundreds, noticed in one way: some of them stand for all.
MANY = re.compile(r"(evaluations|files)\..*")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Results with a run of each kind."""
    base = tmp_path_factory.mktemp("leaves")
    results = base / "results"

    def call(*arguments: str) -> None:
        done = CliRunner().invoke(cli, [*arguments, "--results", str(results)])
        assert done.exit_code == 0, done.output

    sets = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    seeds = ("--seed", "0", "--seed", "1", "--name", "run", "--no-report", "--quiet")
    call("run", "--model", "linear", *seeds, *sets, "--cache", str(base / "cache"))
    call("ensemble", "run-s0", "run-s1", "--name", "both")
    folds = ("--test-folds", "2", "--name", "folds", "--no-report", "--quiet")
    call("run", "--model", "linear", *folds, *sets, "--cache", str(base / "cache"))
    run = find_run(results, "run-s0")
    (name,) = run.load().own_evaluations("test")
    predictions, class_names = run.predictions(name), run.load().data.class_names
    with (base / "theirs.csv").open("w", newline="") as file:
        rows = zip(predictions.ids, predictions.probabilities, strict=True)
        csv.writer(file).writerows([["id", *class_names], *([one, *scores] for one, scores in rows)])
    call("import", str(base / "theirs.csv"), "--like", "run-s0", "--name", "theirs")
    return results


@pytest.fixture
def results(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture(params=NAMES)
def kind(request) -> str:
    return request.param


@pytest.fixture
def run(results, kind) -> RunDirectory:
    return find_run(results, NAMES[kind])


_Way = tuple[str | int, ...]


def leaves(value: Any, way: _Way = ()) -> Iterator[_Way]:
    """Where a value stands that has none below it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not value or not isinstance(value, (dict, list)):
        yield way
    for key, below in items:
        yield from leaves(below, (*way, key))


def changed(record: dict[str, Any], *ways: _Way) -> dict[str, Any]:
    """A copy with other values there, of the type that they had."""
    copy = json.loads(json.dumps(record))
    for way in ways:
        holder = copy
        for key in way[:-1]:
            holder = holder[key]
        holder[way[-1]] = _another(holder[way[-1]])
    return copy


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    if value is None:
        return 1
    return [1] if isinstance(value, list) else {"more": 1}


def dotted(way: _Way) -> str:
    return ".".join(map(str, way))


def is_damage(content: bytes, run: RunDirectory) -> bool:
    """Whether a record by itself, and beside the runs that it is made of, shows that somebody changed it."""
    try:
        record = read_run(content, run.record_path)
    except UserError:
        return True
    if any(True for _ in disagreements(record)):
        return True
    if record.kind == "pooled":
        return record_differs_from_folds(run, record) != ""
    return record.kind == "ensemble" and record_differs_from_members(run, record) != ""


def test_runs_of_every_kind_are_whole(made, kind):
    run = find_run(made, NAMES[kind])
    assert run.load().kind == kind
    verification = Verification.of(run)
    assert (verification.verdict, verification.findings) == ("whole", ())


def test_every_leaf_that_is_changed_alone_is_noticed_when_the_record_is_read(made, kind):
    run = find_run(made, NAMES[kind])
    record = json.loads(run.record_path.read_bytes())
    ways = list(leaves(record))
    assert len(ways) > 120
    for way in ways:
        with pytest.raises(UserError, match=r"damaged|schema version"):
            read_run(json_bytes(changed(record, way)), run.record_path)


def test_a_leaf_is_noticed_although_the_digest_was_computed_again_unless_nothing_else_says_it(run, kind):
    record = json.loads(run.record_path.read_bytes())
    free = re.compile("|".join(f"(?:{pattern})" for pattern in FREE[kind]))
    ways = [way for way in leaves(record) if way != ("own",)]
    unsaid = [way for way in ways if not is_damage(with_own(changed(record, way)), run)]
    many = [way for way in unsaid if MANY.fullmatch(dotted(way))]
    left = [way for way in unsaid if free.fullmatch(dotted(way))]
    assert left, "the list of what goes unnoticed is of other names"
    for way in [one for one in unsaid if one not in left and one not in many] + random.Random(0).sample(many, 8):
        run.record_path.write_bytes(with_own(changed(record, way)))
        assert Verification.of(run).verdict == "damaged", dotted(way)
    run.record_path.write_bytes(with_own(changed(record, *left)))
    assert Verification.of(run).verdict == "whole"


def test_a_byte_of_every_file_that_is_changed_alone_is_noticed_and_named(run):
    draw = random.Random(0)
    for path in sorted(path for path in run.path.rglob("*") if path.is_file()):
        content = path.read_bytes()
        place = draw.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << draw.randrange(8))]) + content[place + 1 :])
        name = path.relative_to(run.path).as_posix()
        damaged = [finding.file for finding in Verification.of(run).findings if finding.damage]
        assert [one for one in damaged if one.partition(".")[0] == name.partition(".")[0]], (name, place)
        path.write_bytes(content)
    assert Verification.of(run).verdict == "whole"


def test_a_file_that_is_no_longer_covered_is_noticed(run):
    record = json.loads(run.record_path.read_bytes())
    for name in record["files"]:
        less = {**record, "files": {key: value for key, value in record["files"].items() if key != name}}
        run.record_path.write_bytes(with_own(less))
        (finding,) = Verification.of(run).findings
        assert (finding.file, finding.damage) == (name, True)


def test_a_synthetic_run_that_is_dressed_up_is_damaged_and_not_ranked(results):
    run = find_run(results, "run-s0")
    record = json.loads(run.record_path.read_bytes())
    record["data"] |= {"synthetic": False, "dataset": "fer2013", "protocol": "official"}
    run.record_path.write_bytes(json_bytes(record))
    summary = next(one for one in summaries(results) if one.run == run.path.name)
    assert (summary.status, summary.scores) == ("damaged", [])
    assert "own digest" in summary.reason
    run.record_path.write_bytes(with_own(record))
    findings = [one for one in Verification.of(run).findings if one.damage]
    assert all("data.dataset, data.synthetic, data.protocol" in one.what for one in findings)


def test_a_record_that_is_passed_off_as_an_older_one_is_never_whole(run):
    record = json.loads(run.record_path.read_bytes())
    older = {key: value for key, value in record.items() if key not in ("own", "files")}
    run.record_path.write_bytes(json_bytes({**older, "schema": 2}))
    assert Verification.of(run).verdict == "not covered"
    run.record_path.write_bytes(json_bytes({**older, "schema": 2, "own": record["own"]}))
    assert Verification.of(run).verdict == "damaged"
