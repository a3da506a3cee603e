"""``ferbench audit data``: what it reads, prints and writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.json_output import echo_json
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.audit.findings import Copies, Findings
    from ferbench.audit.mislabelled import Suspect
    from ferbench.data.pack import Pack
    from ferbench.experiment.resolve import ResolvedRecipe

_SHOWN = 10  # suspects
_PAIRS = 5  # of label and predicted class


def run_audit(
    dataset: str,
    *,
    data: Sequence[str],
    sets: Sequence[str],
    near: bool,
    run: str | None,
    write_exclusions: Path | None,
    exclude: str,
    skip_faulty: bool,
    as_json: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
) -> None:
    """Audit a dataset; the arguments are the command's options."""
    from ferbench.audit.findings import KINDS, examine
    from ferbench.cli.packed import packed
    from ferbench.plugin.faults import did_you_mean
    from ferbench.plugin.specs import DatasetSpec

    kinds = [kind.strip() for kind in exclude.split(",") if kind.strip()]
    for kind in kinds:
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS) or f"choose among: {', '.join(KINDS)}"
            raise UserError(f"--exclude: there is no kind '{kind}'", hint)
    if "mislabelled" in kinds and run is None:
        raise UserError("--exclude mislabelled needs a model's predictions", "name a finished run with --run")
    if not near and any(kind.startswith("near-") for kind in kinds):
        raise UserError("--exclude names near copies, which --no-near does not look for", "leave --no-near out")
    resolved = _resolved(dataset, data, sets, skip_faulty, plugin)
    spec = resolved.components["dataset"].component.spec
    assert isinstance(spec, DatasetSpec)
    pack = packed(resolved, cache, quiet=as_json)
    findings = examine(pack, spec.protocols, resolved.recipe.data.protocol, near=near)
    doubts = None if run is None else _doubts(results, run, pack)
    suspects = () if doubts is None else doubts.suspects
    listed, spared = _listed(pack, findings, suspects, kinds)
    if write_exclusions is not None:
        from ferbench.data.exclusions import write_exclusions as write

        write(write_exclusions, listed)
    if as_json:
        echo_json(_document(pack, findings, doubts))
        return
    for line in _lines(pack, findings, doubts):
        click.echo(line)
    if write_exclusions is not None:
        click.echo(
            f"\n{len(listed):,} samples to leave out: {write_exclusions} (--set data.exclude={write_exclusions})"
        )
        if spared:
            count = "1 likely mislabelled sample is" if spared == 1 else f"{spared:,} likely mislabelled samples are"
            click.echo(f"{count} not listed: what a model gets wrong stays in the test set that it is judged on")


def _resolved(
    dataset: str, places: Sequence[str], sets: Sequence[str], skip_faulty: bool, plugin: Sequence[str]
) -> ResolvedRecipe:
    from ferbench.experiment.resolve import resolve
    from ferbench.experiment.settings import build_recipe, grid, place, split_assignment, split_paths
    from ferbench.plugin.discovery import load_registry

    for text in sets:
        key = split_assignment(text, "--set")[0]
        if key == "dataset.exclude" or (key != "data.protocol" and not key.startswith("dataset.")):
            raise UserError(f"--set {text}: has no say in an audit", "set options of the dataset, or data.protocol")
    path, paths = split_paths(places)
    fields: dict[str, list[Any]] = {
        "data.path": [] if path is None else [path],
        "data.skip_faulty": [True] if skip_faulty else [],
    }
    (settings,) = grid({}, sets=sets, components={"dataset": [dataset]}, fields=fields)
    place([settings], paths)
    return resolve(build_recipe(settings), load_registry(plugin))


@dataclass(frozen=True)
class _Doubts:
    """What a run doubts of a dataset's labels.

    Attributes:
        run: as it was named.
        suspects: each with the names of its label and of the predicted class, the surest first.
        judged: samples that the run was not trained on.
        right: those of them whose label it predicts.
    """

    run: str
    suspects: tuple[tuple[Suspect, str, str], ...]
    judged: int
    right: int


def _doubts(results: Path, run: str, pack: Pack) -> _Doubts:
    import numpy as np

    from ferbench.audit.mislabelled import suspects
    from ferbench.runs.directory import find_run

    directory = find_run(results, run)
    found: dict[str, tuple[Suspect, str, str]] = {}
    answers: dict[str, bool] = {}
    for name in directory.read()["evaluations"]:
        metrics = directory.evaluation(name)
        predictions = directory.predictions(name)
        seen = (metrics or {}).get("seen") or {}
        if metrics is None or metrics.get("split") in ("train", "all") or seen.get("contaminated"):
            continue
        names = [str(one) for one in metrics["class_names"]]
        here = np.isin(predictions.ids, pack.ids)
        right = predictions.predicted == predictions.truth
        answers |= dict(zip(predictions.ids[here].tolist(), right[here].tolist(), strict=True))
        for one in suspects(predictions.ids, predictions.truth, predictions.probabilities):
            if one.id not in found:
                found[one.id] = (one, names[one.label], names[one.predicted])
    if not answers:
        raise UserError(f"run '{run}' has no predictions for samples of '{pack.dataset}'", "name a run on this dataset")
    kept = [one for one in found.values() if one[0].id in answers]
    surest = sorted(kept, key=lambda one: one[0].of_label - one[0].probability)
    return _Doubts(run, tuple(surest), len(answers), sum(answers.values()))


def _listed(
    pack: Pack, findings: Findings, suspects: Sequence[tuple[Suspect, str, str]], kinds: Sequence[str]
) -> tuple[list[tuple[str, str]], int]:
    """Samples to leave out with their first reason, in the order of the pack; and how many suspects are not, since they
    are tested on."""
    from ferbench.audit.findings import KINDS

    places = {str(one): place for place, one in enumerate(pack.ids.tolist())} if "mislabelled" in kinds else {}
    reasons: dict[int, str] = {}
    spared = 0
    for kind in KINDS:
        if kind in kinds:
            rows = findings.rows(kind).tolist()
            if kind == "mislabelled":
                doubted = [places[one.id] for one, _, _ in suspects]
                learnt = [number for number, role in enumerate(findings.roles) if role != "test"]
                rows = [row for row in doubted if findings.role[row] in learnt]
                spared = sum(row not in rows and row not in reasons for row in doubted)
            for row in rows:
                reasons.setdefault(row, kind)
    return [(str(pack.ids[row]), reasons[row]) for row in sorted(reasons)], spared


def _lines(pack: Pack, findings: Findings, doubts: _Doubts | None) -> Iterator[str]:
    from ferbench.audit.duplicates import LEAST_CORRELATION, MOST_BITS
    from ferbench.audit.findings import TINY
    from ferbench.data.image_tree import left_out_line
    from ferbench.plugin.faults import one_line

    yield f"{pack.dataset}: {len(pack):,} images, protocol {findings.protocol}"
    outside = int((findings.role < 0).sum())
    if line := left_out_line(pack.notes):
        yield one_line(line)
    if outside:
        yield f"{outside:,} images are in no part of this protocol and were left aside"
    yield ""
    yield from _counts(pack, findings)
    yield ""
    yield from _copies("exact copies (same pixels)", findings.exact)
    if findings.near is not None:
        title = f"near copies (up to {MOST_BITS} of 64 bits, correlation {LEAST_CORRELATION} or more; exact ones too)"
        yield from _copies(title, findings.near)
    yield f"constant images: {len(findings.constant):,}{_by_role(findings)}"
    for role, name, count in findings.tiny:
        yield one_line(f"tiny class: {name} has {count:,} images in {role}, fewer than {TINY}")
    yield f"imbalance of train: {findings.imbalance:.1f} : 1"
    if doubts is not None:
        suspects = doubts.suspects
        yield ""
        yield (
            f"likely mislabelled by run {doubts.run}: {len(suspects):,} of the {doubts.judged:,} samples that it was "
            f"not trained on; its accuracy there is {100 * doubts.right / doubts.judged:.1f} %"
        )
        pairs = Counter((label, predicted) for _, label, predicted in suspects)
        often = [f"{label} as {predicted} {count:,}" for (label, predicted), count in pairs.most_common(_PAIRS)]
        yield from [one_line(f"most often: {', '.join(often)}"), "the surest:"] if often else ()
        for one, label, predicted in suspects[:_SHOWN]:
            said = f"labelled {label} ({one.of_label:.2f}), predicted {predicted} ({one.probability:.2f})"
            yield one_line(f"{one.id}: {said}")
        if len(suspects) > _SHOWN:
            yield f"… {len(suspects) - _SHOWN:,} more: --json, or --exclude mislabelled --write-exclusions FILE"


def _counts(pack: Pack, findings: Findings) -> list[str]:
    from ferbench.tables.table import Column, Table
    from ferbench.tables.terminal import to_terminal

    columns = (Column("class", ""), *(Column(role, role, "count") for role in findings.roles))
    rows: tuple[tuple[str | int, ...], ...] = tuple(
        (name, *map(int, findings.counts[:, k])) for k, name in enumerate(pack.class_names)
    )
    return to_terminal(Table("counts", "", columns, rows), None)


def _by_role(findings: Findings) -> str:
    """`` (train 11, test 1)``; empty where there is nothing to divide."""
    if not len(findings.constant) or len(findings.roles) < 2:
        return ""
    roles = findings.role[findings.constant].tolist()
    return f" ({', '.join(f'{name} {roles.count(number):,}' for number, name in enumerate(findings.roles))})"


def _copies(title: str, copies: Copies) -> Iterator[str]:
    yield f"{title}: {len(copies.groups):,} groups, {copies.images:,} images in them"
    yield f"  groups spanning splits: {copies.spanning:,}"
    yield f"  groups with conflicting labels: {copies.conflicting:,}"
    yield f"  test images with a twin in train: {len(copies.leaked_test):,}"
    for one in copies.within if len(copies.within) > 1 else ():
        told = f"{one.groups:,} groups, {one.images:,} images, {one.conflicting:,} with conflicting labels"
        yield f"  within {one.role} alone: {told}"


def _document(pack: Pack, findings: Findings, doubts: _Doubts | None) -> dict[str, Any]:
    from ferbench.data.image_tree import left_out_images

    def ids(rows: Any) -> list[str]:
        return [str(one) for one in pack.ids[rows].tolist()]

    def record(copies: Copies | None) -> dict[str, Any] | None:
        if copies is None:
            return None
        return {
            "groups": len(copies.groups),
            "images": copies.images,
            "spanning": copies.spanning,
            "conflicting": copies.conflicting,
            "test_with_twin_in_train": len(copies.leaked_test),
            "within": [asdict(one) for one in copies.within],
            "members": [ids(group) for group in copies.groups],
        }

    return {
        "dataset": pack.dataset,
        "pack": pack.digest,
        "images": len(pack),
        "left_out_images": left_out_images(pack.notes),
        "protocol": findings.protocol,
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
                "id": one.id,
                "label": label,
                "predicted": predicted,
                "probability": round(one.probability, 4),
                "of_label": round(one.of_label, 4),
            }
            for one, label, predicted in (() if doubts is None else doubts.suspects)
        ],
    }
