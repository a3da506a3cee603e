import numpy as np


class Sound:
    def __init__(self, labels, task, *, seed):
        self.labels, self.seed = labels, seed

    def indices(self, epoch):
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.labels))

    def update(self, scores):
        pass

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class Builds:
    def __init__(self, labels, task, *, seed):
        pass

    def indices(self, epoch):
        return np.arange(3)


class SingleSamples(Sound):
    """Its spec does not ask for the losses that it hears of."""

    losses = None

    def update(self, scores):
        self.losses = scores.losses

    def indices(self, epoch):
        drawn = super().indices(epoch)
        return drawn if epoch == 1 else drawn[: len(self.losses)]


class LengthAndRange(Sound):
    def indices(self, epoch):
        return super().indices(epoch) + 1


class WholeBatches:
    def __init__(self, labels, task, *, seed):
        self.sound = Sound(labels, task, seed=seed)

    def batches(self, epoch):
        order = self.sound.indices(epoch)
        return [order[:100], order[100:]]

    def update(self, scores):
        pass

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class ToldLengths(Sound):
    def indices(self, epoch):
        return super().indices(epoch)[:: 2 if epoch == 29 else 1]

    def lengths(self, epochs):
        return [len(self.labels)] * epochs


class PlainDescription(Sound):
    def describe(self):
        return {"drawn": {1, 2}}


class InputsUnchanged(Sound):
    def update(self, scores):
        scores.f1.popitem()


class UndrawnSamples(Sound):
    losses = None

    def indices(self, epoch):
        generator, n = np.random.default_rng((self.seed, epoch)), len(self.labels)
        return generator.choice(n, n, p=None if self.losses is None else self.losses / self.losses.sum())

    def update(self, scores):
        self.losses = scores.losses.astype(np.float64)

    def state_dict(self):
        return {"losses": self.losses}

    def load_state_dict(self, state):
        self.losses = state["losses"]


class HeedsTheSeed(Sound):
    def __init__(self, labels, task, *, seed):
        super().__init__(labels, task, seed=0)


class NewDrawsEveryEpoch(Sound):
    def indices(self, epoch):
        return super().indices(0)


class Determinism(Sound):
    def indices(self, epoch):
        return np.random.permutation(len(self.labels))


class StateRoundTrip(Sound):
    heard = 0

    def indices(self, epoch):
        return np.roll(super().indices(epoch), self.heard)

    def update(self, scores):
        self.heard += 1


class EveryClass(Sound):
    def indices(self, epoch):
        order = super().indices(epoch)
        return order[self.labels[order] != self.labels.max()]


class CostAtAMillion(Sound):
    def indices(self, epoch):
        drawn = []
        for row in super().indices(epoch).tolist():
            if row not in drawn:  # looks through all that there are, for each
                drawn.append(row)
        return np.array(drawn, dtype=np.int64)


builds, length_and_range, plain_description, determinism = Builds, LengthAndRange, PlainDescription, Determinism
inputs_unchanged, heeds_the_seed, new_draws_every_epoch = InputsUnchanged, HeedsTheSeed, NewDrawsEveryEpoch
whole_batches, told_lengths = WholeBatches, ToldLengths
undrawn_samples, single_samples = UndrawnSamples, SingleSamples
state_round_trip, every_class, cost_at_a_million = StateRoundTrip, EveryClass, CostAtAMillion
