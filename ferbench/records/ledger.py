"""The ledger of test reads: each time that labels of a test set were held against predictions, whatever became of the
run since.

``results/test-reads.jsonl`` has a line a reading. A line ends with its own SHA-256, over all its bytes before, and says
the SHA-256 of the line before it: a line that was changed, left out or put in is noticed from the file alone, and one
cut off its end by the runs that name it (`ferbench.runs.reads.ledger_faults`). Lines are only ever added, by one
process at a time, each time by replacing the file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ferbench.bounded import Damaged, from_json, read_file
from ferbench.errors import UserError
from ferbench.locks import Held, TakenOver, holding
from ferbench.storage import replace_file, writing

LEDGER = "test-reads.jsonl"

#: What a reading is of: weights that were trained here, or came from elsewhere (``foreign``), an ensemble, the tests of
#: all folds together, predictions of other software (``imported``), or handed in for sealed labels (``submitted``).
#: ``contaminated``: of samples that were seen before, or it is declared so, whatever made the predictions.
KINDS = ("trained", "foreign", "ensemble", "pooled", "imported", "submitted", "contaminated")

#: Seconds in which the ledger is waited for, and after which a line says so.
_PATIENCE, _MOMENT = 300.0, 2.0
_PAUSE = 0.02

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Read:
    """One reading of the labels of a test set.

    Attributes:
        time: in UTC, ISO 8601; of one that was found in a record, of that.
        test_set: digest of the samples, which makes two test sets the same.
        samples: how many.
        dataset: its name.
        run: name of the run's directory; empty where no run was made.
        name: of the run.
        config: configuration id, which seeds share; of a tested fold, what folds share too.
        training: training id.
        seed: of training.
        evaluation: twelve digits of the evaluation id.
        options: how it was tested, where that is not the plain way.
        kind: one of `KINDS`.
        how: the command: ``run``, ``tune``, ``evaluate``, ``ensemble``, ``import``, ``pool``, ``score``.
        found: it was not noted when it happened, but found in the record of a run later.
        recorded: digest of the line that the record of that run names; empty for none.
        previous: SHA-256 that the line before ends with; empty for the first.
        digest: SHA-256 of the line; empty until it is written.
    """

    time: str
    test_set: str
    samples: int
    dataset: str
    run: str
    name: str | None
    config: str
    training: str
    seed: int | None
    evaluation: str
    kind: str
    how: str
    options: dict[str, Any] = field(default_factory=dict)
    found: bool = False
    recorded: str = ""
    previous: str = ""
    digest: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Equal for the readings of one model in one way: training id and evaluation."""
        return self.training, self.evaluation


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a ledger says.

    Attributes:
        reads: in the order of the lines; without those that cannot be read.
        faults: what is the matter with it, a line each; empty where it is whole.
        torn: bytes of a last line that was cut short.
    """

    reads: tuple[Read, ...] = ()
    faults: tuple[str, ...] = ()
    torn: bytes = b""

    @property
    def head(self) -> str:
        """SHA-256 of the last line, which vouches for all before it; empty for none."""
        return self.reads[-1].digest if self.reads else ""


def read_ledger(results: Path) -> Ledger:
    """The ledger of a results directory; an empty one where there is none.

    Raises:
        UserError: it cannot be read.
    """
    path = results / LEDGER
    try:
        content = read_file(path)
    except (FileNotFoundError, NotADirectoryError):
        return Ledger()
    except (OSError, Damaged) as error:
        what = getattr(error, "strerror", None) or error
        raise UserError(
            f"{path} cannot be read: {what}", "take it from a backup; it says how often test sets were read"
        ) from error
    return _parsed(content)


def append(
    results: Path,
    reads: Sequence[Read],
    before: Callable[[Ledger], Sequence[Read]] | None = None,
    look: Callable[[], object] = lambda: None,
) -> list[Read]:
    """Add readings to the ledger, which is then on the disk.

    Args:
        results: the results directory.
        reads: in their order; ``previous`` and ``digest`` are put in.
        before: given what the ledger has, what is to be added before them.
        look: raises where this process may not add them any more, since another one has taken over what they are of.

    Returns:
        ``reads`` as they are written.

    Raises:
        UserError: it cannot be written.
    """
    path, lock = results / LEDGER, results / f".{LEDGER.removesuffix('.jsonl')}.lock"
    began, told = time.monotonic(), False
    while True:
        look()
        try:
            with holding(lock, "the ledger of test reads", guarded=path):
                look()  # whoever takes over what they are of adds lines as well, and ends this lock before
                return _append(results, path, reads, before)
        except (Held, TakenOver) as held:
            waited = time.monotonic() - began
            if waited > _PATIENCE:
                raise UserError(
                    f"the ledger of test reads {path} is held by {held}", "end that process, and try again"
                ) from held
            if waited > _MOMENT and not told:
                _logger.warning("waiting for the ledger of test reads: %s", held)
                told = True
            time.sleep(_PAUSE)


def _append(
    results: Path, path: Path, reads: Sequence[Read], before: Callable[[Ledger], Sequence[Read]] | None
) -> list[Read]:
    known = read_ledger(results)
    if known.torn:
        _logger.warning("%s: %s, and is taken out", path, known.faults[-1])
    with writing(path):
        content = read_file(path) if path.exists() else b""
    content = content.removesuffix(known.torn) if known.torn else content
    if content and not content.endswith(b"\n"):
        content += b"\n"
    previous, written = known.head, []
    for read in [*([] if before is None else before(known)), *reads]:
        made = replace(read, previous=previous, digest="")
        line, previous = _line(made)
        content += line
        written.append(replace(made, digest=previous))
    if written or known.torn:
        replace_file(path, content)
    return written[len(written) - len(reads) :]


def _line(read: Read) -> tuple[bytes, str]:
    """A reading as the ledger has it, and its digest."""
    about = asdict(read)
    del about["digest"]
    body = json.dumps(about, ensure_ascii=True, allow_nan=False).removesuffix("}").encode()
    digest = hashlib.sha256(body).hexdigest()
    return body + f', "digest": "{digest}"}}\n'.encode(), digest


#: The last bytes of a line, after what its digest covers.
_END = len(', "digest": ""}') + 64


def _parsed(content: bytes) -> Ledger:
    reads: list[Read] = []
    faults: dict[str, list[int]] = {}
    previous, torn = "", b""
    lines = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if number == len(lines) and not line:
            break
        try:
            read = _read(line)
        except ValueError as error:
            if number == len(lines):  # a whole line ends with a line break
                torn = line
                faults[f"cut short after {len(line):,} bytes"] = [number]
                break
            faults.setdefault(f"damaged: {error}", []).append(number)
            previous = ""
            continue
        if hashlib.sha256(line[:-_END]).hexdigest() != read.digest:
            faults.setdefault("changed: of another SHA-256 than when written", []).append(number)
        elif read.previous != previous and (previous or number == 1):
            faults.setdefault("no sequel of the one before it: lines were removed or put in there", []).append(number)
        reads.append(read)
        previous = read.digest
    return Ledger(tuple(reads), tuple(f"{_lines(numbers)} {what}" for what, numbers in faults.items()), torn)


def _lines(numbers: Sequence[int]) -> str:
    """``line 7 is``, ``lines 1, 2 and 3 are``."""
    if len(numbers) == 1:
        return f"line {numbers[0]} is"
    named = (
        [str(number) for number in numbers]
        if len(numbers) <= 5
        else [*map(str, numbers[:4]), f"{len(numbers) - 4:,} more"]
    )
    return f"lines {', '.join(named[:-1])} and {named[-1]} are"


def _read(line: bytes) -> Read:
    """A reading from its line.

    Raises:
        ValueError: it is none.
    """
    value = from_json(line)
    if not isinstance(value, dict) or not isinstance(value.get("digest"), str):
        raise Damaged("it is no reading")
    known = {key: value[key] for key in _TYPES if key in value}
    for key, given in known.items():
        if not isinstance(given, _TYPES[key]) or (isinstance(given, bool) and _TYPES[key] is not bool):
            raise Damaged(f"'{key}' is of another type")
    try:
        return Read(**known)
    except TypeError:
        raise Damaged("it lacks something") from None


_ACCEPTED = {"str": str, "int": int, "bool": bool, "str | None": (str, type(None)), "int | None": (int, type(None))}
_TYPES: dict[str, Any] = {of.name: _ACCEPTED.get(str(of.type), dict) for of in fields(Read)}
