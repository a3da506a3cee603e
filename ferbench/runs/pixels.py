"""What records say of the pixels that were read: the same samples may be resampled in other ways for the pack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferbench.data.digests import stored_digest
from ferbench.data.fit import StoredForm
from ferbench.data.splits import Rows
from ferbench.records.evaluation import StoredPixels
from ferbench.records.run import Run

if TYPE_CHECKING:
    from ferbench.data.pack import Pack

#: The entry of an evaluation, and the option that tells it apart from the run's own evaluation of the same samples.
STORED = "stored"


def stored_as(pack: Pack, rows: Rows) -> StoredPixels | None:
    """The pixels of samples that were resampled for the pack, with their digest; None where their native pixels say it
    all."""
    digest = stored_digest(pack, rows)
    if digest is None:
        return None
    return StoredPixels(**((pack.form and pack.form.resampling()) or {}), digest=digest)


def form_of(record: Run) -> tuple[StoredForm, str | None]:
    """What the pack of a run made of images, and what is not known of that.

    Records of older releases say it as far as the options ``color``, ``size`` and ``fit`` of the dataset do; those of a
    union count before those of its members.
    """
    data, dataset = record.data, record.components["dataset"]
    if data.color is not None:
        form = StoredForm(1 if data.color == "gray" else 3)
        if data.stored is not None and data.stored.size is not None:
            height, width = data.stored.size
            form = StoredForm(form.channels, (height, width), data.stored.fit or form.fit)
        return form, None
    members = list((dataset.members or {}).values())
    first = (members or [dataset])[0]
    unknown = []
    if "color" in first.options:
        colors = 1 if first.options["color"] == "gray" else 3
    elif first.distribution == "ferbench":  # built-in datasets without that option have gray images
        colors = 1
    else:
        colors = (record.identity.covers.get("rows", {}).get("input") or [3])[0]
        unknown += ["gray or colour"] if colors == 3 else []
    sized = next((part.options for part in (dataset, *members) if part.options.get("size") is not None), None)
    size = None if sized is None else (sized["size"], sized["size"])
    if sized is None and (members or ("size" not in first.options and first.distribution != "ferbench")):
        unknown.append("the size that images were brought to")
    form = StoredForm(colors, size, "stretch" if sized is None else sized.get("fit", "stretch"))
    return form, f"the record does not say how images were stored ({', '.join(unknown)})" if unknown else None


def told_apart(record: Run, split: str, rows_digest: str, stored: StoredPixels | None, pack: Pack) -> dict[str, str]:
    """The option that says on which pixels an evaluation was made; empty where they are those of the run's own."""
    several = record.own_evaluations(split).values()
    own = next((entry for entry in several if entry.rows_digest == rows_digest), None)
    if own is None:
        same = pack.form is not None and form_of(record)[0].record() == pack.form.record()
    elif STORED in own.model_fields_set:
        same = _digest(own.stored) == _digest(stored)
    else:  # of an older release, which did not say
        same = record.data.pack == pack.digest
    return {} if same else {STORED: str(pack.form)}


def _digest(stored: StoredPixels | None) -> str | None:
    return None if stored is None else stored.digest
