"""Verdicts: true tables are never refuted, impossible ones are, and it is said why."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import matrices, printed_scores, scikit_learn_scores, table_of, table_text

from ferbench.audit.printed import Cell
from ferbench.audit.score_table import parse_table, read_table
from ferbench.audit.verdict import audit, value_of

PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "published"

FACES = np.array([[80, 3, 10, 7], [2, 30, 1, 0], [12, 0, 110, 20], [9, 1, 25, 140]])


def published(name):
    return read_table(PUBLISHED / f"{name}.csv")


def cells(contradiction):
    return {str(cell) for cell in contradiction.cells}


@pytest.mark.parametrize(
    "name",
    [
        "s4-full-1-epoch-rerun",
        "s4-adaptive-epoch-10",
        "s4-limited",
        "s4-full-1-epoch",
        "s4-full-5-epochs",
        "s4-disgust-fear-focus",
        "s4-positive-focus",
    ],
)
def test_published_tables_that_are_possible_are_consistent(name):
    assert audit(published(name)).verdict == "consistent"


def test_the_pretrained_table_fails_in_its_macro_precision_and_macro_recall_only():
    done = audit(published("s4-pretrained"))
    assert done.verdict == "inconsistent"
    assert [str(one.without) for one in done.diagnosis.contradictions] == ["macro precision", "macro recall"]
    assert done.solved.answer == "yes"
    first, second = done.diagnosis.contradictions
    assert cells(first) == {"macro precision", *(f"precision of {name}" for name in done.table.classes)}
    # Disgust's recall may be anything: even at 100 % the others do not reach the printed mean.
    assert cells(second) == {
        "macro recall",
        *(f"recall of {name}" for name in done.table.classes if name != "disgust"),
    }
    assert not first.supports


def test_the_four_block_table_fails_by_accuracy_and_macro_recall_at_its_supports():
    done = audit(published("s3-four-block-cnn"))
    assert done.verdict == "inconsistent"
    (one,) = done.diagnosis.contradictions
    assert cells(one) == {"accuracy", "macro recall"}
    assert one.supports == done.table.classes
    # 3,920 images right: all happy, all sad and 899 of 1,233 neutral ones cost the least recall.
    least = (2 + Fraction(899, 1233)) / 7
    assert float(one.bounds.low) == pytest.approx(float(least), abs=1e-8)
    assert done.table.show(one.bounds.low, bound="low") == "38.98 %"


@settings(max_examples=30)
@given(matrices(), st.integers(0, 4))
def test_no_table_that_scikit_learn_made_is_refuted(matrix, decimals):
    done = audit(table_of(matrix, decimals))
    assert done.verdict != "inconsistent"
    assert done.conventions.rounding == "nearest"


@settings(max_examples=12)
@given(matrices(), st.data())
def test_no_table_with_gaps_is_refuted(matrix, data):
    printed = printed_scores(matrix, data.draw(st.integers(0, 3)))
    kept = data.draw(st.sets(st.sampled_from(sorted(printed)), min_size=1))
    table = parse_table(table_text({cell: printed[cell] for cell in kept}, matrix.sum(axis=1).tolist()), "gaps.csv")
    assert audit(table).verdict != "inconsistent"
    without_supports = replace(table, supports=(None,) * len(table.classes), totals={})
    assert audit(without_supports).verdict == "underdetermined"


def cut_off(matrix):
    """A table that shows the first two decimals of its percentages."""
    values = scikit_learn_scores(matrix)
    text = {cell: f"{int(float(value) * 10000 + 1e-9) / 100:.2f}" for cell, value in values.items()}
    return parse_table(table_text(text, matrix.sum(axis=1).tolist()), "cut.csv")


@settings(max_examples=15)
@given(matrices())
def test_no_table_whose_digits_were_cut_off_is_refuted(matrix):
    assert audit(cut_off(matrix), rounding="truncate").verdict == "consistent"


def test_digits_that_were_cut_off_are_recognised_where_several_numbers_show_it():
    done = audit(cut_off(FACES))
    assert (done.verdict, done.conventions.rounding) == ("consistent", "truncate")


def test_a_single_number_of_many_that_would_have_to_be_cut_off_is_wrong():
    table = table_of([[3, 1, 1], [2, 0, 0], [0, 0, 3]])
    cell = Cell("macro avg", "precision")  # 45.00: (3/5 + 0 + 3/4) / 3
    assert table.scores[cell].value == Fraction(45, 100)
    lower = replace(table.scores[cell], value=Fraction(4499, 10000))
    changed = replace(table, scores={**table.scores, cell: lower})
    assert audit(changed, rounding="truncate").verdict == "consistent"
    assert audit(changed).verdict == "inconsistent"


@settings(max_examples=15)
@given(matrices())
def test_a_consistent_table_s_matrix_gives_every_printed_score(matrix):
    table = table_of(matrix)
    made = audit(table, rounding="nearest").matrix
    values = scikit_learn_scores(made)
    for cell, printed in table.scores.items():
        assert values[cell] == pytest.approx(float(printed.value), abs=0.5e-4 + 1e-12)


@settings(max_examples=12)
@given(matrices(40), st.data())
def test_a_changed_score_is_caught_or_there_is_a_matrix_that_gives_it(matrix, data):
    printed = printed_scores(matrix)
    cell = data.draw(st.sampled_from(sorted(printed)))
    by = data.draw(st.integers(1, 300)) * data.draw(st.sampled_from([-1, 1]))
    value = min(max(round(100 * float(printed[cell])) + by, 0), 10000)
    changed = {**printed, cell: f"{value / 100:.2f}"}
    table = parse_table(table_text(changed, matrix.sum(axis=1).tolist()), "changed.csv")
    done = audit(table, rounding="nearest", macro_f1="mean", zero_division="0")
    if done.verdict == "consistent":
        values = scikit_learn_scores(done.matrix)
        assert all(abs(100 * values[one] - float(text)) <= 0.005 + 1e-9 for one, text in changed.items())
    else:
        assert done.verdict == "inconsistent"
        assert any(done.diagnosis.contradictions)


def test_a_changed_macro_average_is_the_only_number_left_out():
    done = audit(table_of(FACES, macro_avg__f1="79.00"))
    (one,) = done.diagnosis.contradictions
    assert str(one.without) == "macro F1"
    assert not one.supports


def test_a_score_that_no_whole_number_gives_names_its_class_and_support():
    done = audit(table_of(FACES, c1__recall="91.00", c1__f1="", c1__precision=""))
    (one,) = done.diagnosis.contradictions
    assert cells(one) == {"recall of c1"}
    assert one.supports == ("c1",)


def test_a_score_above_100_percent_is_impossible_by_itself():
    done = audit(table_of(FACES, c2__precision="104.00"))
    assert cells(done.diagnosis.contradictions[0]) == {"precision of c2"}


def test_an_f1_that_is_not_that_of_its_precision_and_recall_needs_no_supports():
    table = table_of(FACES, c0__f1="95.00")
    done = audit(replace(table, supports=(None,) * 4, totals={}))
    assert done.verdict == "inconsistent"
    assert {"F1 of c0"} < cells(done.diagnosis.contradictions[0])


def test_a_changed_accuracy_names_its_value():
    done = audit(table_of(FACES, accuracy__f1="82.00"))
    assert done.verdict == "inconsistent"
    assert "accuracy" in {str(cell) for cell, _ in done.diagnosis.menders}


def test_a_total_that_is_not_the_sum_of_the_supports_is_a_contradiction():
    text = "class,recall,support\na,50,10\nb,50,10\nmacro avg,50,21"
    done = audit(parse_table(text, "total.csv"))
    assert done.verdict == "inconsistent"
    assert done.totals == (Cell("macro avg", "support"),)


def test_every_contradiction_is_smallest():
    table = table_of(FACES, macro_avg__recall="70.00", accuracy__f1="60.00")
    found = audit(table).diagnosis.contradictions
    assert len(found) == 2
    for one in found:
        if not one.supports:
            table = replace(table, supports=(None,) * 4, totals={})
        for cell in one.cells:
            rest = {other: table.scores[other] for other in one.cells if other != cell}
            if rest:
                assert audit(replace(table, scores=rest)).verdict != "inconsistent"


def test_an_accuracy_that_no_number_of_images_gives_is_impossible_by_itself():
    done = audit(parse_table("class,f1,support\na,,4\nb,,3\naccuracy,54.61,7", "few.csv"))
    (one,) = done.diagnosis.contradictions
    assert cells(one) == {"accuracy"}
    assert one.supports == ("a", "b")


def test_a_macro_recall_that_no_numbers_of_images_give_is_impossible_by_itself():
    done = audit(parse_table("class,recall,support\na,,2\nb,,1\nmacro avg,33.33,3", "few.csv"))
    (one,) = done.diagnosis.contradictions
    assert cells(one) == {"macro recall"}


def test_f1_of_the_averages_is_a_convention_that_can_be_ruled_out():
    scores = scikit_learn_scores(FACES)
    precision, recall = scores["macro avg", "precision"], scores["macro avg", "recall"]
    table = table_of(FACES, macro_avg__f1=f"{200 * precision * recall / (precision + recall):.2f}")
    done = audit(table)
    assert done.verdict == "consistent"
    assert done.conventions.macro_f1 == "harmonic"
    assert audit(table, macro_f1="mean").verdict == "inconsistent"


@pytest.mark.parametrize("zero_division", [0, 1])
def test_a_class_that_is_never_predicted_may_have_either_precision(zero_division):
    matrix = np.array([[5, 0, 3], [2, 0, 5], [1, 0, 9]])
    values = scikit_learn_scores(matrix, zero_division)
    text = table_text({cell: f"{100 * value:.2f}" for cell, value in values.items()}, [8, 7, 10])
    done = audit(parse_table(text, "zero.csv"))
    assert done.verdict == "consistent"
    assert done.conventions.zero_division == str(zero_division)


def test_a_class_left_out_of_the_averages_is_recognised():
    matrix = np.array([[5, 0, 3], [2, 0, 5], [1, 0, 9]])
    values = scikit_learn_scores(matrix, float("nan"))
    text = table_text({cell: f"{100 * value:.2f}" for cell, value in values.items()}, [8, 7, 10])
    done = audit(parse_table(text, "nan.csv"))
    assert (done.verdict, done.conventions.zero_division) == ("consistent", "left out")
    for cell, printed in done.table.scores.items():
        value = value_of(cell, done.table, done.conventions, done.solved.solution)
        assert value is None or float(value) == pytest.approx(float(printed.value), abs=0.5e-4 + 1e-12)


def with_micro_average(text):
    table = table_text(printed_scores(FACES), FACES.sum(axis=1).tolist())
    return audit(parse_table(f"{table}\nmicro avg,{text},,,", "micro.csv"))


def test_a_micro_average_is_the_accuracy():
    done = with_micro_average(printed_scores(FACES)["accuracy", "f1"])
    assert done.verdict == "consistent"
    micro = value_of(Cell("micro avg", "f1"), done.table, done.conventions, done.solved.solution)
    assert micro == Fraction(int(FACES.trace()), int(FACES.sum()))


def test_another_micro_average_than_the_accuracy_is_the_only_number_left_out():
    other = float(printed_scores(FACES)["accuracy", "f1"]) + 1
    done = with_micro_average(f"{other:.2f}")
    assert {str(one.without) for one in done.diagnosis.contradictions} == {"micro F1"}
