"""What a run owes to the one whose weights it starts from, or that teaches it: what changed, and which samples these
had seen."""

from __future__ import annotations

from collections.abc import Callable

from ferbench.data.splits import Rows
from ferbench.experiment.differences import changes
from ferbench.experiment.plan import Plan
from ferbench.experiment.start import Start
from ferbench.records.evaluation import Seen
from ferbench.records.run import Data, Run
from ferbench.runs.directory import RunDirectory
from ferbench.runs.learnt import Samples, inherited, read_samples, same_protocol, seen
from ferbench.training.record import other_threads


def add_changes(plan: Plan, record: Run, warn: Callable[[str], None]) -> None:
    """Put into the record what is not as it was in the run that this one starts from, if it starts from one; ``warn``
    of another number of threads."""
    if plan.start is not None:
        before = plan.start.directory.load()
        line = other_threads(before.environment, record.environment, f"{plan.start.label} was")
        if line is not None:
            warn(line)
        for parent in record.lineage.parents:
            parent.changed = changes(before, record)


def samples_of(plan: Plan) -> dict[str, Samples] | None:
    """What the run learns from and is selected on, and before it the one that it starts from, and the one that teaches
    it; None: not known."""
    by_split = {"train": plan.split.train, "validation": plan.split.validation}
    own = {split: Samples.of(plan.pack, rows) for split, rows in by_split.items()}
    for source in sources_of(plan):
        before = read_samples(source.directory)
        if before is None:
            return None
        own = inherited(own, before, same_protocol=_at_home(source.directory.load().data, plan))
    return own


def sources_of(plan: Plan) -> list[Start]:
    """The runs whose weights have a part in those of the run: that it starts from, and that teaches it."""
    teacher = None if plan.teacher is None else plan.teacher.weights
    return [source for source in (plan.start, teacher) if source is not None]


def _at_home(parent: Data, plan: Plan) -> bool:
    """Whether the parent's ``data`` are those of the plan: names alone do not say so, two folders share theirs."""
    same = parent.pack == plan.pack.digest
    same |= parent.test_digest is not None and parent.test_digest == plan.split.test_digest
    return same and same_protocol(parent, plan.pack.dataset, plan.split.protocol)


def seen_before(plan: Plan, directory: RunDirectory, role: str, rows: Rows) -> Seen | None:
    """What weights that started elsewhere, or were taught by another run, had seen of the samples that they are judged
    on; None: they did and were not."""
    if not sources_of(plan):
        return None
    known = read_samples(directory)
    if known is not None and role == "validation":  # its own: the epoch is chosen on them, which everybody knows
        known = {split: samples for split, samples in known.items() if split != "validation"}
    return seen(known, Samples.of(plan.pack, rows), home=True)
