"""What ``ferbench runs show`` says of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory
from ferbench.runs.summary import IMPORTED


def describe(results: Path, directory: RunDirectory) -> dict[str, Any]:
    """A run as plain values.

    Raises:
        UserError: the record cannot be read, or lacks what a record has.
    """
    from ferbench.runs.listing import size_of
    from ferbench.runs.lock import at_work
    from ferbench.runs.removal import dependents
    from ferbench.runs.saved import saved
    from ferbench.runs.studies import needed_by_studies

    record = directory.read()
    holder = at_work(directory)
    try:
        points = saved(directory, record["identity"]["training_id"])
        run = directory.path.name
        return {
            "run": run,
            "name": record.get("name"),
            "kind": IMPORTED if "imported" in record else "measured",
            "directory": str(directory.path),
            "bytes": size_of(directory.path),
            "status": record["status"] if record["status"] != "running" or holder is not None else "abandoned",
            "at_work": None if holder is None else str(holder),
            "started": record["started"],
            "finished": record["finished"],
            "resumed": record.get("resumed", []),
            "error": (record.get("error") or {}).get("message"),
            "identity": {key: record["identity"][key] for key in ("training_id", "config_id")},
            "data": record["data"],
            "components": record["components"],
            "plugins": record.get("plugins", []),
            "recipe": record["recipe"],
            "model": record.get("model"),
            "training": record.get("training"),
            "environment": record["environment"],
            "checkpoints": [
                {
                    "name": one.name,
                    "at": str(one),
                    "step": one.step,
                    "bytes": one.bytes,
                    "whole": not one.fault,
                    "fault": one.fault or None,
                    "from": f"{run}@{one.point}" if one.point else None,
                }
                for one in points
            ],
            "evaluations": {
                name: {**entry, "stored": directory.evaluation(name) is not None}
                for name, entry in record["evaluations"].items()
            },
            "lineage": {**record["lineage"], "children": dependents(results, [run]).get(run, [])},
            "studies": needed_by_studies(results, [run]).get(run, []),
            "next": _next(run, record, held=holder is not None, resumable=any(_goes_on(one) for one in points)),
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            f"{directory.record_path} lacks what a record has: {error}", "see 'ferbench runs verify' for what is wrong"
        ) from error


def _goes_on(point: Any) -> bool:
    return not point.is_best and not point.fault


def _next(run: str, record: Mapping[str, Any], *, held: bool, resumable: bool) -> list[str]:
    """Commands that make sense now."""
    if held:
        return []
    if record["status"] != "done":
        where = "goes on from its newest whole checkpoint" if resumable else "begins anew: it has no whole checkpoint"
        return [f"ferbench resume {run}    {where}"]
    done = [f"ferbench report {run}"]
    return (
        done
        if "ensemble" in record or "imported" in record
        else [*done, f"ferbench predict {run} PICTURES", f"ferbench evaluate {run}"]
    )


def show(page: Mapping[str, Any]) -> None:
    """Print a page for people."""
    from ferbench.data.image_tree import left_out_line
    from ferbench.runs.summary import excluded_line
    from ferbench.tables.table import size

    title = [page["run"], *([page["name"]] if page["name"] else []), page["status"]]
    click.echo(_clean("  ".join(title)))
    facts = [
        ("directory", f"{page['directory']}, {size(page['bytes'])}"),
        ("kind", "imported: other software made its predictions" if page["kind"] == IMPORTED else None),
        ("at work", page["at_work"]),
        ("started", page["started"]),
        ("finished", page["finished"]),
        ("resumed", ", ".join(f"{one['started']} in epoch {one['epoch']}" for one in page["resumed"])),
        ("error", page["error"]),
        *page["identity"].items(),
    ]
    _rows(None, [[key, value] for key, value in facts if value])
    data = page["data"]
    counts = {split: sum(by_class.values()) for split, by_class in data["counts"].items()}
    _rows(
        "Data",
        [
            ["dataset", f"{data['dataset']}, {data['protocol']}" + (f", fold {data['fold']}" if data["fold"] else "")],
            ["classes", ", ".join(data["class_names"])],
            ["samples", ", ".join(f"{split} {n:,}" for split, n in counts.items())],
            *([["images", line]] if (line := left_out_line(data.get("notes") or {})) else []),
            *([["excluded", taken]] if (taken := excluded_line(data)) else []),
            *([["generated", "the images are synthetic"]] if data["synthetic"] else []),
        ],
    )
    components = [
        [section, one["name"], f"{one['distribution']} {one['version']}", _short(one["source"]), _options(one)]
        for section, one in page["components"].items()
        if isinstance(one, dict)
    ]
    _rows("Components", components, ["section", "name", "plugin", "source", "options"])
    plugins = [
        [one["name"], f"{one['distribution']} {one['version']}", _short(one["source"])] for one in page["plugins"]
    ]
    _rows("Plugins that were loaded", plugins, ["name", "plugin", "source"])
    for section in ("data", "training", "evaluation", "runtime"):
        given = {key: value for key, value in page["recipe"].get(section, {}).items() if value is not None}
        _rows(f"Recipe [{section}]", [[key, _text(value)] for key, value in given.items()])
    _rows("Environment", list(_flat(page["environment"])))
    if page["training"]:
        _rows("Training", list(_flat(page["training"])))
    points = [
        [
            one["name"],
            one["at"],
            size(one["bytes"]),
            one["fault"] or "whole",
            f"--from {one['from']}" if one["from"] else "",
        ]
        for one in page["checkpoints"]
    ]
    _rows("Checkpoints", points, ["name", "after", "size", "state", "to start from it"])
    _rows("Evaluations", [_evaluation(*one) for one in page["evaluations"].items()], _SCORES)
    from ferbench.runs.lineage import parent_line

    parents = [["made from", parent_line(one)] for one in page["lineage"]["parents"]]
    needed = [*page["lineage"]["children"], *(f"study {one}" for one in page["studies"])]
    _rows("Lineage", [*parents, *(["needed by", one] for one in needed)])
    if page["next"]:
        click.echo("\nWhat can be done")
        for line in page["next"]:
            click.echo(f"  {line}")


_SCORES = ("id", "of", "n", "accuracy", "macro-F1", "state")


def _evaluation(name: str, entry: Mapping[str, Any]) -> list[str]:
    where = (entry.get("data") or {}).get("dataset")
    scores = [entry["metrics"].get(key) for key in ("accuracy", "macro_f1")]
    shown = [f"{one:.4f}" if isinstance(one, (int, float)) else "" for one in scores]
    of = f"{entry['split']} of {where}" if where else entry["split"]
    return [name, of, f"{entry['n']:,}", *shown, "there" if entry["stored"] else "its files are damaged or gone"]


def _rows(title: str | None, rows: Sequence[Sequence[str]], columns: Sequence[str] | None = None) -> None:
    from ferbench.cli.tables import show as show_tables
    from ferbench.cli.tables import table, terminal_width

    if not rows:
        return
    if title is not None:
        click.echo(f"\n{title}")
    made = table(columns or [""] * len(rows[0]), rows, whole=columns[:2] if columns else ())
    show_tables([made], terminal_width())


def _flat(values: Mapping[str, Any], before: str = "") -> Iterable[list[str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        elif value is not None:
            yield [f"{before}{key}", _text(value)]


def _options(component: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_text(value)}" for key, value in component["options"].items())


def _short(source: str | None) -> str:
    return source[:12] if source else "by version"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _clean(text: str) -> str:
    from ferbench.plugin.faults import one_line

    return one_line(text)
