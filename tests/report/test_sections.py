"""Sections that plugins add to reports."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import make_run

from ferbench.report.contents import read_runs
from ferbench.report.page import compose, report_page
from ferbench.report.sections import find_sections

ADDED = Path(__file__).parents[1] / "plugin" / "fixtures" / "added"


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ADDED))
    run = make_run(tmp_path, epochs=3)
    return run, compose(read_runs([run]), find_sections())


def test_a_plugins_tables_stand_under_its_heading(report):
    run, made = report
    (part,) = made.runs
    (section,) = part.sections
    assert (section.title, [table.id for table in section.tables]) == (
        "What I look at",
        [f"epochs-losses-{run.path.name}"],
    )
    assert [row[0] for row in section.tables[0].rows] == [1, 2, 3]
    page = report_page(made)
    assert "What I look at</h2>" in page
    assert f'href="#run-{run.path.name}-epochs"' in page
    assert "Losses &amp; more." in page
    assert "silent" not in page.lower().partition("<main")[2]


def test_its_tables_are_among_those_that_are_written_as_files(report):
    run, made = report
    assert f"epochs-losses-{run.path.name}" in [table.id for table in made.tables()]


def test_a_section_that_fails_is_said_and_the_report_is_whole(report):
    _, made = report
    (part,) = made.runs
    said = "section 'failing' of plugin 'added' (added 1.0) could not be made: LookupError: no such number"
    assert said in part.notes
    assert part.scores is not None


def test_what_a_section_does_to_the_record_stays_there(report):
    assert report[1].runs[0].run.record.status == "done"


def test_without_plugins_there_are_no_sections(tmp_path):
    assert compose(read_runs([make_run(tmp_path)])).runs[0].sections == ()


def test_the_command_shows_a_local_plugins_section(ferbench_cli, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import ferbench\n"
        "@ferbench.hookimpl\n"
        "def ferbench_report_sections():\n"
        "    yield ferbench.ReportSectionSpec('mine', build='mine:tables', title='Mine alone')\n"
        "def tables(record, history):\n"
        "    yield ferbench.Table('one', 'One.', (ferbench.Column('a', 'a'),), (('b',),))\n"
    )
    make_run(tmp_path / "results", name="one")
    done = ferbench_cli("report", "one", "--plugin", "mine.py", "--output", "page.html")
    assert done.exit_code == 0, done.stderr
    assert "Mine alone" in (tmp_path / "page.html").read_text()
