"""The page as text: one file, the same bytes, nothing that a name could smuggle in."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import make_run

from ferbench.records.run import Stopped
from ferbench.report import page
from ferbench.report.contents import read_runs
from ferbench.report.page import compose, report_page, tables_page
from ferbench.tables.table import Column, Table


def made(runs, baseline=None, **options):
    return report_page(compose(read_runs(runs, baseline)), **options)


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_the_same_runs_give_the_same_bytes(tmp_path):
    runs = [make_run(tmp_path, seed=seed) for seed in range(2)]
    assert made(runs) == made(runs)


def test_nothing_is_fetched_from_anywhere(tmp_path):
    elements = Elements(made([make_run(tmp_path)]))
    for tag, attributes in elements.tags:
        assert tag not in {"link", "iframe", "object"} or attributes.get("href") == "data:,"
        assert "src" not in attributes
    assert sum(1 for tag, attributes in elements.tags if attributes.get("id") == "plotly") == 1


def test_the_path_of_the_data_stays_private(tmp_path):
    assert "/somewhere/private" not in made([make_run(tmp_path)])


def test_headings_descend_one_level_at_a_time(tmp_path):
    for runs in (
        [make_run(tmp_path)],
        [make_run(tmp_path, seed=s) for s in range(2)],
        [make_run(tmp_path, seed=s) for s in range(6)],
    ):
        levels = [int(tag[1]) for tag, _ in Elements(made(runs)).tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_ids_are_unique(tmp_path):
    runs = [make_run(tmp_path, seed=seed) for seed in range(2)]
    ids = [a["id"] for _, a in Elements(made(runs, runs[0])).tags if "id" in a]
    assert len(set(ids)) == len(ids)


def test_synthetic_images_are_said_to_be_so(tmp_path):
    assert "Generated images" in made([make_run(tmp_path, synthetic=True)])
    assert "Generated images" not in made([make_run(tmp_path)])


def test_an_unfinished_run_says_why_it_has_no_result(tmp_path):
    text = made([make_run(tmp_path, status="diverged", message="the loss became nan")])
    assert "This run is diverged: the loss became nan" in text


def test_a_run_that_stopped_early_or_trained_nothing_says_so(tmp_path):
    run = make_run(tmp_path)
    record = run.load()
    record.training.epochs, record.training.stopped = 3, Stopped(reason="patience", epoch=3)
    run.save(record)
    assert "Training stopped after 3 of 5 epochs" in made([run])
    record.training.epochs, record.training.best_epoch = 0, 0
    record.training.images_per_second, record.training.stopped = None, Stopped(reason="epochs")
    run.save(record)
    assert "Nothing was trained" in made([run])


def test_a_baseline_on_other_samples_is_said_to_be_no_baseline(tmp_path):
    base, other = make_run(tmp_path, name="base"), make_run(tmp_path, test="other test")
    assert "was measured on other samples" in made([base, other], base)


def test_a_page_of_a_run_that_goes_on_reads_itself_again(tmp_path):
    run = make_run(tmp_path, status="running")
    assert '<meta http-equiv="refresh" content="5">' in made([run], refresh=5)
    assert 'http-equiv="refresh"' not in made([run])


def test_beyond_a_hundred_runs_only_the_comparison_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MOST_DETAILED", 2)
    report = compose(read_runs([make_run(tmp_path, seed=seed) for seed in range(3)]))
    assert report.runs == ()
    assert len(report.comparisons[0].tables[""].rows) == 3


@given(st.text(max_size=60))
def test_no_text_in_a_table_becomes_markup(text):
    columns = (Column("a", text or "x"), Column("b", "b", about=text))
    plain = Elements(tables_page("t", [Table("t", "caption", columns, (("one", "two"),))]))
    table = Table("t", text, columns, ((text, text),), notes=(text,))
    elements = Elements(tables_page(text, [table]))
    assert len(elements.tags) == len(plain.tags) + 1  # the note


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "--><b>"])
def test_names_cannot_end_a_script_or_start_an_element(name, tmp_path):
    text = made([make_run(tmp_path, name=name, classes=(name, "b"), model=name, message=name)])
    elements = Elements(text)
    assert sum(1 for tag, _ in elements.tags if tag == "script") == 3
    assert not [1 for tag, attributes in elements.tags if tag == "img" or "onerror" in attributes]


def test_a_terminal_escape_in_a_name_is_dropped(tmp_path):
    assert "\x1b" not in made([make_run(tmp_path, name="red \x1b[31m", classes=("\x1b[0m", "b"))])


def test_a_page_without_tables_says_so():
    assert "nothing to show" in tables_page("Empty", [])


def test_a_run_that_died_is_not_called_running(tmp_path):
    text = made([make_run(tmp_path, status="running")])
    assert "no process is at work on it any more" in text
    assert "This run is running" not in text


def test_the_best_epoch_of_an_unended_run_is_not_called_kept(tmp_path):
    assert "the best so far" in made([make_run(tmp_path, status="running")])
    assert "the best so far" not in made([make_run(tmp_path)])


def test_classes_that_share_the_lowest_f1_are_counted(tmp_path):
    run = make_run(tmp_path)
    contents = read_runs([run])
    scores = contents.runs[0].result.per_class
    for name in ("fear", "happy", "sad"):
        scores[name].f1 = 0.0
    assert "fear and 2 more" in report_page(compose(contents))
    for name in ("happy", "sad"):
        scores[name].f1 = 0.1
    assert "fear and" not in report_page(compose(contents))


def test_every_page_says_what_it_may_do(tmp_path):
    run = make_run(tmp_path)
    for text in (made([run]), page.tables_page("Tables", [])):
        assert (
            text.count("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-") == 1
        )
        assert text.index("Content-Security-Policy") < text.index("<title>") < text.index("<style>")
