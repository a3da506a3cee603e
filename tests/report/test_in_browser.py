"""Reports in a headless Chromium: drawn, quiet, sortable, accessible."""

from __future__ import annotations

import http.server
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import draw_all
from made_runs import make_run

from ferbench.report.contents import read_runs
from ferbench.report.page import compose, report_page, tables_page
from ferbench.tables.table import Column, Table

LONG = tuple(f"compound emotion {i}, happily surprised" if i % 3 else f"c{i}" for i in range(26))
EVIL = "<img src=x onerror=console.error('run')></script><script>console.error('run')</script>$a$"


def written(tmp_path, runs, baseline=None, name="report.html"):
    path = tmp_path / name
    path.write_text(report_page(compose(read_runs(runs, baseline))), encoding="utf-8")
    return path


def one_run(tmp_path):
    return [make_run(tmp_path, name="one")], None


def several_runs(tmp_path):
    runs = [make_run(tmp_path, seed=seed, skill=0.4 + seed / 10) for seed in range(4)]
    return [*runs, make_run(tmp_path, name="broken", status="failed")], runs[1]


def two_runs(tmp_path):
    runs = [make_run(tmp_path, seed=seed, classes=("a", "b", "c"), epochs=2) for seed in range(2)]
    return runs, runs[0]


def two_classes_one_epoch(tmp_path):
    return [make_run(tmp_path, classes=("smile", "none"), epochs=1)], None


def many_long_classes(tmp_path):
    return [make_run(tmp_path, name="n" * 80, classes=LONG, n=2000, epochs=2, affect=True)], None


def unfinished_run(tmp_path):
    return [make_run(tmp_path, status="running")], None


def without_history(tmp_path):
    return [make_run(tmp_path, epochs=0)], None


def names_with_markup(tmp_path):
    run = make_run(tmp_path, name=EVIL, classes=(EVIL, "<b>b</b>", "%{x}"), model=EVIL)
    return [run, make_run(tmp_path, name="x", classes=(EVIL, "<b>b</b>", "%{x}"))], None


CASES = (
    one_run,
    several_runs,
    two_classes_one_epoch,
    many_long_classes,
    unfinished_run,
    without_history,
    names_with_markup,
)


@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_drawn_without_a_word_or_a_request(case, tmp_path, visit):
    seen = visit(written(tmp_path, *case(tmp_path)))
    draw_all(seen.page)
    for plot in seen.page.query_selector_all("[data-figure]"):
        assert plot.query_selector(".trace, .hm, .points") is not None, plot.get_attribute("data-figure")
    assert seen.console == []
    assert seen.requests == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "mode", "width"),
    [(two_runs, "light", 1280), (two_runs, "dark", 390), (many_long_classes, "dark", 1280)],
)
def test_axe_finds_nothing(case, mode, width, tmp_path, visit):
    seen = visit(written(tmp_path, *case(tmp_path)), width=width, mode=mode)
    draw_all(seen.page)
    found = Axe().run(seen.page).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("case", [several_runs, many_long_classes])
def test_nothing_sticks_out_of_the_page(case, width, tmp_path, visit):
    page = visit(written(tmp_path, *case(tmp_path)), width=width).page
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


FROM_OUTSIDE = """
<img src="HOST/i.png"><link rel="stylesheet" href="HOST/s.css"><script src="HOST/s.js"></script>
<script>document.body.dataset.ran = "yes"</script><style>body {background: url(HOST/b.png)}</style>
<iframe src="HOST/"></iframe><object data="HOST/o"></object><form action="HOST/" id="sent"></form>
<p id="last" onclick="document.body.dataset.ran = 'yes'">p</p>
"""


@pytest.fixture
def host():
    """Address of a server, and what it was asked for."""
    asked = []

    class Asked(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_what_gets_into_a_page_runs_nothing_fetches_nothing_and_sends_nothing(tmp_path, visit, host):
    """As if a text had been shown as HTML, which none is: the page's policy stops it."""
    address, asked = host
    page = tables_page("Tables", [Table("t", "made up", (Column("a", "a"),), (("x",),))])
    path = tmp_path / "tables.html"
    path.write_text(page.replace("</main>", FROM_OUTSIDE.replace("HOST", address) + "</main>"), encoding="utf-8")
    seen = visit(path).page
    seen.locator("#last").click()
    seen.evaluate(f"fetch('{address}/f').catch(() => {{}})")
    assert seen.evaluate("document.body.dataset.ran") is None
    seen.evaluate("document.getElementById('sent').submit()")
    seen.wait_for_timeout(200)
    assert asked == []


def test_a_column_is_sorted_by_keyboard_and_averages_stay_below(tmp_path, visit):
    run = make_run(tmp_path, name="one")
    page = visit(written(tmp_path, [run])).page
    table = page.locator(f"#scores-{run.path.name} table")

    def f1():
        return [float(text) for text in table.locator("tbody:first-of-type td:nth-child(4)").all_inner_texts()]

    before = f1()
    assert before != sorted(before)
    table.locator("thead th:nth-child(4) button").focus()
    page.keyboard.press("Enter")
    assert f1() == sorted(before, reverse=True)
    assert table.locator("thead th:nth-child(4)").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert f1() == sorted(before)
    assert table.locator("tbody.summary tr").count() == 2


def test_text_is_sorted_from_a_and_empty_cells_come_last(tmp_path, visit):
    columns = (Column("a", "a"), Column("b", "b", "score"))
    table = Table("t", "made up", columns, (("y", None), ("x10", 0.5), ("x9", 0.25)))
    path = tmp_path / "tables.html"
    path.write_text(tables_page("Tables", [table]), encoding="utf-8")
    page = visit(path).page
    rows = page.locator("tbody th")
    page.locator("thead button").nth(0).click()
    assert rows.all_inner_texts() == ["x9", "x10", "y"]
    page.locator("thead button").nth(1).click()
    assert rows.all_inner_texts() == ["x10", "x9", "y"]
    page.locator("thead button").nth(1).click()
    assert rows.all_inner_texts() == ["x9", "x10", "y"]


def test_on_a_phone_a_table_of_many_columns_needs_no_scrolling_sideways(tmp_path, visit):
    columns = (Column("name", "name"), *(Column(f"k{i}", f"metric {i}", "score") for i in range(20)))
    table = Table("t", "made up", columns, (("first", *[0.5] * 19, None),))
    path = tmp_path / "tables.html"
    path.write_text(tables_page("Tables", [table]), encoding="utf-8")
    page = visit(path, width=390).page
    held = page.locator(".scroll")
    assert held.evaluate("e => e.scrollWidth") == held.evaluate("e => e.clientWidth")
    cell = page.locator("tbody td").nth(18)
    assert cell.evaluate("e => getComputedStyle(e, '::before').content") == '"metric 18"'
    assert not page.locator("tbody td").nth(19).is_visible()


def test_the_confusion_matrix_switches_between_shares_and_counts(tmp_path, visit):
    run = make_run(tmp_path, classes=("a", "b"), n=40)
    confusion = read_runs([run]).runs[0].result.confusion
    page = visit(written(tmp_path, [run])).page
    draw_all(page)
    plot = f"#confusion-plot-{run.path.name} [data-figure]"

    def cells():
        return sorted(page.locator(f"{plot} .heatmap-label").all_text_contents())

    shares = confusion / confusion.sum(axis=1, keepdims=True)
    assert cells() == sorted(f"{100 * v:.0f}" for v in shares.flatten())
    page.get_by_text("Counts", exact=True).click()
    page.wait_for_timeout(200)
    assert cells() == sorted(str(v) for v in confusion.flatten())
    page.get_by_text("Column %", exact=True).click()
    page.wait_for_timeout(200)
    assert cells() == sorted(f"{100 * v:.0f}" for v in (confusion / confusion.sum(axis=0)).flatten())


def test_the_mode_can_be_changed_and_figures_follow(tmp_path, visit):
    page = visit(written(tmp_path, [make_run(tmp_path)]), mode="dark").page
    draw_all(page)
    background = "getComputedStyle(document.body).backgroundColor"
    paper = "document.querySelector('[data-figure]')._fullLayout.paper_bgcolor"
    dark = page.evaluate(background), page.evaluate(paper)
    page.get_by_role("button", name="Light mode").click()
    page.wait_for_timeout(300)
    light = page.evaluate(background), page.evaluate(paper)
    assert all(before != after for before, after in zip(dark, light, strict=True))


def test_the_recipe_is_copied(tmp_path, visit):
    run = make_run(tmp_path, name="one")
    page = visit(written(tmp_path, [run])).page
    page.evaluate("navigator.clipboard.writeText = async (text) => { globalThis.copied = text; }")
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("globalThis.copied").startswith('name = "one"')


def test_folded_runs_open_by_link_and_are_drawn_when_seen(tmp_path, visit):
    runs = [make_run(tmp_path, seed=seed) for seed in range(5)]
    page = visit(written(tmp_path, runs)).page
    last = runs[-1].path.name
    assert page.locator(f"#run-{last}").get_attribute("open") is None
    page.locator(f"nav a[href='#run-{last}']").click()
    assert page.locator(f"#run-{last}").get_attribute("open") is not None
    page.wait_for_selector(f"#confusion-plot-{last} [data-drawn=yes]")
