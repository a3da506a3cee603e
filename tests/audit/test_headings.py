"""Names of columns and rows mean what people mean by them, and classes stay classes."""

from __future__ import annotations

import pytest

from ferbench.audit.headings import column_of, row_of
from ferbench.audit.printed import ACCURACY, BALANCED, MACRO, MICRO, WEIGHTED
from ferbench.data.expressions import EXPRESSIONS


@pytest.mark.parametrize(
    ("title", "column"),
    [
        ("Precision", "precision"),
        ("PRECISION (%)", "precision"),
        ("Prec.", "precision"),
        ("Präzision", "precision"),
        ("précision", "precision"),
        ("Точность", "either"),
        ("精确率", "precision"),
        ("適合率", "precision"),
        ("정밀도", "precision"),
        ("Recall ↑", "recall"),
        ("Recall (Sensitivity)", "recall"),
        ("Sensitivity/Recall", "recall"),
        ("rappel", "recall"),
        ("召回率", "recall"),
        ("再現率", "recall"),
        ("F1", "f1"),
        ("F1-score", "f1"),
        ("F1 Score", "f1"),
        ("$F_1$", "f1"),
        ("F-measure", "f1"),
        ("F1-Maß", "f1"),
        ("F1值", "f1"),
        ("Support", "support"),
        ("# images", "support"),
        ("No. of samples", "support"),
        ("样本数", "support"),
        ("Accuracy (%)", "accuracy"),
        ("AUC", "other"),
        ("Specificity", "other"),
        ("Emotion", "class"),
        ("类别", "class"),
        ("ResNet-18", None),
        ("", None),
    ],
)
def test_columns(title, column):
    assert column_of(title) == column


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("accuracy", ACCURACY),
        ("Accuracy (%)", ACCURACY),
        ("Overall Accuracy", ACCURACY),
        ("Test accuracy", ACCURACY),
        ("准确率", ACCURACY),
        ("macro avg", MACRO),
        ("Macro-averaged F1", MACRO),
        ("Unweighted average", MACRO),
        ("UAR", MACRO),
        ("宏平均", MACRO),
        ("マクロ平均", MACRO),
        ("moyenne macro", MACRO),
        ("Weighted avg (support)", WEIGHTED),
        ("WEIGHTED AVG", WEIGHTED),
        ("avg / total", WEIGHTED),
        ("gewichteter Durchschnitt", WEIGHTED),
        ("加权平均", WEIGHTED),
        ("micro avg", MICRO),
        ("Balanced accuracy", BALANCED),
        ("Mean class accuracy", BALANCED),
        ("Average", MACRO),
        ("Mean", MACRO),
        ("**Mean**", MACRO),
        ("Avg.", MACRO),
        ("Overall", WEIGHTED),
        ("All", WEIGHTED),
        ("TOTAL", WEIGHTED),
        ("Gesamt", WEIGHTED),
        ("平均", MACRO),
        ("Moyenne", MACRO),
        ("Среднее", MACRO),
    ],
)
def test_averages_and_what_they_likeliest_are(title, kind):
    assert row_of(title).kinds[0] == kind


@pytest.mark.parametrize("title", ["Kappa", "AUC", "loss", "Cohen's kappa"])
def test_other_scores_are_neither_averages_nor_classes(title):
    assert row_of(title).kinds == ()


@pytest.mark.parametrize(
    "title",
    [
        *EXPRESSIONS,
        "0",
        "6",
        "class 3",
        "Class 0",
        "AU12",
        "all smiles",
        "very happy",
        "Other",
        "高兴",
        "F",
        "n",
        "p",
        "mad",
        "calm",
    ],
)
def test_classes_are_no_averages(title):
    assert row_of(title) is None
