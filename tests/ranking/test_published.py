"""Tables of others."""

from __future__ import annotations

import pytest

from ferbench.errors import UserError
from ferbench.ranking.published import read_published

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
    first, second, alone = read_published(tmp_path)
    assert (first.name, first.n, first.values["accuracy"]) == ("first", 7178, pytest.approx(0.8831))
    assert first.values["f1:happy"] == pytest.approx(0.3333)
    assert (second.values, second.n, second.note) == ({}, None, "a bound")
    assert (alone.name, alone.n, alone.values["balanced_accuracy"]) == ("alone", 4, 0.25)


@pytest.mark.parametrize("text", [TABLE + "sad,1,2\n", TABLE + "sad,1,2,3,4,5\n"])
def test_a_table_with_a_broken_line_is_an_error(tmp_path, text):
    (tmp_path / "one.csv").write_text(text)
    with pytest.raises(UserError, match="a line has not as many fields as the header"):
        read_published(tmp_path)


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
