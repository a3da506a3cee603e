"""The rows of a pack that finished weights are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ferbench.data.class_mapping import ClassMapping
from ferbench.data.pack import Pack
from ferbench.data.splits import (
    Rows,
    SplitRequest,
    choose_protocol,
    cut,
    digest_of_test_set,
    excluded_of,
    limited,
    present_parts,
    refuse_doubted,
    rows_digest,
    rows_of_parts,
    select_classes,
)
from ferbench.errors import UserError
from ferbench.plugin.specs import Protocol

Part = Literal["test", "validation", "train", "all"]


@dataclass(frozen=True)
class TestedRows:
    """What is tested on.

    Attributes:
        rows: int64[n] rows of the pack.
        labels: int64[n] class ids of the mapping that chose them.
        digest: what makes two sets of rows the same.
        protocol: its name; for ``validation`` and ``train`` with that behind it, for ``all`` that it is all.
        left_out: samples per class that the model does not know, by class name.
        excluded: samples that the list of excluded ones took out.
    """

    rows: Rows
    labels: Rows
    digest: str
    protocol: str
    left_out: dict[str, int]
    excluded: int = 0


def asked_classes(pack: Pack, request: SplitRequest) -> tuple[str, ...]:
    """The dataset's classes that a request asks for, all of them where it names none."""
    return select_classes(pack, request)[0]


def choose_rows(
    pack: Pack,
    protocols: Sequence[Protocol],
    request: SplitRequest,
    part: Part,
    mapping: ClassMapping,
    *,
    home: bool = False,
) -> TestedRows:
    """The rows of one part of a dataset, without the samples whose class the model does not know.

    ``test`` needs no other part of the dataset, and ``all`` is every sample whatever its part; both heed the limits of
    the test set. The digest is that of the same rows in a run of their own.

    Args:
        pack: the dataset.
        protocols: those it has.
        request: what is asked of its split.
        part: which rows.
        mapping: of its classes to the model's.
        home: the model was trained with this dataset and protocol, so that ``validation`` and ``train`` test nothing
            that it has not seen.

    Raises:
        UserError: what is asked for is not in the data, or no sample is left.
    """
    class_names, labels = select_classes(pack, request)
    votes = None
    protocol = "all samples"
    whole_digest = None
    if part in ("validation", "train"):
        split = cut(pack, protocols, replace(request, label_noise=0.0))  # what is tested are true labels
        if not home:
            chosen = choose_protocol(protocols, request.protocol, pack.dataset)
            refuse_doubted(pack, (*chosen.train, *chosen.train_only, *chosen.validation), request)
        excluded = split.excluded.get("train", 0) + split.excluded.get("validation", 0)
        fold = request.fold or request.test_fold
        protocol = f"{split.protocol}, {part}" + (f" of fold {fold}" if fold else "")
        rows = split.validation if part == "validation" else split.train
        whole_digest = split.validation_digest if part == "validation" else split.train_digest
        votes = split.votes
    elif part == "test" and (request.test_fold is not None or request.test is not None):
        split = cut(pack, protocols, replace(request, fold=None, label_noise=0.0))
        protocol, rows = split.protocol, split.test
        excluded = split.excluded.get("train" if request.test is None else "test", 0)
    else:
        unfolded = replace(request, fold=None, test_fold=None)
        parts: Sequence[str] = pack.parts
        if part == "test":
            chosen = choose_protocol(protocols, request.protocol, pack.dataset)
            if not chosen.test:
                raise UserError(
                    f"protocol '{chosen.name}' of '{pack.dataset}' has no test part",
                    "test on everything with --split all, or choose another data.protocol",
                )
            protocol, parts = chosen.name, present_parts(pack, chosen.test, chosen, protocols)
        refuse_doubted(pack, parts, unfolded)
        rows = limited(pack, rows_of_parts(pack, parts, labels), labels, unfolded, "test_limit")
        excluded = excluded_of(pack, parts, request)
    places = mapping.ids(class_names)
    known = places[labels[rows]] >= 0
    counts = np.bincount(labels[rows][~known], minlength=len(class_names))
    kept = rows[known]
    if len(kept) == 0:
        raise UserError(
            f"no sample of '{pack.dataset}' ({part}) has a class that the model knows",
            f"the model knows: {', '.join(mapping.class_names)}; choose another --split or dataset",
        )
    if part in ("test", "all"):
        digest = digest_of_test_set(pack, kept, labels, class_names)
    elif known.all() and whole_digest is not None:
        digest = whole_digest
    else:
        digest = rows_digest(pack, kept, labels, class_names, votes)
    return TestedRows(
        rows=kept,
        labels=places[labels[kept]],
        digest=digest,
        protocol=protocol,
        left_out={name: int(n) for name, n in zip(class_names, counts, strict=True) if n},
        excluded=excluded,
    )
