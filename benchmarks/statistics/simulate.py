"""Whether ranks and intervals keep what they promise, by simulation.

    python benchmarks/statistics/simulate.py

``ranks``: leaderboards of equal models, any pair of which told apart is an error; their share among the leaderboards is
the family-wise error rate, which Holm's correction is to hold below 5 %. And of unlike ones, how often the best and
the worst are told apart: the power. Over numbers of rows and seeds, how much seeds move a model, one row whose seeds
move it four times as much, and seeds that move all rows alike. ``coverage``: how often the 95 % intervals of a row
hold the true value, ``others`` the same of metrics that are no mean of hits, ``bootstrap`` how often those of
``ferbench compare`` hold the true difference. ``small``: how often two equal models are told apart on few samples,
rare classes or few people, below and above the sizes from which ferbench tests at all.

Made-up models answer as real ones do: samples differ in difficulty, which all models share, so that answers are paired;
classes have FER2013's shares and unlike difficulty; seeds move a model's skill. Fixed random seeds: the same call
prints the same numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.statistics import sampling
from ferbench.statistics.bootstrap import paired_bootstrap
from ferbench.statistics.estimates import all_pairs, difference, interval, mcnemar_pairs, ranks
from ferbench.statistics.influences import SCALES, ModelOutputs, measure_outputs
from ferbench.statistics.measured import values
from ferbench.statistics.sampling import Design, confusions, measure

METRICS = ("accuracy", "macro_f1", "balanced_accuracy")
#: FER2013's test counts (angry, disgust, fear, happy, neutral, sad, surprise), and how easy each class is, in logits.
COUNTS = np.array([958, 111, 1024, 1774, 1233, 1247, 831])
EASE = np.array([-0.2, -0.4, -0.5, 1.2, 0.1, -0.2, 1.0])


@dataclass(frozen=True)
class World:
    """Where made-up answers come from.

    Attributes:
        n: samples, about.
        skill: of every model, in logits.
        seed_spread: standard deviation of a seed's skill, in logits.
        own: standard deviation of what one trained model finds difficult and another does not, in logits.
        first_spread: how many times as much seeds move the first model.
        correlation: of what a seed does to one model and to another.
        apart: skill of the last model less that of the first, those between in equal steps, in logits.
    """

    n: int = 1500
    skill: float = 0.8
    seed_spread: float = 0.0
    own: float = 0.8
    first_spread: float = 1.0
    correlation: float = 0.0
    apart: float = 0.0

    def design(self) -> Design:
        counts = np.maximum(2, np.round(COUNTS / COUNTS.sum() * self.n)).astype(int)
        return Design(np.repeat(np.arange(len(COUNTS)), counts), len(COUNTS))

    def answers(self, design: Design, models: int, seeds: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Predicted class ids [models, seeds, n] on a new test set."""
        shape = (models, seeds, design.n)
        logits = self.skill + EASE[design.truth] + rng.normal(0, 2.0, design.n)
        moved = rng.normal(0, self.seed_spread, (models, seeds, 1))
        if self.correlation:
            common = rng.normal(0, self.seed_spread, (1, seeds, 1))
            moved = np.sqrt(1 - self.correlation) * moved + np.sqrt(self.correlation) * common
        moved[0] *= self.first_spread
        better = np.linspace(0, self.apart, models)[:, None, None]
        logits = logits + moved + better + rng.normal(0, self.own, shape)
        right = rng.random(shape) < 1 / (1 + np.exp(-logits))
        # A wrong answer is one of the next three classes, nearer ones more often.
        step = 1 + (rng.random(shape) > 0.5) + (rng.random(shape) > 0.7)
        return np.where(right, design.truth, (design.truth + step) % len(COUNTS))


def leaderboards(
    metric: str, seeds: int, boards: int, *, models: int = 10, world: World | None = None, seed: int = 0
) -> tuple[int, int]:
    """In how many leaderboards any two rows are told apart, and in how many the first and the last."""
    world = world or World(seed_spread=0.05 if seeds > 1 else 0.0)
    rng, design = np.random.default_rng(seed), world.design()
    any_pair = ends = 0
    for _ in range(boards):
        answers = world.answers(design, models, seeds, rng)
        measured = [measure(metric, design, one) for one in answers]
        if metric == "accuracy" and seeds == 1:
            p = mcnemar_pairs(answers[:, 0] == design.truth)
        else:
            p = all_pairs(measured, design)
        found = ranks(np.array([one.mean for one in measured]), p)
        any_pair += bool((found.best > 1).any())
        ends += bool(found.adjusted[0, -1] < 0.05)
    return any_pair, ends


def coverage(metric: str, seeds: int, repetitions: int, world: World, *, seed: int = 0) -> tuple[float, float]:
    """Share of intervals that hold the true value, which is the mean over all repetitions; and their mean width."""
    rng, design = np.random.default_rng(seed), world.design()
    means, ends = [], []
    for _ in range(repetitions):
        (answers,) = world.answers(design, 1, seeds, rng)
        one = measure(metric, design, answers)
        found = interval(one, design)
        assert found is not None
        means.append(one.mean)
        ends.append((found.low, found.high))
    low, high = np.array(ends).T
    target = np.mean(means)
    return float(((low <= target) & (target <= high)).mean()), float((high - low).mean())


def said_by_models(world: World, design: Design, seeds: int, rng: np.random.Generator) -> list[ModelOutputs]:
    """Probabilities, too sure of themselves, and valence and arousal, of the models of one configuration."""
    classes, shape = len(COUNTS), (design.n, len(COUNTS))
    hard = rng.normal(0, 1.0, shape)  # what is hard is so for all models
    annotated = np.clip(rng.normal(0, 0.45, (design.n, 2)), -1, 1)
    doubtful = rng.normal(0, 0.2, (design.n, 2))
    own = np.eye(classes)[design.truth] * (1.6 + 0.5 * EASE[design.truth])[:, None]
    found = []
    for _ in range(seeds):
        skill = rng.normal(0, world.seed_spread)
        logits = 1.3 * (own * (1 + skill) + hard + rng.normal(0, 0.6, shape))
        grown = np.exp(logits - logits.max(axis=1, keepdims=True))
        wrong = doubtful + rng.standard_t(6, (design.n, 2)) * 0.15
        predicted = np.clip((0.7 + skill) * annotated + 0.05 + wrong, -1, 1)
        found.append(ModelOutputs(design.truth, grown / grown.sum(axis=1, keepdims=True), annotated, predicted))
    return found


def coverage_of_others(seeds: int, repetitions: int, world: World, *, seed: int = 0) -> dict[str, tuple[float, float]]:
    """For each metric of `SCALES` the share of intervals that hold the mean over all repetitions, and its mean."""
    rng, design = np.random.default_rng(seed), world.design()
    means: dict[str, list[float]] = {metric: [] for metric in SCALES}
    ends: dict[str, list[tuple[float, float]]] = {metric: [] for metric in SCALES}
    for _ in range(repetitions):
        models = said_by_models(world, design, seeds, rng)
        for metric, scale in SCALES.items():
            one = measure_outputs(metric, design, models)
            assert one is not None
            found = interval(one, design, scale=scale)
            assert found is not None
            means[metric].append(one.mean)
            ends[metric].append((found.low, found.high))
    shares = {}
    for metric in SCALES:
        low, high = np.array(ends[metric]).T
        target = np.mean(means[metric])
        shares[metric] = float(((low <= target) & (target <= high)).mean()), float(target)
    return shares


def bootstrap_coverage(
    metrics: tuple[str, ...], seeds: int, repetitions: int, world: World, *, draws: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Share of bootstrap intervals of the difference between equal models that hold 0."""
    rng, design = np.random.default_rng(seed), world.design()
    held = dict.fromkeys(metrics, 0)
    for number in range(repetitions):
        first, second = world.answers(design, 2, seeds, rng)
        for one in paired_bootstrap(design, first, second, metrics, draws=draws, seed=number):
            held[one.metric] += one.low <= 0 <= one.high
    return {metric: count / repetitions for metric, count in held.items()}


def small_answers(truth: NDArray[np.int64], skills: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Predicted class ids [2, n] of two models that are right about as often as ``skills`` [2, n]; what is hard is so
    for both."""
    classes, logits = int(truth.max()) + 1, np.log(skills / (1 - skills))
    logits = logits + rng.normal(0, 1, len(truth)) + rng.normal(0, 0.7, (2, len(truth)))
    right = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    return np.where(right, truth, (truth + rng.integers(1, classes, logits.shape)) % classes)


def told_apart(
    metric: str,
    counts: Sequence[int],
    skills: tuple[float, float],
    pairs: int,
    *,
    rare: float | None = None,
    people: int | None = None,
    draws: int = 0,
    seed: int = 0,
) -> tuple[float, float]:
    """Shares of ``pairs`` comparisons of two models in which they are told apart: by the test, and by the bootstrap.

    Args:
        metric: as `ferbench.statistics.measured` calls it.
        counts: samples of each class.
        skills: how often each model is right, about.
        pairs: comparisons.
        rare: the same of the first class, for both models; None: as of the others.
        people: so many are of one person each, whom models find hard; None: every sample stands alone.
        draws: of the bootstrap; 0: it is left out.
        seed: of the random numbers.
    """
    truth, rng = np.repeat(np.arange(len(counts)), counts), np.random.default_rng(seed)
    each = np.repeat(np.array(skills)[:, None], len(truth), axis=1)
    if rare is not None:
        each[:, truth == 0] = rare
    found = np.zeros(2)
    for _ in range(pairs):
        clusters, own = None, each
        if people is not None:
            clusters = rng.permutation(np.arange(len(truth)) % people)
            shifts = rng.normal(0, 0.7, (2, people))[:, clusters]
            own = 1 / (1 + np.exp(-np.log(each / (1 - each)) - shifts))
        design, both = Design(truth, len(counts), clusters), small_answers(truth, own, rng)
        first, second = (measure(metric, design, one[None]) for one in both)
        found[0] += difference(first, second, design).p < 0.05
        if draws:
            (one,) = paired_bootstrap(design, both[:1], both[1:], [metric], draws=draws)
            found[1] += one.p < 0.05
    return float(found[0] / pairs), float(found[1] / pairs)


def upper_bound(wrong: int, total: int) -> float:
    """Upper end of Clopper and Pearson's one-sided 95 % interval of a share."""
    from scipy.stats import beta

    return float(beta.ppf(0.95, wrong + 1, total - wrong)) if wrong < total else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--boards", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--bootstraps", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--all-sizes", action="store_true", help="Test below the least sizes too, to see why not.")
    options = parser.parse_args()
    if options.all_sizes:
        sampling.LEAST_SAMPLES = sampling.LEAST_CLUSTERS = sampling.LEAST_OF_CLASS = 1
    design, rng = World().design(), np.random.default_rng(1)
    (answers,) = World().answers(design, 1, 1, rng)
    typical = {metric: float(values(metric, confusions(design, answers))[0]) for metric in METRICS}
    print(f"n = {design.n}; a model has", ", ".join(f"{key} {value:.3f}" for key, value in typical.items()))
    for part in options.parts:
        PARTS[part](options)


#: Of equal models: metric, rows, seeds, spread of the seeds in logits (0.1 is 1.3 points of accuracy), how many times
#: as much seeds move the first row, and the correlation of what a seed does to the rows.
NULL_CELLS = (
    *(("macro_f1", 10, 3, spread, 1, 0.0) for spread in (0.0, 0.05, 0.1, 0.2, 0.3)),
    *(("macro_f1", rows, 3, 0.1, 1, 0.0) for rows in (2, 5, 20)),
    *(("macro_f1", 10, seeds, 0.1, 1, 0.0) for seeds in (2, 5)),
    ("macro_f1", 10, 1, 0.0, 1, 0.0),
    *(("macro_f1", rows, 3, 0.2, 4, 0.0) for rows in (2, 5, 10, 20)),
    *(("macro_f1", 10, seeds, 0.2, 4, 0.0) for seeds in (2, 5)),
    ("macro_f1", 10, 3, 0.1, 1, 0.3),
    ("macro_f1", 10, 3, 0.1, 1, 0.5),
    ("macro_f1", 5, 3, 0.2, 4, 0.5),
    ("accuracy", 10, 1, 0.0, 1, 0.0),
    ("accuracy", 10, 3, 0.1, 1, 0.0),
    ("accuracy", 5, 3, 0.1, 4, 0.0),
    ("balanced_accuracy", 10, 3, 0.1, 1, 0.0),
)
#: Of unlike models, on 3,589 samples: the same, and how far the best and the worst are apart, in points of accuracy.
POWER_CELLS = (
    *(("macro_f1", 5, 3, 0.1, 1, 0.0, points) for points in (3.8, 6.2)),
    ("macro_f1", 5, 3, 0.1, 1, 0.5, 3.8),
    ("macro_f1", 5, 3, 0.1, 4, 0.0, 6.2),
    ("macro_f1", 2, 3, 0.1, 1, 0.0, 3.8),
    ("macro_f1", 10, 3, 0.1, 1, 0.0, 3.8),
    ("macro_f1", 5, 5, 0.1, 1, 0.0, 3.8),
    ("accuracy", 5, 3, 0.1, 1, 0.0, 3.8),
)
_POINTS_A_LOGIT = 13.0


def show_ranks(options: argparse.Namespace) -> None:
    print(f"\nleaderboards, {options.boards:,} each\n")
    print("| ranked by | rows | seeds | spread | of the first | correlation | apart | told apart | at most |")
    print("|---|---|---|---|---|---|---|---|---|")
    for metric, rows, seeds, spread, times, correlation, points in [*(_with_none(NULL_CELLS)), *POWER_CELLS]:
        apart = points / _POINTS_A_LOGIT
        n = 3589 if points else 1500
        world = World(n, seed_spread=spread, first_spread=times, correlation=correlation, apart=apart)
        any_pair, ends = leaderboards(metric, seeds, options.boards, models=rows, world=world)
        found = ends if points else any_pair
        bound = "" if points else f"{upper_bound(found, options.boards):.1%}"
        gap = f"{points} points" if points else ""
        print(
            f"| {metric} | {rows} | {seeds} | {spread} | {times} × | {correlation} | {gap} "
            f"| {found / options.boards:.1%} | {bound} |",
            flush=True,
        )


def _with_none(cells: Sequence[tuple[str, int, int, float, int, float]]) -> list[tuple[Any, ...]]:
    return [(*cell, 0.0) for cell in cells]


def show_coverage(options: argparse.Namespace) -> None:
    print(f"\ncoverage of 95 % intervals, {options.repetitions:,} each")
    for metric in METRICS:
        for seeds, spread in ((1, 0.0), (3, 0.0), (3, 0.05), (3, 0.1), (3, 0.3), (5, 0.05), (5, 0.1)):
            held, width = coverage(metric, seeds, options.repetitions, World(seed_spread=spread))
            what = "this trained model" if seeds == 1 else "the configuration"
            print(
                f"  {metric:<18} {what:<19} {seeds} seeds, spread {spread:<4}  {held:.2%}  width {width:.4f}",
                flush=True,
            )


def show_others(options: argparse.Namespace) -> None:
    print(f"\ncoverage of 95 % intervals of what is no mean of hits, {options.repetitions:,} each")
    for seeds, spread in ((1, 0.0), (3, 0.0), (3, 0.05), (5, 0.05)):
        found = coverage_of_others(seeds, options.repetitions, World(seed_spread=spread))
        shown = ", ".join(f"{metric} {held:.2%} (of {mean:.3f})" for metric, (held, mean) in found.items())
        print(f"  {seeds} seeds, spread {spread:<4}  {shown}", flush=True)


def show_small(options: argparse.Namespace) -> None:
    print(
        f"\nequal models on few samples, {options.pairs:,} pairs for each skill: told apart by test, and by bootstrap"
    )
    skills = (0.3, 0.6, 0.9)
    for metric in METRICS:
        for classes in (2, 4, 7):
            for each in (1, 2, 3, 5, 10):
                several = [told_apart(metric, [each] * classes, (s, s), options.pairs, draws=400) for s in skills]
                _show_worst(f"{metric:<18} {classes} classes of {each}", several)
        for rare in (1, 2, 3, 5, 10):
            several = [
                told_apart(metric, [rare] + [20] * 6, (0.7, 0.7), options.pairs, rare=s, draws=400)
                for s in (0.1, 0.5, 0.9)
            ]
            _show_worst(f"{metric:<18} one class of {rare}, six of 20", several)
        for people in (2, 5, 8, 10, 15, 30):
            several = [told_apart(metric, [60] * 4, (s, s), options.pairs, people=people, draws=400) for s in skills]
            _show_worst(f"{metric:<18} {people} people", several)


def _show_worst(what: str, several: Sequence[tuple[float, float]]) -> None:
    test, drawn = (max(one[place] for one in several) for place in (0, 1))
    print(f"  {what:<46} at most {test:6.2%}, {drawn:6.2%}", flush=True)


def show_bootstrap(options: argparse.Namespace) -> None:
    print(f"\ncoverage of the bootstrap of a difference in `ferbench compare`, {options.bootstraps} each")
    for seeds, spread in ((1, 0.0), (3, 0.05)):
        found = bootstrap_coverage((*METRICS, "f1:1"), seeds, options.bootstraps, World(seed_spread=spread))
        print(f"  {seeds} seeds:", ", ".join(f"{key} {value:.1%}" for key, value in found.items()), flush=True)


PARTS = {
    "ranks": show_ranks,
    "coverage": show_coverage,
    "others": show_others,
    "bootstrap": show_bootstrap,
    "small": show_small,
}

if __name__ == "__main__":
    main()
