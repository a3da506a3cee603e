"""The tables of README.md from sampler-comparison.csv: means over seeds, and differences paired by seed.

python benchmarks/results/compare_samplers.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import stats

from ferbench.tables.reading import read_table

METRICS = ("accuracy", "macro_f1", "balanced_accuracy", "f1:disgust", "f1:fear")


def read() -> dict[str, dict[str, np.ndarray]]:
    """Per cent by sampler and metric, in the order of the seeds; the sampler with the highest mean macro-F1 first."""
    table = read_table(Path(__file__).with_name("sampler-comparison.csv")).astype(
        {"seed": int, **dict.fromkeys(METRICS, float)}
    )
    by_sampler = {
        name: {key: 100 * rows[key].to_numpy() for key in METRICS}
        for name, rows in table.sort_values("seed", kind="stable").groupby("sampler", sort=False)
    }
    return dict(sorted(by_sampler.items(), key=lambda item: -item[1]["macro_f1"].mean()))


def means() -> list[str]:
    """A row a sampler: mean (lowest to highest) of each metric."""
    return [
        " | ".join([name, *(f"{v.mean():.1f} ({v.min():.1f} to {v.max():.1f})" for v in of.values())])
        for name, of in read().items()
    ]


def differences() -> list[str]:
    """The first sampler's macro-F1 less each other's: by seed, on average, and the p of a paired t-test."""
    (_, first), *others = read().items()
    rows = []
    for name, of in others:
        by_seed = first["macro_f1"] - of["macro_f1"]
        p = stats.ttest_rel(first["macro_f1"], of["macro_f1"]).pvalue
        rows.append(" | ".join([name, *(f"{d:+.1f}" for d in by_seed), f"{by_seed.mean():+.1f}", f"{p:.2g}"]))
    return rows


if __name__ == "__main__":
    print("\n".join(["sampler | " + " | ".join(METRICS), *means(), "", "first against | by seed | mean | p"]))
    print("\n".join(differences()))
