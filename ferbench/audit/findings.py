"""What is wrong with a packed dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ferbench.audit import duplicates
from ferbench.audit.near_copies import Pairs, near_copies
from ferbench.data.exclusions import Matched, excluded_rows, matched
from ferbench.data.pack import Pack
from ferbench.errors import UserError
from ferbench.plugin.specs import Protocol

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["constant", "conflict", "leak", "copy", "near-leak", "near-conflict", "near-copy", "mislabelled"]

#: Why an image may be left out, in the order in which a reason is chosen for it.
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Classes with fewer images in a role are called tiny.
TINY = 50

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Within:
    """Copies among the images of one role.

    Attributes:
        role: its name.
        groups: number of groups of two or more.
        images: in them.
        conflicting: number of groups with several labels.
    """

    role: str
    groups: int
    images: int
    conflicting: int


@dataclass(frozen=True)
class Alike:
    """Groups of images that look alike, by what is known of whom they show.

    Attributes:
        within_clip: groups of frames of one clip.
        of_person: groups of pictures of one person, of several clips or of none.
        across: the others.
        persons: it is known of some image whom it shows; else only clips are.
    """

    within_clip: int
    of_person: int
    across: int
    persons: bool


@dataclass(frozen=True)
class Copies:
    """Groups of images that are the same, or nearly.

    Frames of one clip and pictures of one person look alike without being copies: where that is known of near copies,
    such groups are in ``groups``, ``spanning`` and ``leaked``, and in nothing else.

    Attributes:
        groups: the rows of each group of two or more, in the order of their first row.
        spanning: number of groups with images of several roles.
        conflicting: number of groups with several labels.
        leaked: rows outside of train with a copy in train.
        leaked_test: those of them that are tested on.
        conflicts: all rows of groups with several labels.
        further: rows of each role after the first of their group in that role.
        within: copies within each role, as if there were no other.
        alike: how many of the groups are of one clip or person; None: not known, or not asked.
    """

    groups: tuple[Rows, ...]
    spanning: int
    conflicting: int
    leaked: Rows
    leaked_test: Rows
    conflicts: Rows
    further: Rows
    within: tuple[Within, ...] = ()
    alike: Alike | None = None

    @property
    def images(self) -> int:
        return sum(map(len, self.groups))


@dataclass(frozen=True)
class Findings:
    """What an audit of a dataset found.

    Attributes:
        protocol: that gives the parts their roles.
        roles: which there are, of ``train``, ``validation``, ``test``.
        role: int64[N], index into ``roles``, -1 for rows of other parts.
        exact: images with the same native pixels.
        near: images that are nearly the same, exact copies among them; None: not looked for.
        pairs: of those that are not exact copies, connecting each group; None: not looked for.
        constant: rows of images with a single value.
        counts: int64[roles, K] images per role and class.
        tiny: (role, class, images) of classes with fewer than `TINY` images.
        imbalance: largest class of train divided by its smallest, infinite when that is empty.
        matched: how much of a list of exclusions the dataset has, whose samples are in no role; None: there is none.
    """

    protocol: str
    roles: tuple[str, ...]
    role: Rows
    exact: Copies
    near: Copies | None
    pairs: Pairs | None
    constant: Rows
    counts: Rows
    tiny: tuple[tuple[str, str, int], ...]
    imbalance: float
    matched: Matched | None = None

    def rows(self, kind: Kind) -> Rows:
        """The rows that would be left out for one reason; none for ``mislabelled``, which needs a run."""
        if kind == "constant":
            return self.constant
        copies = self.near if kind.startswith("near-") else self.exact
        if copies is None or kind == "mislabelled":
            return np.zeros(0, np.int64)
        of = {"leak": copies.leaked, "conflict": copies.conflicts, "copy": copies.further}
        return of[kind.removeprefix("near-")]


def examine(
    pack: Pack,
    protocols: Sequence[Protocol],
    protocol: str | None,
    *,
    near: bool = True,
    exclude: str | None = None,
) -> Findings:
    """Look for faults that decoding does not see.

    Args:
        pack: the dataset.
        protocols: those it has.
        protocol: which of them says what is train and what is test; None: the first whose parts are all there.
        near: look for near copies too.
        exclude: a list of samples that are left aside.

    Raises:
        UserError: there is no such protocol, or the data has not its parts; or the list names no sample of it.
    """
    chosen = _protocol(pack, protocols, protocol)
    named = {"train": (*chosen.train, *chosen.train_only), "validation": chosen.validation, "test": chosen.test}
    roles = tuple(name for name, parts in named.items() if set(parts) & set(pack.parts))
    role = np.full(len(pack), -1, np.int64)
    for number, name in enumerate(roles):
        codes = [pack.parts.index(part) for part in named[name] if part in pack.parts]
        role[np.isin(pack.part, codes) & (role < 0)] = number
    if exclude is not None:
        role[excluded_rows(exclude, pack.ids, pack.dataset)] = -1
    labels = pack.labels.astype(np.int64)
    groups = duplicates.exact_groups(pack)
    constant = duplicates.constant_images(pack.images)
    constant = constant[role[constant] >= 0]
    pairs = _near_pairs(pack, groups, constant) if near else None
    looked_for = None if pairs is None else _copies(_near_groups(groups, pairs), role, labels, roles, pack)
    counts = np.stack([np.bincount(labels[role == k], minlength=len(pack.class_names)) for k in range(len(roles))])
    tiny = tuple(
        (roles[k], name, int(counts[k, c]))
        for k in range(len(roles))
        for c, name in enumerate(pack.class_names)
        if counts[k, c] < TINY
    )
    train = counts[roles.index("train")]
    return Findings(
        protocol=chosen.name,
        roles=roles,
        role=role,
        exact=_copies(groups, role, labels, roles),
        near=looked_for,
        pairs=pairs,
        constant=constant,
        counts=counts,
        tiny=tiny,
        imbalance=float(train.max() / train.min()) if train.min() else float("inf"),
        matched=None if exclude is None else matched(exclude, pack.ids),
    )


def _protocol(pack: Pack, protocols: Sequence[Protocol], name: str | None) -> Protocol:
    from ferbench.data.splits import choose_protocol, present_parts

    if name is not None:
        chosen = choose_protocol(protocols, name, pack.dataset)
        present_parts(pack, (*chosen.train, *chosen.test), chosen, protocols)
        return chosen
    for protocol in protocols:
        needed = {
            *protocol.train,
            *protocol.train_only,
            *protocol.test,
            *(() if protocol.cut_if_missing else protocol.validation),
        }
        if needed <= set(pack.parts):
            return protocol
    raise UserError(
        f"'{pack.dataset}' has no protocol for the parts that are there: {', '.join(pack.parts)}",
        "add the missing files",
    )


def _near_pairs(pack: Pack, exact: Rows, constant: Rows) -> Pairs:
    """Pairs of near copies. Of exact copies one is compared; images of one value look like nothing."""
    first = np.unique(exact, return_index=True)[1]
    return near_copies(pack.images, np.sort(first[~np.isin(first, constant)]))


def _near_groups(exact: Rows, pairs: Pairs) -> Rows:
    """Group numbers of what exact copies and pairs of near ones connect."""
    ends = np.stack([exact[pairs.first], exact[pairs.second]], axis=1)
    return duplicates.joined(int(exact.max(initial=-1)) + 1, ends)[exact]


def _copies(groups: Rows, role: Rows, labels: Rows, roles: Sequence[str], known: Pack | None = None) -> Copies:
    """``known`` says of which clip and person images are."""
    import pandas as pd

    every = pd.DataFrame({"row": np.arange(len(role)), "group": groups, "role": role, "label": labels})
    several = _in_groups(every[every["role"] >= 0])
    of_group = several.groupby("group", sort=False)
    alike, same = (None, set()) if known is None else _alike(several, known)
    copied = several[~several["group"].isin(same)]
    conflicting = copied.groupby("group", sort=False)["label"].nunique() > 1
    train = several["role"] == roles.index("train")
    leaked = several[several["group"].isin(several["group"][train]) & ~train]
    tested = leaked["role"] == (roles.index("test") if "test" in roles else -2)
    return Copies(
        groups=tuple(rows.to_numpy() for _, rows in of_group["row"]),
        spanning=int((of_group["role"].nunique() > 1).sum()),
        conflicting=int(conflicting.sum()),
        leaked=leaked["row"].to_numpy(),
        leaked_test=leaked["row"][tested].to_numpy(),
        conflicts=copied["row"][copied["group"].isin(conflicting.index[conflicting])].to_numpy(),
        further=copied["row"][copied.duplicated(["group", "role"])].to_numpy(),
        within=tuple(_within(copied[copied["role"] == number], name) for number, name in enumerate(roles)),
        alike=alike,
    )


def _alike(several: pd.DataFrame, pack: Pack) -> tuple[Alike | None, set[int]]:
    """What groups are by clip and person, and the numbers of those that are of one."""
    rows = several["row"].to_numpy()
    facts = pack.facts(rows)
    of_one: dict[str, set[int]] = {}
    for name in ("clip", "subject"):
        if name not in facts:
            continue
        values = several.assign(value=facts[name]).groupby("group")["value"]
        of_one[name] = set(values.nunique().index[(values.nunique() == 1) & (values.min() != "")].tolist())
    if not of_one:
        return None, set()
    clips, persons = of_one.get("clip", set()), of_one.get("subject", set())
    same = clips | persons
    count = several["group"].nunique() - len(same)
    return Alike(len(clips), len(persons - clips), count, "subject" in of_one), same


def _within(images: pd.DataFrame, role: str) -> Within:
    own = _in_groups(images)
    labels = own.groupby("group")["label"].nunique()
    return Within(role, len(labels), len(own), int((labels > 1).sum()))


def _in_groups(images: pd.DataFrame) -> pd.DataFrame:
    """Those that share their group with another one."""
    return images[images.duplicated("group", keep=False)]
