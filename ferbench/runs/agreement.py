"""What a record says twice, or what follows from something else that it says: where both differ, somebody changed it.

Its own digest finds any change, unless it was computed again as well. Then this is what is left: ids cover recipe,
components, data and start; sums and copies within the record must hold. What older releases did not write is not
asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ferbench.ids import digest, short
from ferbench.kinds import SECTIONS
from ferbench.records.identity import config_id, training_id
from ferbench.records.lineage import Parent
from ferbench.records.run import VARIOUS, Choice, Component, Run


def disagreements(record: Run) -> Iterator[str]:
    """Where a record contradicts itself, in a few words each."""
    if record.identity.training_id != _training_id(record):
        yield "the training id is not that of what it covers"
        return
    if record.kind == "trained":
        yield from _trained(record)
    elif record.kind == "ensemble":
        yield from _ensemble(record)
    elif record.kind == "pooled":
        yield from _pooled(record)
    else:
        yield from _imported(record)
    yield from _chosen(record)
    yield from _samples(record)
    yield from _ending(record)


def _training_id(record: Run) -> str:
    if record.ensemble is not None:
        members = [[member.training_id, member.weight] for member in record.ensemble.members]
        return digest({"kind": "ensemble", "members": members})
    if record.pooled is not None:
        return digest({"kind": "pooled", "folds": [fold.training_id for fold in record.pooled.folds]})
    return training_id(record.identity.covers)


def _trained(record: Run) -> Iterator[str]:
    covers, data = record.identity.covers, record.data
    if "training" not in covers:
        yield "the training id covers no training"
        return
    start = next(({"config": parent.config_id, "at": parent.at} for parent in record.lineage.parents), None)
    teacher = None
    if (taught := record.lineage.teacher) is not None:
        teacher = {"config": taught.config_id, "at": taught.at}
    if record.identity.config_id != config_id(covers, start if "start" in covers else None, teacher):
        yield "the configuration id is not that of what it covers"
    yield from _start(record)
    yield from _teacher(record)
    for section, component in covers.get("components", {}).items():
        used = record.components.get(section)
        if used is None or not _is_covered(used, component):
            yield f"the ids cover another {section} than components has"
    for name, about in covers.get("metrics", {}).items():
        for entry in record.evaluations.values():
            used_metric = (entry.plugin_metrics or {}).get(name) if entry.is_own else None
            keys = ("distribution", "version", "source")
            if used_metric and any(about.get(key) != getattr(used_metric, key) for key in keys):
                yield f"the ids cover another metric '{name}' than an evaluation has"
                break
    rows = covers.get("rows", {})
    for key, stated in (
        ("classes", data.class_names),
        ("train", data.train_digest),
        ("validation", data.validation_digest),
    ):
        if stated is not None and key in rows and rows[key] != stated:
            yield f"the ids cover other rows than data has: {key}"
    for section, asked in (("data", record.recipe.data), ("training", record.recipe.training)):
        unlike = [key for key, value in covers.get(section, {}).items() if asked.get(key) != value]
        if unlike:
            yield f"the ids cover other settings than the recipe has: {', '.join(f'{section}.{key}' for key in unlike)}"
    versions = {(plugin.distribution, plugin.version) for plugin in record.plugins}
    for section, used in record.components.items():
        loaded = {version for distribution, version in versions if distribution == used.distribution}
        if loaded and used.version not in loaded:
            yield f"plugins has another version of the {section}'s distribution than components"
    yield from _training(record)


def _is_covered(used: Component, covered: Mapping[str, Any]) -> bool:
    """Whether ids that cover that are of this component. Of files and initial weights they cover the content, and of
    options that a component did not always have (`ferbench.Added`) nothing, at their default."""
    about = {"name": used.name, "distribution": used.distribution, "version": used.version, "source": used.source}
    if any(key in covered and covered[key] != value for key, value in about.items()):
        return False
    if "members" in covered and not _are_covered(used, covered["members"]):
        return False
    options = covered.get("options", {})
    if not set(options) <= set(used.options):
        return False
    pairs = ((used.options[key], value) for key, value in options.items())
    return all(value == covered or _names_content(value, covered) for value, covered in pairs)


def _are_covered(used: Component, members: Any) -> bool:
    """The same of steps in a row, which the ids cover in their order."""
    theirs = list((used.members or {}).values())
    if not isinstance(members, list) or len(theirs) != len(members):
        return False
    return all(_is_covered(one, covered) for one, covered in zip(theirs, members, strict=True))


def _names_content(value: Any, covered: Any) -> bool:
    """Whether an id may cover that in place of an option's value: a digest, or the release that a name stands for."""
    if isinstance(value, str):
        return isinstance(covered, str) and ("sha256:" in covered or "/" in covered or "@" in covered)
    if isinstance(value, list) and isinstance(covered, list) and len(value) == len(covered):
        return all(one == other or _names_content(one, other) for one, other in zip(value, covered, strict=True))
    if isinstance(value, dict) and isinstance(covered, dict) and len(value) == len(covered):
        return any("sha256:" in str(item) for pair in covered.items() for item in pair)
    return False


def _start(record: Run) -> Iterator[str]:
    started, parents = record.identity.covers.get("start"), record.lineage.parents
    if (started is None) != (not parents) or (started is None) != (record.recipe.start is None):
        yield "the ids, the recipe and the lineage do not agree on whether it starts from another run"
    elif started is not None and not (len(parents) == 1 and _is_of(parents[0], started, record.recipe.start)):
        yield "the ids, the recipe and the lineage name other weights to start from"


def _teacher(record: Run) -> Iterator[str]:
    covered, teacher, asked = record.identity.covers.get("teacher"), record.lineage.teacher, record.recipe.training
    who = asked.get("teacher")
    if isinstance(covered, Mapping):
        if teacher is None or not _is_of(teacher, covered, who):
            yield "the ids, the recipe and the lineage name other weights that teach it"
    elif covered != who or teacher is not None:
        yield "the ids, the recipe and the lineage do not agree on who teaches it"


def _is_of(parent: Parent, covered: Mapping[str, Any], asked: Any) -> bool:
    """Whether the weights that ids cover, and those that a recipe asks for, are those of a run of the lineage."""
    place, _, at = str(asked).rpartition("@")
    return (
        covered.get("weights") == f"sha256:{parent.weights_sha256}"
        and (parent.training_id is None or short(parent.training_id) == parent.run)
        and at == parent.at
        and place.rpartition("/")[2] == parent.run
        and (not (parent.at or "").isdecimal() or parent.at == str(parent.epoch))
    )


def _training(record: Run) -> Iterator[str]:
    training, asked, model = record.training, record.recipe.training, record.model
    parts = [] if model is None else [model.trainable, model.frozen, model.statistics]
    known = [part for part in parts if part is not None]
    if model is not None and model.parameters is not None and len(known) == 3 and model.parameters != sum(known):
        yield "the model's parameters are not the sum of trainable, frozen and statistics"
    if training is None:
        return
    size, most, stopped = training.batch_size, asked.get("epochs", training.epochs), training.stopped
    holds = {key: getattr(training, key) in (None, asked.get(key)) for key in ("batch_size", "accumulate", "select")}
    if size is not None:
        joined = "last_batch" in record.identity.covers
        holds["last_batch"] = training.last_batch == (size + 1 if joined else None)
        holds["effective_batch"] = training.effective_batch in (None, size * (training.accumulate or 1))
        holds["shards"] = training.shards is None or sum(training.shards) == size
    holds["epochs"] = training.epochs <= most
    holds["best_epoch"] = training.best_epoch <= training.epochs
    if stopped is not None:
        holds["stopped.epoch"] = stopped.epoch in (None, training.epochs)
        patient = asked.get("patience") is not None
        follows = {"epochs": training.epochs == most, "fit": most == 0 and "loss" not in record.components}
        holds["stopped.reason"] = follows.get(stopped.reason, patient)
    unlike = [key for key, right in holds.items() if not right]
    if unlike:
        yield f"training is not what follows from the recipe: {', '.join(unlike)}"


def _ensemble(record: Run) -> Iterator[str]:
    if record.ensemble is None:
        return
    members = record.ensemble.members
    if record.identity.covers.get("members") != [member.plain() for member in members]:
        yield "the ids cover other members than ensemble has"
    parents = [(parent.run, parent.weight, parent.validation, parent.test) for parent in record.lineage.parents]
    if parents != [
        (member.run, round(member.weight, 6), member.evaluations.get("validation"), member.evaluations.get("test"))
        for member in members
    ]:
        yield "lineage has other members than ensemble"


def _pooled(record: Run) -> Iterator[str]:
    folds = [] if record.pooled is None else record.pooled.folds
    if record.identity.covers.get("folds") != [fold.plain() for fold in folds]:
        yield "the ids cover other folds than pooled has"
    if [(parent.run, parent.name) for parent in record.lineage.parents] != [(fold.run, fold.name) for fold in folds]:
        yield "lineage has other folds than pooled"
    if [fold.fold for fold in folds] != [f"{place}/{len(folds)}" for place in range(1, len(folds) + 1)]:
        yield "pooled does not have every fold"


def _imported(record: Run) -> Iterator[str]:
    covers, recipe = record.identity.covers, record.recipe
    named = digest({"kind": "imported configuration", "name": recipe.name, "model": record.components["model"].name})
    for key, stated in (
        ("config", record.identity.config_id),
        ("config", named),
        ("seed", record.seed),
        ("rows_digest", record.data.test_digest),
    ):
        if key in covers and stated is not None and covers[key] != stated:
            yield f"the ids cover another {key.replace('_', ' ')} than the record has"
            return


def _chosen(record: Run) -> Iterator[str]:
    """The recipe's components are those that were used, with the numbers that it gives."""
    for section in SECTIONS:
        choice, used = getattr(record.recipe, section), record.components.get(section)
        if choice in (None, VARIOUS) or used is None or (record.kind, section) == ("ensemble", "model"):
            continue
        assert isinstance(choice, Choice)
        if choice.name != used.name and not choice.name.endswith(f":{used.name}"):
            yield f"the recipe has another {section} than components"
        if record.kind == "ensemble" and not used.options:  # as of members that had it of several releases
            continue
        if any(_is_another(value, used, key) for key, value in choice.options.items()):
            yield f"the recipe has other options of the {section} than components"


def _is_another(asked: Any, used: Component, key: str) -> bool:
    """Whether a component was not used with the number, or with the table of numbers of a joined dataset, that was
    asked for. A text may have been brought to another form."""
    if used.members is not None and key in used.members:
        return any(_is_another(value, used.members[key], option) for option, value in asked.items())
    there = used.options.get(key)
    return key not in used.options or (
        isinstance(asked, (int, float)) and isinstance(there, (int, float)) and asked != there
    )


def _samples(record: Run) -> Iterator[str]:
    """Parts of the data are those that were evaluated."""
    data, asked = record.data, record.recipe.data
    if record.kind == "trained" and data.fold != asked.get("fold", data.fold):
        yield "the recipe has another fold than data"
    tested = None if data.test_fold is None else data.test_fold.fold
    if record.kind == "trained" and tested != asked.get("test_fold"):
        yield "the recipe has another test_fold than data"
    if tested is not None and record.kind == "trained":
        covered = record.identity.covers.get("rows", {}).get("test_fold")
        about = data.test_fold
        assert about is not None
        if covered != [tested, about.digest, about.samples]:
            yield "the ids cover another test_fold than data has"
    if record.kind == "trained":
        yield from _noise(record)
    for split, stated in (("validation", data.validation_digest), ("test", data.test_digest)):
        counts, own = data.counts.get(split), record.own_evaluations(split).values()
        supports = {entry.rows_digest: {name: one.support for name, one in entry.per_class.items()} for entry in own}
        # A later test may be of other samples; one with the same number of each class is of the same.
        wrong = supports[stated] != counts if stated in supports else counts in supports.values()
        if stated is not None and counts is not None and wrong:
            yield f"data has other {split} samples than were evaluated"
    tta = record.recipe.evaluation.get("tta")
    several = [entry for split in ("validation", "test") for entry in record.own_evaluations(split).values()]
    done = {entry.options.get("tta", tta) for entry in several}
    if done and tta not in (None, VARIOUS, *done):
        yield "the recipe has another evaluation.tta than the evaluations"


def _noise(record: Run) -> Iterator[str]:
    """Labels are as wrong as the recipe asks for, and counted as they were learnt."""
    asked, noise = record.recipe.data, record.data.label_noise
    if (0.0 if noise is None else noise.share) != asked.get("label_noise", 0.0):
        yield "the recipe asks for other label noise than data has"
    if noise is None:
        return
    if noise.seed != asked.get("noise_seed") or noise.confusion != (asked.get("label_confusion") is not None):
        yield "the recipe makes labels wrong in another way than data"
    if [sum(column) for column in zip(*noise.changes, strict=True)] != list(record.data.counts["train"].values()):
        yield "data has other training samples than its label noise"


def _ending(record: Run) -> Iterator[str]:
    if record.status == "running":
        return
    if (record.status == "done") != (record.error is None):
        yield f"its status is '{record.status}', and it says {'no' if record.error is None else 'an'} error"
    if record.finished is None:
        yield f"its status is '{record.status}', and it does not say when it ended"
