"""One run's validation that is another one's test is told, by sample ids, whatever the parts are called."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_runs import make_run

from ferbench.api.ranking import leaderboard
from ferbench.runs.learnt import Samples, write_samples


def made(results, validation, *, test="public", dataset="made-up", own="v1:own", name=None):
    """A run on a test set of its own, and the ids that it chose its epoch on."""
    run = make_run(results, test=test, dataset=dataset, name=name, model=f"net-{test}-{name}", n=70)
    record = run.load()
    record.data.validation_digest = f"v1:{len(validation)}-{validation[:1]}"
    record.data.test_digest = own
    ids = np.array(validation, dtype=np.str_)
    none = np.zeros((len(ids), 16), np.uint8)
    nothing = Samples(ids[:0], none[:0], none[:0])
    write_samples(run, {"train": nothing, "validation": Samples(ids, none, none)})
    run.save(record)
    return run.path.name


def on_public(results, **options):
    groups = leaderboard(results, **options).groups
    return next(group for group in groups if "net-public-None" in set(group.rows["model"]))


@pytest.fixture
def results(tmp_path):
    """Two runs that are tested on 70 images called public."""
    group_digest = make_run(tmp_path, model="first", test="public", n=70).load()
    (entry,) = (one for one in group_digest.evaluations.values() if one.split == "test")
    made(tmp_path, [f"train-{i}" for i in range(9)], own=entry.rows_digest)
    return tmp_path


def test_nothing_is_said_where_parts_have_nothing_in_common(results):
    made(results, [f"train-{i}" for i in range(20)], test="private", name="other")
    assert on_public(results).chosen_on is None


def test_a_test_set_that_is_another_runs_validation_is_told(results, ferbench_cli):
    other = made(results, [f"public-{i:05d}" for i in range(70)], test="private", name="other")
    found = on_public(results).chosen_on
    assert (found.samples, found.n, found.runs) == (70, 70, (other,))
    line = (
        f"All 70 samples of this test set are validation of 1 other run here ({other}): what was chosen there was "
        "chosen on this test set."
    )
    assert line in ferbench_cli("leaderboard", "--results", results).stdout
    document = json.loads(ferbench_cli("leaderboard", "--json", "--results", results).stdout)
    assert [group["chosen_on"] for group in document["groups"] if group["chosen_on"]] == [
        {"samples": 70, "n": 70, "runs": [other]}
    ]


def test_a_part_of_it_is_counted_and_runs_with_one_validation_set_are_named_together(results):
    ids = [*(f"public-{i:05d}" for i in range(7)), "train-1"]
    both = sorted(made(results, ids, test="private", name=name) for name in ("one", "two"))
    found = on_public(results).chosen_on
    assert (found.samples, list(found.runs)) == (7, both)


def test_whichever_rows_are_shown(results):
    made(results, ["public-00001"], test="private", name="other")
    assert on_public(results, where=["model=net-public-None"]).chosen_on == on_public(results).chosen_on


def test_joined_datasets_have_its_samples_under_its_name(results):
    made(results, ["made-up:public-00001", "else:public-00002"], test="private", dataset="made-up+else", name="other")
    assert on_public(results).chosen_on.samples == 1


def test_another_dataset_has_other_samples_of_the_same_ids(results):
    made(results, ["public-00001"], test="private", dataset="else", name="other")
    assert on_public(results).chosen_on is None


def test_a_run_does_not_choose_on_its_own_test_set(results):
    from ferbench.runs.index import summaries

    digest = on_public(results).test_digest
    made(results, ["public-00001"], own=digest, name="mine")
    assert on_public(results).chosen_on is None
    assert {run.test for run in summaries(results)} == {"", digest}
