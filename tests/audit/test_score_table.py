"""Reading published tables, and refusing what is none."""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import matrices

from ferbench import UserError
from ferbench.audit.printed import Cell
from ferbench.audit.score_table import parse_table, parse_tables, read_table
from ferbench.audit.verdict import audit

PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "published"
BY_CLASS = sorted(path for path in PUBLISHED.glob("*.csv") if path.read_text().startswith("class,"))

SMALL = """class,precision,recall,f1,support
a,50.0,60.0,54.5,10
b,66.7,57.1,61.5,14
accuracy,,,58.3,24
"""


def read(text, **options):
    return parse_table(text, "table.csv", **options)


def test_the_published_tables_by_class_are_read():
    assert len(BY_CLASS) == 9
    for path in BY_CLASS:
        table = read_table(path)
        assert len(table.classes) == 7
        assert table.total in (700, 7178)
        assert table.unit == "percent"


def test_every_number_keeps_its_value_and_its_decimals():
    table = read(SMALL)
    assert table.scores[Cell("a", "precision")].value == Fraction(1, 2)
    assert table.scores[Cell("b", "recall")].step == Fraction(1, 1000)
    assert table.scores[Cell("accuracy", "f1")].value == Fraction(583, 1000)
    assert table.supports == (10, 14)
    assert len(table.scores) == 7


def test_numbers_up_to_1_are_fractions():
    table = read("class,precision,recall,support\na,0.5,1,10\nb,1,0.5,10")
    assert table.unit == "fraction"
    assert table.scores[Cell("b", "precision")].value == 1


@pytest.mark.parametrize(
    "text",
    [
        "class,precision_percent\na,0.5\nb,0.7",
        "class,precision (%)\na,0.5\nb,0.7",
        "class,precision\na,0.5 %\nb,0.7%",
    ],
)
def test_a_name_or_a_cell_may_say_percent(text):
    assert read(text).scores[Cell("a", "precision")].value == Fraction(1, 200)


def test_the_unit_can_be_told():
    text = "class,recall\na,0.5\nb,0.7"
    assert read(text, unit="percent").scores[Cell("a", "recall")].value == Fraction(1, 200)


def test_semicolons_and_decimal_commas_are_read():
    table = read("Klasse;precision;support\na;50,5;1.0\nb;60,25;2".replace("Klasse", "class"))
    assert table.scores[Cell("b", "precision")].value == Fraction(6025, 10000)
    assert table.supports == (1, 2)


def test_supports_may_have_separators_of_thousands():
    assert read('class,recall,support\na,50,"1,774"\nb,60,1 233').supports == (1774, 1233)


def test_what_pandas_writes_of_scikit_learn_s_report_is_read():
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    true, predicted = ["a", "a", "b", "b", "b", "c"], ["a", "b", "b", "b", "c", "c"]
    report = sklearn_metrics.classification_report(true, predicted, output_dict=True)
    columns = ["precision", "recall", "f1-score", "support"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["", *columns])
    for row, values in report.items():
        # In a data frame the single number of the accuracy fills every column.
        writer.writerow([row, *(values[name] if isinstance(values, dict) else values for name in columns)])
    table = read(text.getvalue())
    assert table.classes == ("a", "b", "c")
    assert table.supports == (2, 3, 1)
    assert table.scores[Cell("accuracy", "f1")].value == Fraction(repr(report["accuracy"]))
    assert Cell("weighted avg", "f1") in table.scores
    assert set(table.totals.values()) == {6}


@settings(max_examples=25, deadline=None)
@given(
    matrices(40),
    st.integers(2, 4),
    st.lists(st.sampled_from(["very happy", "0", "a|b", "x 1.5", "nan", "é"]), unique=True),
)
def test_what_scikit_learn_prints_is_read_as_its_numbers(matrix, digits, names):
    from sklearn.metrics import classification_report

    names = [*names, *(f"c{k}" for k in range(len(matrix)))][: len(matrix)]
    true = np.repeat(np.arange(len(matrix)), matrix.sum(axis=1))
    predicted = np.concatenate([np.repeat(np.arange(len(matrix)), row) for row in matrix])
    asked = {"labels": range(len(matrix)), "target_names": names, "digits": digits, "zero_division": 0.0}
    table = read(classification_report(true, predicted, **asked))
    known = classification_report(true, predicted, output_dict=True, **asked)
    assert table.classes == tuple(names)
    assert table.supports == tuple(matrix.sum(axis=1))
    half = 0.5 * 0.1**digits + 1e-12
    assert float(table.scores[Cell("accuracy", "f1")].value) == pytest.approx(known["accuracy"], abs=half)
    for row in (*names, "macro avg", "weighted avg"):
        for measure, column in {"precision": "precision", "recall": "recall", "f1": "f1-score"}.items():
            printed = table.scores[Cell(row, measure)]
            assert float(printed.value) == pytest.approx(known[row][column], abs=half)
            assert printed.step == Fraction(1, 10**digits)


def test_a_report_that_lost_a_number_is_an_error_that_says_where():
    text = "precision recall f1-score support\nangry 0.5 0.5 0.5 10\nsad 0.5 0.5 10\n"
    with pytest.raises(UserError, match=r"table\.csv, line 3: 3 numbers for 4 columns"):
        read(text)


def test_a_markdown_table_is_read_without_its_emphasis():
    lines = ["| **Class** | precision | Recall | F1 | `support` |", "|:--|--:|:-:|---|---|"]
    lines += ["| a | 50.0 | **60.0** | 54.5 | 10 |", "| _b_ | 66.7 | 57.1 | 61.5 | 14", "|accuracy|||58.3|24|"]
    assert read("\n".join(lines)) == read(SMALL)
    escaped = read("| class | recall |\n|---|---|\n| a\\|b | 0.5 |\n| c | 0.25 |")
    assert escaped.classes == ("a|b", "c")


def test_a_table_whose_lines_are_scores_is_read_as_its_transpose():
    table = read(",a,b,macro avg\nprecision,50.0,66.7,\nrecall,60.0,57.1,58.6\nsupport,10,14,24\n")
    assert (table.classes, table.supports) == (("a", "b"), (10, 14))
    assert table.scores[Cell("macro avg", "recall")].value == Fraction("0.586")


def test_zeros_that_a_file_lost_can_be_given_back():
    text = "class,recall\na,88\nb,87.5"
    assert read(text).scores[Cell("a", "recall")].step == Fraction(1, 100)
    assert read(text, decimals=2).scores[Cell("a", "recall")].step == Fraction(1, 10000)


def test_a_single_missing_support_is_the_rest():
    table = read("class,recall,support\na,50,10\nb,60,\naccuracy,55,30")
    assert table.supports == (10, 20)
    assert "support of b" in table.notes[0]


def test_columns_that_are_not_read_are_noted():
    assert read("class,recall,auc\na,50,1\nb,60,2").notes == ("columns not read: auc",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("class,precision\n", "no rows"),
        ("epoch,loss\n1,0.5\n2,0.4", "its columns are epoch, loss"),
        ("class,recall\na,50", "1 class rows"),
        ("class,recall\na,50\na,60", "line 3: 'a' is there twice"),
        ("class,recall\na,fifty\nb,60", "line 2, recall: 'fifty' is not a number"),
        ("class,recall\na,50 ± 2\nb,60", "not a number"),
        ("class,recall,support\na,50,1.5\nb,60,2", "line 2: the support '1.5' is not a count"),
        ("class,recall,support\na,50,-1\nb,60,2", "not a count"),
        ("class,recall,recall\na,50,1\nb,60,2", "two columns for recall"),
        ("class,recall\n,50\nb,60", "line 2 has numbers and no name"),
        ("class,recall,support\na,50,0\nb,60,0", "about no images"),
        ("class,recall,support\na,50,99999999\nb,60,0", "more than 200,000 images"),
        ("class,recall\na,\nb,", "gives no score"),
        ("class,precision,recall\na,50,50\nb,60,60\naccuracy,50,60", "several numbers"),
        ('class,recall\na,"50\nb,60', "not CSV"),
        ("class,recall\na,1e999\nb,60", "not a score"),
        ("class,recall\na,1e99\nb,60", "not a score"),
    ],
)
def test_what_is_no_table_is_an_error_that_says_where(text, message):
    with pytest.raises(UserError, match=message):
        read(text)


def test_a_file_that_is_no_text_is_an_error(tmp_path):
    (tmp_path / "image.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UserError, match="not text in UTF-8"):
        read_table(tmp_path / "image.csv")


TEXTS = st.one_of(
    st.text(alphabet='class,precionfu1;.%\n\t"-+e0593 ±\x00', max_size=120),
    st.builds(
        lambda path, place, length, text: (
            (content := path.read_text())[: place % len(content)] + text + content[place % len(content) + length :]
        ),
        st.sampled_from(BY_CLASS),
        st.integers(0, 10**6),
        st.integers(0, 30),
        st.text(max_size=8),
    ),
)


@given(TEXTS)
def test_whatever_the_text_it_is_a_table_or_the_user_s_mistake(text):
    try:
        table = read(text)
    except UserError:
        return
    assert table.scores


def test_the_table_on_the_page_about_audits_is_possible():
    page = (Path(__file__).parents[2] / "docs/reference/audit.md").read_text()
    lines = page.split("What was not published stays empty:\n\n")[1].split("\n\n")[0].splitlines()
    assert audit(parse_table("\n".join(line.strip() for line in lines), "page.csv")).verdict == "consistent"


def test_an_average_in_percent_below_classes_in_fractions_is_read_so():
    table = read("class,f1,support\na,0.5,10\nb,0.7,14\nAccuracy (%),58.33,24\n")
    assert table.scores[Cell("accuracy", "f1")].value == Fraction("0.5833")
    assert table.scores[Cell("a", "f1")].value == Fraction("0.5")


OLD_REPORT = """Classification Report
=====================
             precision    recall  f1-score   support

          a       0.50      0.60      0.55        10
          b       0.67      0.57      0.62        14

avg / total       0.60      0.58      0.59        24
"""


def test_the_last_row_of_an_old_report_of_scikit_learn_is_the_weighted_average():
    table = read(OLD_REPORT)
    assert table.classes == ("a", "b")
    assert table.scores[Cell("weighted avg", "precision")].value == Fraction("0.6")


def test_a_title_above_a_report_of_scikit_learn_is_passed_over():
    assert read(OLD_REPORT) == read(OLD_REPORT.partition("=\n")[2])


def test_text_below_a_report_of_scikit_learn_is_passed_over():
    below = "\nTotal params: 2,345\nTraining accuracy: 91 %\nSaved model to best.pt\n"
    assert read(OLD_REPORT + below) == read(OLD_REPORT)


def test_an_average_of_which_numbers_are_missing_is_an_error():
    with pytest.raises(UserError, match="1 numbers for 4 columns"):
        read(OLD_REPORT + "macro avg       0.60\n")


def test_each_of_several_reports_is_a_table_of_its_own():
    text = f"Epoch 1/2\n10/10 [=========>] loss: 0.91\n{OLD_REPORT}\nEpoch 2/2\n{OLD_REPORT}"
    (first, one), (second, other) = parse_tables(text, "log.txt")
    assert (first, second) == ("log.txt, line 5", "log.txt, line 15")
    assert one == other == read(OLD_REPORT)
    with pytest.raises(UserError, match="2 tables of scores"):
        read(text)


def test_averages_go_by_several_names():
    table = read("class,f1\na,0.5\nb,0.7\nMacro-F1,0.6\nWeighted F1,0.6\nTest Accuracy,0.58\n")
    assert table.classes == ("a", "b")
    assert {cell.row for cell in table.scores} == {"a", "b", "macro avg", "weighted avg", "accuracy"}
