"""The rules as tests of a plugin's author."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ferbench import UserError
from ferbench.testing import cases, rules_of

PLUGIN = """
import ferbench
import torch.nn.functional as F

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("plain-loss", build="plain:plain")

def plain(task, *, factor: float = 1.0):
    def loss(outputs, targets):
        truth = targets.distributions(outputs.logits.shape[1])
        return F.cross_entropy(outputs.logits, truth, reduction=REDUCTION) * factor

    return loss
"""

TESTS = """
import pathlib
import pytest
from ferbench.testing import Conformance, cases

PLUGINS = [str(pathlib.Path(__file__).with_name("plain.py"))]

class TestPlain(Conformance):
    kind = "loss"
    name = "plain-loss"
    options = {"factor": 2.0}
    plugins = PLUGINS

@pytest.mark.parametrize("case", cases("loss", "plain-loss", plugins=PLUGINS), ids=str)
def test_plain(case):
    case.check()
"""


def run_pytest(folder, reduction):
    (folder / "plain.py").write_text(PLUGIN.replace("REDUCTION", repr(reduction)))
    (folder / "test_plain.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "test_plain.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_class_and_a_parameter_give_one_test_a_rule(tmp_path):
    done = run_pytest(tmp_path, "mean")
    rules = [rule.name for rule in rules_of("loss") if not rule.informational]
    assert done.returncode == 0, done.stdout
    assert all(f"TestPlain::test_conforms[{rule}]" in done.stdout for rule in rules if rule != "light-import")
    assert all(f"test_plain[plain-loss:{rule}]" in done.stdout for rule in rules if rule != "light-import")
    # A single file may import what it likes: the rule on light imports does not apply.
    assert f"{2 * len(rules) - 2} passed, 2 skipped" in done.stdout


def test_a_broken_rule_fails_its_test_with_the_cause(tmp_path):
    done = run_pytest(tmp_path, "sum")
    assert done.returncode == 1
    assert "2 failed" in done.stdout
    assert "return the mean, so that micro-batches can be weighted" in done.stdout


def test_cases_leave_out_what_cannot_fail():
    names = {case.rule.name for case in cases("model", "basic-cnn")}
    assert "exportable" not in names
    assert "gradients" in names


def test_a_case_of_an_unknown_component_is_an_error_at_once():
    with pytest.raises(UserError, match="unknown loss 'plain-los'"):
        cases("loss", "plain-los")
