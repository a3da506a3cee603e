"""What ``ferbench runs show`` says of a run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ferbench.holder import Holder
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.records.run import Component, Run
    from ferbench.runs.directory import RunDirectory
    from ferbench.runs.saved import Saved


@dataclass(frozen=True)
class Page:
    """A run, and what there is around its record.

    Attributes:
        directory: of the run.
        record: its ``run.json``.
        holder: the process that is at work on it.
        bytes: on disk.
        checkpoints: whole or not.
        stored: short ids of the evaluations whose files are there.
        children: runs that continue it or are made of it.
        studies: that tested it.
    """

    directory: RunDirectory
    record: Run
    holder: Holder | None
    bytes: int
    checkpoints: Sequence[Saved]
    stored: Collection[str]
    children: Sequence[str]
    studies: Sequence[str]

    @property
    def run(self) -> str:
        return self.directory.path.name

    @property
    def status(self) -> str:
        """As in the record; ``abandoned`` for a run that says it is running while no process is at work on it."""
        from ferbench.runs.listing import ABANDONED

        return ABANDONED if self.record.status == "running" and self.holder is None else self.record.status

    @property
    def next(self) -> list[str]:
        """Commands that make sense now."""
        if self.holder is not None:
            return []
        if self.record.status != "done":
            whole = any(not point.is_best and not point.fault for point in self.checkpoints)
            where = "goes on from its newest whole checkpoint" if whole else "begins anew: it has no whole checkpoint"
            return [f"ferbench resume {self.run}    {where}"]
        of_weights = [f"ferbench predict {self.run} PICTURES", f"ferbench evaluate {self.run}"]
        return [f"ferbench report {self.run}", *(of_weights if self.record.kind == "trained" else [])]


def describe(results: Path, directory: RunDirectory) -> Page:
    """All that is known of a run.

    Raises:
        UserError: the record cannot be read.
    """
    from ferbench.runs.listing import size_of
    from ferbench.runs.lock import at_work
    from ferbench.runs.removal import dependents
    from ferbench.runs.saved import saved
    from ferbench.runs.studies import needed_by_studies

    record, run = directory.load(), directory.path.name
    return Page(
        directory,
        record,
        at_work(directory),
        size_of(directory.path),
        saved(directory, record.identity.training_id),
        {name for name in record.evaluations if directory.load_evaluation(name) is not None},
        dependents(results, [run]).get(run, []),
        needed_by_studies(results, [run]).get(run, []),
    )


#: What records other than those of a training are of.
_KINDS = {
    "imported": "imported: other software made its predictions",
    "pooled": "pooled: the tests of all folds together",
}

#: What stays together in one fold, when there are several.
_GROUPS = {"person": "people", "clip": "clips"}

#: What ``--json`` has as the record has it.
_AS_RECORDED = ("data", "components", "plugins", "recipe", "model", "training", "environment")


def plain(page: Page) -> dict[str, Any]:
    """The page for ``--json``."""
    from ferbench.runs.summary import kind_of

    record, run = page.record, page.run
    recorded = {"plugins": [], "model": None, "training": None, "environment": {}} | record.plain()
    return {
        "run": run,
        "name": record.name,
        "kind": kind_of(record),
        "directory": str(page.directory.path),
        "bytes": page.bytes,
        "status": page.status,
        "at_work": None if page.holder is None else str(page.holder),
        "started": record.started,
        "finished": record.finished,
        "resumed": recorded.get("resumed", []),
        "error": None if record.error is None else record.error.message,
        "covered": record.files is not None,
        "identity": {"training_id": record.identity.training_id, "config_id": record.identity.config_id},
        **{key: recorded[key] for key in _AS_RECORDED},
        "checkpoints": [
            {
                "name": point.name,
                "at": str(point),
                "step": point.step,
                "bytes": point.bytes,
                "whole": not point.fault,
                "fault": point.fault or None,
                "from": f"{run}@{point.point}" if point.point else None,
            }
            for point in page.checkpoints
        ],
        "evaluations": {
            name: {**entry.plain(), "stored": name in page.stored} for name, entry in record.evaluations.items()
        },
        "pooled": None if record.pooled is None else record.pooled.plain(),
        "lineage": {**record.lineage.plain(), "children": page.children},
        "studies": page.studies,
        "next": page.next,
    }


def show(page: Page) -> None:
    """Print a page for people."""
    from ferbench.data.image_tree import left_out_line, left_out_on_purpose_line
    from ferbench.records.reference import unlike_line
    from ferbench.runs.lineage import parent_line, teacher_line
    from ferbench.runs.summary import excluded_line, noise_line
    from ferbench.tables.table import size
    from ferbench.wording import one_line

    record, data = page.record, page.record.data
    click.echo(one_line("  ".join([page.run, *([record.name] if record.name else []), page.status])))
    facts = [
        ("directory", f"{page.directory.path}, {size(page.bytes)}"),
        ("kind", _KINDS.get(record.kind)),
        ("at work", page.holder and str(page.holder)),
        ("started", record.started),
        ("finished", record.finished),
        ("resumed", ", ".join(f"{session.started} in epoch {session.epoch}" for session in record.resumed)),
        ("error", record.error and record.error.message),
        ("training_id", record.identity.training_id),
        ("config_id", record.identity.config_id),
        ("not covered", "an older release wrote it, without digests of its files" if record.files is None else None),
    ]
    _rows(None, [[key, value] for key, value in facts if value])
    counts = {split: sum(by_class.values()) for split, by_class in data.counts.items()}
    _rows(
        "Data",
        [
            ["dataset", f"{data.dataset}, {data.protocol}" + (f", fold {data.place}" if data.place else "")],
            *([["folds", line] for line in _folds(record)]),
            ["classes", ", ".join(data.class_names)],
            ["samples", ", ".join(f"{split} {n:,}" for split, n in counts.items())],
            *([["copy", data.reference.statement]] if data.reference is not None else []),
            *([["parts", line]] if (line := unlike_line(data.unlike_parts)) else []),
            *([["images", line]] if (line := left_out_line(data.notes)) else []),
            *([["samples", line]] if (line := left_out_on_purpose_line(data.notes)) else []),
            *([["excluded", line]] if (line := excluded_line(data)) else []),
            *([["labels", line]] if (line := noise_line(data)) else []),
            *([["corrected", line]] if (line := _corrected(record)) else []),
            *([["generated", "the images are synthetic"]] if data.synthetic else []),
        ],
    )
    components = [
        [
            section,
            component.name,
            f"{component.distribution} {component.version}",
            _short(component.source),
            _options(component),
        ]
        for section, component in record.components.items()
    ]
    _rows("Components", components, ["section", "name", "plugin", "source", "options"])
    plugins = [
        [plugin.name, f"{plugin.distribution} {plugin.version}", _short(plugin.source)] for plugin in record.plugins
    ]
    _rows("Plugins that were loaded", plugins, ["name", "plugin", "source"])
    for section in ("data", "training", "evaluation", "runtime"):
        fields = getattr(record.recipe, section)
        _rows(f"Recipe [{section}]", [[key, _text(value)] for key, value in fields.items() if value is not None])
    _rows("Environment", list(_flat(record.environment.plain())))
    if record.model is not None:
        _rows("Model", list(_flat(record.model.plain())))
    if record.training is not None:
        _rows("Training", list(_flat({**record.training.plain(), "on_test": None})))
        if (on_test := record.training.on_test) is not None:
            from ferbench.runs.epoch_predictions import on_test_line

            line = on_test_line([on_test])
            click.echo(f"{line[:1].upper()}{line[1:]}.")
    fitted = record.training is not None and record.training.fitted
    points = [
        [
            point.name,
            str(point),
            size(point.bytes),
            point.fault or "whole",
            f"--from {page.run}@{point.point}" if point.point and not fitted else "",
        ]
        for point in page.checkpoints
    ]
    _rows("Checkpoints", points, ["name", "after", "size", "state", "to start from it"])
    evaluations = [_evaluation(name, entry, name in page.stored) for name, entry in record.evaluations.items()]
    _rows("Evaluations", evaluations, ("id", "of", "n", "accuracy", "macro-F1", "state"))
    for entry in {entry.rows_digest: entry for entry in reversed(record.evaluations.values())}.values():
        _annotators(entry)
    parents = [["made from", parent_line(parent)] for parent in record.lineage.parents]
    if record.lineage.teacher is not None:
        parents.append(["taught by", teacher_line(record.lineage.teacher)])
    needed = [*page.children, *(f"study {study}" for study in page.studies)]
    _rows("Lineage", [*parents, *(["needed by", name] for name in needed)])
    if page.next:
        click.echo("\nWhat can be done")
        for line in page.next:
            click.echo(f"  {line}")


def _annotators(entry: EvaluationEntry) -> None:
    """How far people agree on the pictures of an evaluation, and by class beside its recall."""
    from ferbench.tables.table import shown

    human = entry.annotators
    if human is None:
        return
    rows = [
        [name, shown(entry.per_class[name].recall, "score"), shown(share, "score"), shown(human.n_of(name), "count")]
        for name, share in human.per_class.items()
    ]
    _rows(f"Annotators, {entry.split}: {human.line}", rows, ("class", "recall", "one annotator", "annotated"))


def _folds(record: Run) -> Iterator[str]:
    """What a run, or the folds that it is made of, says of a test in folds."""
    from ferbench.runs.partitions import cutting_line
    from ferbench.runs.pooled import spread_line

    if (tested := record.data.test_fold) is not None:
        yield f"it is tested on fold {tested.fold}; a result is all of them together, n = {tested.n:,}"
    if (pooled := record.pooled) is not None:
        groups = f"{pooled.groups:,} {_GROUPS.get(pooled.by, 'groups')}"
        yield f"{len(pooled.folds)} runs, each tested on a fold that it never saw" + (
            f"; {groups}" if pooled.by else ""
        )
        yield from filter(None, (spread_line(entry) for entry in record.own_evaluations("test").values()))
    if (tested or pooled) is not None and (line := cutting_line(record.data.protocol)):
        yield line


def _corrected(record: Run) -> str:
    """How many labels the loss has corrected; empty where it has none."""
    if record.training is None or not record.training.corrected:
        return ""
    learnt = sum(record.data.counts.get("train", {}).values())
    return f"{record.training.corrected:,} of {learnt:,} training labels, by the loss: corrections.csv says which"


def _evaluation(name: str, entry: EvaluationEntry, stored: bool) -> list[str]:
    scores = [entry.metrics.get(key) for key in ("accuracy", "macro_f1")]
    shown = ["" if score is None else f"{score:.4f}" for score in scores]
    of = entry.split if entry.data is None else f"{entry.split} of {entry.data.dataset}"
    of = ", ".join([of, *entry.ways])
    return [name, of, f"{entry.n:,}", *shown, "there" if stored else "its files are damaged or gone"]


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


def _options(component: Component) -> str:
    return ", ".join(f"{key}={_text(value)}" for key, value in component.options.items())


def _short(source: str | None) -> str:
    return source[:12] if source else "by version"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
