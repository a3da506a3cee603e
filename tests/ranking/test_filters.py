"""Which runs a condition means."""

from __future__ import annotations

import pytest
from made_records import made_record, typed

from ferbench.errors import UserError
from ferbench.ranking.filters import Condition, keys, parse, select, values
from ferbench.runs.summary import summarise

RUNS = [
    summarise(
        run * 12,
        typed(
            made_record(
                run,
                config=run,
                seed=seed,
                model=model,
                name=name,
                status=status,
                optimizer={"lr": rate},
                loss={"gamma": None, "weighted": seed == 0},
                data={"classes": ["happy", "sad"]},
            )
        ),
    )
    for run, seed, model, name, status, rate in (
        ("a", 0, "cnn-4", "first", "done", 0.001),
        ("b", 1, "cnn-8", None, "done", 0.01),
        ("c", 0, "linear", None, "failed", 0.001),
    )
]


def chosen(*texts):
    return "".join(run.run[0] for run in select(RUNS, parse(texts)))


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ("model=linear", "c"),
        ("model=cnn-4,linear", "ac"),
        ("model=cnn*", "ab"),
        ("model=cnn-?", "ab"),
        ("seed=0", "ac"),
        ("name=first", "a"),
        ("run=bbb", "b"),
        ("config=c0", "c"),
        ("config=v1:a000000000000000", "a"),
        ("status=failed,done", "abc"),
        ("dataset=faces", "abc"),
        ("protocol=official", "abc"),
        ("optimizer.lr=1e-3", "ac"),
        ("optimizer.lr=0.0*", "abc"),
        ("training.deterministic=true", "abc"),
        ("loss.weighted=true", "ac"),
        ("loss.gamma=none", "abc"),
        ("data.classes=[happy,sad]", "abc"),
        ("optimizer=some-optimizer", "abc"),
    ],
)
def test_a_condition_chooses_runs(condition, runs):
    assert chosen(condition) == runs


def test_conditions_on_unlike_keys_must_all_hold():
    assert chosen("model=cnn*", "seed=0") == "a"


def test_conditions_on_one_key_are_alternatives():
    assert chosen("model=linear", "model=cnn-8") == "bc"
    assert parse(["seed=1", "model=x", "seed=2, 3"]) == [Condition("seed", ("1", "2", "3")), Condition("model", ("x",))]


def test_brackets_hold_a_value_together():
    assert parse(["data.classes=[happy,sad],none"]) == [Condition("data.classes", ("[happy,sad]", "none"))]


@pytest.mark.parametrize("text", ["model", "=x", "model=", "model=a,,b", ""])
def test_what_is_no_condition_is_an_error(text):
    with pytest.raises(UserError, match="no KEY=VALUE"):
        parse([text])


@pytest.mark.parametrize(("condition", "nearest"), [("modle=x", "model"), ("optimizer.lrr=1", "optimizer.lr")])
def test_an_unknown_key_names_the_nearest(condition, nearest):
    with pytest.raises(UserError) as caught:
        chosen(condition)
    assert f"did you mean '{nearest}'?" in caught.value.remedy


def test_a_value_that_no_run_has_names_those_there_are():
    with pytest.raises(UserError, match="model=cnn-9: no run has that") as caught:
        chosen("model=cnn-4,cnn-9")
    assert "runs have: cnn-4, cnn-8, linear" in caught.value.remedy


def test_conditions_that_no_run_meets_together_are_an_error():
    with pytest.raises(UserError, match="no run meets all of: model=linear seed=1"):
        chosen("model=linear", "seed=1")


def test_a_key_that_only_names_may_have_is_no_unknown_key():
    with pytest.raises(UserError, match="name=x"):
        select(RUNS[1:], parse(["name=x"]))


def test_nothing_is_chosen_from_nothing():
    assert select([], parse(["modle=x"])) == []


def test_keys_and_values_are_what_runs_have():
    assert {"model", "status", "optimizer.lr", "data.classes", "training.epochs"} <= set(keys(RUNS))
    assert values(RUNS, "seed") == ["0", "1"]
    assert values(RUNS, "data.classes") == ["[happy,sad]"]
