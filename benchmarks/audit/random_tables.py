"""False alarms and missed changes of ``ferbench audit table`` on random tables.

    python benchmarks/audit/random_tables.py --tables 10000 --changes 10000

A true table comes from a random confusion matrix: 3 to 10 classes, 30 to 10,000 images (half of the tables 1,000 or
more, spread evenly, the others evenly on a logarithmic scale), supports from even to very uneven, classes from hopeless
to perfect, in one of ten tables a class that is never predicted. It is printed with every class's precision, recall, F1
and support, macro and weighted averages and the accuracy, at 1, 2 and 3 decimals of a percent, to the nearest. No true
table may be called inconsistent.

For the changes one score of a true table at two decimals, drawn evenly among all of them, is raised or lowered: by
exactly 0.01 points, or by an amount drawn evenly on a logarithmic scale from 0.01 to 10 points. A change is caught when
the table is inconsistent. One that is not caught comes with a confusion matrix, its witness: the script computes all
scores of that matrix anew and prints them as a program would. Where that is the changed table, digit by digit, no audit
could catch it; where it is not, the table fits by another convention than the commonest (``harmonic``), or with a half
rounded the other way.

``--reports N`` prints N of these matrices instead as text, half of them with scikit-learn's ``classification_report``
and half in its format until 0.19 (one average, ``avg / total``), at 2 to 4 digits, with lines of a log around them, and
audits that text; and as many with one score changed by one unit of its last digit or more.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np

from ferbench.audit.matrix import make_matrix
from ferbench.audit.printed import PublishedTable
from ferbench.audit.score_table import parse_table
from ferbench.audit.verdict import audit, judge

MEASURES = ("precision", "recall", "f1")


def random_matrix(generator: np.random.Generator) -> np.ndarray:
    """A confusion matrix, int64[K, K], rows true."""
    classes = int(generator.integers(3, 11))
    if generator.random() < 0.5:
        total = int(generator.integers(1000, 10001))
    else:
        total = round(float(np.exp(generator.uniform(np.log(30), np.log(10001)))))
    evenness = np.exp(generator.uniform(np.log(0.7), np.log(50)))
    supports = generator.multinomial(total - classes, generator.dirichlet(np.full(classes, evenness))) + 1
    skill = generator.beta(*generator.choice([(1, 3), (3, 3), (6, 2), (40, 1)]), size=classes)
    away = generator.dirichlet(np.full(classes, np.exp(generator.uniform(np.log(0.2), np.log(5)))), size=classes)
    chances = skill[:, None] * np.eye(classes) + (1 - skill)[:, None] * away
    if generator.random() < 0.1:
        never = int(generator.integers(classes))
        chances[:, never] = 0
        chances[never, (never + 1) % classes] += chances[never].sum() == 0
        chances /= chances.sum(axis=1, keepdims=True)
    return np.stack([generator.multinomial(n, chance) for n, chance in zip(supports, chances, strict=True)])


def scores(matrix: np.ndarray) -> dict[tuple[str, str], float]:
    """Every score of a full table in percent, in float64."""
    right, predicted, supports = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    columns = {
        "precision": right / np.maximum(predicted, 1),
        "recall": right / np.maximum(supports, 1),
        "f1": 2 * right / np.maximum(predicted + supports, 1),
    }
    found = {(f"c{k}", name): 100 * float(columns[name][k]) for k in range(len(matrix)) for name in MEASURES}
    for name in MEASURES:
        found["macro avg", name] = 100 * float(columns[name].mean())
        found["weighted avg", name] = 100 * float(np.average(columns[name], weights=supports))
    found["accuracy", "f1"] = 100 * float(right.sum() / supports.sum())
    return found


def written(printed: dict[tuple[str, str], str], supports: np.ndarray) -> PublishedTable:
    """A table read from the CSV text with these scores."""
    counts = {f"c{k}": int(support) for k, support in enumerate(supports)}
    rows = [*counts, "macro avg", "weighted avg", "accuracy"]
    lines = ["class,precision_percent,recall_percent,f1_percent,support"]
    for row in rows:
        cells = [printed.get((row, name), "") for name in MEASURES]
        lines.append(",".join([row, *cells, str(counts.get(row, sum(counts.values())))]))
    return parse_table("\n".join(lines), "random")


def changed(
    printed: dict[tuple[str, str], str], generator: np.random.Generator, by_one: bool
) -> dict[tuple[str, str], str]:
    """The same scores with one of them raised or lowered, still within 0 to 100."""
    while True:
        cell = list(printed)[int(generator.integers(len(printed)))]
        hundredths = 1 if by_one else round(100 * float(np.exp(generator.uniform(np.log(0.01), np.log(10)))))
        value = round(100 * float(printed[cell])) + hundredths * int(generator.choice([-1, 1]))
        if 0 <= value <= 10000:
            return {**printed, cell: f"{value / 100:.2f}"}


def tables(count: int, seed: int) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
    for number in range(count):
        generator = np.random.default_rng([seed, number])
        yield random_matrix(generator), generator


def report(matrix: np.ndarray, digits: int, old: bool) -> str:
    """What scikit-learn prints of a confusion matrix."""
    from sklearn.metrics import classification_report

    size = len(matrix)
    true = np.repeat(np.arange(size), matrix.sum(axis=1))
    predicted = np.concatenate([np.repeat(np.arange(size), row) for row in matrix])
    names = [f"c{k}" for k in range(size)]
    asked = {"labels": range(size), "target_names": names, "digits": digits, "zero_division": 0.0}
    if not old:
        return str(classification_report(true, predicted, **asked))
    values = classification_report(true, predicted, output_dict=True, **asked)
    width = max(len("avg / total"), digits)
    columns = ("precision", "recall", "f1-score")
    lines = [" " * width + " " + "".join(f" {column:>9}" for column in (*columns, "support")), ""]
    for name, row in ((name, values[name]) for name in names):
        scores = "".join(f" {row[column]:>9.{digits}f}" for column in columns)
        lines.append(f"{name:>{width}} {scores} {int(row['support']):>9}")
    row = values["weighted avg"]
    scores = "".join(f" {row[column]:>9.{digits}f}" for column in columns)
    lines += ["", f"{'avg / total':>{width}} {scores} {int(row['support']):>9}", ""]
    return "\n".join(lines)


def one_changed(text: str, generator: np.random.Generator) -> str:
    """A report with one of its scores raised or lowered by at least one unit of its last digit."""
    places = list(re.finditer(r"\b[01]\.\d+", text))
    while True:
        match = places[int(generator.integers(len(places)))]
        digits = len(match[0]) - 2
        by = round(float(np.exp(generator.uniform(np.log(1), np.log(10**digits / 10)))))
        value = round(float(match[0]) * 10**digits) + by * int(generator.choice([-1, 1]))
        if 0 <= value <= 10**digits:
            return text[: match.start()] + f"{value / 10**digits:.{digits}f}" + text[match.end() :]


def of_reports(count: int, seed: int) -> None:
    """Audits of printed reports, true and changed."""
    around = (
        "Epoch 20/20\n225/225 [==============================] - 9s - loss: 0.91\n\nClassification Report\n{}\nSaved.\n"
    )
    true: Counter[str] = Counter()
    caught: Counter[tuple[int, str]] = Counter()
    seconds = []
    for number, (matrix, generator) in enumerate(tables(count, seed + 2)):
        digits = int(generator.integers(2, 5))
        text = report(matrix, digits, old=number % 2 == 0)
        start = time.process_time()
        conventions, solved = judge(parse_table(around.format(text), "report"))
        seconds.append(time.process_time() - start)
        true[f"{solved.answer} ({conventions.rounding}, {conventions.macro_f1})"] += 1
        wrong = judge(parse_table(around.format(one_changed(text, generator)), "report"))[1].answer
        caught[digits, wrong] += 1
    print(f"{count:,} true reports: {dict(true)}; {_times(seconds)}", flush=True)
    for digits in (2, 3, 4):
        whole = sum(caught[digits, answer] for answer in ("no", "yes", "unknown"))
        share = 100 * caught[digits, "no"] / max(whole, 1)
        print(f"one score changed, {digits} digits: {share:.1f} % of {whole:,} found inconsistent", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=10_000, help="of each kind")
    parser.add_argument("--audits", type=int, default=200, help="changed tables audited with every explanation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reports", type=int, default=0, help="audit printed reports instead")
    args = parser.parse_args()
    if args.reports:
        of_reports(args.reports, args.seed)
        return
    for decimals in (1, 2, 3):
        answers: Counter[str] = Counter()
        seconds = []
        for matrix, _ in tables(args.tables, args.seed):
            table = written(
                {cell: f"{value:.{decimals}f}" for cell, value in scores(matrix).items()}, matrix.sum(axis=1)
            )
            start = time.process_time()
            conventions, solved = judge(table)
            seconds.append(time.process_time() - start)
            answers[f"{solved.answer} ({conventions.rounding}, {conventions.macro_f1})"] += 1
        print(f"{decimals} decimals, {args.tables:,} true tables: {dict(answers)}; {_times(seconds)}", flush=True)
    for by_one in (True, False):
        answers = Counter()
        audited: list[float] = []
        for number, (matrix, generator) in enumerate(tables(args.changes, args.seed + 1)):
            printed = {cell: f"{value:.2f}" for cell, value in scores(matrix).items()}
            shown = changed(printed, generator, by_one)
            table = written(shown, matrix.sum(axis=1))
            conventions, solved = judge(table)
            label = {"no": "caught", "yes": "possible"}.get(solved.answer, solved.answer)
            if solved.answer != "no":
                label += f" ({conventions.rounding}, {conventions.macro_f1})"
            if solved.solution is not None:
                witness = make_matrix(solved.solution.right, solved.solution.predicted, matrix.sum(axis=1).tolist())
                again = {cell: f"{value:.2f}" for cell, value in scores(witness).items()}
                label += ", digit by digit" if again == shown else ", not digit by digit"
            answers[label] += 1
            if number < args.audits:
                start = time.process_time()
                audit(table)
                audited.append(time.process_time() - start)
        kind = "by exactly 0.01" if by_one else "by 0.01 to 10"
        share = answers["caught"] / args.changes
        print(f"changed {kind} points: {100 * share:.3f} % of {args.changes:,} caught; {dict(answers)}", flush=True)
        print(f"  with all explanations: {_times(audited)}", flush=True)


def _times(seconds: list[float]) -> str:
    if not seconds:
        return "none timed"
    ordered = sorted(seconds)
    return f"processor time median {1000 * ordered[len(ordered) // 2]:.1f} ms, slowest {1000 * ordered[-1]:.0f} ms"


if __name__ == "__main__":
    main()
