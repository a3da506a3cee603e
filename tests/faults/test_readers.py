"""Whatever somebody has made of a file, reading it ends soon: in what it says, in an error of two lines, or without it.

``python tests/faults/test_readers.py`` writes the table of `README.md` anew.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

import pytest
import readers
from readers import ERROR, KINDS, LEFT_OUT, NOT_TRIED, READ, Room
from small_run import _main, remember_plugins

from ferbench.runs.directory import RunDirectory

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- readers: begin -->\n", "<!-- readers: end -->"

#: No reader takes a tenth of it.
SECONDS = 60


def furnished(directory: Path) -> Room:
    """A results directory with a file for each reader."""
    forget = remember_plugins()
    assert _main(directory, ("--quiet",)) == 0
    forget()
    (record,) = directory.glob("results/runs/*/run.json")
    return readers.furnish(directory, RunDirectory(record.parent))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return furnished(tmp_path_factory.mktemp("readers"))


def outcomes(room: Room) -> dict[str, dict[str, str]]:
    return {reader.file: {kind: readers.outcome(reader, kind) for kind in KINDS} for reader in readers.readers(room)}


def test_whole_files_are_read(room: Room) -> None:
    for reader in readers.readers(room):
        assert not reader.lost(reader.read()), reader.file


def _too_long(*_: object) -> None:
    raise AssertionError("a reader waits")


def test_no_spoiled_file_is_taken_for_a_whole_one_and_none_is_waited_for(room: Room) -> None:
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        found = outcomes(room)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    given = {reader.file for reader in readers.readers(room) if reader.given}
    for file, by_kind in found.items():
        followed = {kind for kind, what in by_kind.items() if what == READ}
        assert followed == ({"a link"} if file in given else set()), file
        assert {*by_kind.values()} <= {ERROR, LEFT_OUT, NOT_TRIED, READ}
    assert README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0] == readers.table(found), (
        "say: python tests/faults/test_readers.py"
    )


def write() -> None:
    with tempfile.TemporaryDirectory() as name:
        table = readers.table(outcomes(furnished(Path(name))))
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(f"{before}{BEGIN}{table}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write())
