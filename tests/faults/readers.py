"""Every reader of a file that ferbench makes or is given, and the ways in which somebody may have spoiled the file."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ferbench.bounded import DEEPEST
from ferbench.data.description import PACK_FORMAT, SourceDescription, read_description
from ferbench.errors import UserError
from ferbench.experiment.settings import read_recipe
from ferbench.ids import own_digest
from ferbench.ranking.kept_standings import GroupStandings, KeptStandings
from ferbench.ranking.standing import TESTS_FILE
from ferbench.records.ledger import LEDGER, read_ledger
from ferbench.records.study import Dimension, Outcome, Samples, Study, Tally
from ferbench.runs import index
from ferbench.runs.corrections import CORRECTIONS, Correction, read_corrections, write_corrections
from ferbench.runs.directory import RunDirectory
from ferbench.runs.epoch_predictions import EPOCHS_FILE, read_epoch_predictions
from ferbench.runs.learnt import read_samples
from ferbench.runs.saved import is_whole, snapshot_names
from ferbench.runs.sealed import seal
from ferbench.storage import json_bytes
from ferbench.tables.reading import read_table
from ferbench.training.checkpoints import read_loss, read_weights, save_weights
from ferbench.training.snapshots import Snapshots
from ferbench.tuning.study import StudyDirectory

#: What becomes of a spoiled file: an error in two lines, or nothing is taken from it; a link may be followed.
ERROR, LEFT_OUT, READ, NOT_TRIED = "error", "left out", "read", "—"


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        file: as people know it.
        path: of the file that is spoiled.
        read: reads it.
        lost: whether nothing came of it.
        given: a user names the file, so that it may be a link.
        number: a number in it, as JSON or TOML text before which a key stands, which cannot be below zero.
    """

    file: str
    path: Path
    read: Callable[[], Any]
    lost: Callable[[Any], bool] = lambda value: value is None
    given: bool = False
    number: str = ""


@dataclass(frozen=True)
class Room:
    """A results directory with all such files.

    Attributes:
        run: a run that was trained, with checkpoints.
    """

    path: Path
    run: RunDirectory

    @property
    def results(self) -> Path:
        return self.run.path.parent.parent


def furnish(path: Path, run: RunDirectory) -> Room:
    """Put beside a small run what it does not leave: a study, a loss with a state, a recipe, a table."""
    results = run.path.parent.parent
    record = run.load()
    study = StudyDirectory(results / "studies" / "0123456789ab")
    about = {"label": "made-up", "objectives": ["macro_f1"], "algorithm": "tpe", "pruner": "none"}
    data = {"dataset": "faces", "protocol": "official", "samples": Samples(train=7, validation=3)}
    study.save(
        Study(
            schema_version=1,
            id=study.id,
            seed=7,
            space=[Dimension(key="model.width", low=1.0, high=2.0)],
            **about,
            **data,
        )
    )
    tally = Tally(all=7, complete=7, pruned=0, failed=0)
    study.save_outcome(Outcome(study=study.id, label="made-up", objectives=["macro_f1"], trials=tally, finalists=[]))
    net = torch.nn.Linear(2, 2)
    save_weights(
        path / "weights", "best", net, {"epoch": 7, "select": "loss", "value": 0.5}, {"n": 7, "mean": net.bias}
    )
    (path / "recipe.toml").write_text(f'{_SAFE}\nname = "tiny"\n[training]\nepochs = 7\n')
    (path / "table.csv").write_text("id,n\nx,7\ny,8\n")
    write_corrections(
        run, [Correction("train/happy/1", "happy", "sad", 7), Correction("train/sad/2", "sad", "happy", 8)]
    )
    cache = KeptStandings(results / TESTS_FILE)
    cache.put("key", GroupStandings([]))
    cache.save()
    sources = path / "sources" / "sources"
    sources.mkdir(parents=True)
    about = SourceDescription(
        format=PACK_FORMAT, digest="v1:" + "7" * 64, dataset="faces", skipped=7, faults=[], notes={"n": 7}
    )
    (sources / "stamp.json").write_bytes(about.to_bytes("stamp"))
    os.utime(run.record_path, (1, 1))
    _settled(results)
    assert record.status == "done"
    return Room(path, run)


_SAFE = "# " + "x" * 200


def _source(path: Path) -> SourceDescription | None:
    """What a cache knows of a source; None where it makes that anew."""
    try:
        return read_description(path, SourceDescription)
    except (OSError, ValueError):
        return None


def _settled(results: Path) -> None:
    """The index of the runs, written although their records are young."""
    racy, index._RACY_NS = index._RACY_NS, -(10**18)
    try:
        index.summaries(results)
    finally:
        index._RACY_NS = racy


def readers(room: Room) -> list[Reader]:
    """All of them."""
    run, results = room.run, room.results
    record = run.load()
    (test,) = record.own_evaluations("test")
    training = record.identity.training_id
    snapshot = snapshot_names(run.checkpoints)[-1]
    snapshots = Snapshots(run.checkpoints, training)
    study = StudyDirectory(results / "studies" / "0123456789ab")
    weights = room.path / "weights"

    def recorded() -> Any:
        (summary,) = index.summaries(results)
        return None if summary.status == "damaged" else summary

    def tested() -> Any:
        return run.tested(test)

    def indexed() -> Any:
        state = index.state(results)
        (summary,) = index.summaries(results)
        assert summary.status == "done"  # whatever the index says, the runs are what their records say
        return None if state == "damaged" else summary

    def noted() -> Any:
        ledger = read_ledger(results)
        return ledger if ledger.reads and not ledger.faults else None

    evaluation = run.evaluation_path(test)
    return [
        Reader("run.json", run.record_path, run.load, number="skipped_faulty"),
        Reader("run.json, in a list", run.record_path, recorded, number="skipped_faulty"),
        Reader("history.jsonl", run.path / "history.jsonl", run.epochs, lambda epochs: len(epochs) < 3, number="epoch"),
        Reader("metrics.json", evaluation / "metrics.json", lambda: run.load_evaluation(test), number="n"),
        Reader("predictions.npz", evaluation / "predictions.npz", tested),
        Reader("samples.npz", run.path / "samples.npz", lambda: read_samples(run)),
        Reader("epochs.npz", run.path / EPOCHS_FILE, lambda: read_epoch_predictions(run)),
        Reader("corrections.csv", run.path / CORRECTIONS, lambda: read_corrections(run) or None),
        Reader(
            "best.json",
            run.checkpoints / "best.json",
            lambda: read_weights(run.checkpoints, "best"),
            number="epoch",
        ),
        Reader("best.safetensors", run.checkpoints / "best.safetensors", lambda: read_weights(run.checkpoints, "best")),
        Reader(
            "best.safetensors, verified",
            run.checkpoints / "best.safetensors",
            lambda: is_whole(run.checkpoints, "best") or None,
        ),
        Reader("best-loss.safetensors", weights / "best-loss.safetensors", lambda: read_loss(weights, "best")),
        Reader("step-….json", run.checkpoints / f"{snapshot}.json", lambda: snapshots.read(snapshot), number="step"),
        Reader(
            "step-….json, its place",
            run.checkpoints / f"{snapshot}.json",
            lambda: snapshots.position(snapshot),
            number="step",
        ),
        Reader("step-….safetensors", run.checkpoints / f"{snapshot}.safetensors", lambda: snapshots.read(snapshot)),
        Reader(".index.json", results / index.INDEX_FILE, indexed),
        Reader(
            ".tests.json",
            results / TESTS_FILE,
            lambda: KeptStandings(results / TESTS_FILE).get("key"),
            number="unclustered",
        ),
        Reader("test-reads.jsonl", results / LEDGER, noted, number="samples"),
        Reader("study.json", study.record_path, study.load, number="seed"),
        Reader("outcome.json", study.path / "outcome.json", study.outcome, number="complete"),
        Reader(
            "sources/….json",
            room.path / "sources" / "sources" / "stamp.json",
            lambda: _source(room.path / "sources" / "sources" / "stamp.json"),
            number="skipped",
        ),
        Reader(
            "a recipe",
            room.path / "recipe.toml",
            lambda: read_recipe(room.path / "recipe.toml"),
            given=True,
            number="epochs",
        ),
        Reader("a table", room.path / "table.csv", lambda: read_table(room.path / "table.csv"), given=True),
    ]


def _json(content: bytes) -> bool:
    return content.lstrip()[:1] in b"{[" and bool(content)


def _nested(content: bytes, reader: Reader) -> bytes:
    if content.startswith(b"# "):
        return b"name = " + b"[" * 100_000
    return b"[" * 100_000


def _deep(content: bytes, reader: Reader) -> bytes | None:
    """A few more levels than JSON may have, which Python itself still reads."""
    levels = DEEPEST + 2
    if content.startswith(b"# "):
        return content + b"deep = " + b"[" * levels + b"]" * levels + b"\n"
    first = content.splitlines()[0] if reader.path.suffix == ".jsonl" or reader.file == ".index.json" else content
    if not _json(content):
        return None
    about = json.loads(first)
    changed = {**about, "deep": json.loads("[" * levels + "]" * levels)}
    return _resealed(changed, reader) if "own" in about else json_bytes(changed)


def _resealed(changed: dict[str, Any], reader: Reader) -> bytes:
    if reader.path.parent.name != "sources":
        return json_bytes(seal(changed))
    content = {key: value for key, value in changed.items() if key != "own"}
    return json_bytes({**content, "own": own_digest([reader.path.stem, content])})


def _digits(content: bytes, reader: Reader) -> bytes | None:
    return _number(content, reader, b"7" * 5000)


def _nan(content: bytes, reader: Reader) -> bytes | None:
    if reader.file == "predictions.npz":
        return _arrays(content, probabilities=lambda p: np.full_like(p, np.nan))
    return _number(content, reader, b"NaN")


def _out_of_range(content: bytes, reader: Reader) -> bytes | None:
    if reader.file == "predictions.npz":
        return _arrays(content, truth=lambda t: t + 100)
    return _number(content, reader, b"-3")


def _number(content: bytes, reader: Reader, digits: bytes) -> bytes | None:
    """Another number in the place of one; sealed again where it was sealed."""
    if not reader.number:
        return None
    if reader.given and digits == b"-3":  # which is the recipe's own business
        return None
    place = re.compile(rb'("?%s"?(?:: | = ))[0-9]+' % reader.number.encode())
    changed, count = place.subn(rb"\g<1>" + digits, content, count=1)
    assert count, (reader.file, reader.number)
    if digits == b"-3" and b'"own"' in content:
        return _resealed(json.loads(changed), reader)
    return changed


def _wrong_type(content: bytes, reader: Reader) -> bytes:
    if reader.file == "predictions.npz":
        return _arrays(content, ids=lambda ids: np.arange(len(ids)))
    if reader.file == "samples.npz":
        return _arrays(content, train_pixels=lambda pixels: pixels.astype(np.float64))
    if reader.file == "epochs.npz":
        return _arrays(content, predicted=lambda classes: classes.astype(np.int64))
    return b"7 = [" if content.startswith(b"# ") else b'["a list", 7]'


def _too_few(content: bytes, reader: Reader) -> bytes | None:
    if reader.file == "predictions.npz":
        return _arrays(content, ids=lambda ids: ids[:-1])
    if reader.file == "samples.npz":
        return _arrays(content, train_pixels=lambda pixels: pixels[:-1])
    return None


def _bomb(content: bytes, reader: Reader) -> bytes | None:
    """An archive with one more array, which unpacks to 300 MB from less than one."""
    if reader.path.suffix != ".npz":
        return None
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("column:x.npy", "w") as file:
        for _ in range(300):
            file.write(bytes(2**20))
    return buffer.getvalue()


def _arrays(content: bytes, **changes: Callable[[Any], Any]) -> bytes:
    with np.load(io.BytesIO(content)) as stored:
        arrays = dict(stored)
    for name, change in changes.items():
        arrays[name] = change(arrays[name])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _not_text(content: bytes, reader: Reader) -> bytes | None:
    if content.startswith(b"# ") or reader.path.suffix == ".csv":
        return content + b"\xff\xfe\xff"
    return content.replace(b'":', b'\xff":', 1) if _json(content) else None


_Spoil = Callable[[bytes, Reader], "bytes | None"]

#: How a file may be spoiled: what is in it then, None where that kind of file cannot be spoiled so.
CONTENTS: dict[str, _Spoil] = {
    "nested": _nested,
    "deep": _deep,
    "cut": lambda content, reader: content[: len(content) * 2 // 3] if not reader.given else None,
    "empty": lambda content, reader: b"" if reader.file != "a recipe" else None,
    "of another type": _wrong_type,
    "not UTF-8": _not_text,
    "5,000 digits": _digits,
    "NaN": _nan,
    "out of range": _out_of_range,
    "too few": _too_few,
    "bomb": _bomb,
}


def _oversized(path: Path) -> None:
    os.truncate(path, 2**36)  # takes no room


def _replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        path.rename(_kept(path))
        make(path)

    return put


def _kept(path: Path) -> Path:
    """Where a file lies while something else is in its place: in no folder that is looked through."""
    return path.parent.with_name(f".{path.parent.name}-{path.name}")


#: How what lies at a path may be no such file.
PLACES: dict[str, Callable[[Path], None]] = {
    "oversized": _oversized,
    "a folder": _replaced(Path.mkdir),
    "a pipe": _replaced(os.mkfifo),
    "a link": _replaced(lambda place: place.symlink_to(_kept(place))),
    "a link to a device": _replaced(lambda place: place.symlink_to("/dev/zero")),
}

KINDS = (*CONTENTS, *PLACES)


@contextlib.contextmanager
def spoiled(reader: Reader, kind: str) -> Iterator[bool]:
    """A file as somebody left it; False where that kind of file cannot be spoiled so. It is whole again after that."""
    content = reader.path.read_bytes()
    times = reader.path.stat()
    try:
        if kind in CONTENTS:
            changed = CONTENTS[kind](content, reader)
            if changed is not None:
                reader.path.write_bytes(changed)
            yield changed is not None
        else:
            PLACES[kind](reader.path)
            yield True
    finally:
        _kept(reader.path).unlink(missing_ok=True)
        if reader.path.is_dir() and not reader.path.is_symlink():
            shutil.rmtree(reader.path)
        else:
            reader.path.unlink(missing_ok=True)
        reader.path.write_bytes(content)
        os.utime(reader.path, ns=(times.st_atime_ns, times.st_mtime_ns))


def outcome(reader: Reader, kind: str) -> str:
    """What becomes of a file that is spoiled so: `ERROR`, `LEFT_OUT`, `READ`, or `NOT_TRIED`."""
    with spoiled(reader, kind) as tried:
        if not tried:
            return NOT_TRIED
        try:
            return LEFT_OUT if reader.lost(reader.read()) else READ
        except UserError as error:
            if not error.remedy or "\n" in error.message + error.remedy:
                raise AssertionError(f"not two lines: {error.message!r}, {error.remedy!r}") from error
            return ERROR


def table(rows: dict[str, dict[str, str]]) -> str:
    """Markdown: a reader a row, a kind a column."""
    lines = [f"| file | {' | '.join(KINDS)} |", f"|---|{'---|' * len(KINDS)}"]
    lines += [f"| {file} | {' | '.join(by_kind[kind] for kind in KINDS)} |" for file, by_kind in rows.items()]
    return "\n".join(lines) + "\n"
