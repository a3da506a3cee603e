def builds(base_rates, epochs, steps_per_epoch):
    return None


def one_rate_per_group(base_rates, epochs, steps_per_epoch):
    return lambda step, scores: base_rates[:1]


def inputs_unchanged(base_rates, epochs, steps_per_epoch):
    def schedule(step, scores):
        if scores is not None:
            scores.metrics.clear()
        return base_rates

    return schedule


def proportions(base_rates, epochs, steps_per_epoch):
    return lambda step, scores: (0.05, 0.0005)


class StateRoundTrip:
    def __init__(self, base_rates, epochs, steps_per_epoch):
        self.rates, self.calls = base_rates, 0

    def __call__(self, step, scores):
        self.calls += 1
        return tuple(rate / self.calls for rate in self.rates)


state_round_trip = StateRoundTrip
