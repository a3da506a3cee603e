"""Specs of metrics, and the numbers that metrics give."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ferbench import MetricSpec, Predictions, UserError
from ferbench.plugin.component import Component, PluginRecord
from ferbench.plugin.discovery import load_registry
from ferbench.plugin.measuring import MetricFailed, each_measured, lacking, measured, metric_fault

GIVEN = Predictions(np.array(["a"]), np.array([0]), np.array([[0.7, 0.3]]), ("no", "yes"))
SPEC = MetricSpec("my-metric", build="my:metric")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "macro-f1"}, "the name of something"),
        ({"name": "kappa"}, "the name of something"),
        ({"name": "expression"}, "the name of something"),
        ({"low": 1.0, "high": 0.0}, "range from 1.0 to 0.0"),
        ({"low": 1.0, "high": 1.0}, "range from 1.0 to 1.0"),
        ({"high": math.inf}, "range from None to inf"),
        ({"high": "1"}, "range from None to '1'"),
        ({"higher_is_better": "yes"}, "higher_is_better is 'yes'"),
        ({"interval": "normal"}, "interval is 'normal'"),
        ({"needs": ("vote",)}, "it needs 'vote'; there are votes, affect, subjects"),
    ],
)
def test_what_a_spec_says_and_cannot_mean_is_refused(fields, said):
    assert said in (metric_fault(replace(SPEC, **fields)) or "")


def test_a_sound_spec_is_not():
    assert metric_fault(replace(SPEC, low=0, high=1.5, needs=("votes", "subjects"))) is None


def test_a_plugin_with_the_name_of_a_built_in_metric_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import ferbench\n@ferbench.hookimpl\ndef ferbench_metrics():\n"
        "    yield ferbench.MetricSpec('macro-f1', build='mine:f1')\n"
    )
    with pytest.raises(UserError, match="metric 'macro-f1': has the name of something"):
        load_registry([str(tmp_path / "mine.py")])


def component(function, monkeypatch, **fields) -> Component:
    made = Component("metric", replace(SPEC, **fields), PluginRecord("my", "my", "local", "my.py", local=True))
    monkeypatch.setattr(Component, "builder", lambda self: function)
    return made


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), np.array(0.25)])
def test_a_number_is_a_number_whatever_its_type(value, monkeypatch):
    assert measured(component(lambda given: value, monkeypatch), GIVEN) == 0.25


def test_nan_says_that_it_is_not_defined(monkeypatch):
    assert math.isnan(measured(component(lambda given: math.nan, monkeypatch, low=0, high=1), GIVEN))


def test_what_rounding_puts_beyond_the_range_is_its_end(monkeypatch):
    assert measured(component(lambda given: 1 + 1e-15, monkeypatch, high=1), GIVEN) == 1.0


def boom(given):
    raise KeyError("boom")


@pytest.mark.parametrize(
    ("function", "fields", "said"),
    [
        (boom, {}, "raised KeyError: 'boom'"),
        (lambda given: "0.5", {}, "returned str, not a number"),
        (lambda given: None, {}, "returned NoneType, not a number"),
        (lambda given: np.ones(2), {}, "returned ndarray of shape (2,), not a number, nor one for each sample"),
        (lambda given: 10**400, {}, "returned int, not a number"),
        (lambda given: 2.0, {"low": 0, "high": 1}, "returned 2, which is not from 0 to 1"),
        (lambda given: math.inf, {}, "returned inf, which is not from −∞ to ∞"),
    ],
)
def test_a_metric_that_fails_is_named_in_two_lines(function, fields, said, monkeypatch):
    with pytest.raises(MetricFailed) as caught:
        measured(component(function, monkeypatch, **fields), GIVEN)
    assert caught.value.message.startswith("metric 'my-metric' of plugin 'my'")
    assert said in caught.value.message
    assert "correct the plugin" in caught.value.remedy
    assert "\n" not in caught.value.message + caught.value.remedy


def test_what_it_needs_and_samples_do_not_have_is_said():
    assert lacking(replace(SPEC, needs=("votes", "subjects")), GIVEN) == "annotators' votes and subjects"
    assert lacking(replace(SPEC, needs=("affect",)), replace(GIVEN, affect=np.zeros((1, 2)))).startswith("valence")
    assert lacking(SPEC, GIVEN) == ""


def test_what_each_sample_adds_is_a_mean_over_those_that_count(monkeypatch):
    several, each = GIVEN.take(np.zeros(4, dtype=np.int64)), np.array([math.nan, 1.0, 2.0, 6.0])
    value, parts = each_measured(component(lambda given: each, monkeypatch), several)
    assert value == 3.0
    assert np.array_equal(parts, each, equal_nan=True)
    assert math.isnan(measured(component(lambda given: each * math.nan, monkeypatch), several))
    assert each_measured(component(lambda given: 0.5, monkeypatch), several) == (0.5, None)
