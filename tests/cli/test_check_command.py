"""``ferbench plugins check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ferbench.testing import rules_of

BROKEN = Path(__file__).parents[1] / "testing" / "broken"


def test_a_sound_component_has_a_verdict_for_each_rule_and_exit_code_0(ferbench_cli):
    done = ferbench_cli("plugins", "check", "cosine")
    assert done.exit_code == 0
    *verdicts, last = done.stdout.splitlines()
    assert [line.split()[:2] for line in verdicts] == [["ok", f"{rule.name}:"] for rule in rules_of("schedule")]
    assert last == f"schedule 'cosine': all {len(verdicts)} rules that were tried are kept"


def test_a_broken_rule_is_named_with_its_cause_and_exit_code_1(ferbench_cli, monkeypatch):
    monkeypatch.syspath_prepend(str(BROKEN))
    done = ferbench_cli("plugins", "check", "breaks-proportions", "--plugin", "broken_plugin")
    assert done.exit_code == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("failed")]
    assert line.startswith("failed  proportions: Twice the optimiser's rates give twice the rates · step 0 gives")
    assert done.stdout.splitlines()[-1] == "schedule 'breaks-proportions': 1 broken: proportions"


def test_json_has_every_verdict(ferbench_cli, monkeypatch):
    monkeypatch.syspath_prepend(str(BROKEN))
    done = ferbench_cli("plugins", "check", "breaks-scalar", "--plugin", "broken_plugin", "--json")
    said = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (said["kind"], said["passed"]) == ("loss", False)
    statuses = {rule["rule"]: rule["status"] for rule in said["rules"]}
    assert statuses["builds"] == "passed"
    assert statuses["scalar"] == "failed"
    assert statuses["finite"] == "skipped"
    assert "no single number" in next(rule["said"] for rule in said["rules"] if rule["rule"] == "scalar")


def test_options_and_classes_reach_the_component(ferbench_cli):
    options = ("--set", "weights={contempt=2.0}")
    done = ferbench_cli("plugins", "check", "focal", *options, "--classes", "happy,contempt")
    assert done.exit_code == 0, done.stdout
    done = ferbench_cli("plugins", "check", "focal", *options)
    assert done.exit_code == 1
    assert "contempt" in done.stdout


def test_a_dataset_without_files_is_checked_as_far_as_that_goes(ferbench_cli):
    done = ferbench_cli("plugins", "check", "fer2013")
    assert done.exit_code == 0
    assert "ok      empty-directory" in done.stdout
    assert "skipped builds" in done.stdout
    assert "(--data)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("cosin",), "did you mean 'cosine'?"), (("cosine", "--set", "period=1"), "unknown option 'period'")],
)
def test_a_mistake_is_no_verdict(ferbench_cli, arguments, said):
    done = ferbench_cli("plugins", "check", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_what_the_component_prints_is_not_among_the_verdicts(ferbench_cli, tmp_path):
    (tmp_path / "loud.py").write_text(
        "import ferbench\n@ferbench.hookimpl\ndef ferbench_schedules():\n"
        "    yield ferbench.ScheduleSpec('loud', build='loud:loud')\n"
        "def loud(base_rates, epochs, steps_per_epoch):\n"
        "    print('hello')\n    return lambda step, scores: base_rates\n"
    )
    done = ferbench_cli("plugins", "check", "loud", "--plugin", "loud.py", "--json")
    assert json.loads(done.stdout)["passed"] is True
    assert "hello" in done.stderr
