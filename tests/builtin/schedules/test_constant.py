from ferbench import Scores
from ferbench_builtin.schedules.constant import constant


def test_rates_stay_what_the_optimiser_has():
    rates = constant((1e-3, 1e-5), 10, 100)
    scores = Scores(epoch=1, metrics={"loss": 1.0}, f1={})
    assert [rates(0, None), rates(1, None), rates(999, scores)] == [(1e-3, 1e-5)] * 3
