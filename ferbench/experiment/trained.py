"""What a finished run's record says of its model: the component, the task that it was built for, and its input."""

from __future__ import annotations

from dataclasses import dataclass

from ferbench.data.fit import StoredForm
from ferbench.errors import UserError
from ferbench.experiment.chain import Chain
from ferbench.experiment.recorded import options_of_record
from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.discovery import Registry
from ferbench.records.evaluation import UsedPostprocessing
from ferbench.records.run import Component as Used
from ferbench.records.run import Run
from ferbench.runs.pixels import form_of
from ferbench.task import Task


@dataclass(frozen=True)
class RecordedModel:
    """The model of a run, as its record has it.

    Attributes:
        chosen: the component with the run's options, and no initial weights.
        task: what it was built for.
        mean: per-channel mean that is subtracted from images in [0, 1].
        std: per-channel standard deviation that they are then divided by.
        form: what the pack that it was trained on made of an image.
        doubt: what an older record does not say of ``form``; None if it says all.
        source: distribution, version and source of the installed plugin.
        changed: how the installed plugin differs from the one that trained it, None if it does not.
        preprocessing: what was done to images before ``form``; None: nothing.
    """

    chosen: ChosenComponent
    task: Task
    mean: tuple[float, ...]
    std: tuple[float, ...]
    form: StoredForm
    doubt: str | None
    source: dict[str, str | None]
    changed: str | None
    preprocessing: Used | None = None


def recorded_model(record: Run, run: str, registry: Registry) -> RecordedModel:
    """The model of a run.

    Args:
        record: of the run.
        run: what the run is called.
        registry: where the model is looked up.

    Raises:
        UserError: the model's plugin is not loaded, or an option names what the user has never named.
    """
    recorded = record.components["model"]
    chosen = recorded_component(registry, "model", recorded, run)
    channels, height, width, mean, std = record.identity.covers["rows"]["input"]
    counts = record.data.counts["train"]
    class_names = tuple(record.data.class_names)
    task = Task(
        class_names=class_names,
        channels=channels,
        height=height,
        width=width,
        train_counts=tuple(counts[name] for name in class_names),
        has_affect=record.data.has_affect,
    )
    note = changed_since(chosen, recorded, "the run was trained")
    form, doubt = form_of(record)
    plain = chosen.without_initial_weights()
    step = record.components.get("preprocessing")
    return RecordedModel(plain, task, tuple(mean), tuple(std), form, doubt, installed(chosen), note, step)


def recorded_component(registry: Registry, kind: str, recorded: Used | UsedPostprocessing, run: str) -> ChosenComponent:
    """The component of a record, with its options; another plugin may offer one of that name, too.

    Args:
        registry: where it is looked up.
        kind: of the component.
        recorded: what was used.
        run: what the run is called.

    Raises:
        UserError: its plugin is not loaded, or an option names what the user has never named.
    """
    if isinstance(recorded, Used) and recorded.members is not None:
        return Chain.of(
            {name: recorded_component(registry, kind, member, run) for name, member in recorded.members.items()}
        )
    own = f"{recorded.distribution}:{recorded.name}"
    there = any(one.qualified_name == own for one in registry.components(kind))
    try:
        component = registry.find(kind, own if there else recorded.name)
    except UserError as error:
        raise UserError(
            f"run {run} needs the {kind} '{recorded.name}' of plugin '{recorded.distribution}', which is not loaded",
            "name its file or module with --plugin, or install it",
        ) from error
    options = options_of_record(component, recorded.options, run)
    return ChosenComponent(component, component.options().validate(options, kind))


def installed(chosen: ChosenComponent) -> dict[str, str | None]:
    """Distribution, version and source of a component as it is here."""
    now = chosen.describe()
    return {"distribution": now.distribution, "version": now.version, "source": now.source}


def changed_since(chosen: ChosenComponent, recorded: Used | UsedPostprocessing, when: str) -> str | None:
    """How a component differs from the recorded one, in a few words; None where it does not."""
    if isinstance(chosen, Chain) and isinstance(recorded, Used):
        members = recorded.members or {}
        several = [changed_since(member, members[name], when) for name, member in chosen.members.items()]
        return "; ".join(filter(None, several)) or None
    # Older releases did not record the source of what is installed.
    changed = [
        key
        for key, value in installed(chosen).items()
        if None not in (value, getattr(recorded, key)) and value != getattr(recorded, key)
    ]
    return f"{chosen.component.where} has another {' and '.join(changed)} than when {when}" if changed else None
