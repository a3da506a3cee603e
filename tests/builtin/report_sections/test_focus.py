"""What adaptive sampling did to each class."""

from __future__ import annotations

from ferbench_builtin.report_sections.focus import focus

RECORD = {"components": {"sampler": {"name": "adaptive"}}, "data": {"class_names": ["happy", "fear"]}}


def epoch(happy: float, fear: float, f1: tuple[float | None, float]) -> dict:
    return {
        "sampler": {"focus": [], "weights": {"happy": happy, "fear": fear}},
        "validation": {"f1": {"happy": f1[0], "fear": f1[1]}},
    }


HISTORY = [epoch(1.0, 1.0, (0.8, 0.2)), epoch(1.0, 3.0, (0.7, 0.5)), epoch(1.0, 9.0, (0.75, 0.6))]


def test_epochs_largest_weight_and_change_by_class():
    (table,) = focus(RECORD, HISTORY)
    happy, fear = table.rows
    assert happy[:5] == ("happy", 0, 1.0, 0.8, 0.75)
    assert fear[:5] == ("fear", 2, 9.0, 0.2, 0.6)
    assert [round(row[5], 6) for row in table.rows] == [-0.05, 0.4]


def test_a_class_that_validation_lacks_has_no_change():
    (table,) = focus(RECORD, [epoch(1.0, 1.0, (None, 0.2)), epoch(2.0, 1.0, (None, 0.3))])
    assert table.rows[0] == ("happy", 1, 2.0, None, None, None)


def test_other_samplers_have_no_such_section():
    assert list(focus({**RECORD, "components": {"sampler": {"name": "shuffled"}}}, HISTORY)) == []
    assert list(focus(RECORD, [])) == []
