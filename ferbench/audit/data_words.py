"""What the audit of a dataset says, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ferbench.audit.findings import TINY, Copies, Findings
from ferbench.audit.mislabelled import Doubts
from ferbench.audit.near_copies import LEAST_AGREEMENT, LEAST_MIRRORED
from ferbench.audit.reference.known import reference_of, unlike_parts_of
from ferbench.audit.words import count_lines
from ferbench.data.image_tree import left_out_images, left_out_line, left_out_on_purpose_line, named_twice_line
from ferbench.data.pack import Pack
from ferbench.wording import one_line

_SHOWN = 10  # suspects
_PAIRS = 5  # of label and predicted class


def lines(pack: Pack, findings: Findings, doubts: Doubts | None) -> Iterator[str]:
    """The audit as lines of text."""
    yield f"{pack.dataset}: {len(pack):,} images, protocol {findings.protocol}"
    outside = int((findings.role < 0).sum())
    if findings.matched is not None:
        yield one_line(findings.matched.line(pack.dataset))
        outside -= findings.matched.found
    if (reference := reference_of(pack)) is not None:
        yield one_line(f"copy: {reference.statement}")
    for unlike in unlike_parts_of(pack):
        yield one_line(f"processed differently: {unlike.line}")
    if isinstance(edition := pack.notes.get("edition"), str):
        yield one_line(f"edition: {edition}")
    for line in (left_out_line(pack.notes), left_out_on_purpose_line(pack.notes), named_twice_line(pack.notes)):
        if line:
            yield one_line(line)
    if outside:
        yield f"{outside:,} images are in no part of this protocol and were left aside"
    yield ""
    yield from count_lines(pack.class_names, findings.roles, findings.counts.T)
    yield ""
    yield from _copies("exact copies (same pixels)", findings.exact)
    if findings.near is not None:
        least = f"{LEAST_AGREEMENT} or more, of mirror images {LEAST_MIRRORED}"
        title = f"near copies (correlation when laid over each other: {least}; exact ones too)"
        yield from _copies(title, findings.near)
    yield f"constant images: {len(findings.constant):,}{_by_role(findings)}"
    for role, name, count in findings.tiny:
        yield one_line(f"tiny class: {name} has {count:,} images in {role}, fewer than {TINY}")
    yield f"imbalance of train: {findings.imbalance:.1f} : 1"
    if doubts is not None:
        suspects = doubts.suspects
        yield ""
        yield (
            f"likely mislabelled by {doubts.run}: {len(suspects):,} of the {doubts.judged:,} samples not "
            f"trained on; accuracy there is {100 * doubts.right / doubts.judged:.1f} %"
        )
        pairs = Counter((label, predicted) for _, label, predicted in suspects)
        often = [f"{label} as {predicted} {count:,}" for (label, predicted), count in pairs.most_common(_PAIRS)]
        yield from [one_line(f"most often: {', '.join(often)}"), "the least probable labels:"] if often else ()
        for suspect, label, predicted in suspects[:_SHOWN]:
            text = f"labelled {label} ({suspect.of_label:.2f}), predicted {predicted} ({suspect.probability:.2f})"
            yield one_line(f"{suspect.id}: {text}")
        if len(suspects) > _SHOWN:
            yield f"… {len(suspects) - _SHOWN:,} more: --json, or --exclude mislabelled --write-exclusions FILE"


def _by_role(findings: Findings) -> str:
    """`` (train 11, test 1)``; empty where there is nothing to divide."""
    if not len(findings.constant) or len(findings.roles) < 2:
        return ""
    roles = findings.role[findings.constant].tolist()
    return f" ({', '.join(f'{name} {roles.count(number):,}' for number, name in enumerate(findings.roles))})"


def _copies(title: str, copies: Copies) -> Iterator[str]:
    yield f"{title}: {len(copies.groups):,} groups, {copies.images:,} images in them"
    if (alike := copies.alike) is not None:
        frames = f"{alike.within_clip:,} within a clip, as expected, "
        yield (
            f"  groups by whom they show: {frames}{alike.of_person:,} of one person, {alike.across:,} across persons"
            if alike.persons
            else f"  groups by clip: {frames}{alike.across:,} across clips"
        )
        yield f"  what follows but leaks is of the {alike.across:,}"
    yield f"  groups spanning splits: {copies.spanning:,}"
    yield f"  groups with conflicting labels: {copies.conflicting:,}"
    yield f"  test images with a twin in train: {len(copies.leaked_test):,}"
    for role in copies.within if len(copies.within) > 1 else ():
        counts = f"{role.groups:,} groups, {role.images:,} images, {role.conflicting:,} with conflicting labels"
        yield f"  within {role.role} alone: {counts}"


def document(pack: Pack, findings: Findings, doubts: Doubts | None) -> dict[str, Any]:
    """The audit as plain values for JSON."""

    def ids(rows: Any) -> list[str]:
        return [str(sample) for sample in pack.ids[rows].tolist()]

    def record(copies: Copies | None) -> dict[str, Any] | None:
        if copies is None:
            return None
        return {
            "groups": len(copies.groups),
            "images": copies.images,
            "spanning": copies.spanning,
            "conflicting": copies.conflicting,
            "test_with_twin_in_train": len(copies.leaked_test),
            "within": [asdict(role) for role in copies.within],
            "alike": None if copies.alike is None else asdict(copies.alike),
            "members": [ids(group) for group in copies.groups],
        }

    found = 0 if findings.matched is None else findings.matched.found
    return {
        "dataset": pack.dataset,
        "pack": pack.digest,
        "images": len(pack),
        "reference": None if (reference := reference_of(pack)) is None else reference.plain(),
        "unlike_parts": [unlike.plain() for unlike in unlike_parts_of(pack)],
        "left_out_images": left_out_images(pack.notes),
        "left_out": pack.notes.get("left_out", {}),
        "named_twice": pack.notes.get("named_twice", 0),
        "protocol": findings.protocol,
        **({} if findings.matched is None else {"exclusions": {**asdict(findings.matched), "found": found}}),
        "counts": {
            role: dict(zip(pack.class_names, map(int, findings.counts[k]), strict=True))
            for k, role in enumerate(findings.roles)
        },
        "exact": record(findings.exact),
        "near": record(findings.near),
        "constant": ids(findings.constant),
        "tiny": [{"role": role, "class": name, "images": count} for role, name, count in findings.tiny],
        "imbalance": None if findings.imbalance == float("inf") else round(findings.imbalance, 3),
        "run": None
        if doubts is None
        else {"name": doubts.run, "judged": doubts.judged, "accuracy": doubts.right / doubts.judged},
        "mislabelled": [
            {
                "id": suspect.id,
                "label": label,
                "predicted": predicted,
                "probability": round(suspect.probability, 4),
                "of_label": round(suspect.of_label, 4),
            }
            for suspect, label, predicted in (() if doubts is None else doubts.suspects)
        ],
    }
