"""Finished runs side by side, grouped by the test set that they were measured on.

Runs are sorted within a group, never ranked: whether a difference is more than noise is not known from one number.
Results on generated images stand in groups of their own by nature, since their test set is another one, and are
marked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory, all_runs


@dataclass(frozen=True)
class Row:
    """One evaluation of one run.

    Attributes:
        run: twelve digits of the training id.
        name: as ``--name`` gave it, or None.
        model: component name; likewise ``loss``, ``sampler``, ``augmentation``, ``optimizer``.
        seed: of training.
        n: samples of the test set.
        metrics: by name.
        best_epoch: the epoch whose weights were tested.
        epochs: how many were trained.
        parameters: of the model, running statistics included.
        config: twelve digits of the config id, which seeds of one configuration share.
        train: training samples.
        settings: options and fields that enter the config id or say how it was evaluated, by dotted key.
    """

    run: str
    name: str | None
    model: str
    loss: str
    sampler: str
    augmentation: str
    optimizer: str
    seed: int
    n: int
    metrics: dict[str, float]
    best_epoch: int
    epochs: int
    parameters: int
    config: str
    train: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class Group:
    """Runs that were measured on the same samples and may be compared.

    Attributes:
        dataset: its name.
        protocol: how it was split.
        class_names: the classes of the task.
        test_digest: of the test set; None for folds, which are measured on their validation samples.
        synthetic: the images are generated.
        rows: best macro-F1 first.
    """

    dataset: str
    protocol: str
    class_names: tuple[str, ...]
    test_digest: str | None
    synthetic: bool
    rows: tuple[Row, ...]

    @property
    def varied(self) -> list[str]:
        """Keys of ``Row.settings`` that are not the same in all rows."""
        keys = sorted({key for row in self.rows for key in row.settings})
        return [key for key in keys if len({repr(row.settings.get(key)) for row in self.rows}) > 1]


@dataclass(frozen=True)
class Unfinished:
    """A run without a result.

    Attributes:
        run: twelve digits of the training id.
        name: as ``--name`` gave it, or None.
        status: ``running``, ``failed``, ``diverged``, ``interrupted`` or ``damaged``.
        reason: the cause in one line.
    """

    run: str
    name: str | None
    status: str
    reason: str


def collect(results: Path) -> tuple[list[Group], list[Unfinished]]:
    """Groups of comparable runs (real data first, larger groups first), and the runs that did not finish."""
    return group(all_runs(results))


def group(runs: Iterable[RunDirectory]) -> tuple[list[Group], list[Unfinished]]:
    """The same for given runs."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    unfinished = []
    for run in runs:
        try:
            record = run.read()
            if record["status"] != "done":
                reason = (record.get("error") or {}).get("message", "")
                lines = str(reason).splitlines()
                unfinished.append(
                    Unfinished(run.path.name, record.get("name"), record["status"], lines[0] if lines else "")
                )
                continue
            for key, row in _rows(run.path.name, record):
                groups.setdefault(key, []).append(row)
        except UserError as error:
            unfinished.append(Unfinished(run.path.name, None, "damaged", error.message))
        except (KeyError, TypeError, AttributeError) as error:
            unfinished.append(Unfinished(run.path.name, None, "damaged", f"run.json lacks what a record has: {error}"))
    made = [
        Group(dataset, protocol, classes, test, synthetic, tuple(sorted(rows, key=_best_first)))
        for (synthetic, dataset, protocol, classes, test, _), rows in groups.items()
    ]
    return sorted(made, key=lambda g: (g.synthetic, -len(g.rows), g.dataset, g.test_digest or "")), unfinished


def _best_first(row: Row) -> tuple[float, str]:
    return -row.metrics["macro_f1"], row.run


def _settings(covers: dict[str, Any]) -> dict[str, Any]:
    """What a configuration says beyond its components' names, by dotted key."""
    found = {
        f"{section}.{option}": value
        for section, component in covers["components"].items()
        for option, value in component["options"].items()
    }
    for section in ("data", "training"):
        found |= {f"{section}.{field}": value for field, value in covers[section].items() if field != "seed"}
    return found


def _rows(run: str, record: dict[str, Any]) -> Iterable[tuple[tuple[Any, ...], Row]]:
    data, components = record["data"], record["components"]
    measured = "validation" if data["fold"] else "test"
    for evaluation in record["evaluations"].values():
        if evaluation["split"] != measured:
            continue
        key = (
            data["synthetic"],
            data["dataset"],
            data["protocol"] + (f", fold {data['fold']}" if data["fold"] else ""),
            tuple(data["class_names"]),
            evaluation["rows_digest"] if measured == "test" else None,
            evaluation["rows_digest"],
        )
        yield (
            key,
            Row(
                run=run,
                name=record.get("name"),
                model=components["model"]["name"],
                loss=components["loss"]["name"],
                sampler=components["sampler"]["name"],
                augmentation=components["augmentation"]["name"],
                optimizer=components["optimizer"]["name"],
                seed=record["recipe"]["training"]["seed"],
                n=evaluation["n"],
                metrics=evaluation["metrics"],
                best_epoch=record["training"]["best_epoch"],
                epochs=record["training"]["epochs"],
                parameters=record["model"]["parameters"],
                config=record["identity"]["config_id"].removeprefix("v1:")[:12],
                train=sum(data["counts"]["train"].values()),
                settings=_settings(record["identity"]["covers"])
                | {f"evaluation.{field}": value for field, value in evaluation.get("options", {}).items()},
            ),
        )
