"""How early wrong labels come up in the list of ``ferbench audit data --run``, beside other orders and cleanlab.

    python benchmarks/audit/mislabelled.py [--images 1500] [--noise 0.1]

Of rendered faces some labels are made wrong, evenly among the other classes. Predictions are out of five folds, of
two weak models: logistic regressions of 12 × 12 and of 24 × 24 pixels. Printed is the precision among the first k, k
the number of wrong labels, the mean over seeds. cleanlab is no dependency: it takes part where it is installed.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from ferbench.audit.mislabelled import suspects
from ferbench.audit.reference.sketch import reduced
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces

try:
    from cleanlab.filter import find_label_issues
except ImportError:
    find_label_issues = None

SIDES = (12, 24)


def precision(found: NDArray[np.int64], wrong: NDArray[np.bool_]) -> float:
    """Of the first k, where k are wrong; what a list lacks counts as right."""
    k = int(wrong.sum())
    return float(wrong[found[:k]].sum() / k)


def orders(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
    """Rows in the order of suspicion, by the name of the rule."""
    names = np.arange(len(labels)).astype(str)
    found = suspects(names, labels, probabilities)
    by_margin = sorted(found, key=lambda one: one.of_label - one.probability)
    lists = {
        "ferbench": np.array([int(one.id) for one in found]),
        "the same by margin": np.array([int(one.id) for one in by_margin]),
        "self-confidence of all": np.argsort(probabilities[np.arange(len(labels)), labels]),
    }
    if find_label_issues is not None:
        lists["cleanlab"] = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence")
    return lists


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    made = synthetic_faces(None, train=options.images, test=7, images_per_subject=1, balance="uniform")
    samples = [sample for sample in made.samples() if sample.part == "train"]
    faces = np.stack([sample.image for sample in samples]).reshape(-1, 48, 48).astype(np.float32) / 255
    truth = np.array([list(made.class_names).index(str(sample.label)) for sample in samples])
    for side in SIDES:
        pixels = reduced(faces, side, side).reshape(len(faces), -1)
        scores: dict[str, list[float]] = {}
        right = []
        for seed in range(options.seeds):
            rng = np.random.default_rng(seed)
            wrong = rng.random(len(truth)) < options.noise
            classes = len(made.class_names)
            labels = np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth)
            folds = StratifiedKFold(5, shuffle=True, random_state=seed)
            model = LogisticRegression(C=0.3, max_iter=200)
            probabilities = cross_val_predict(model, pixels, labels, cv=folds, method="predict_proba")
            right.append((probabilities.argmax(axis=1) == truth).mean())
            for name, found in orders(labels, probabilities.astype(np.float32)).items():
                scores.setdefault(name, []).append(precision(found, wrong))
        print(f"{side} × {side} pixels, accuracy {np.mean(right):.2f}")
        for name, values in scores.items():
            print(f"  {name:24} {np.mean(values):.2f}", flush=True)


if __name__ == "__main__":
    main()
