"""Which runs are of one configuration, which are its folds, and whose validation parts are one partition of the same
samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ferbench.ids import digest

if TYPE_CHECKING:
    from ferbench.records.run import Run

#: Behind the name of a run that is tested on a fold, before its number.
FOLD_MARK = "-fold-"

#: Of ``[data]``, beside the fold: what decides which samples there are and how they fall into folds.
_CUTS = ("train_limit", "train_limit_per_class", "group_by", "split_seed", "exclude")

#: Of tested folds, whose other parts are cut from the rest: what decides what is learnt from there.
_LEARNT = (*_CUTS, "validation")

#: Likewise: what their labels are. Left out where it has no say, so that ids from before it stay what they were.
_NOISE = ("label_noise", "label_confusion", "noise_seed")


def place_of(fold: str) -> tuple[int, int]:
    """``"2/5"`` as (2, 5)."""
    place, _, of = fold.partition("/")
    return int(place), int(of)


def partition_id(record: Run) -> str:
    """Equal for runs whose folds are parts of one partition: the same samples, cut into as many folds by one draw."""
    data, asked = record.data, record.recipe.data
    if data.test_fold is not None:
        return data.test_fold.digest
    counts = [data.counts.get(role, {}) for role in ("train", "validation")]
    content = {
        "dataset": data.dataset,
        "pack": data.pack,
        "protocol": data.protocol,
        "classes": data.class_names,
        "folds": place_of(data.fold or "")[1],
        "samples": {name: sum(by_class.get(name, 0) for by_class in counts) for name in data.class_names},
        **{key: asked.get(key) for key in _CUTS},
        **({key: asked.get(key) for key in _NOISE} if asked.get("label_noise") else {}),
    }
    return digest({"kind": "partition", **content})


def unfolded_id(record: Run) -> str:
    """What a configuration id would be, did it cover the partition instead of the rows of one fold: the folds of a
    configuration share it, and so do its seeds. What was not trained, such as an ensemble, shares its own id with
    nobody."""
    covers = record.identity.covers
    if "training" not in covers:
        return config_id(record)
    of_fold = ("train", "validation", "test_fold")
    rows = {key: value for key, value in covers.get("rows", {}).items() if key not in of_fold}
    rows["partition"] = partition_id(record)
    if (tested := record.data.test_fold) is not None:
        rows |= {"samples": tested.samples, "learnt": {key: record.recipe.data.get(key) for key in (*_LEARNT, *_NOISE)}}
    training = {key: value for key, value in covers["training"].items() if key != "seed"}
    starts = [
        {"config": parent.config_id, "at": parent.at} for parent in record.lineage.parents if parent.at is not None
    ]
    started: dict[str, Any] = {"start": starts} if "start" in covers else {}
    if (teacher := record.lineage.teacher) is not None:
        started["teacher"] = {"config": teacher.config_id, "at": teacher.at}
    # Of folds that differ in size by one sample, some end in a batch of one and others do not.
    kept = {key: value for key, value in covers.items() if key != "last_batch"}
    return digest({"kind": "configuration", **kept, "rows": rows, "training": training, **started})


def config_id(record: Run) -> str:
    """The configuration id that seeds share. Older releases left the size and fit that images were brought to out of it
    (and did not record ``color``): of their runs, those with a size of their own have an id of their own here."""
    recorded = record.identity.config_id
    if record.data.color is not None or "rows" not in record.identity.covers:
        return recorded
    options = record.components["dataset"].options if "dataset" in record.components else {}
    if "fit" not in options or options.get("size") is None:
        return recorded
    return digest({"kind": "configuration", "config": recorded, "stored": [options["size"], options["fit"]]})


def listed(places: Iterable[int]) -> str:
    """``folds 1, 2 and 4``."""
    several = [str(place) for place in sorted(places)]
    if len(several) < 2:
        return f"fold {''.join(several)}"
    return f"folds {', '.join(several[:-1])} and {several[-1]}"


def cutting_line(protocol: str) -> str:
    """What a result is worth whose folds do not keep people together, in words; empty where they do.

    Args:
        protocol: of a pooled run: ``10 folds by person``.
    """
    _, by, kept = protocol.partition(" by ")
    if kept == "person":
        return ""
    if kept.startswith("person"):
        return "Who is shown is not known of every sample: people of whom that holds may be in several folds."
    how = f"by {kept}, not by person" if by else "at random, not by person"
    return (
        f"Folds are cut {how}: somebody whose images are learnt from may be tested too. Where people have several "
        "images, the result says little of new people and is too high."
    )
