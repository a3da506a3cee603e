"""One true table, written in the ways in which people write tables: read, and without an alarm."""

from __future__ import annotations

import numpy as np
import pytest
from renderings import decimal_commas, html, latex, markdown, report, rows_of, separated

from ferbench.audit.printed import Cell
from ferbench.audit.score_table import parse_table, parse_tables
from ferbench.audit.verdict import audit
from ferbench.errors import UserError

NAMES = ("angry", "disgust", "fear", "happy", "sad")
FACES = np.array([[31, 2, 5, 3, 8], [3, 9, 1, 0, 2], [6, 1, 25, 4, 12], [1, 0, 3, 80, 5], [7, 1, 9, 6, 41]])
RIGHT, PREDICTED, SUPPORTS = FACES.diagonal(), FACES.sum(axis=0), FACES.sum(axis=1)
TOTAL = int(SUPPORTS.sum())
P, R, F1 = RIGHT / PREDICTED, RIGHT / SUPPORTS, 2 * RIGHT / (PREDICTED + SUPPORTS)
ACCURACY = RIGHT.sum() / TOTAL
HEADER = ["Class", "Precision", "Recall", "F1-score", "Support"]
CLASSES = rows_of(FACES, NAMES, 2, percent=False, averages=False)[1:]


def macro(digits=2, scale=1):
    return [f"{scale * column.mean():.{digits}f}" for column in (P, R, F1)]


def weighted(digits=2):
    return [f"{np.average(column, weights=SUPPORTS):.{digits}f}" for column in (P, R, F1)]


def table(*more, header=HEADER, rows=CLASSES, layout=markdown):
    return layout([header, *rows, *more])


def one_score(values, digits=1):
    return [[name, f"{100 * value:.{digits}f}%"] for name, value in zip(NAMES, values, strict=True)]


IN_LANGUAGES = {
    "German": ("Klasse,Genauigkeit,Trefferquote,F1-Maß,Anzahl", "gewichteter Durchschnitt"),
    "French": ("Classe,Précision,Rappel,F-mesure,Effectif", "moyenne pondérée"),
    "Spanish": ("Clase,Precisión,Exhaustividad,Medida F1,Soporte", "promedio ponderado"),
    "Portuguese": ("Classe,Precisão,Revocação,F1,Suporte", "média ponderada"),
    "Italian": ("Classe,Precisione,Richiamo,F1,Supporto", "media ponderata"),
    "Russian": ("Класс,Точность,Полнота,F1-мера,Поддержка", "взвешенное среднее"),
    "Turkish": ("Sınıf,Kesinlik,Duyarlılık,F1-Skoru,Destek", "ağırlıklı ortalama"),
    "Indonesian": ("Kelas,Presisi,Recall,F1-Score,Jumlah", "rata-rata tertimbang"),
    "Chinese": ("类别,精确率,召回率,F1值,样本数", "加权平均"),
    "Japanese": ("クラス,適合率,再現率,F値,サポート", "加重平均"),
    "Korean": ("클래스,정밀도,재현율,F1 점수,지원", "가중 평균"),
}
TRUE = {
    **{
        name: table([average, *weighted(), str(TOTAL)], header=heads.split(","))
        for name, (heads, average) in IN_LANGUAGES.items()
    },
    **{
        f"{name} is macro": table([name, *macro(), str(TOTAL)]) for name in ("Average", "Mean", "AVG", "Unweighted avg")
    },
    **{
        f"{name} is weighted": table([name, *weighted(), ""])
        for name in ("Overall", "All", "Total", "avg / total", "Average")
    },
    "Weighted avg (support)": table(["Weighted avg (support)", *weighted(), str(TOTAL)]),
    "Overall is the accuracy": table(["Overall", *[f"{ACCURACY:.2f}"] * 3, str(TOTAL)]),
    "an average in no known language": table(["Zusammengefasst", *weighted(), str(TOTAL)]),
    "two of them": table(["Zusammen A", *macro(), str(TOTAL)], ["Zusammen B", *weighted(), str(TOTAL)]),
    "one above the classes": table(rows=[["Zusammen", *macro(), str(TOTAL)], *CLASSES]),
    "a row that is neither": table(["Zusammen", "0.50", "0.51", "0.49", ""]),
    "UAR": table(["UAR", f"{R.mean():.2f}"], header=["Emotion", "Recall"], rows=[[row[0], row[2]] for row in CLASSES]),
    "F1 of the average precision and recall": table(
        ["Average", *weighted()[:2], f"{2 / (1 / np.average(P, weights=SUPPORTS) + 1 / ACCURACY):.2f}", str(TOTAL)]
    ),
    "the mean of the printed numbers": table(
        ["Mean", *[f"{np.mean([float(row[k]) for row in CLASSES]):.2f}" for k in (1, 2, 3)], ""]
    ),
    "capital letters": table(["MACRO AVG", *macro(), str(TOTAL)], header=[head.upper() for head in HEADER]),
    "more columns": table(header=["Class", "AUC", *HEADER[1:]], rows=[[row[0], "0.91", *row[1:]] for row in CLASSES]),
    "numbered rows": table(header=["#", *HEADER], rows=[[str(k), *row] for k, row in enumerate(CLASSES, start=1)]),
    "names with pictures": table(rows=[[f"😀 {row[0]}", *row[1:]] for row in CLASSES]),
    "percent in one column": table(
        ["Accuracy", "", "", f"{100 * ACCURACY:.1f}", ""],
        header=["Class", "Precision", "Recall (%)", "F1", "Support"],
        rows=[[row[0], row[1], f"{100 * r:.1f}", *row[3:]] for row, r in zip(CLASSES, R, strict=True)],
    ),
    "Accuracy (%) below fractions": table(["Accuracy (%)", "", "", f"{100 * ACCURACY:.2f}", str(TOTAL)]),
    "an accuracy in fractions below percent": table(
        ["accuracy", "", "", f"{ACCURACY:.3f}", ""], rows=rows_of(FACES, NAMES, 1, percent=True, averages=False)[1:]
    ),
    "accuracy of each class": table(
        ["Overall", f"{100 * ACCURACY:.1f}%"], header=["Emotion", "Accuracy"], rows=one_score(R)
    ),
    "its mean": table(["Average", f"{100 * R.mean():.1f}%"], header=["Emotion", "Accuracy (%)"], rows=one_score(R)),
    "accuracy of a class against the rest": table(
        header=["Class", "Accuracy", "Precision", "F1", "Support"],
        rows=[
            [row[0], f"{1 - (s + p - 2 * t) / TOTAL:.2f}", row[1], row[3], row[4]]
            for row, s, p, t in zip(CLASSES, SUPPORTS, PREDICTED, RIGHT, strict=True)
        ],
    ),
    "a misspelt name": table(
        ["overal", f"{100 * ACCURACY:.2f}%"], header=["Classes", "Accuracy"], rows=one_score(R, 2)
    ),
    "a list": "\n".join(f"- Test accuracy of {name.title()}: {share} <br>" for name, share in one_score(R)),
    "F1 alone": table(
        ["Macro-F1", f"{F1.mean():.4f}"],
        ["Test Accuracy", f"{100 * ACCURACY:.2f}%"],
        header=["Emotion", "F1"],
        rows=[[name, f"{value:.4f}"] for name, value in zip(NAMES, F1, strict=True)],
    ),
    "no supports": table(["macro avg", *macro()], header=HEADER[:4], rows=[row[:4] for row in CLASSES]),
    "one support missing": table(
        ["accuracy", "", "", f"{ACCURACY:.2f}", str(TOTAL)], rows=[[*CLASSES[0][:4], ""], *CLASSES[1:]]
    ),
    "decimal commas": table(["Mittelwert", *macro(), str(TOTAL)], layout=decimal_commas),
    "tabs": table(["macro avg", *macro(), str(TOTAL)], layout=separated("\t")),
    "LaTeX": table(
        ["\\textbf{Accuracy}", "", "", f"{ACCURACY:.2f}", str(TOTAL)],
        layout=latex,
    ),
    "LaTeX in percent": table(
        ["Mean", *macro(1, 100), ""],
        header=["Emotion", "Precision (\\%)", "Recall (\\%)", "F$_1$ (\\%)", "\\#"],
        rows=rows_of(FACES, NAMES, 1, percent=True, averages=False)[1:],
        layout=latex,
    ),
    "HTML": table(["<b>Macro avg</b>", *macro(), str(TOTAL)], layout=html),
    "a table of settings above": markdown([["Parameter", "Value"], ["lr", "0.001"], ["epochs", "50"]]) + "\n" + table(),
    "single blanks": "\n".join(" ".join(line.split()) for line in report([HEADER, *CLASSES]).splitlines() if line),
    "a quotation": "\n".join(f"> {line}" for line in report([HEADER, *CLASSES]).splitlines()),
    "a log": "\n".join(f"2024-05-01 10:11:12,123 - INFO - {line}" for line in report([HEADER, *CLASSES]).splitlines()),
    "text behind it": f"{report([HEADER, *CLASSES])}Happy has a recall of 0.90 on 89 images.\n",
    **{
        f"{digits} decimals": table(
            ["macro avg", *macro(digits), str(TOTAL)],
            rows=rows_of(FACES, NAMES, digits, percent=False, averages=False)[1:],
        )
        for digits in (1, 3, 4)
    },
}


@pytest.mark.parametrize("name", TRUE)
def test_a_true_table_raises_no_alarm(name):
    done = audit(parse_table(TRUE[name], "t"))
    assert done.verdict != "inconsistent"
    assert len(done.table.classes) == len(NAMES)
    if "supports" not in name and done.table.total is not None:
        assert (done.verdict, done.table.total) == ("consistent", TOTAL)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (table(["Average", "0.81", "0.82", "0.80", str(TOTAL)]), "macro precision"),
        (table(["accuracy", "", "", "0.91", str(TOTAL)]), "accuracy"),
        (table(["weighted avg", *macro(), "600"]), ""),
        (table(rows=[["angry", "0.65", "0.63", "0.75", "49"], *CLASSES[1:]]), "F1 of angry"),
    ],
)
def test_a_wrong_table_is_inconsistent(text, cell):
    done = audit(parse_table(text, "t"))
    assert done.verdict == "inconsistent"
    assert done.totals or cell in {str(one.without) for one in done.diagnosis.contradictions}


@pytest.mark.parametrize(
    "rows",
    [
        [
            ["Model", "Precision", "Recall", "F1"],
            ["ResNet50", "0.72", "0.70", "0.66"],
            ["Ours", "0.70", "0.60", "0.69"],
        ],
        [["", "Precision", "Recall", "F1"], ["CNN", "0.72", "0.70", "0.66"], ["Random Forest", "0.70", "0.60", "0.69"]],
        [["Fold", "Precision", "Recall", "F1"], ["1", "0.72", "0.70", "0.66"], ["2", "0.70", "0.60", "0.69"]],
        [["Set", "Accuracy", "F1"], ["Train", "0.72", "0.66"], ["Test", "0.70", "0.69"]],
        [["Layer", "Output", "Params"], ["conv1", "32", "320"], ["conv2", "64", "18496"]],
    ],
)
def test_rows_that_are_no_classes_are_refused(rows):
    with pytest.raises(UserError, match="is not a table of scores by class"):
        parse_tables(markdown(rows), "t")


def test_images_with_several_classes_are_never_inconsistent_by_one_confusion_matrix():
    text = report(
        [
            HEADER,
            *CLASSES,
            ["micro avg", "0.53", "0.43", "0.48", str(TOTAL)],
            ["samples avg", "0.50", "0.42", "0.44", str(TOTAL)],
        ]
    )
    done = audit(parse_table(text, "t"))
    assert done.verdict == "underdetermined"
    assert "several classes" in done.reason
    assert Cell("micro avg", "f1") not in done.table.scores
