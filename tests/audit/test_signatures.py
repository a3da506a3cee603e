"""Known ways in which numbers come about, recognised."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from made_tables import printed_scores, scikit_learn_scores, table_of, table_text

from ferbench.audit.printed import Cell
from ferbench.audit.score_table import parse_table, read_table
from ferbench.audit.signatures import IDS, signatures
from ferbench.audit.test_sets import known_supports
from ferbench.audit.verdict import audit

PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "published"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "tables"

FACES = np.array([[80, 3, 10, 7], [2, 30, 1, 0], [12, 0, 110, 20], [9, 1, 25, 140]])
BASIC = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def found(table, **conventions):
    return {one.id: one.text for one in signatures(audit(table, **conventions))}


def published(name):
    return found(read_table(PUBLISHED / f"{name}.csv"))


def test_the_four_block_table_is_as_if_labels_were_in_another_order():
    assert set(published("s3-four-block-cnn")) == {"shuffled"}


def test_the_limited_table_has_sad_below_chance():
    signs = published("s4-limited")
    assert set(signs) == {"below-chance"}
    assert signs["below-chance"].startswith("sad ")


@pytest.mark.parametrize("name", IDS)
def test_every_signature_has_an_example_that_shows_it_alone(name):
    assert set(found(read_table(EXAMPLES / f"{name}.csv"))) == {name}


def test_every_example_is_of_a_signature():
    assert sorted(path.stem for path in EXAMPLES.iterdir()) == sorted(IDS)


def test_a_class_that_is_never_predicted_with_a_precision_of_1():
    matrix = np.array([[80, 3, 12, 0], [2, 30, 1, 0], [12, 0, 130, 0], [9, 1, 25, 0]])
    printed = {cell: f"{100 * value:.2f}" for cell, value in scikit_learn_scores(matrix, zero_division=1.0).items()}
    signs = found(parse_table(table_text(printed, matrix.sum(axis=1).tolist()), "ones.csv"))
    assert signs == {"zero-division": "the numbers fit when a score with a denominator of 0 counts as 1"}


@pytest.mark.parametrize("name", ["s4-full-1-epoch-rerun", "s4-adaptive-epoch-10", "s4-full-1-epoch"])
def test_plain_tables_have_no_signature(name):
    assert published(name) == {}


def test_predictions_shuffled_against_labels_are_recognised_in_a_full_table():
    generator = np.random.default_rng(0)
    true = np.repeat(np.arange(4), [300, 120, 400, 180])
    predicted = generator.permutation(true)
    matrix = np.zeros((4, 4), int)
    np.add.at(matrix, (true, predicted), 1)
    assert set(found(table_of(matrix))) == {"shuffled"}


@pytest.mark.parametrize(
    ("recall", "shuffled"), [(17.6, True), (25.0, True), (32.4, True), (17.4, False), (32.6, False)]
)
def test_a_macro_recall_within_three_deviations_of_chance_is_as_if_shuffled(recall, shuffled):
    """Four classes of 100: one deviation is sqrt(4 / 400) / 4, 2.5 percentage points."""
    cells = {("macro avg", "recall"): f"{recall:.2f}", ("accuracy", "f1"): "60.00"}
    signs = found(parse_table(table_text(cells, [100] * 4), "summary.csv"))
    assert ("shuffled" in signs) == shuffled


def test_an_accuracy_near_chance_too_is_no_sign_of_labels_in_another_order():
    cells = {("macro avg", "recall"): "25.00", ("accuracy", "f1"): "37.00"}
    assert "shuffled" not in found(parse_table(table_text(cells, [100] * 4), "summary.csv"))


def test_below_chance_is_the_hypergeometric_tail():
    stats = pytest.importorskip("scipy.stats")
    from ferbench.audit.signatures import _at_most, _deviation

    assert _at_most(2, 100, 68, 700) == pytest.approx(stats.hypergeom(700, 100, 68).cdf(2), rel=1e-9)
    assert _at_most(10, 100, 68, 700) == pytest.approx(stats.hypergeom(700, 100, 68).cdf(10), rel=1e-9)
    chance = stats.hypergeom(700, 100, 68)
    assert _deviation(15, 100, 68, 700) == pytest.approx((15 - chance.mean()) / chance.std())


@pytest.mark.parametrize(("right", "called"), [(13, False), (11, True)])
def test_a_class_is_below_chance_where_that_is_too_rare_over_all_classes(right, called):
    """Of 400 images 100 are c0, and 80 are taken for it: 13 right are as rare as 3 %, 11 as 0.5 %; a quarter of 5 %
    lies between them."""
    more = [(80 - right) // 3 + (k < (80 - right) % 3) for k in range(3)]
    matrix = np.diag([right, *(100 - one for one in more)])
    matrix[0, 1] = 100 - right
    matrix[1:, 0] = more
    signs = found(table_of(matrix, decimals=4))
    assert signs == (
        {"below-chance": "c0 is right 11 times where naming it 80 times at random would be right about 20 times"}
        if called
        else {}
    )


def test_precision_and_recall_exchanged_in_the_class_rows():
    scores = printed_scores(FACES)
    swapped = {
        (row, {"precision": "recall", "recall": "precision"}.get(measure, measure) if row[0] == "c" else measure): text
        for (row, measure), text in scores.items()
    }
    table = parse_table(table_text(swapped, FACES.sum(axis=1).tolist()), "swapped.csv")
    assert "class rows" in found(table)["swapped-columns"]


def test_precision_and_recall_exchanged_in_one_row():
    scores = printed_scores(FACES)
    changes = {"c1__precision": scores["c1", "recall"], "c1__recall": scores["c1", "precision"]}
    assert "of c1 exchanged" in found(table_of(FACES, **changes))["swapped-columns"]


def test_a_weighted_average_called_macro():
    weighted = printed_scores(FACES)["weighted avg", "precision"]
    signs = found(table_of(FACES, macro_avg__precision=weighted))
    assert signs["other-average"] == "macro precision is what the classes' scores give as weighted precision"


def test_an_average_of_rounded_scores():
    matrix = np.array([[7, 3, 1], [2, 9, 4], [1, 1, 11]])
    values = scikit_learn_scores(matrix)
    printed = {cell: f"{100 * value:.0f}" for cell, value in values.items()}
    mean = sum(Fraction(printed[f"c{k}", "f1"]) for k in range(3)) / 3
    printed["macro avg", "f1"] = f"{float(mean):.2f}"
    signs = found(parse_table(table_text(printed, [11, 15, 13]), "rounded.csv"), macro_f1="mean")
    assert "mean-of-rounded" in signs


def test_f1_of_the_averages_is_named():
    scores = scikit_learn_scores(FACES)
    precision, recall = scores["macro avg", "precision"], scores["macro avg", "recall"]
    table = table_of(FACES, macro_avg__f1=f"{200 * precision * recall / (precision + recall):.2f}")
    assert set(found(table)) == {"averages-of-averages"}
    assert "averages-of-averages" in found(table, macro_f1="mean")


def test_numbers_that_were_cut_off():
    values = scikit_learn_scores(FACES)
    cut = {cell: f"{int(value * 10000 + 1e-9) / 100:.2f}" for cell, value in values.items()}
    assert set(found(parse_table(table_text(cut, FACES.sum(axis=1).tolist()), "cut.csv"))) == {"truncated"}


def test_supports_in_another_order():
    table = table_of(FACES)
    supports = [table.supports[k] for k in (1, 0, 3, 2)]
    signs = found(replace(table, supports=tuple(supports), totals={}))
    assert signs["supports-reordered"].endswith("c0 100, c1 33, c2 142, c3 175")


def test_supports_of_another_part_of_fer2013():
    supports = dict(known_supports(BASIC))
    generator = np.random.default_rng(1)
    own = supports["FER2013's PublicTest"]
    matrix = np.stack([generator.multinomial(n, np.where(np.arange(7) == k, 0.7, 0.05)) for k, n in enumerate(own)])
    table = table_of(matrix)
    names = dict(zip((f"c{k}" for k in range(7)), BASIC, strict=True))
    renamed = replace(
        table,
        classes=BASIC,
        supports=supports["FER2013's PrivateTest"],
        totals={},
        scores={Cell(names.get(cell.row, cell.row), cell.measure): one for cell, one in table.scores.items()},
    )
    assert found(renamed)["other-split"] == "everything fits with the supports of FER2013's PublicTest"


def test_the_parts_of_fer2013_add_up():
    public, private, both = dict(known_supports(BASIC)).values()
    assert [a + b for a, b in zip(public, private, strict=True)] == list(both)
    assert (sum(public), sum(private)) == (3589, 3589)
    order = ("Surprise", "Sadness", "neutral", "HAPPY", "fear", "disgust", "anger")
    assert next(iter(known_supports(order)))[1] == public[::-1]
    assert list(known_supports(("cat", "dog"))) == []
