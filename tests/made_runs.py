"""Run directories without training, for tests of what is made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support

from ferbench.records.epoch import Epoch
from ferbench.records.evaluation import Evaluation
from ferbench.records.run import Run
from ferbench.records.upgrades import SCHEMA_VERSION
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.predictions import Predictions

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def digest(*parts: object) -> str:
    return "v1:" + hashlib.sha256(repr(parts).encode()).hexdigest()


def make_run(
    results: Path,
    *,
    name: str | None = None,
    model: str = "some-net",
    loss: str = "cross-entropy",
    sampler: str = "shuffled",
    seed: int = 0,
    classes: Sequence[str] = CLASSES,
    n: int = 350,
    skill: float = 0.6,
    epochs: int = 5,
    status: str = "done",
    test: str = "test",
    dataset: str = "made-up",
    synthetic: bool = False,
    fold: str | None = None,
    message: str = "it broke",
    affect: bool = False,
    options: Mapping[str, Any] | None = None,
    parents: Sequence[Any] = (),
) -> RunDirectory:
    """A run directory as training would leave it.

    ``skill`` is the share of samples that the model knows; the rest it guesses. Truth depends on ``test`` and the
    classes alone, so that runs with the same are measured on the same samples.
    """
    config = digest("config", model, loss, sampler, classes, dataset, fold, epochs, options)
    training = digest(config, seed, name, status, test, synthetic, skill, affect)
    short = training.removeprefix("v1:")[:12]
    rng = np.random.default_rng(int(short, 16))
    directory = RunDirectory(run_path(results, short))
    evaluations = {}
    for split in ("validation", "test"):
        if status != "done" or (fold and split == "test"):
            continue
        truth = np.random.default_rng(len(test)).integers(0, len(classes), n)
        guessed = np.where(rng.random(n) < skill, truth, rng.integers(0, len(classes), n))
        entry = _entry(digest("rows", test, split, classes, n), split, truth, guessed, classes, rng if affect else None)
        identifier = digest(training, split)
        probabilities = np.full((n, len(classes)), 0.1 / len(classes), dtype=np.float32)
        probabilities[np.arange(n), guessed] += 0.9
        ids = np.array([f"{test}-{i:05d}" for i in range(n)])
        confusion = np.zeros((len(classes), len(classes)), dtype=int)
        np.add.at(confusion, (truth, guessed), 1)
        about = {"dataset": dataset, "synthetic": synthetic, "protocol": "official"}
        stored = {"evaluation_id": identifier, "training_id": training, **entry, **about}
        stored |= {"confusion": confusion.tolist(), "class_names": list(classes)}
        directory.save_evaluation(Evaluation.model_validate(stored), Predictions(ids, truth, probabilities))
        evaluations[identifier.removeprefix("v1:")[:12]] = {"id": identifier, **entry}
    directory.path.mkdir(parents=True, exist_ok=True)
    directory.start_history()
    for epoch in range(1, epochs + 1):
        directory.append_history(Epoch.model_validate(_epoch(epoch, epochs, classes, skill, rng, affect)))
    directory.save(
        _record(
            name=name,
            status=status,
            training=training,
            config=config,
            seed=seed,
            epochs=epochs,
            dataset=dataset,
            synthetic=synthetic,
            fold=fold,
            classes=classes,
            evaluations=evaluations,
            message=message,
            chosen={"model": model, "loss": loss, "sampler": sampler},
            options=options or {},
            n=n,
            parents=parents,
        )
    )
    return directory


def _entry(rows: str, split: str, truth, guessed, classes: Sequence[str], rng) -> dict[str, Any]:
    labels = list(range(len(classes)))
    each = precision_recall_fscore_support(truth, guessed, labels=labels, zero_division=0)
    macro = [float(values.mean()) for values in each[:3]]
    weighted = precision_recall_fscore_support(truth, guessed, labels=labels, average="weighted", zero_division=0)
    metrics = {
        "loss": 1.25,
        "expression": 1.25,
        "accuracy": float((truth == guessed).mean()),
        "macro_f1": macro[2],
        "weighted_f1": float(weighted[2]),
        "balanced_accuracy": float(balanced_accuracy_score(truth, guessed)),
        "macro_precision": macro[0],
        "macro_recall": macro[1],
        "weighted_precision": float(weighted[0]),
        "worst_class_f1": float(each[2].min()),
    }
    if rng is not None:
        metrics |= {f"{one}_{key}": float(rng.random()) for one in ("valence", "arousal") for key in ("rmse", "ccc")}
    per_class = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(classes, *each, strict=True)
    }
    return {"split": split, "rows_digest": rows, "n": len(truth), "metrics": metrics, "per_class": per_class}


def _epoch(epoch: int, epochs: int, classes: Sequence[str], skill: float, rng, affect: bool) -> dict[str, Any]:
    reached = skill * (1 - 0.8**epoch)
    f1 = {name: float(np.clip(reached + rng.normal(0, 0.04), 0, 1)) for name in classes}
    extra = {"valence_rmse": 0.5 - 0.01 * epoch, "arousal_rmse": 0.4 - 0.01 * epoch} if affect else {}
    mean = float(np.mean(list(f1.values())))
    return {
        "epoch": epoch,
        "train": {"loss": 2.0 - reached, "accuracy": reached, "macro_f1": mean, "f1": f1},
        "validation": {"loss": 2.1 - reached, "accuracy": reached, "macro_f1": mean, **extra, "f1": f1},
        "learning_rates": [0.001],
        "best": epoch == max(1, epochs - 1) or epoch == 1,
        "seconds": 1.5,
        "images_per_second": 300.0,
        "micro_batch": None,
    }


def _record(
    *,
    name,
    status,
    training,
    config,
    seed,
    epochs,
    dataset,
    synthetic,
    fold,
    classes,
    evaluations,
    message,
    chosen,
    options,
    n,
    parents,
) -> Run:
    names = {"dataset": dataset, "augmentation": "standard", "optimizer": "adam", "schedule": "constant", **chosen}
    components = {
        kind: {
            "name": names[kind],
            "distribution": "ferbench",
            "version": "0.1.0",
            "source": "5" * 64,
            "options": {"lr": 0.001} if kind == "optimizer" else dict(options) if kind == "model" else {},
        }
        for kind in ("dataset", "model", "loss", "sampler", "augmentation", "optimizer", "schedule")
    }
    training_settings = {
        "epochs": epochs,
        "batch_size": 128,
        "seed": seed,
        "select": "macro_f1",
        "parameter_budget": None,
    }
    data_settings = {"path": "/somewhere/private", "protocol": None, "validation": 0.2, "fold": fold}
    counts = {split: dict.fromkeys(classes, n // len(classes)) for split in ("train", "validation", "test")}
    done = status == "done"
    record = {
        "schema": SCHEMA_VERSION,
        "kind": "trained",
        "name": name,
        "status": status,
        "started": "2026-11-23T10:00:00+00:00",
        "finished": "2026-11-23T10:05:00+00:00" if status != "running" else None,
        "identity": {
            "training_id": training,
            "config_id": config,
            "covers": {
                "rows": {"train": f"all but {fold}", "validation": fold},
                "components": {
                    kind: {key: one[key] for key in ("name", "options")} for kind, one in components.items()
                },
                "data": {"image_size": None},
                "training": training_settings,
            },
        },
        "recipe": {
            "name": name,
            **{kind: {"name": one["name"]} for kind, one in components.items()},
            "trackers": [],
            "data": data_settings,
            "training": training_settings,
            "runtime": {"device": "auto", "threads": None},
        },
        "components": components,
        "data": {
            "dataset": dataset,
            "synthetic": synthetic,
            "protocol": "official",
            "fold": fold,
            "class_names": list(classes),
            "has_affect": False,
            "counts": counts,
            "skipped_faulty": 0,
            "notes": {},
        },
        "environment": {
            "python": "3.11.7",
            "platform": "Linux",
            "device": "cpu",
            "threads": 1,
            "packages": {"torch": "2.15.0"},
        },
        "lineage": {"parents": list(parents)},
        "evaluations": evaluations,
        "model": {"parameters": 118531, "trainable": 118083, "frozen": 0, "statistics": 448, "flops": 31_000_000},
        **(
            {
                "training": {
                    "epochs": epochs,
                    "best_epoch": max(1, epochs - 1),
                    "select": "macro_f1",
                    "best_value": 0.5,
                    "seconds": 12.5,
                    "images_per_second": 300.0,
                    "batch_size": 128,
                    "micro_batch": None,
                }
            }
            if done
            else {}
        ),
        **({"error": {"type": "RuntimeError", "message": message}} if not done and status != "running" else {}),
    }
    return Run.model_validate(record)
