"""The ledger of test reads: what was written is there, and whoever changes it is noticed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.errors import UserError
from ferbench.records.ledger import LEDGER, Ledger, Read, append, read_ledger


def reading(number: int = 0, **changes: object) -> Read:
    made = Read(
        time="2026-01-01T00:00:00+00:00",
        test_set="v1:t",
        samples=7,
        dataset="faces",
        run=f"{number:012x}",
        name="a \N{LATIN SMALL LETTER U WITH DIAERESIS}\u2028 name",
        config="v1:c",
        training=f"v1:{number}",
        seed=number,
        evaluation=f"{number:012x}",
        kind="trained",
        how="run",
        options={"tta": "flip"},
    )
    return replace(made, **changes)


def written(results: Path, count: int) -> list[Read]:
    return [append(results, [reading(number)])[0] for number in range(count)]


def lines(results: Path) -> list[bytes]:
    return (results / LEDGER).read_bytes().splitlines(keepends=True)


def put(results: Path, changed: list[bytes]) -> Ledger:
    (results / LEDGER).write_bytes(b"".join(changed))
    return read_ledger(results)


def test_what_was_appended_is_read_in_its_order_and_chained(tmp_path: Path) -> None:
    made = written(tmp_path, 3)
    ledger = read_ledger(tmp_path)
    assert ledger.reads == tuple(made)
    assert not ledger.faults
    assert [read.previous for read in made] == ["", made[0].digest, made[1].digest]
    assert ledger.head == made[2].digest


def test_the_digest_of_a_line_is_the_sha256_of_all_its_bytes_before(tmp_path: Path) -> None:
    import hashlib

    (made,) = written(tmp_path, 1)
    body, _, _ = lines(tmp_path)[0].partition(b', "digest"')
    assert hashlib.sha256(body).hexdigest() == made.digest


def test_without_a_file_it_is_empty(tmp_path: Path) -> None:
    assert read_ledger(tmp_path / "nowhere") == Ledger()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_changed_value_is_found_by_its_line(tmp_path: Path, place: int) -> None:
    written(tmp_path, 3)
    changed = lines(tmp_path)
    changed[place] = changed[place].replace(b'"samples": 7', b'"samples": 8')
    assert put(tmp_path, changed).faults == (f"line {place + 1} is changed: of another SHA-256 than when written",)


def test_several_changed_lines_are_one_fault(tmp_path: Path) -> None:
    written(tmp_path, 7)
    changed = put(tmp_path, [line.replace(b'"samples": 7', b'"samples": 8') for line in lines(tmp_path)])
    assert changed.faults == ("lines 1, 2, 3, 4 and 3 more are changed: of another SHA-256 than when written",)


def test_a_line_that_was_changed_and_sealed_anew_breaks_the_chain(tmp_path: Path) -> None:
    from ferbench.records.ledger import _line

    made = written(tmp_path, 3)
    changed = lines(tmp_path)
    changed[1] = _line(replace(made[1], samples=8))[0]
    assert put(tmp_path, changed).faults == (
        "line 3 is no sequel of the one before it: lines were removed or put in there",
    )


@pytest.mark.parametrize("place", [0, 1])
def test_a_removed_line_breaks_the_chain(tmp_path: Path, place: int) -> None:
    written(tmp_path, 3)
    changed = lines(tmp_path)
    del changed[place]
    assert put(tmp_path, changed).faults == (
        f"line {place + 1} is no sequel of the one before it: lines were removed or put in there",
    )


@given(st.integers(0, 2**31), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, place: int, by: int) -> None:
    results = tmp_path_factory.mktemp("results")
    append(results, [reading(0), reading(1)])
    content = bytearray((results / LEDGER).read_bytes())
    content[place % len(content)] ^= by
    changed = put(results, [bytes(content)])
    # A last line without its line break says as much as before.
    assert changed.faults or (place % len(content) == len(content) - 1 and len(changed.reads) < 2)


@given(st.integers(1, 500))
def test_a_torn_last_line_is_told_and_taken_out_by_the_next(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    results = tmp_path_factory.mktemp("results")
    first, _ = append(results, [reading(0), reading(1)])
    content = lines(results)
    left = max(1, len(content[1]) - 1 - cut)
    torn = put(results, [content[0], content[1][:left]])
    assert torn.torn == content[1][:left]
    assert torn.faults == (f"line 2 is cut short after {left} bytes",)
    (third,) = append(results, [reading(2)])
    assert read_ledger(results) == Ledger((first, third))


def test_a_missing_last_line_break_is_no_damage(tmp_path: Path) -> None:
    made = written(tmp_path, 2)
    put(tmp_path, [lines(tmp_path)[0], lines(tmp_path)[1].rstrip(b"\n")])
    assert read_ledger(tmp_path) == Ledger(tuple(made))
    made += [append(tmp_path, [reading(2)])[0]]
    assert read_ledger(tmp_path) == Ledger(tuple(made))


@pytest.mark.parametrize(
    "line", [b"nonsense", b"[]", b"{}", b'{"digest": 7}', b'{"digest": "x"}', b'{"digest": "x", "samples": true}']
)
def test_what_is_no_reading_is_told_and_left_out(tmp_path: Path, line: bytes) -> None:
    made = written(tmp_path, 1)
    ledger = put(tmp_path, [*lines(tmp_path), line + b"\n"])
    assert ledger.reads == tuple(made)
    (fault,) = ledger.faults
    assert fault.startswith("line 2 is damaged: ")


def test_a_link_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / LEDGER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="symbolic link"):
        read_ledger(tmp_path)
    with pytest.raises(UserError, match="symbolic link"):
        append(tmp_path, [reading()])


def _append_several(results: Path, first: int, count: int) -> None:
    for number in range(first, first + count):
        append(results, [reading(number)])


def test_many_processes_append_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    several = [fork.Process(target=_append_several, args=(tmp_path, 100 * k, 5)) for k in range(6)]
    for process in several:
        process.start()
    for process in several:
        process.join()
    assert [process.exitcode for process in several] == [0] * 6
    ledger = read_ledger(tmp_path)
    assert not ledger.faults
    assert sorted(read.seed or 0 for read in ledger.reads) == [100 * k + j for k in range(6) for j in range(5)]


def test_processes_that_are_killed_leave_a_whole_ledger(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    for round_ in range(4):
        process = fork.Process(target=_append_several, args=(tmp_path, 1000 * round_, 1000))
        process.start()
        end = time.monotonic() + 60
        while not any((read.seed or 0) // 1000 == round_ for read in read_ledger(tmp_path).reads):
            assert time.monotonic() < end
        time.sleep(0.003 * round_)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert not read_ledger(tmp_path).faults
    append(tmp_path, [reading(7777)])
    ledger = read_ledger(tmp_path)
    assert not ledger.faults
    seeds = [read.seed or 0 for read in ledger.reads[:-1]]
    by_round = [[seed for seed in seeds if seed // 1000 == k] for k in range(4)]
    assert all(part == list(range(1000 * k, 1000 * k + len(part))) and part for k, part in enumerate(by_round))


def test_lines_are_plain_json(tmp_path: Path) -> None:
    written(tmp_path, 1)
    (line,) = lines(tmp_path)
    assert json.loads(line)["options"] == {"tta": "flip"}
    assert line.isascii()


def test_who_may_not_add_a_reading_any_more_adds_none(tmp_path: Path) -> None:
    made, looked = written(tmp_path, 1), []

    def look() -> None:
        looked.append(True)
        if len(looked) > 1:  # another process took over while this one waited for the ledger
            raise UserError("taken over", "wait for it")

    with pytest.raises(UserError, match="taken over"):
        append(tmp_path, [reading(7)], look=look)
    assert read_ledger(tmp_path).reads == tuple(made)
