"""Names and class labels that mean something to whoever shows them, and whether they come to life."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from browser import draw_all, opened
from click.testing import CliRunner
from made_runs import make_run
from markdown_it import MarkdownIt

from ferbench.runs.directory import RunDirectory

NAMES = (
    "<script>window.live=1</script>",
    "<img src=x onerror=window.live=1>",
    "</script><script>window.live=1</script>",
    "</title></style><svg onload=window.live=1>",
    "\"'><a href=javascript:window.live=1>x</a>",
    "{{ 7*7 }}{% raw %}${window.live=1}%{x}$a^2$",
    "<iframe srcdoc='<script>parent.live=1</script>'>",
    "--><!--<details open ontoggle=window.live=1>",
    "![x](http://evil.invalid/x.png)",
    "[click](javascript:alert(1)) <http://evil.invalid> www.evil.invalid",
    "a | b | c\n| --- | --- |\n# heading",
    "`code` **bold** ~~gone~~ [^1]\n\n    indented\n- item",
    '=HYPERLINK("http://evil.invalid","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "＝1+1 ﹢1 －1 ＠SUM(A1)",
    '"=1+1","=2+2"\n=3+3',
    "\x1b[2J\x1b[31mred\x1b[0m\x07\x08\x08",
    "\x1b]8;;http://evil.invalid\x1b\\link\x1b]8;;\x1b\\ \x1b]0;title\x07",
    "\x9b2J\x9d0;title\x9c\x90q\x9c",
    "safe\u202eexe.gpj\u202c \u2066x\u2069 \u200f\u061c",
    r"\input{/etc/passwd}\immediate\write18{id}",
    r"% comment & column \\ $x_{1}$ #1 ~ ^ {unbalanced \end{tabular}",
    "nul\0nul\x7f\ufeff\u200b\u2028line\u2029paragraph",
    "happ\u0443 \u0391ngry \ufb01ne e\u0301\u0300\u0301\u0302",
    "x" * 4000,
    "../../../etc/passwd\\..\\con:|?*; rm -rf $(id) `id`",
)

CLASSES = ("happy", "sad")
FORMATS = ("terminal", "md", "csv", "json", "html", "latex")


def made(results: Path, names: Sequence[str]) -> list[RunDirectory]:
    """Runs that bear these names wherever a name can stand, finished and failed."""
    runs = []
    for number, name in enumerate(names):
        classes = (name, *CLASSES)
        texts = {"name": name, "model": name, "loss": name, "dataset": name, "options": {"width": name}}
        runs.append(make_run(results, seed=number, classes=classes, n=60, epochs=2, **texts))
        make_run(results, name=f"{name} ", seed=number, status="failed", message=name, model=name, n=20, epochs=1)
    return runs


def shown(results: Path, run: RunDirectory) -> dict[str, list[str]]:
    """What commands print of the runs, by format; of ``run`` alone where they take one."""
    said = {}
    for form in FORMATS:
        commands = [("leaderboard", "--per-class"), ("leaderboard", "--runs", "--columns", "all")]
        commands += [("runs", "list")] if form not in ("html", "latex") else []
        said[form] = [_said(*command, "--format", form, "--results", results) for command in commands]
    for command in (("runs", "show"), ("lineage",), ("runs", "verify")):
        said["terminal"].append(_said(*command, run.path.name, "--results", results))
        said["json"].append(_said(*command, run.path.name, "--json", "--results", results))
    return said


def _said(*arguments: str | Path) -> str:
    from ferbench.cli import cli

    result = CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="ferbench")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1), result.output  # 1: made-up runs have no weights that could be verified
    return result.stdout


def lives_in_terminal(text: str) -> str | None:
    """What a terminal would act on; None when there is nothing."""
    found = {character for character in text if character != "\n" and unicodedata.category(character)[0] == "C"}
    found |= set(text) & {"\u2028", "\u2029"}
    return f"control characters {sorted(map(ascii, found))}" if found else None


def lives_in_csv(text: str) -> str | None:
    """A cell that a spreadsheet would take for a formula."""
    rows = list(csv.reader(io.StringIO(text), strict=True))
    for row in rows:
        for cell in row:
            plain = unicodedata.normalize("NFKC", cell).lstrip()
            if plain[:1] in ("=", "+", "-", "@") and not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell):
                return f"the cell {cell[:80]!r}"
            if cell[:1] in ("\t", "\r", "\n"):
                return f"the cell {cell[:80]!r}"
    return lives_in_terminal(text)


def lives_in_json(text: str) -> str | None:
    """JSON that a parser refuses, or that a terminal would act on."""
    json.loads(text)
    return lives_in_terminal(text)


_PLAIN_TAGS = {"p", "strong", "table", "thead", "tbody", "tr", "th", "td"}


def lives_in_markdown(text: str) -> str | None:
    """A link, a picture, a heading or whatever else is no text, table or emphasis of ours."""
    page = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    tags = {tag.lower() for tag in re.findall(r"<(?:/?)([a-zA-Z!][^\s/>]*)", page)}
    if tags - _PLAIN_TAGS:
        return f"the tags {sorted(tags - _PLAIN_TAGS)}"
    if re.search(r"(?i)(https?|ftp|mailto):[^ ]*//?|www\.[a-z]", re.sub(r"&#\d+;", "_", text)):
        return "an address that becomes a link by itself"
    return lives_in_terminal(text)


#: Commands of LaTeX that only set type, and the environments of a table.
_COMMANDS = re.compile(
    r"\\(text(backslash|asciicircum|asciitilde|less|greater|bar|superscript|degree|mu|euro)|quotedblbase|ldots|usepackage|"
    r"times|pm|rightarrow|leq|geq|approx|cdot|big(triangleup|triangledown)|bullet|Delta|alpha|beta|kappa|sigma|centering|"
    r"caption|label|toprule|midrule|bottomrule|footnotesize|(begin|end)\{(table|tabular)\}|[{}$&%#_\\])"
)


def lives_in_latex(text: str) -> str | None:
    """A command that does more than set type, or a brace without its other one."""
    for found in re.finditer(r"\\([a-zA-Z]+(\{tabular\}|\{table\})?|.)", text):
        if not _COMMANDS.fullmatch(found[0]):
            return f"the command {found[0]}"
    plain = re.sub(r"\\.", "", text)
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            break
    if depth:
        return "braces that do not match"
    comments = [line for line in plain.splitlines() if "%" in line and not line.startswith("% needs")]
    return f"a comment: {comments[0][:80]}" if comments else lives_in_terminal(text)


def lives_in_pages(browser: object, directory: Path, names: Sequence[str]) -> str | None:
    """What is alive in a report of runs with these names, and in a leaderboard; None when nothing is."""
    from ferbench.report.contents import read_runs
    from ferbench.report.page import compose, report_page

    runs = made(directory, names)
    pages = {"report": report_page(compose(read_runs(runs))), "leaderboard": _leaderboard(directory)}
    for what, text in pages.items():
        path = directory / f"{what}.html"
        path.write_text(text, encoding="utf-8")
        with opened(browser, path) as seen:
            draw_all(seen.page)
            wrong = _lives_in_page(seen.page)
            if wrong is None and (seen.console or seen.requests):
                wrong = f"it said {seen.console[:2]} and asked for {seen.requests[:2]}"
            if wrong is not None:
                return f"{what}: {wrong}"
    return None


def _leaderboard(results: Path) -> str:
    return _said("leaderboard", "--per-class", "--format", "html", "--results", results)


def _lives_in_page(page: object) -> str | None:
    """What a page in a browser has done or would do, other than what its own script does; None when nothing."""
    found = page.evaluate(  # type: ignore[attr-defined]
        """() => {
            const wrong = [];
            if (window.live !== undefined) wrong.push('a script ran');
            for (const one of document.querySelectorAll('*')) {
                for (const attribute of one.attributes) {
                    if (attribute.name.startsWith('on')) wrong.push(`${one.tagName} has ${attribute.name}`);
                    const value = attribute.value.trim().toLowerCase();
                    if (['href', 'src', 'action', 'srcdoc', 'xlink:href'].includes(attribute.name)
                        && !value.startsWith('#') && !value.startsWith('data:'))
                        wrong.push(`${one.tagName} has ${attribute.name}=${value.slice(0, 60)}`);
                }
                if (['IFRAME', 'OBJECT', 'EMBED', 'FORM', 'BASE'].includes(one.tagName)) wrong.push(one.tagName);
            }
            return wrong;
        }"""
    )
    hidden = lives_in_terminal(page.evaluate("document.body.innerText").replace("\t", " "))  # type: ignore[attr-defined]
    return "; ".join([*found[:3], *([hidden] if hidden else [])]) or None


#: What looks at the text of a format.
LOOKS: dict[str, Callable[[str], str | None]] = {
    "terminal": lives_in_terminal,
    "md": lives_in_markdown,
    "csv": lives_in_csv,
    "json": lives_in_json,
    "latex": lives_in_latex,
}


def live(said: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What is alive of what `shown` gave, by format; pages have to be looked at in a browser."""
    found = {form: list(filter(None, map(look, said[form]))) for form, look in LOOKS.items()}
    return {form: wrong[0] for form, wrong in found.items() if wrong}
