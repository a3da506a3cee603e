"""The index of runs: quick, and never believed against the runs themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zlib

import pytest
from made_records import made_record, typed, write_runs

from ferbench.runs import index
from ferbench.runs.index import INDEX_FILE, summaries
from ferbench.runs.summary import DataSummary, summarise


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Three runs, with every record taken for settled."""
    monkeypatch.setattr(index, "_RACY_NS", -(10**18))
    write_runs(tmp_path, *(made_record(run, seed=seed) for seed, run in enumerate("abc")))
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """Names of the runs whose record is read."""
    seen = []
    read = index._read
    monkeypatch.setattr(index, "_read", lambda runs, name: (seen.append(name), read(runs, name))[1])
    return seen


def seeds(results):
    return [run.seed for run in summaries(results)]


def record_path(results, run):
    return results / "runs" / f"{run:0<12}" / "run.json"


def replace_seed(results, run, seed):
    path = record_path(results, run)
    path.write_text(path.read_text().replace('"seed": 0', f'"seed": {seed}'))


def test_what_comes_from_the_index_is_what_the_records_say(results, reads):
    first = summaries(results)
    reads.clear()
    assert (
        summaries(results)
        == first
        == [summarise(run.run, typed(made_record(run.run[0], seed=run.seed))) for run in first]
    )
    assert reads == []


def test_an_unchanged_index_is_not_rewritten(results):
    summaries(results)
    before = (results / INDEX_FILE).stat()
    summaries(results)
    assert (results / INDEX_FILE).stat().st_ino == before.st_ino


def test_a_record_edited_in_place_with_the_same_size_and_time_is_read_again(results, reads):
    summaries(results)
    reads.clear()
    before = record_path(results, "a").stat()
    replace_seed(results, "a", 7)
    os.utime(record_path(results, "a"), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert record_path(results, "a").stat().st_size == before.st_size
    assert seeds(results) == [7, 1, 2]
    assert reads == ["a00000000000"]
    assert seeds(results) == [7, 1, 2]


def test_a_replaced_record_is_read_again(results):
    summaries(results)
    write_runs(results, made_record("b", seed=9))
    assert seeds(results) == [0, 9, 2]


def test_added_and_removed_runs_are_noticed(results):
    summaries(results)
    write_runs(results, made_record("d", seed=3))
    assert seeds(results) == [0, 1, 2, 3]
    record_path(results, "b").unlink()
    assert seeds(results) == [0, 2, 3]
    assert b"b00000000000" not in (results / INDEX_FILE).read_bytes()


def test_a_record_that_just_changed_is_read_again_next_time(tmp_path, reads):
    write_runs(tmp_path, made_record("a"))
    summaries(tmp_path)
    assert not (tmp_path / INDEX_FILE).exists()
    reads.clear()
    summaries(tmp_path)
    assert reads == ["a00000000000"]


def test_a_record_that_changes_while_it_is_read_is_not_kept(results, monkeypatch):
    look, seen = index.os.fstat, []

    def slow(file):
        before = look(file)
        if not seen:
            replace_seed(results, "a", 8)
        seen.append(before)
        return before

    monkeypatch.setattr(index.os, "fstat", slow)
    summaries(results)
    monkeypatch.undo()
    assert seeds(results) == [8, 1, 2]


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n{}", b"\xff\xfe", b'{"version": [1, 1], "crc32": 0}\n{}'])
def test_a_damaged_index_is_made_anew(results, content):
    (results / INDEX_FILE).write_bytes(content)
    assert seeds(results) == [0, 1, 2]
    assert (results / INDEX_FILE).read_bytes() != content


def test_an_index_with_a_changed_byte_is_not_believed(results):
    summaries(results)
    content = (results / INDEX_FILE).read_bytes()
    (results / INDEX_FILE).write_bytes(content.replace(b'"cnn"', b'"cmm"'))
    assert summaries(results)[0].settings["model"] == "cnn"
    assert (results / INDEX_FILE).read_bytes() == content


def sealed(path, change):
    """An index that somebody has changed, with its checksum."""
    _, _, rest = path.read_bytes().partition(b"\n")
    body, _, numbers = rest.partition(b"\n")
    document = json.loads(body)
    changed = change(document, numbers)
    rest = json.dumps(document).encode() + b"\n" + (numbers if changed is None else changed)
    head = {"version": index._VERSION, "crc32": zlib.crc32(rest)}
    path.write_bytes(json.dumps(head).encode() + b"\n" + rest)


@pytest.mark.parametrize(
    "change",
    [
        lambda document, _: document["runs"].update(a=7),
        lambda document, _: document["runs"]["a00000000000"][1].__setitem__(0, ["done"]),
        lambda document, _: document["runs"]["a00000000000"][1].__setitem__(5, "seed"),
        lambda document, _: document["runs"]["a00000000000"][1].append(7),
        lambda document, _: document["runs"]["a00000000000"][2][0].__setitem__(1, None),
        lambda document, _: document["runs"]["a00000000000"][2][0].__setitem__(4, 10**6),
        lambda document, _: document["shared"].__setitem__(slice(None), [7] * len(document["shared"])),
        lambda document, _: document["shared"].append(json.loads("[" * 100 + "]" * 100)),
        lambda _, numbers: b"\xff" * len(numbers),
        lambda _, numbers: numbers[:-3],
    ],
    ids=range(10),
)
def test_an_index_that_was_made_up_is_not_believed(results, change, reads):
    summaries(results)
    sealed(results / INDEX_FILE, lambda *_: None)
    reads.clear()
    assert seeds(results) == [0, 1, 2]
    assert reads == []
    sealed(results / INDEX_FILE, change)
    assert seeds(results) == [0, 1, 2]
    assert len(reads) == 3


def test_an_index_of_another_version_is_not_believed(results, monkeypatch, reads):
    summaries(results)
    monkeypatch.setattr(index, "_VERSION", [99, 1])
    reads.clear()
    assert seeds(results) == [0, 1, 2]
    assert len(reads) == 3
    assert json.loads((results / INDEX_FILE).read_bytes().partition(b"\n")[0])["version"] == [99, 1]


def test_a_results_directory_that_cannot_be_written_is_read(results, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.replace", refuse)  # root may write anywhere: permissions alone would not show it
    assert seeds(results) == [0, 1, 2]
    assert [path.name for path in results.iterdir()] == ["runs"]


def test_an_index_that_is_a_directory_is_no_obstacle(results):
    (results / INDEX_FILE).mkdir()
    assert seeds(results) == [0, 1, 2]


def test_several_readers_leave_a_whole_index(results, monkeypatch, reads):
    failures = []

    def work(number):
        for turn in range(5):
            write_runs(results, made_record(f"d{number}{turn}"))
            try:
                assert {"a00000000000", f"d{number}{turn}".ljust(12, "0")} <= {run.run for run in summaries(results)}
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    summaries(results)
    reads.clear()
    assert len(summaries(results)) == 23
    assert reads == []
    assert [path.name for path in results.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"{", "damaged"), (b'{"schema": 99}', "schema version 99"), (b"[]", "schema version None"), (b"\xff", "damaged")],
)
def test_a_record_that_cannot_be_read_is_listed_with_its_reason(results, content, reason):
    record_path(results, "b").write_bytes(content)
    for _ in range(2):
        assert [run.status for run in summaries(results)] == ["done", "damaged", "done"]
        assert reason in summaries(results)[1].reason


def test_text_that_only_some_readers_take_is_taken(results):
    path = record_path(results, "a")
    path.write_text(path.read_text().replace('"name": null', '"name": "\\ud800"'))
    assert summaries(results)[0].name == "\ud800"
    assert seeds(results) == [0, 1, 2]


def test_what_is_no_run_is_passed_over(results):
    (results / "runs" / "empty").mkdir()
    (results / "runs" / "file").write_text("")
    (results / "runs" / ".hidden").mkdir()
    assert seeds(results) == [0, 1, 2]
    assert summaries(results / "none") == []
    assert not (results / "none").exists()


def test_the_index_imports_nothing_heavy():
    code = "import json, sys, ferbench.runs.index; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "timm", "sklearn", "pandas", "plotly", "pydantic"} & set(json.loads(done.stdout))


def test_a_contaminated_test_elsewhere_comes_back_as_it_was(results, reads):
    record = made_record("d")
    seen = {split: {"same": 1, "copies": 2} for split in ("train", "validation")}
    data = {"dataset": "others", "protocol": "official", "synthetic": False, "class_names": ["happy"]}
    later = {"rows_digest": "v1:t9", "data": data, "seen": {**seen, "contaminated": True}}
    record["evaluations"]["e3"] = {**record["evaluations"]["e2"], **later}
    write_runs(results, record)
    first = summaries(results)[-1]
    reads.clear()
    assert summaries(results)[-1] == first
    assert reads == []
    assert first.scores[1].data == DataSummary("others", "official", False, ("happy",))
    assert "2 in train" in first.scores[1].contaminated


def test_classes_without_a_sample_come_back_from_the_index(results, reads):
    record = made_record("d")
    record["evaluations"]["e2"]["per_class"]["sad"]["support"] = 0
    write_runs(results, record)
    first = summaries(results)
    reads.clear()
    assert [run.scores[0].absent for run in summaries(results)] == [run.scores[0].absent for run in first]
    assert first[-1].scores[0].absent == ["sad"]
    assert reads == []
