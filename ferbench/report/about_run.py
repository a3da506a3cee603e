"""What a report says of a run in words and numbers, before any table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ferbench.data.image_tree import left_out_line, left_out_on_purpose_line
from ferbench.metrics.measures import measure
from ferbench.ranking.planned import PLANNED
from ferbench.records.reference import unlike_line
from ferbench.records.run import AskedRecipe, Training
from ferbench.report.comparison_tables import LEFT
from ferbench.report.contents import Contents, RunView, Scored
from ferbench.runs.epoch_predictions import on_test_line
from ferbench.runs.output_order import order_line
from ferbench.runs.partitions import cutting_line
from ferbench.runs.pooled import spread_line
from ferbench.runs.remarks import remarks
from ferbench.runs.summary import excluded_line, noise_line
from ferbench.runs.symptoms import symptoms
from ferbench.tables.table import shown
from ferbench.wording import one_line


@dataclass(frozen=True)
class Tile:
    """A number that is seen first."""

    label: str
    value: str
    about: str = ""


def overview(contents: Contents) -> str:
    """One sentence over all runs: how many, of what, on what; then what is to be said of all of them."""
    return " ".join([_overview(contents), *map(one_line, contents.plan)])


def _overview(contents: Contents) -> str:
    if len(contents.runs) == 1:
        return lead(contents.runs[0])
    datasets = sorted({run.record.data.dataset for run in contents.runs})
    models = sorted({run.record.components["model"].name for run in contents.runs})
    done = sum(1 for run in contents.runs if run.result is not None)
    parts = [f"{len(contents.runs)} runs, {done} with a result", "on " + _listed(datasets), "with " + _listed(models)]
    sentence = one_line(", ".join(parts)) + "."
    known = [run.record.training.on_test for run in contents.runs if run.record.training is not None]
    chosen = [one for one in known if one is not None]
    if len(chosen) < 2:
        return sentence
    line = on_test_line(chosen)
    return f"{sentence} Epochs were chosen on validation; {line}."


def lead(run: RunView) -> str:
    """What was run and on what, in a sentence."""
    record, data = run.record, run.record.data
    names = {section: component.name for section, component in record.components.items()}
    fold = f", fold {data.place}" if data.place else ""
    where = f"on {data.dataset} (protocol {data.protocol}{fold}, {len(data.class_names)} classes)"
    if record.ensemble is not None:
        members = [f"{member.name or member.run} × {member.weight:.3g}" for member in record.ensemble.members]
        return one_line(f"Mean of the probabilities of {_listed(members)} {where}.")
    if record.pooled is not None:
        return one_line(
            f"{names['model']} {where}: {len(record.pooled.folds)} runs, each tested on a fold that it never saw, with "
            f"{names['loss']}, {names['sampler']} sampling, {names['augmentation']} augmentation and "
            f"{names['optimizer']}, seed {record.seed}. Each sample was tested once."
        )
    if record.kind == "imported":
        return one_line(f"{names['model']} {where}: trained elsewhere, its predictions imported.")
    n = f"{sum(data.counts['train'].values()):,} samples"
    if record.training is not None and record.training.fitted:
        return one_line(f"{names['model']} {where}: fitted on {n}, {names['sampler']} sampling, seed {record.seed}.")
    return one_line(
        f"{names['model']} {where}: trained on {n} with "
        f"{names['loss']}, {names['sampler']} sampling, {names['augmentation']} augmentation and {names['optimizer']}, "
        f"seed {record.seed}."
    )


def _worst(scored: Scored) -> str:
    """Which class has the lowest F1, and how many share it."""
    f1 = {name: scored.f1(name) for name in scored.per_class}
    first, *others = [name for name, value in f1.items() if value == min(f1.values())]
    return one_line(first) + (f" and {len(others)} more" if others else "")


def tiles(run: RunView) -> list[Tile]:
    record, training, made = run.record, run.record.training, []
    if run.result is not None:
        metrics, n = run.result.metrics, f"{run.result.split}, n = {run.result.n:,}"
        made += [Tile("accuracy", shown(metrics["accuracy"], "score"), n)]
        made += [Tile("macro-F1", shown(metrics["macro_f1"], "score"), n)]
        made += [Tile("worst class F1", shown(metrics["worst_class_f1"], "score"), _worst(run.result))]
    else:
        made.append(Tile("status", run.status, f"{len(run.history)} epochs done"))
    if training is not None and record.kind == "trained":
        chosen = f"by validation {_selected_by(training.select or '')}" if training.epochs else "not trained"
        if not training.fitted:
            made.append(Tile("epoch kept", f"{training.best_epoch} of {training.epochs}", chosen))
    if record.model is not None and record.model.parameters is not None:
        flops, of_loss = record.model.flops, record.model.loss_parameters
        beside = [f"and {shown(of_loss, 'count')} of the loss"] if of_loss else []
        note = ", ".join([*beside, *([_operations(flops)] if flops else [])])
        made.append(Tile("parameters", shown(record.model.parameters, "count"), note))
    if training is not None:
        speed = training.images_per_second
        made.append(
            Tile("training", shown(training.seconds, "seconds"), "" if speed is None else f"{speed:,.0f} images/s")
        )
    return made


def notes(run: RunView) -> list[str]:
    """What a reader must know before believing the numbers."""
    data, training, notes = run.record.data, run.record.training, []
    if run.status == "running" and not run.at_work:
        notes.append(f"This run says that it is running, but {LEFT}. It has no result; its command does it again.")
    elif run.status != "done":
        notes.append(f"This run is {run.status}" + (f": {run.failure}" if run.failure else ".") + " It has no result.")
    elif run.result is None:
        notes.append("This run holds no evaluation that it could be judged on.")
    elif run.result.confusion is None:
        notes.append("The file of this run's evaluation is gone: its confusion matrix cannot be shown.")
    if run.result is not None:
        others = [e.how for e in run.evaluations if e.split == run.result.split and e.id != run.result.id]
        if run.result.options:
            notes.append(f"Tested with {run.result.how}.")
        if (human := run.result.entry.annotators) is not None:
            accuracy = run.result.entry.metrics.get("accuracy") or 0.0
            above = "; this result is above one annotator's agreement" if accuracy > human.agreement else ""
            notes.append(f"On the tested pictures {human.line}{above}.")
        if others:
            notes.append(f"It was tested with {' and with '.join(others)} too: see All metrics.")
    if run.planned == PLANNED:
        notes.append("Planned: this test was registered before the test set was read.")
    elif run.planned:
        notes.append("Exploratory: this test is not in the plan for its test set.")
    if data.test_fold is not None:
        notes.append("This is one fold of a test; the result is that of all folds together.")
    if run.record.pooled is not None and run.result is not None:
        spread = spread_line(run.result.entry)
        notes += [f"{line[:1].upper()}{line[1:]}" for line in (spread, cutting_line(data.protocol)) if line]
    if run.test_reads:
        notes.append(run.test_reads)
    if data.fold:
        notes.append("A fold is measured on its validation samples, on which its epoch was selected too.")
    if data.skipped_faulty:
        notes.append(f"{data.skipped_faulty:,} faulty samples of the dataset were left out.")
    if data.reference is not None:
        notes.append(f"The data: {data.reference.statement}.")
    if line := unlike_line(data.unlike_parts):
        notes.append(f"The {line}.")
    if line := left_out_line(data.notes):
        notes.append(f"{line}.")
    if line := left_out_on_purpose_line(data.notes):
        notes.append(f"{line}.")
    if taken := excluded_line(data):
        notes.append(f"{taken} by data.exclude.")
    if line := noise_line(data):
        notes.append(f"{line[:1].upper()}{line[1:]}.")
    notes += [] if training is None or run.record.kind != "trained" else _training_notes(training, run.record.recipe)
    entry = None if run.result is None else run.result.entry
    notes += [one_line(f"{line[:1].upper()}{line[1:]}.") for line in symptoms(run.record, run.history, entry)]
    if line := order_line(run.directory, run.record):
        notes.append(one_line(f"{line[:1].upper()}{line[1:]}."))
    remarked = [(scored.title, line) for scored in run.evaluations for line in remarks(scored.entry)]
    return notes + [one_line(f"On {title}: {line}") for title, line in remarked]


def _training_notes(training: Training, asked: AskedRecipe) -> Iterator[str]:
    if training.epochs == 0 and not training.fitted:
        yield "Nothing was trained: these are the weights as the model was built with them."
    if training.stopped is not None and training.stopped.reason == "patience":
        of = asked.training["epochs"]
        yield f"Training stopped after {training.epochs} of {of} epochs, since validation gained no more."
    if training.on_test is not None:
        line = on_test_line([training.on_test])
        yield f"The epoch was chosen on validation; {line}."
    if training.micro_batch:
        yield f"Memory ran out: batches of {training.batch_size} went through {training.micro_batch} at a time."


def _selected_by(select: str) -> str:
    name, _, class_name = select.partition(":")
    return f"{name.upper() if name == 'f1' else name} of {one_line(class_name)}" if class_name else measure(name).label


def _operations(flops: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if flops >= size:
            return f"{flops / size:,.3g} {unit}FLOPs per image"
    return f"{flops:,.0f} FLOPs per image"


def _listed(names: Sequence[str]) -> str:
    if len(names) > 6:
        return f"{', '.join(names[:5])} and {len(names) - 5} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))
