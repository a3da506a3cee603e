"""Known ways in which numbers of a table come about, recognised by their arithmetic. They say what fits, not why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ferbench.audit import ratios
from ferbench.audit.printed import (
    ACCURACY,
    BALANCED,
    MACRO,
    MEASURES,
    UNLISTED,
    WEIGHTED,
    Cell,
    Interval,
    PublishedTable,
)
from ferbench.audit.problem import Conventions, TooLargeError, harmonic_mean, pose
from ferbench.audit.solve import solve
from ferbench.audit.test_sets import known_supports
from ferbench.audit.verdict import Audit

IDS = (
    "unlisted-classes",
    "shuffled",
    "averages-of-averages",
    "mean-of-rounded",
    "other-average",
    "swapped-columns",
    "supports-reordered",
    "other-split",
    "truncated",
    "zero-division",
    "below-chance",
)

_CHANCE = 0.05  # that a class without skill is called worse than chance, over all classes
_DEVIATIONS = 3.0


@dataclass(frozen=True)
class Signature:
    """One that was recognised.

    Attributes:
        id: stable name, one of `IDS`.
        text: what the numbers show, in a sentence.
    """

    id: str
    text: str


def signatures(audit: Audit) -> list[Signature]:
    """All that fit an audited table."""
    signs = [*_of_conventions(audit), *_of_counts(audit)]
    if audit.verdict == "inconsistent":
        moved = [] if audit.totals else [*_of_unlisted(audit)] or [*_of_transposed(audit)]
        # Where everything fits once something has its place again, averages are what they are called.
        signs += [*(moved or _of_averages(audit)), *_shuffled_summary(audit)]
    return signs


def _of_unlisted(audit: Audit) -> Iterator[Signature]:
    """Predictions that went to a class without a row, or images of such a class: then the images taken for the classes
    are fewer or more than there are images, by each class's own scores."""
    table, total = audit.table, audit.table.total
    if total is None:
        return
    try:
        problem = pose(table, [cell for cell in table.scores if cell.of_class], audit.conventions)
        if problem is None or not all(map(len, problem.choices)):
            return
        most = sum(int(choices.predicted.max()) for choices in problem.choices)
        # p of a class with other images beside those of the table is not bounded by them.
        least = sum(int(choices.predicted.min()) for choices in problem.choices)
    except TooLargeError:
        return
    here = f"by their scores, the images that were taken for the {len(table.classes)} classes"
    if most < total:
        wider = replace(table, classes=(*table.classes, UNLISTED), supports=(*table.supports, 0), totals={})
        solution = solve(pose(wider, list(table.scores), audit.conventions)).solution
        if solution is not None:
            gone = solution.predicted[-1]
            yield Signature(
                "unlisted-classes",
                f"{here} add up to {most:,} of {total:,} at most; everything fits when the model can also predict a "
                f"class that has no row, and {_images(gone)} taken for it, which is the likeliest cause",
            )
    elif least > total:
        yield Signature(
            "unlisted-classes",
            f"{here} add up to {least:,} at least, and there are {total:,}; that is so when images of a class that has "
            "no row were tested as well",
        )


def _images(count: int) -> str:
    return "1 image was" if count == 1 else f"{count:,} images were"


def _of_conventions(audit: Audit) -> Iterator[Signature]:
    conventions = audit.conventions
    if audit.verdict == "inconsistent":
        return
    if conventions.rounding == "truncate":
        yield Signature("truncated", "the numbers fit when digits were cut off, and do not fit when they were rounded")
    if conventions.macro_f1 == "harmonic":
        yield Signature(
            "averages-of-averages",
            "macro F1 is the F1 of macro precision and macro recall, not the mean of the classes' F1",
        )
    if conventions.zero_division != "0":
        meaning = "counts as 1" if conventions.zero_division == "1" else "is left out of averages"
        yield Signature("zero-division", f"the numbers fit when a score with a denominator of 0 {meaning}")


def _of_averages(audit: Audit) -> Iterator[Signature]:
    """Averages that are another average than they are called."""
    assert audit.diagnosis is not None
    table, conventions = audit.table, audit.conventions
    wrong = {contradiction.without for contradiction in audit.diagnosis.contradictions}
    wrong |= {
        cell for contradiction in audit.diagnosis.contradictions for cell in contradiction.cells if not cell.of_class
    }
    for cell in sorted(wrong & {Cell(row, measure) for row in (MACRO, WEIGHTED, BALANCED) for measure in MEASURES}):
        interval = table.scores[cell].interval(conventions.rounding)
        of_classes = [table.scores[own] for name in table.classes if (own := Cell(name, cell.measure)) in table.scores]
        other = WEIGHTED if cell.row != WEIGHTED else MACRO
        others = [other for other in table.scores if other.of_class]
        if len(of_classes) == len(table.classes):
            if cell.row != WEIGHTED:
                mean = sum((printed.value for printed in of_classes), Fraction()) / len(of_classes)
                if mean in interval:
                    yield Signature("mean-of-rounded", f"{cell} is the mean of the printed scores, rounded once more")
                    continue
            if _fits(ratios.implied(table, cell, others, conventions), interval):
                continue  # the scores alone do not tell the two averages apart
            if _fits(ratios.implied(table, Cell(other, cell.measure), others, conventions), interval):
                name = Cell(other, cell.measure)
                yield Signature("other-average", f"{cell} is what the classes' scores give as {name}")
        elif cell.measure == "recall" and cell.row != WEIGHTED and Cell(ACCURACY, "f1") in table.scores:
            accuracy = table.scores[Cell(ACCURACY, "f1")].interval(conventions.rounding)
            if _fits(accuracy, interval):
                yield Signature("other-average", f"{cell} is the accuracy, which is the weighted recall")
        if cell == Cell(MACRO, "f1"):
            parts = [table.scores.get(Cell(MACRO, measure)) for measure in ("precision", "recall")]
            if parts[0] and parts[1]:
                bounds = [part.interval(conventions.rounding) for part in parts if part]
                ends = (harmonic_mean(bounds[0].low, bounds[1].low), harmonic_mean(bounds[0].high, bounds[1].high))
                if _fits(Interval(*ends), interval):
                    text = "macro F1 is the F1 of the printed macro precision and macro recall"
                    yield Signature("averages-of-averages", text)


def _fits(bounds: Interval | None, interval: Interval) -> bool:
    return bounds is not None and not bounds.meet(interval).empty


def _shuffled_summary(audit: Audit) -> Iterator[Signature]:
    """A macro recall of 1/K with an accuracy that it does not allow.

    Predictions compared with labels in an unrelated order get each class right as often as they name it, so that the
    recalls add up to 1. Their mean has a standard deviation of at most sqrt(Σ 1/(4 s)) / K.
    """
    assert audit.diagnosis is not None
    table = audit.table
    supports = [support for support in table.supports if support]
    if table.total is None or len(supports) < len(table.classes):
        return
    classes = len(supports)
    deviation = math.sqrt(sum(1 / (4 * support) for support in supports)) / classes
    involved = {cell for contradiction in audit.diagnosis.contradictions for cell in contradiction.cells}
    accuracy = Cell(ACCURACY, "f1")
    for cell in (Cell(MACRO, "recall"), Cell(BALANCED, "recall")):
        if cell in involved and accuracy in involved:
            recall = table.scores[cell].value
            share = Fraction(1, classes)
            # Beyond what macro recall could be if the accuracy were chance as well.
            skilled = float(table.scores[accuracy].value) > 1.5 * max(supports) / sum(supports)
            if skilled and abs(float(recall - share)) <= _DEVIATIONS * deviation:
                yield Signature(
                    "shuffled",
                    f"{cell} is {table.show(recall)}, and 1/{classes} is {table.show(share)}: as when predictions are "
                    "compared with labels in another order",
                )


def _of_counts(audit: Audit) -> Iterator[Signature]:
    """What the whole numbers show, where the table leaves no doubt about them."""
    table, solved = audit.table, audit.solved
    total = table.total
    if total is None or solved.right is None or solved.predicted is None:
        return
    supports = [support or 0 for support in table.supports]
    rows = list(zip(table.classes, supports, solved.right, solved.predicted, strict=True))
    if all(right[0] == right[1] and predicted[0] == predicted[1] for _, _, right, predicted in rows):
        deviations = [_deviation(right[0], support, predicted[0], total) for _, support, right, predicted in rows]
        spread = [support * predicted[0] / total for _, support, _, predicted in rows]
        varied = sum(predicted[0] > 0 for _, _, _, predicted in rows) > 1
        enough = min(spread) >= 1 and total >= 50
        whole = abs(sum(right[0] for _, _, right, _ in rows) - sum(spread)) / math.sqrt(max(sum(spread), 1))
        if varied and enough and whole <= 2 and max(map(abs, deviations)) <= _DEVIATIONS:
            text = "every class is right about as often as it is named: predictions are as if unrelated to the labels"
            yield Signature("shuffled", text)
            return
    for name, support, right, predicted in rows:
        expected = support * predicted[0] / total
        if right[1] < expected and _at_most(right[1], support, predicted[0], total) <= _CHANCE / len(rows):
            yield Signature(
                "below-chance",
                f"{name} is right {_times(right[1])} where naming it {_times(predicted[0])} at random would be right "
                f"about {_times(round(expected))}",
            )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _deviation(right: int, support: int, predicted: int, total: int) -> float:
    """By how many standard deviations t differs from chance (hypergeometric)."""
    variance = support * predicted * (total - support) * (total - predicted) / (total**2 * max(total - 1, 1))
    return (right - support * predicted / total) / math.sqrt(variance) if variance > 0 else 0.0


def _at_most(right: int, support: int, predicted: int, total: int) -> float:
    """Probability that at most ``right`` of ``predicted`` images drawn at random are among ``support`` of ``total``."""

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    whole = log_choose(total, predicted)
    least = max(0, predicted - (total - support))
    return sum(
        math.exp(log_choose(support, k) + log_choose(total - support, predicted - k) - whole)
        for k in range(least, min(right, support, predicted) + 1)
    )


def _of_transposed(audit: Audit) -> Iterator[Signature]:
    """Tables that fit once something has changed places."""
    table, conventions = audit.table, audit.conventions
    both = [name for name in table.classes if {Cell(name, "precision"), Cell(name, "recall")} <= set(table.scores)]
    averages = [row for row in (MACRO, WEIGHTED) if {Cell(row, "precision"), Cell(row, "recall")} <= set(table.scores)]
    everywhere = len(both) == len(table.classes)
    if everywhere:
        for rows, where in ((both, "class rows"), ([*both, *averages], "all rows")):
            if _holds(_swapped(table, rows), conventions):
                yield Signature("swapped-columns", f"with precision and recall exchanged in {where} everything fits")
                return
    for row in (*averages, *both):
        if _holds(_swapped(table, [row]), conventions):
            text = f"with precision and recall of {row} exchanged everything fits"
            yield Signature("swapped-columns", text)
            return
    yield from _other_supports(table, conventions)


def _swapped(table: PublishedTable, rows: Sequence[str]) -> PublishedTable:
    scores = dict(table.scores)
    for row in rows:
        first, second = Cell(row, "precision"), Cell(row, "recall")
        scores[first], scores[second] = table.scores[second], table.scores[first]
    return replace(table, scores=scores)


def _other_supports(table: PublishedTable, conventions: Conventions) -> Iterator[Signature]:
    known = dict(known_supports(table.classes))
    for name, supports in known.items():
        # Another part: a table whose supports are of none of them says nothing about them.
        if table.supports not in known.values() or supports == table.supports:
            continue
        if _holds(replace(table, supports=supports, totals={}), conventions) and not _loose(
            table, supports, conventions
        ):
            yield Signature("other-split", f"everything fits with the supports of {name}")
            return
    ordered = _reordered(table, conventions)
    if ordered is not None:
        order = ", ".join(f"{name} {support:,}" for name, support in zip(table.classes, ordered, strict=True))
        yield Signature("supports-reordered", f"everything fits with the supports in another order: {order}")


def _reordered(table: PublishedTable, conventions: Conventions) -> tuple[int, ...] | None:
    """The table's own supports in the only order in which each class's scores are possible."""
    if table.total is None or len(table.classes) > 30:
        return None
    supports = [support or 0 for support in table.supports]
    fitting: list[list[int]] = []
    for name in table.classes:
        own = [cell for cell in table.scores if cell.row == name]
        if len(own) < 2:
            return None
        fits = []
        for support in sorted(set(supports)):
            place = table.classes.index(name)
            others = list(supports)
            others[place], others[supports.index(support)] = support, supports[place]
            problem = pose(replace(table, supports=tuple(others)), own, conventions)
            if problem is not None and len(problem.choices[place]):
                fits.append(support)
        fitting.append(fits)
    order = _assigned(fitting, supports)
    if order is None or tuple(order) == table.supports:
        return None
    ordered = tuple(order)
    if not _holds(replace(table, supports=ordered, totals={}), conventions):
        return None
    return None if _loose(table, ordered, conventions) else ordered


def _loose(table: PublishedTable, supports: Sequence[int | None], conventions: Conventions) -> bool:
    """Whether the scores fit with nearly any supports, so that those with which they fit are no evidence."""
    turned = [tuple(supports[place:]) + tuple(supports[:place]) for place in (1, 2, len(supports) // 2)]
    return any(
        order not in (tuple(supports), table.supports)
        and _holds(replace(table, supports=order, totals={}), conventions)
        for order in turned
    )


def _assigned(fitting: Sequence[Sequence[int]], supports: Sequence[int]) -> list[int] | None:
    """One support for each class, each used as often as it is there; None when a class has no choice left."""
    left = list(supports)
    order = [0] * len(fitting)
    for place in sorted(range(len(fitting)), key=lambda place: len(fitting[place])):
        free = [support for support in fitting[place] if support in left]
        if not free:
            return None
        order[place] = free[0]
        left.remove(free[0])
    return order


def _holds(table: PublishedTable, conventions: Conventions) -> bool:
    """Whether a table is proven to be possible, which takes all supports."""
    if table.total is None:
        return False
    return solve(pose(table, list(table.scores), conventions), prove_only=True).answer == "yes"
