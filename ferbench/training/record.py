"""What ``run.json`` says when a run starts and when it fails."""

from __future__ import annotations

import datetime
import traceback
from collections.abc import Iterator

import torch

from ferbench.audit.reference.known import reference_of, unlike_parts_of
from ferbench.data.corrections import Corrections
from ferbench.data.exclusions import MISSING_SHOWN, Matched
from ferbench.experiment.plan import Plan
from ferbench.plugin.culprit import named
from ferbench.records.environment import Environment
from ferbench.records.lineage import Lineage
from ferbench.records.run import (
    AskedRecipe,
    Data,
    Failure,
    Identity,
    LabelNoise,
    ListedExclusions,
    Run,
    Status,
    TestFold,
)
from ferbench.runs.corrections import Correction
from ferbench.runs.directory import RunDirectory
from ferbench.training import runtime
from ferbench.training.epoch import Diverged
from ferbench.training.stopping import Pruned


def first_record(plan: Plan, device: torch.device) -> Run:
    """The record of a run that starts: all that is known before its first epoch."""
    recipe, split, pack = plan.resolved.recipe, plan.split, plan.pack
    data = Data(
        dataset=pack.dataset,
        synthetic=plan.dataset_spec.synthetic,
        protocol=split.protocol,
        fold=recipe.data.fold,
        class_names=list(split.class_names),
        has_affect=plan.task.has_affect,
        counts={
            "train": split.counts(split.train),
            "validation": split.counts(split.validation),
            "test": split.counts(split.test),
        },
        pack=pack.digest,
        train_digest=split.train_digest,
        validation_digest=split.validation_digest,
        test_digest=split.test_digest,
        skipped_faulty=pack.skipped,
        excluded=dict(split.excluded),
        faults=[str(fault) for fault in pack.faults[:100]],
        notes=dict(pack.notes),
        **({} if pack.form is None else pack.form.record()),
    )
    data.image_size = [int(side) for side in pack.images.shape[-2:]]
    if (reference := reference_of(pack)) is not None:
        data.reference = reference
    if unlike := unlike_parts_of(pack):
        data.unlike_parts = unlike
    if (tested := split.tested) is not None:
        data.test_fold = TestFold(
            fold=f"{tested.place}/{tested.of}",
            by=tested.by,
            groups=tested.groups,
            n=tested.n,
            digest=tested.digest,
            samples=tested.samples,
        )
    if split.matched is not None:
        data.exclusions = _listed(split.matched)
    if (noised := split.noised) is not None:
        data.label_noise = LabelNoise(
            share=noised.share,
            seed=noised.seed,
            confusion=noised.confusion,
            changes=[list(row) for row in noised.changes],
        )
    lineage = Lineage(parents=[] if plan.start is None else [plan.start.as_parent()])
    if plan.teacher is not None:
        lineage.teacher = plan.teacher.weights.as_parent()
    return Run(
        kind="trained",
        name=recipe.name,
        status="running",
        started=now(),
        finished=None,
        identity=Identity(training_id=plan.training_id, config_id=plan.config_id, covers=plan.identity),
        recipe=AskedRecipe.model_validate(recipe.model_dump(mode="json", by_alias=True)),
        components=plan.resolved.describe(),
        plugins=plan.resolved.loaded(),
        data=data,
        environment=runtime.environment(device, recipe.runtime.devices),
        lineage=lineage,
        evaluations={},
    )


def _listed(matched: Matched) -> ListedExclusions:
    missing = list(matched.missing[:MISSING_SHOWN])
    return ListedExclusions(listed=matched.listed, found=matched.found, missing=missing)


def corrections_of(plan: Plan, corrections: Corrections) -> Iterator[Correction]:
    """What a loss has corrected, by sample and class."""
    ids, names, given = plan.pack.ids[plan.split.train], plan.split.class_names, plan.split.labels[plan.split.train]
    for place, label, epoch in zip(*(part.tolist() for part in corrections.table()), strict=True):
        yield Correction(str(ids[place]), names[given[place]], names[label], epoch)


def write_failure(directory: RunDirectory, record: Run, error: BaseException) -> None:
    """Put into the record how a run ended too early, and write it."""
    endings: dict[type[BaseException], Status] = {
        Diverged: "diverged",
        Pruned: "pruned",
        KeyboardInterrupt: "interrupted",
    }
    record.status = next((status for kind, status in endings.items() if isinstance(error, kind)), "failed")
    record.finished = now()
    record.error = Failure(
        type=type(error).__name__,
        message=named(error) or str(error),
        traceback="".join(traceback.format_exception(error)) if record.status == "failed" else None,
    )
    directory.save(record)


def other_threads(before: Environment, now: Environment, whose: str) -> str | None:
    """What is to be said where an earlier process computed with another number of CPU threads, which sums floats in
    another order; None where that changes no bit, or is not known.

    Args:
        before: where the earlier one ran.
        now: where this one runs.
        whose: begins the line: ``this run was``.
    """
    if "cpu" not in (before.device, now.device) or None in (before.threads, now.threads):
        return None
    if before.threads == now.threads:
        return None
    return (
        f"{whose} trained with {before.threads} CPU threads and now it goes on with {now.threads}: the last bits may "
        f"differ from those of a training with {before.threads} throughout; OMP_NUM_THREADS={before.threads} keeps them"
    )


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
