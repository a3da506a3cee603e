"""The examples of docs/reference/hooks.md, as they stand there, all in one run."""

from __future__ import annotations

import json
import re

from followed import BLOCK, SMALL, text_of
from made_images import draw

from ferbench.plugin import hookspecs

HOOKS = [name for name, one in vars(hookspecs).items() if hasattr(one, "ferbench_spec")]
SECTIONS = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## )", text_of("reference/hooks.md"), re.M | re.S))
EXAMPLES = {hook: BLOCK.findall(text) for hook, text in SECTIONS.items()}
COMPONENTS = ("dataset", "model", "loss", "sampler", "augmentation", "optimizer", "schedule")


def test_every_hook_has_a_section_with_an_example():
    """`docs/pages.py` writes them from the templates of `ferbench plugins new`, or from docs/examples."""
    assert list(SECTIONS) == HOOKS
    assert {hook: [kind for kind, *_ in blocks] for hook, blocks in EXAMPLES.items()} == {
        hook: ["python"] for hook in HOOKS
    }


def test_every_example_does_its_part_in_a_run(ferbench_cli, tmp_path, monkeypatch):
    for part, count in (("train", 6), ("test", 2)):
        for label in ("happy", "sad"):
            for number in range(count):
                draw(tmp_path / "DIR" / part / label / f"{number}.png", seed=number)
    about = tmp_path / "site" / "my_command-1.dist-info"  # commands come from installed plugins alone
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-command\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[ferbench]\nmy-command = my_command\n")
    plugins = []
    for hook, ((_, title, text),) in EXAMPLES.items():
        installed = hook == "ferbench_commands"
        (tmp_path / ("site" if installed else "") / title).write_text(text)
        plugins += [] if installed else ["--plugin", title]
    monkeypatch.syspath_prepend(tmp_path / "site")

    chosen = [part for kind in (*COMPONENTS, "tracker") for part in (f"--{kind}", f"my-{kind}")]
    small = [flag for flag in SMALL if flag not in ("--no-report", "--quiet")]
    done = ferbench_cli("run", *plugins, *chosen, "--data", "DIR", "--set", "dataset.size=16", "--json", *small)
    assert done.exit_code == 0, done.stderr
    (outcome,) = json.loads(done.stdout)
    record = json.loads((tmp_path / "results" / "runs" / outcome["run"] / "run.json").read_text())
    assert {kind: record["components"][kind]["name"] for kind in COMPONENTS} == {k: f"my-{k}" for k in COMPONENTS}
    events = [json.loads(line)["event"] for line in (tmp_path / "my-tracker.jsonl").read_text().splitlines()]
    assert (events[0], events[-1]) == ("started", "finished")
    (page,) = (tmp_path / "results" / "reports").glob("*.html")
    assert "How long the epochs took" in page.read_text(encoding="utf-8")
    assert ferbench_cli("my-command").stdout == "my-model: 1\n"
