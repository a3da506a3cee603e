"""Tables of others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ferbench.audit.score_table import parse_table
from ferbench.audit.verdict import audit
from ferbench.errors import UserError
from ferbench.ranking.leaderboard import contaminated
from ferbench.ranking.published import read_published
from ferbench.report.unranked_tables import unranked_table

PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "published"
SUMMARY = (
    "name,dataset,split,n,accuracy_percent,note\nfirst,FER2013,test,7178,88.31,\nsecond,FER2013,test,,>=60,a bound\n"
)
TABLE = "class,precision_percent,recall_percent,f1_percent,support\n"
TABLE += "happy,50.00,25.00,33.33,4\nmacro avg,50.00,25.00,33.33,4\naccuracy,,,25.00,4\n"


def test_a_summary_and_its_tables_are_one_experiment_each(tmp_path):
    (tmp_path / "summary.csv").write_text(SUMMARY)
    (tmp_path / "first.csv").write_text(TABLE)
    (tmp_path / "alone.csv").write_text(TABLE)
    (tmp_path / "epochs.csv").write_text("epoch,loss\n1,0.5\n")
    (first, second, alone), others = read_published(tmp_path)
    assert others == [tmp_path / "epochs.csv"]
    assert (first.name, first.n, first.values["accuracy"]) == ("first", 7178, pytest.approx(0.8831))
    assert first.values["f1:happy"] == pytest.approx(0.3333)
    assert (second.values, second.n, second.note) == ({}, None, "a bound")
    assert (alone.name, alone.n, alone.values["balanced_accuracy"]) == ("alone", 4, 0.25)


@pytest.mark.parametrize("text", [TABLE + "sad,1,2\n", TABLE + "sad,1,2,3,4,5\n"])
def test_a_table_with_a_broken_line_is_an_error(tmp_path, text):
    (tmp_path / "one.csv").write_text(text)
    with pytest.raises(UserError, match="line 5: it has not 5 fields as the header"):
        read_published(tmp_path)


def test_models_with_valence_and_arousal_have_a_line_each(tmp_path):
    header = "model,epochs,split,expression_accuracy,valence_rmse,arousal_rmse,valence_correlation,arousal_correlation"
    (tmp_path / "s9-multitask-summary.csv").write_text(f"{header}\nnet,34,validation,0.480,0.393,0.346,0.583,0.457\n")
    ((one,), _) = read_published(tmp_path)
    assert (one.name, one.split, one.note) == (
        "s9-multitask net, 34 epochs",
        "validation",
        "valence r 0.583, arousal r 0.457",
    )
    assert one.values == {"accuracy": 0.48, "valence_rmse": 0.393, "arousal_rmse": 0.346}
    table = unranked_table(contaminated([]), [one])
    assert [column.key for column in table.columns][6:11] == [
        "accuracy",
        "macro_f1",
        "balanced_accuracy",
        "valence_rmse",
        "arousal_rmse",
    ]


def test_every_published_experiment_is_shown(tmp_path):
    names = {one.name for one in read_published(PUBLISHED)[0]}
    tables = {path.stem for path in PUBLISHED.glob("s[0-9]*.csv")}
    assert tables - names == {"s4-adaptive-epochs", "s5-multitask-summary"}
    assert "s5-multitask resnet50-v2, 15 epochs" in names


def test_text_in_the_place_of_a_number_is_an_error(tmp_path):
    (tmp_path / "one.csv").write_text(TABLE.replace("33.33", "n/a"))
    with pytest.raises(UserError, match="'n/a' is no number"):
        read_published(tmp_path)


LINE = "one,FER2013,test,7178,{},\n"
HEADER = "name,dataset,split,n,accuracy_percent,note\n"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("summary.csv", "name,dataset,split,n\nfirst,FER2013,test,7178\n", "has no columns 'accuracy_percent', 'note'"),
        ("summary.csv", "name; dataset\na; b\n", "has no columns 'split', 'n', 'accuracy_percent', 'note'"),
        ("summary.csv", HEADER.replace("note", "name") + LINE.format("1"), "column 'name' is there twice"),
        ("summary.csv", "", "has no rows"),
        ("summary.csv", HEADER, "has no rows"),
        ("summary.csv", HEADER + 2 * LINE.format("50"), "two lines are of 'one'"),
        ("summary.csv", HEADER + LINE.format("n/a"), "'n/a' is no number"),
        ("summary.csv", HEADER + LINE.format("101"), "101 is no percentage"),
        ("summary.csv", HEADER + LINE.format("9" * 5000), "is no number"),
        ("summary.csv", HEADER + LINE.replace("7178", "²").format("50"), "'²' is no number of samples"),
        ("summary.csv", HEADER + LINE.replace("7178", "9" * 5000).format("50"), "is no number of samples"),
        ("table.csv", TABLE.replace(",support", ",images"), "has no column 'support'"),
        ("table.csv", TABLE.replace("class", "Class"), "has no column 'class'"),
        ("table.csv", TABLE + "happy,1,1,1,1\n", "two lines are of 'happy'"),
        ("table.csv", TABLE.replace("50.00", "-5"), "'-5' is no number"),
        ("models.csv", "model,expression_accuracy\nnet,0.5\n", "has no columns 'epochs', 'split', 'valence_rmse'"),
        ("models.csv", "model,valence_rmse\nnet,0.5\n", "has no columns 'epochs', 'split', 'expression_accuracy'"),
        ("other.csv", "", "has no rows"),
    ],
)
def test_what_cannot_be_shown_is_said_in_two_lines(ferbench_cli, tmp_path, file, text, message):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / file).write_text(text, encoding="utf-8")
    done = ferbench_cli("leaderboard", "--published", "published")
    assert done.exit_code == 2
    said, remedy = done.stderr.splitlines()
    assert message in said
    assert f"published/{file}" in said
    assert remedy.startswith("  → ")


@pytest.mark.parametrize("accuracy", ["88.31 %", "88.31%", " 88.31"])
def test_a_percent_sign_changes_nothing(tmp_path, accuracy):
    (tmp_path / "summary.csv").write_text(HEADER + LINE.format(accuracy))
    assert read_published(tmp_path)[0][0].values["accuracy"] == pytest.approx(0.8831)


def test_columns_may_stand_in_another_order(tmp_path):
    (tmp_path / "one.csv").write_text("support,class,f1_percent,recall_percent,precision_percent\n4,sad,40,30,60%\n")
    ((one,), _) = read_published(tmp_path)
    assert one.values == pytest.approx({"precision:sad": 0.6, "recall:sad": 0.3, "f1:sad": 0.4})


@pytest.mark.parametrize("between", [";", "\t", ", "])
def test_a_table_of_a_spreadsheet_is_shown_as_well(tmp_path, between):
    (tmp_path / "one.csv").write_text(TABLE.replace(",", between))
    ((one,), _) = read_published(tmp_path)
    assert (one.n, one.values["accuracy"]) == (4, pytest.approx(0.25))


def test_no_directory_is_an_error(tmp_path):
    with pytest.raises(UserError, match="there is no directory"):
        read_published(tmp_path / "none")


def test_published_tables_stand_unranked_below_the_groups(ferbench_cli, tmp_path):
    from made_runs import make_run

    make_run(tmp_path / "results", name="mine")
    (tmp_path / "benchmarks" / "published").mkdir(parents=True)
    (tmp_path / "benchmarks" / "published" / "summary.csv").write_text(SUMMARY)
    shown = ferbench_cli("leaderboard").stdout
    tables = shown.split("\n\n")
    assert tables[0].splitlines()[1].startswith("rank")
    assert tables[1].startswith("not ranked: reported by others")
    assert "88.31" not in shown
    assert "0.8831" in tables[1]


def test_a_file_of_another_layout_is_named_where_the_directory_was_asked_for(ferbench_cli, tmp_path):
    published = tmp_path / "benchmarks" / "published"
    published.mkdir(parents=True)
    (published / "summary.csv").write_text(SUMMARY)
    (published / "epochs.csv").write_text("epoch,loss\n1,0.5\n")
    done = ferbench_cli("leaderboard", "--published", published, "--json")
    assert f"{published / 'epochs.csv'} is not shown: it is no summary" in done.stderr
    assert "epochs.csv" not in ferbench_cli("leaderboard", "--json").stderr


CLAIMS = Path(__file__).parents[2] / "benchmarks" / "claims"


def test_the_claims_have_sources_and_say_what_was_checked():
    claims, others = read_published(CLAIMS)
    assert not others
    reported = [claim for claim in claims if claim.kind == "reported"]
    assert len(reported) >= 25
    assert len({claim.dataset for claim in reported}) >= 4
    for claim in claims:
        assert claim.source, claim.name
        assert claim.checked, claim.name
        assert "accuracy" in claim.values, claim.name
    (people,) = (claim for claim in claims if claim.kind == "people")
    assert (people.dataset, people.values["accuracy"]) == ("FER2013", 0.65)


def test_the_page_of_the_claims_says_what_the_audit_says():
    page = (CLAIMS / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([\w-]+)\.csv` \|.*\| (\w+)[^|]*\|$", page, flags=re.MULTILINE))
    assert {path.stem for path in CLAIMS.glob("*.csv")} == {"summary", *rows}
    for name, verdict in rows.items():
        assert audit(parse_table((CLAIMS / f"{name}.csv").read_text(), name)).verdict == verdict


def test_a_claim_is_shown_with_its_arithmetic_and_source(tmp_path):
    header = "name,kind,dataset,split,n,accuracy_percent,source,selection,checked,note"
    lines = "net,reported,RAF-DB,test,3068,94.76,A paper,last epoch,abstract,\npeople,people,RAF-DB,,,81,B,,,\n"
    (tmp_path / "summary.csv").write_text(f"{header}\n{lines}")
    table = unranked_table(contaminated([]), read_published(tmp_path)[0])
    keys = [column.key for column in table.columns]
    net, people = (dict(zip(keys, row, strict=True)) for row in table.rows)
    assert net["arithmetic"].startswith("it is no whole number of 3,068 images")
    assert (net["kind"], net["source"], net["selection"]) == ("reported", "A paper", "last epoch")
    assert (people["kind"], people["arithmetic"]) == ("people", None)
    (tmp_path / "summary.csv").write_text(f"{header}\n{lines.replace('people,people', 'people,crowd')}")
    with pytest.raises(UserError, match="'crowd' is not a kind of result"):
        read_published(tmp_path)
