"""The ids of a run: what they cover, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.experiment.recipe import Recipe, Role, Section
from ferbench.kinds import IN_IDS
from ferbench.plugin.specs import Added
from ferbench.records.identity import config_id as config_id
from ferbench.records.identity import training_id as training_id

#: Rises when a change of the harness changes the weights that a recipe gives.
NUMERICS_VERSION = 1


def fields_with_role(section: Section, *roles: Role) -> dict[str, Any]:
    """The fields of a section that have one of ``roles``, without later additions at their default."""
    chosen = {}
    for name, field in type(section).model_fields.items():
        (role,) = (entry for entry in field.metadata if isinstance(entry, Role))
        if role in roles:
            value = getattr(section, name)
            if Added in field.metadata and value == field.default:
                continue
            chosen[name] = list(value) if isinstance(value, tuple) else value
    return chosen


def training_identity(
    recipe: Recipe,
    components: Mapping[str, Mapping[str, Any]],
    rows: Mapping[str, Any],
    start: Mapping[str, Any] | None = None,
    *,
    teacher: str | Mapping[str, Any] | None = None,
    last_joins: bool = False,
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Everything that changes the weights, as plain values.

    Args:
        recipe: the validated settings.
        components: by section: name, distribution, version, source hash and resolved options.
        rows: class names, digests of the train and validation rows in order, shape of the model's input; ``stored``,
            the digest of their pixels as they are stored, where they were resampled for that.
        start: the weights that it starts from; None: those that the model's builder gives.
        teacher: the weights that teach it, ``ema`` for the average of its own; None: none do.
        last_joins: epochs would end in a batch of one sample, which joins the batch before it. Only then it is said,
            so that other recipes keep the ids that they had when such a batch was trained alone.
        metrics: of plugins, by name, that epochs are selected by, or schedules and samplers hear.
    """
    identity: dict[str, Any] = {
        "numerics": NUMERICS_VERSION,
        "components": {section: dict(components[section]) for section in IN_IDS if section in components},
        "rows": dict(rows),
        "data": fields_with_role(recipe.data, Role.WEIGHTS),
        "training": fields_with_role(recipe.training, Role.WEIGHTS, Role.SEED),
    }
    if last_joins:
        identity["last_batch"] = "joined"
    if metrics:
        identity["metrics"] = {name: dict(about) for name, about in metrics.items()}
    if teacher is not None:
        identity["teacher"] = teacher if isinstance(teacher, str) else dict(teacher)
    return identity if start is None else {**identity, "start": dict(start)}
