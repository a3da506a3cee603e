"""Learning rates over time, against torch's schedulers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler as reference

from ferbench import Scores, UserError
from ferbench_builtin.schedules.constant import constant
from ferbench_builtin.schedules.cosine import cosine, cosine_restarts, one_cycle
from ferbench_builtin.schedules.decay import exponential, linear, step_decay
from ferbench_builtin.schedules.plateau import Plateau

EPOCHS, STEPS = 6, 5
TOTAL = EPOCHS * STEPS
BASE = 0.2


def ours(builder: Callable, **options) -> list[float]:
    schedule = builder((BASE,), EPOCHS, STEPS, **options)
    return [schedule(step, None)[0] for step in range(TOTAL)]


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)


def torchs(make: Callable, every: int = 1) -> list[float]:
    """The rates of a torch scheduler that is stepped after every so many optimiser steps."""
    one = optimizer()
    scheduler, rates = make(one), []
    for step in range(1, TOTAL + 1):
        rates.append(one.param_groups[0]["lr"])
        one.step()
        if step % every == 0 and step < TOTAL:
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (
            ours(exponential, decay=0.9, staircase=True),
            torchs(lambda o: reference.ExponentialLR(o, 0.9), every=STEPS),
        ),
        (ours(exponential, decay=0.9), torchs(lambda o: reference.ExponentialLR(o, 0.9 ** (1 / STEPS)))),
        (ours(step_decay, factor=0.5, every=2), torchs(lambda o: reference.StepLR(o, 2, 0.5), every=STEPS)),
        (
            ours(step_decay, factor=0.5, milestones=(1, 4)),
            torchs(lambda o: reference.MultiStepLR(o, [1, 4], 0.5), every=STEPS),
        ),
        (ours(linear, end=0.1), torchs(lambda o: reference.LinearLR(o, 1.0, 0.1, TOTAL))),
        (ours(cosine, end=0.1), torchs(lambda o: reference.CosineAnnealingLR(o, TOTAL, eta_min=0.1 * BASE))),
        (
            ours(cosine_restarts, period=2.0, end=0.1),
            torchs(lambda o: reference.CosineAnnealingWarmRestarts(o, 10, eta_min=0.1 * BASE)),
        ),
        (
            ours(cosine_restarts, period=1.0, growth=2.0),
            torchs(lambda o: reference.CosineAnnealingWarmRestarts(o, 5, T_mult=2)),
        ),
        (
            ours(one_cycle, rise=0.4, start=0.1, end=0.001),
            torchs(
                lambda o: reference.OneCycleLR(
                    o, BASE, TOTAL, pct_start=0.4, div_factor=10, final_div_factor=100, cycle_momentum=False
                )
            ),
        ),
    ],
    ids=["staircase", "exponential", "step", "milestones", "linear", "cosine", "restarts", "growing", "one-cycle"],
)
def test_rates_are_those_of_torch(rates, expected):
    assert rates == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("warmup", "unit"), [(1.4, "epochs"), (7.0, "steps")])
def test_warm_up_is_torchs_linear_rise_in_front_of_the_schedule(warmup, unit):
    rates = ours(cosine, warmup=warmup, warmup_unit=unit)
    assert rates[:7] == pytest.approx(torchs(lambda o: reference.LinearLR(o, 1 / 8, 1.0, 7))[:7], rel=1e-6)
    rest = torchs(lambda o: reference.CosineAnnealingLR(o, TOTAL - 7))
    assert rates[7:] == pytest.approx(rest[: TOTAL - 7], rel=1e-6)


@pytest.mark.parametrize(
    "builder", [constant, exponential, step_decay, linear, cosine, cosine_restarts, one_cycle, Plateau]
)
def test_every_schedule_warms_up(builder):
    rates = ours(builder, warmup=4.0, warmup_unit="steps")
    assert rates[:4] == pytest.approx([BASE * k / 5 for k in (1, 2, 3, 4)])
    assert rates[4] == pytest.approx(BASE * (0.04 if builder is one_cycle else 1))


def test_a_warm_up_that_takes_the_whole_run_is_refused():
    with pytest.raises(UserError, match="6 epochs takes all 30 steps"):
        constant((BASE,), EPOCHS, STEPS, warmup=6.0)


def test_groups_keep_their_proportions():
    first, second = cosine((0.1, 0.001), EPOCHS, STEPS)(13, None)
    assert first / second == pytest.approx(100)
    assert first < 0.1


def test_steps_beyond_the_plan_stay_at_the_end():
    assert cosine((BASE,), EPOCHS, STEPS, end=0.1)(TOTAL + 7, None) == (pytest.approx(0.02),)
    assert linear((BASE,), EPOCHS, STEPS, end=0.1)(TOTAL + 7, None) == (pytest.approx(0.02),)


def test_one_cycle_of_very_few_steps_is_finite():
    schedule = one_cycle((BASE,), 1, 2)
    assert all(0 <= schedule(step, None)[0] <= BASE for step in range(2))


def test_milestones_that_fall_are_refused():
    with pytest.raises(UserError, match="do not rise"):
        step_decay((BASE,), EPOCHS, STEPS, milestones=(4, 1))


LOSSES = [1.0, 0.8, 0.79, 0.85, 0.8, 0.795, 0.3, 0.29, 0.31, 0.3, 0.305, 0.4]


def heard(schedule: Plateau, values: list[float], metric: str = "loss", first: int = 1) -> list[float]:
    """The rate of each epoch, when each epoch gave one of the values."""
    rates, scores = [], None
    for epoch, value in enumerate(values, start=first):
        rates.append({schedule((epoch - 1) * STEPS + step, scores)[0] for step in range(STEPS)})
        scores = Scores(epoch, {metric: value}, {"fear": value})
    assert all(len(one) == 1 for one in rates)
    return [one.pop() for one in rates]


@pytest.mark.parametrize(
    ("metric", "mode", "values"), [("loss", "min", LOSSES), ("macro_f1", "max", [1 - v for v in LOSSES])]
)
@pytest.mark.parametrize("patience", [0, 1, 2])
def test_plateau_is_torchs(metric, mode, values, patience):
    one, expected = optimizer(), []
    scheduler = reference.ReduceLROnPlateau(
        one, mode, factor=0.5, patience=patience, threshold=0.02, threshold_mode="abs", min_lr=0.1 * BASE
    )
    for value in values:
        expected.append(one.param_groups[0]["lr"])
        scheduler.step(value)
    schedule = Plateau(
        (BASE,), len(values), STEPS, metric=metric, factor=0.5, patience=patience, threshold=0.02, end=0.1
    )
    assert heard(schedule, values, metric) == pytest.approx(expected)


def test_plateau_may_follow_one_class():
    schedule = Plateau((BASE,), 9, STEPS, metric="f1:fear", patience=0)
    assert heard(schedule, [0.5, 0.4, 0.4]) == pytest.approx([BASE, BASE, 0.1 * BASE])


def test_plateau_does_not_count_epochs_of_the_warm_up():
    waiting = Plateau((BASE,), 12, STEPS, patience=0, factor=0.5, warmup=10.0, warmup_unit="steps")
    scores = Scores(1, {"loss": 0.1}, {})
    for step in range(10):
        waiting(step, None if step < 5 else scores)
    # 0.1 was reached in the warm-up; the first epoch after it cannot fall short of that.
    assert waiting(10, Scores(2, {"loss": 0.5}, {})) == (BASE,)
    assert waiting(15, Scores(3, {"loss": 0.5}, {})) == (BASE / 2,)


@pytest.mark.parametrize("metric", ["f2", "f1", "precision:fear"])
def test_plateau_refuses_what_is_no_metric(metric):
    with pytest.raises(UserError, match="is no metric"):
        Plateau((BASE,), 2, STEPS, metric=metric)


def test_plateau_names_a_class_that_there_is_not():
    schedule = Plateau((BASE,), 2, STEPS, metric="f1:fears")
    with pytest.raises(UserError, match="not among the validation scores"):
        schedule(5, Scores(1, {"loss": 1.0}, {"fear": 0.5}))
