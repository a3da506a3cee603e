"""What is wrong with data, and are published numbers possible together?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.api.given import checked
from ferbench.api.html import preformatted
from ferbench.api.places import Places, chosen_dataset, quiet_preparer
from ferbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ferbench.api.results import Run
    from ferbench.audit.counts import ZeroDivision
    from ferbench.audit.findings import Findings
    from ferbench.audit.mislabelled import Doubts
    from ferbench.audit.printed import Rounding
    from ferbench.audit.problem import MacroF1
    from ferbench.audit.score_table import Unit
    from ferbench.audit.signatures import Signature
    from ferbench.audit.verdict import Audit, Verdict
    from ferbench.data.pack import Pack
    from ferbench.experiment.prepare import Preparer

#: Why samples are left out unless it is said otherwise.
USUAL_KINDS = ("constant", "conflict", "leak", "copy")


@dataclass(frozen=True)
class TableAudit:
    """What arithmetic says of a published table. As text, ``str(…)``, it is what ``ferbench audit table`` prints.

    Attributes:
        name: of the table.
        audit: everything that is known.
        signatures: what the numbers look as if, such as two columns swapped.
    """

    name: str
    audit: Audit
    signatures: Sequence[Signature]

    @property
    def verdict(self) -> Verdict:
        """``consistent`` (a confusion matrix gives every score), ``inconsistent`` (none does), or
        ``underdetermined``."""
        return self.audit.verdict

    @property
    def confusion(self) -> pd.DataFrame | None:
        """A confusion matrix that gives every score that fits, rows true, columns predicted; there may be others. None
        where none was found."""
        import pandas as pd

        names, matrix = list(self.audit.table.classes), self.audit.matrix
        if matrix is None:
            return None
        return pd.DataFrame(matrix, index=pd.Index(names, name="true"), columns=pd.Index(names, name="predicted"))

    def document(self) -> dict[str, Any]:
        """As plain values: what ``ferbench audit table --json`` prints."""
        from ferbench.audit.words import document

        return document(self.audit, self.signatures)

    def __str__(self) -> str:
        from ferbench.audit.words import lines

        return "\n".join(lines(self.name, self.audit, self.signatures))

    def __repr__(self) -> str:
        return f"<TableAudit of {self.name}: {self.verdict}>"

    def _repr_html_(self) -> str:
        return preformatted(str(self))


@checked
def audit_table(
    table: pd.DataFrame | str | PathLike[str],
    *,
    unit: Unit = "auto",
    decimals: int | None = None,
    rounding: Rounding | None = None,
    macro_f1: MacroF1 | None = None,
    zero_division: ZeroDivision | None = None,
) -> TableAudit:
    """Are the scores of a published table possible together?

    Args:
        table: a frame or a file: a row for each class with precision, recall, f1 and support, then rows such as macro
            avg, weighted avg and accuracy; what is not published is left empty. Classes may be the frame's index. A
            file may be a report of scikit-learn, CSV, JSON, or a Markdown, HTML or LaTeX table, with text around it.
        unit: of the scores: ``percent``, ``fraction``, or ``auto``.
        decimals: of every score, where trailing zeros were lost, as they are in a frame of numbers.
        rounding: ``nearest`` or ``truncate``; None: any.
        macro_f1: ``mean`` of the classes' F1, or ``harmonic`` mean of macro precision and recall; None: any.
        zero_division: what a score with a denominator of 0 is: ``0``, ``1`` or ``left out``; None: any.

    Raises:
        UserError: it is no such table, or there are several.
    """
    found = _audited(table, unit, decimals, rounding, macro_f1, zero_division)
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise UserError(f"there are {len(found)} tables of scores: {names}", "use audit_tables, or keep one of them")
    return found[0]


@checked
def audit_tables(
    tables: str | PathLike[str],
    *,
    unit: Unit = "auto",
    decimals: int | None = None,
    rounding: Rounding | None = None,
    macro_f1: MacroF1 | None = None,
    zero_division: ZeroDivision | None = None,
) -> list[TableAudit]:
    """Like `audit_table`, of every table of scores in a file: one of each epoch, of train and test, or of each model.

    Args:
        tables: a file.
        unit: as `audit_table` has it, and so are the others.
        decimals: of every score.
        rounding: of printed numbers.
        macro_f1: what its macro average of F1 is.
        zero_division: what a score with a denominator of 0 is.

    Raises:
        UserError: there is no such table.
    """
    return _audited(tables, unit, decimals, rounding, macro_f1, zero_division)


def _audited(
    table: pd.DataFrame | str | PathLike[str],
    unit: Unit,
    decimals: int | None,
    rounding: Rounding | None,
    macro_f1: MacroF1 | None,
    zero_division: ZeroDivision | None,
) -> list[TableAudit]:
    from ferbench.audit.score_table import parse_tables, read_tables
    from ferbench.audit.signatures import signatures
    from ferbench.audit.verdict import audit

    if isinstance(table, (str, PathLike)):
        published = read_tables(Path(table), unit=unit, decimals=decimals)
    else:
        numbered = table.index.name is None and table.index.dtype.kind == "i"
        frame = table if numbered else table.rename_axis(index="class").reset_index()
        published = parse_tables(frame.to_csv(index=False), "the frame", unit=unit, decimals=decimals)
    found = []
    for name, one in published:
        audited = audit(one, rounding=rounding, macro_f1=macro_f1, zero_division=zero_division)
        found.append(TableAudit(name, audited, signatures(audited)))
    return found


@dataclass(frozen=True)
class DataAudit:
    """What is wrong with a dataset. As text, ``str(…)``, it is what ``ferbench audit data`` prints.

    Attributes:
        pack: the dataset.
        findings: copies, leaks, conflicts, constant images, tiny classes; rows are places in ``pack.ids``.
        doubts: what a run doubts of the labels, where one was named.
    """

    pack: Pack
    findings: Findings
    doubts: Doubts | None

    @property
    def frame(self) -> pd.DataFrame:
        """One row a sample that may be left out: ``id`` and the first ``reason`` that holds of any kind."""
        import pandas as pd

        from ferbench.audit.findings import KINDS

        return pd.DataFrame(self.exclusions(KINDS), columns=["id", "reason"])

    def exclusions(self, kinds: Sequence[str] = USUAL_KINDS) -> list[tuple[str, str]]:
        """Samples to leave out, with their first reason, in the order of the dataset.

        Args:
            kinds: of ``constant``, ``conflict``, ``leak``, ``copy``, ``near-leak``, ``near-conflict``, ``near-copy``,
                ``mislabelled``; the last one leaves out no sample that is tested on.
        """
        return self._listed(kinds)[0]

    def spared(self, kinds: Sequence[str] = USUAL_KINDS) -> int:
        """How many samples look mislabelled and are not left out, since they are tested on."""
        return self._listed(kinds)[1]

    def write_exclusions(self, path: str | PathLike[str], kinds: Sequence[str] = USUAL_KINDS) -> None:
        """Write samples to leave out as a list for ``data.exclude``."""
        from ferbench.data.exclusions import write_exclusions

        write_exclusions(Path(path), self.exclusions(kinds))

    def write_pairs(self, path: str | PathLike[str]) -> None:
        """Write the pairs of near copies side by side, as a page of HTML with the pictures in it.

        Raises:
            UserError: near copies were not looked for, or the file cannot be written.
        """
        from ferbench.audit.pairs_page import page
        from ferbench.output import write_output

        if self.findings.pairs is None:
            raise UserError("near copies were not looked for", "audit with near=True")
        write_output(Path(path), page(self.pack, self.findings).encode())

    def document(self) -> dict[str, Any]:
        """As plain values: what ``ferbench audit data --json`` prints."""
        from ferbench.audit.data_words import document

        return document(self.pack, self.findings, self.doubts)

    def __str__(self) -> str:
        from ferbench.audit.data_words import lines

        return "\n".join(lines(self.pack, self.findings, self.doubts))

    def __repr__(self) -> str:
        return f"<DataAudit of {self.pack.dataset}: {len(self.pack):,} images>"

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    def _listed(self, kinds: Sequence[str]) -> tuple[list[tuple[str, str]], int]:
        from ferbench.audit.findings import KINDS

        check_kinds(kinds, near=True, run="any")
        reasons: dict[int, str] = {}
        spared = 0
        for kind in KINDS:
            if kind in kinds:
                rows = self.findings.rows(kind).tolist()
                if kind == "mislabelled":
                    learnt = [number for number, role in enumerate(self.findings.roles) if role != "test"]
                    rows = [row for row in self._doubted if self.findings.role[row] in learnt]
                    spared = sum(row not in rows and row not in reasons for row in self._doubted)
                for row in rows:
                    reasons.setdefault(row, kind)
        return [(str(self.pack.ids[row]), reasons[row]) for row in sorted(reasons)], spared

    @cached_property
    def _doubted(self) -> list[int]:
        """Rows whose label a run doubts, the least probable label first."""
        if self.doubts is None:
            return []
        places = {str(sample): place for place, sample in enumerate(self.pack.ids.tolist())}
        return [places[suspect.id] for suspect, _, _ in self.doubts.suspects]


@checked
def audit_data(
    dataset: str,
    data: Places = None,
    *,
    settings: Mapping[str, Any] | None = None,
    near: bool = True,
    runs: Run | str | Sequence[Run | str] = (),
    skip_faulty: bool = False,
    results: str | PathLike[str] = "results",
    cache: str | PathLike[str] | None = None,
    plugins: Sequence[str] = (),
    preparer: Preparer | None = None,
) -> DataAudit:
    """Find copies, leaks, conflicting labels and other faults of a dataset that decoding does not see.

    Args:
        dataset: its name; several joined with ``+``.
        data: where its files are; of several datasets by name.
        settings: options of the dataset (``dataset.NAME``); ``data.protocol``, which says what is train and test; and
            ``data.exclude``, a list of samples that are left aside.
        near: look for near copies too.
        runs: finished runs, such as those of folds, whose disagreements with labels are listed too; of several that
            predict a sample, the mean of the probabilities counts.
        skip_faulty: leave faulty samples out.
        results: where a run that is named is looked for.
        cache: where packed datasets are kept; None: the user's cache.
        plugins: local plugins, as ``--plugin``.
        preparer: packs the dataset, in place of ``cache`` and ``plugins``.

    Raises:
        UserError: a setting has no say in an audit, or the dataset cannot be read.
    """
    from ferbench.audit.findings import examine
    from ferbench.data.exclusions import excluded_rows

    for key in settings or {}:
        if key not in ("data.protocol", "data.exclude") and not key.startswith("dataset."):
            raise UserError(
                f"{key} has no say in an audit", "set options of the dataset, data.protocol or data.exclude"
            )
    preparer = preparer or quiet_preparer(cache, plugins)
    resolved, spec = chosen_dataset(preparer, dataset, data, settings, skip_faulty=skip_faulty)
    pack = preparer.pack(resolved)
    asked = resolved.recipe.data
    findings = examine(pack, spec.protocols, asked.protocol, near=near, exclude=asked.exclude)
    ids = pack.ids
    if asked.exclude is not None:
        ids = ids[~excluded_rows(asked.exclude, ids, pack.dataset)]
    named = list(runs) if isinstance(runs, (list, tuple)) else [runs]
    return DataAudit(pack, findings, _doubts(Path(results), named, pack.dataset, ids) if named else None)


def check_kinds(kinds: Sequence[str], *, near: bool, run: Any) -> list[str]:
    """Kinds of samples to leave out, if there are such.

    Raises:
        UserError: there is no such kind, or it is not looked for.
    """
    from ferbench.audit.findings import KINDS
    from ferbench.wording import did_you_mean

    for kind in kinds:
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS) or f"choose among: {', '.join(KINDS)}"
            raise UserError(f"--exclude: there is no kind '{kind}'", hint)
    if "mislabelled" in kinds and not run:
        raise UserError("--exclude mislabelled needs a model's predictions", "name a finished run with --run")
    if not near and any(kind.startswith("near-") for kind in kinds):
        raise UserError("--exclude names near copies, which --no-near does not look for", "leave --no-near out")
    return list(kinds)


def _doubts(results: Path, named: Sequence[Any], dataset: str, ids: NDArray[np.str_]) -> Doubts:
    """What runs say of the labels of samples that they were not trained on: the mean of those that predict a sample."""
    import numpy as np

    from ferbench.api.results import Run, load_run
    from ferbench.audit.mislabelled import Doubts, suspects

    titles: list[str] = []
    classes: tuple[str, ...] | None = None
    said: dict[str, tuple[int, list[NDArray[np.float32]]]] = {}
    for each in named:
        run = each if isinstance(each, Run) else load_run(each, results)
        titles.append(str(run.name or run.id) if isinstance(each, Run) else each)
        useful = False
        for key in run.record.evaluations:
            evaluation = run.directory.load_evaluation(key)
            if evaluation is None or evaluation.split in ("train", "all"):
                continue
            if evaluation.seen is not None and evaluation.seen.contaminated:
                continue
            predictions = run.directory.predictions(key)
            here = np.flatnonzero(np.isin(predictions.ids, ids))
            if not len(here):
                continue
            classes = classes or tuple(evaluation.class_names)
            if tuple(evaluation.class_names) != classes:
                raise UserError(
                    f"run '{titles[-1]}' has other classes than '{titles[0]}': {', '.join(evaluation.class_names)}",
                    "name runs with the same classes",
                )
            useful = True
            for row in here.tolist():
                entry = said.setdefault(str(predictions.ids[row]), (int(predictions.truth[row]), []))
                entry[1].append(predictions.probabilities[row])
        if not useful:
            raise UserError(
                f"run '{titles[-1]}' has no predictions for samples of '{dataset}'", "name a run on this dataset"
            )
    assert classes is not None
    truth = np.array([label for label, _ in said.values()], dtype=np.int64)
    means = np.stack([np.mean(several, axis=0) for _, several in said.values()])
    found = tuple(
        (one, classes[one.label], classes[one.predicted]) for one in suspects(np.array([*said]), truth, means)
    )
    return Doubts(", ".join(titles), found, len(said), int((means.argmax(axis=1) == truth).sum()))
