"""What the best of several is worth, by simulation: whether the luck that a leaderboard states is what there is, which
intervals hold the winner's true score, and what corrections do that forget rows which were removed.

    python benchmarks/statistics/winner.py

``luck``: by how much the score of the best of equal models exceeds its true score, beside what `ferbench leaderboard`
says, and what errors that are taken for independent would say. ``intervals``: how often 95 % intervals hold the
winner's true score, their width, and how far off their middle is. ``removed``: of equal models all but some are
removed; how often any two of those that are left are told apart, by a correction for these alone and by one for all
that were tested; and the same where models are unlike, which is the power.

Models are those of ``simulate.py``. Fixed random seeds: the same call prints the same numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from simulate import World

from ferbench.statistics.estimates import SeedVariances, all_pairs, interval, ranks
from ferbench.statistics.sampling import Design, Measured, measure
from ferbench.statistics.winner import errors_of, winner

METRIC = "macro_f1"
BOARDS = 400


@dataclass(frozen=True)
class Skilled(World):
    """A world in which the last model may be ahead of equal others.

    Attributes:
        ahead: by how much, in logits.
    """

    ahead: float = 0.0

    def answers(self, design: Design, models: int, seeds: int, rng: np.random.Generator) -> NDArray[np.int64]:
        if not self.ahead:
            return super().answers(design, models, seeds, rng)
        plain = np.random.default_rng(rng.integers(2**32))
        state = plain.bit_generator.state
        first = super().answers(design, models, seeds, plain)
        plain.bit_generator.state = state  # the same samples
        better = replace(self, skill=self.skill + self.ahead, ahead=0.0).answers(design, models, seeds, plain)
        first[-1] = better[-1]
        return first


def drawn(
    world: Skilled, models: int, seeds: int, boards: int
) -> tuple[Design, list[list[Measured]], NDArray[np.float64]]:
    """The rows of made-up leaderboards, and the true score of each row: its mean over all of them."""
    design, rng = world.design(), np.random.default_rng(0)
    answers = (world.answers(design, models, seeds, rng) for _ in range(boards))
    several = [[measure(METRIC, design, row) for row in rows] for rows in answers]
    true = np.mean([[row.mean for row in rows] for rows in several], axis=0)
    if not world.apart:  # equal ones are equal
        equal = slice(0, -1 if world.ahead else None)
        true[equal] = true[equal].mean()
    return design, several, true


Interval = tuple[float, float]


def plain_interval(rows: list[Measured], design: Design, best: int) -> Interval:
    """The row's own, as the leaderboard has it unasked."""
    seeding = SeedVariances.of(rows).alone(best) if rows[0].seeds > 1 else None
    found = interval(rows[best], design, seeding=seeding)
    assert found is not None
    return found.low, found.high


def simultaneous(rows: list[Measured], design: Design, best: int) -> Interval:
    """That of all rows at once (Šidák)."""
    errors = errors_of(rows, design, over_seeds=rows[0].seeds > 1, stretched=True)
    reach = float(ndtri(0.5 + 0.95 ** (1 / len(rows)) / 2) * np.sqrt(errors[best, best]))
    return rows[best].mean - reach, rows[best].mean + reach


def empirical_bayes(rows: list[Measured], design: Design, best: int) -> Interval:
    """True scores normal around their mean, by Morris (Journal of the American Statistical Association 1983); what is
    common to all errors is shrunk by nothing."""
    errors, count = errors_of(rows, design, over_seeds=rows[0].seeds > 1, stretched=True), len(rows)
    means = np.array([row.mean for row in rows])
    centre = np.eye(count) - 1 / count
    contrasts = centre @ errors @ centre
    noise, seen = np.trace(contrasts) / (count - 1), means.var(ddof=1)
    few = max(count - 3, 1)
    weight = min(1.0, few / (count - 1) * noise / max(seen, 1e-30))
    off = means[best] - means.mean()
    variance = errors.sum() / count**2 + (1 - weight) * contrasts[best, best] + 2 / few * weight**2 * off**2
    middle, half = means.mean() + (1 - weight) * off, 1.96 * np.sqrt(variance)
    return middle - half, middle + half


def shrunk(rows: list[Measured], design: Design, best: int) -> Interval:
    """That of ``ferbench leaderboard --shrink``."""
    errors, wide = (errors_of(rows, design, over_seeds=rows[0].seeds > 1, stretched=known) for known in (False, True))
    found = winner(np.array([row.mean for row in rows]), errors, wide)
    return found.low, found.high


WAYS: dict[str, Callable[[list[Measured], Design, int], Interval]] = {
    "plain": plain_interval,
    "simultaneous": simultaneous,
    "empirical Bayes": empirical_bayes,
    "--shrink": shrunk,
}


def show_luck(boards: int) -> None:
    print("\n| rows | seeds | spread | the best seems too high by | said | said if independent |")
    print("|---|---|---|---|---|---|")
    for models, seeds, spread in ((2, 1, 0.0), (5, 1, 0.0), (10, 1, 0.0), (20, 1, 0.0), (5, 3, 0.1), (10, 3, 0.1)):
        world = Skilled(seed_spread=spread)
        design, several, true = drawn(world, models, seeds, boards)
        seen, said, apart = [], [], []
        for rows in several:
            means, errors = np.array([row.mean for row in rows]), errors_of(rows, design, over_seeds=seeds > 1)
            best = int(means.argmax())
            seen.append(means[best] - true[best])
            said.append(winner(means, errors).luck)
            apart.append(winner(means, np.diag(np.diag(errors))).luck)
        within = 1.96 * np.std(seen) / np.sqrt(boards)
        cells = f"{np.mean(seen):.4f} ± {within:.4f} | {np.mean(said):.4f} | {np.mean(apart):.4f}"
        print(f"| {models} | {seeds} | {spread} | {cells} |", flush=True)


def show_intervals(boards: int) -> None:
    print(f"\n| rows | seeds | models | {' | '.join(WAYS)} |\n|---|---|---|{'---|' * len(WAYS)}")
    for models, seeds, spread in ((5, 1, 0.0), (20, 1, 0.0), (5, 3, 0.1), (20, 3, 0.1)):
        for what, about in (("equal", {}), ("in steps", {"apart": 0.4}), ("one ahead", {"ahead": 0.25})):
            world = Skilled(seed_spread=spread, **about)
            design, several, true = drawn(world, models, seeds, boards)
            cells = []
            for way in WAYS.values():
                found = []
                for rows in several:
                    best = int(np.argmax([row.mean for row in rows]))
                    low, high = way(rows, design, best)
                    found.append((low <= true[best] <= high, high - low, abs((low + high) / 2 - true[best])))
                held, width, off = np.mean(found, axis=0)
                cells.append(f"{held:.1%}, {width:.3f}, {off:.3f}")
            print(f"| {models} | {seeds} | {what} | {' | '.join(cells)} |", flush=True)


def show_removed(boards: int) -> None:
    print("\n| tested | left | models | told apart, for those left | for all that were tested |\n|---|---|---|---|---|")
    for tested, left in ((10, 3), (20, 3)):
        for what, apart in (("equal", 0.0), ("in steps", 0.3)):
            design, several, _ = drawn(Skilled(apart=apart), tested, 1, boards)
            told = {0: 0, tested: 0}
            for rows in several:
                order = np.argsort([row.mean for row in rows])
                # The two best of equal ones and the worst: what somebody would keep who looks for a difference.
                kept = [rows[place] for place in (order[0], *order[1 - left :])]
                p, means = all_pairs(kept, design), np.array([row.mean for row in kept])
                for family in told:
                    told[family] += bool((ranks(means, p, family=family).best > 1).any())
            shares = " | ".join(f"{count / boards:.1%}" for count in told.values())
            print(f"| {tested} | {left} | {what} | {shares} |", flush=True)


PARTS = {"luck": show_luck, "intervals": show_intervals, "removed": show_removed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--boards", type=int, default=BOARDS)
    options = parser.parse_args()
    for part in options.parts:
        PARTS[part](options.boards)


if __name__ == "__main__":
    main()
