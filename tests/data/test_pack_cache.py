"""The cache of packs: what survives crashes, damage and company."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from listed import Listed, good, pack

import ferbench
from ferbench import Fault, Sample
from ferbench.data.images import DamagedPack
from ferbench.data.pack import open_pack
from ferbench.locks import TakenOver


def test_known_source_is_not_read_again(tmp_path: Path) -> None:
    dataset = Listed(good())
    first = pack(dataset, tmp_path)
    second = pack(dataset, tmp_path)
    assert dataset.reads == 1
    assert second.path == first.path


@pytest.mark.parametrize(
    "changed",
    [{"stamp": "second"}, {"native_size": (6, 6)}, {"stored_size": (6, 6)}, {"channels": 3}],
    ids=lambda changed: next(iter(changed)),
)
def test_changed_source_is_read_again(tmp_path: Path, changed: dict[str, Any]) -> None:
    pack(Listed(good()), tmp_path)
    other = Listed(good(), **changed)
    pack(other, tmp_path)
    assert other.reads == 1


def test_same_content_from_two_sources_is_stored_once(tmp_path: Path) -> None:
    one = pack(Listed(good()), tmp_path)
    two = pack(Listed(good(), stamp="copied"), tmp_path)
    assert one.path == two.path
    assert [entry.name for entry in (tmp_path / "packs").iterdir()] == [one.path.name]


def test_builder_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    class Failing(Listed):
        def samples(self) -> Iterator[Sample | Fault]:
            yield from good(500)
            raise RuntimeError("the disk of the dataset is gone")

    with pytest.raises(RuntimeError, match="is gone"):
        pack(Failing([]), tmp_path)
    assert not list((tmp_path / "packs").iterdir())
    assert pack(Listed(good()), tmp_path).digest


def test_progress_that_interrupts_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(Listed(good()), tmp_path, progress=interrupt)
    assert not list((tmp_path / "packs").iterdir())


def test_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "packs" / ".building-0123456789abcdef-xyz"
    left.mkdir(parents=True)
    (left / "images.bin").write_bytes(b"half")
    pack(Listed(good()), tmp_path)
    assert not left.exists()


def test_source_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    class Changing(Listed):
        def source(self) -> Mapping[str, Any]:
            return {"reads": self.reads}

    with pytest.raises(ferbench.UserError, match="changed while"):
        pack(Changing(good()), tmp_path)
    assert not list((tmp_path / "packs").iterdir())


def pack_in_a_process(cache: str, barrier: Any, results: Any) -> None:
    dataset = Listed(good(400))
    barrier.wait(60)
    found = pack(dataset, Path(cache))
    results.put((dataset.reads, found.digest, len(found.damaged_rows())))


def test_two_processes_make_one_good_pack(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    arguments = (str(tmp_path), barrier, results)
    processes = [context.Process(target=pack_in_a_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert sorted(reads for reads, _, _ in found) == [0, 1], "one builds, the other finds"
    assert len({digest for _, digest, _ in found}) == 1
    assert all(damaged == 0 for _, _, damaged in found)
    assert len(list((tmp_path / "packs").iterdir())) == 1


def crash_while_packing(cache: str) -> None:
    def die(done: int) -> None:
        os._exit(9)

    pack(Listed(good()), Path(cache), progress=die)


def test_process_that_dies_while_packing_does_not_block_the_next(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=crash_while_packing, args=(str(tmp_path),))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert [entry.name.startswith(".building-") for entry in (tmp_path / "packs").iterdir()] == [True]
    found = pack(Listed(good()), tmp_path)
    assert [entry.name for entry in (tmp_path / "packs").iterdir()] == [found.path.name]


@pytest.mark.parametrize("swept", [False, True])
def test_builder_that_was_taken_over_publishes_nothing(tmp_path: Path, swept: bool) -> None:
    class Stopped(Listed):
        def samples(self) -> Iterator[Sample | Fault]:
            yield from good()
            for holder in (tmp_path / "locks").glob("*.holder.json"):
                holder.write_bytes(b"another's")
            for building in (tmp_path / "packs").glob(".building-*") if swept else ():
                shutil.rmtree(building)

    with pytest.raises(TakenOver, match="was taken over by another process, which has ended"):
        pack(Stopped(good()), tmp_path)
    assert not list((tmp_path / "packs").iterdir())
    assert not (tmp_path / "sources").exists()


def test_cache_that_is_a_file_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(ferbench.UserError) as caught:
        pack(Listed(good()), tmp_path / "cache")
    assert str(tmp_path / "cache") in caught.value.message
    assert "--cache" in caught.value.remedy


def test_full_disk_is_a_user_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ferbench.data.columns.np.save", full)
    with pytest.raises(ferbench.UserError, match="No space left") as caught:
        pack(Listed(good()), tmp_path)
    assert str(tmp_path) in caught.value.message
    assert not list((tmp_path / "packs").iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_cache_is_a_user_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ferbench.UserError, match="cannot write"):
            pack(Listed(good()), tmp_path / "cache")
    finally:
        tmp_path.chmod(0o700)


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


def cut(path: Path, offset: int) -> None:
    path.write_bytes(path.read_bytes()[:offset])


def remove(path: Path, offset: int) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [flip, cut, remove])
@pytest.mark.parametrize(
    "file", ["images.bin", "pack.json", "columns/labels.npy", "columns/ids.npy", "columns/pixel_hashes.npy"]
)
def test_damage_is_found_and_the_pack_is_built_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: Any, file: str
) -> None:
    first = pack(Listed(good()), tmp_path)
    harm(first.path / file, -3)
    with pytest.raises(DamagedPack, match="cannot be used"):
        open_pack(first.path)
    again = Listed(good())
    with caplog.at_level(logging.WARNING, "ferbench.data.pack_cache"):
        second = pack(again, tmp_path)
    assert again.reads == 1
    assert [record.message.endswith("building it again") for record in caplog.records] == [True]
    assert second.digest == first.digest
    assert second.damaged_rows() == []
    assert [entry.name for entry in (tmp_path / "packs").iterdir()] == [second.path.name]


def test_damage_to_resampled_images_is_found(tmp_path: Path) -> None:
    found = pack(Listed(good(), stored_size=(4, 4)), tmp_path)
    flip(found.path / "images.bin", 0)
    with pytest.raises(DamagedPack, match="row 0"):
        open_pack(found.path)


def test_damage_between_the_rows_that_opening_looks_at_is_found_on_request(tmp_path: Path) -> None:
    found = pack(Listed(good(1000)), tmp_path)
    flip(found.path / "images.bin", 36 * 5)
    assert open_pack(found.path).damaged_rows() == [5]


def test_images_between_those_that_opening_looks_at_are_built_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = pack(Listed(good(1000)), tmp_path)
    for row in (5, 600):
        flip(first.path / "images.bin", 36 * row)
    again = Listed(good(1000))
    with caplog.at_level(logging.WARNING, "ferbench.data.pack_cache"):
        second = pack(again, tmp_path)
    (said,) = [record.message for record in caplog.records]
    assert said == (
        f"the pack {first.path} cannot be used: 2 of 1,000 images have changed, the first in row 5; building it again"
    )
    assert (again.reads, second.digest, second.damaged_rows()) == (1, first.digest, [])


def test_images_that_another_process_of_the_run_has_compared_are_not_compared_again(tmp_path: Path) -> None:
    first = pack(Listed(good(1000)), tmp_path)
    flip(first.path / "images.bin", 36 * 5)
    again = Listed(good(1000))
    assert pack(again, tmp_path, checked=True).path == first.path
    assert again.reads == 0


def test_a_pack_whose_source_is_gone_is_refused_and_stays(tmp_path: Path) -> None:
    class Gone(Listed):
        def samples(self) -> Iterator[Sample | Fault]:
            raise ferbench.UserError("the files are gone", "get them again")

    first = pack(Listed(good()), tmp_path)
    flip(first.path / "images.bin", 0)
    before = (first.path / "images.bin").stat().st_ino
    with pytest.raises(ferbench.UserError, match="the files are gone"):
        pack(Gone([]), tmp_path)
    assert (first.path / "images.bin").stat().st_ino == before


def test_another_sound_pack_under_the_name_is_not_taken_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, other = pack(Listed(good()), tmp_path), pack(Listed(good(10), stamp="other"), tmp_path)
    shutil.rmtree(first.path)
    shutil.copytree(other.path, first.path)
    with caplog.at_level(logging.WARNING, "ferbench.data.pack_cache"):
        assert len(pack(Listed(good()), tmp_path)) == 8
    assert "another one than its name says; building it again" in caplog.text


@pytest.mark.parametrize("harm", [flip, cut, remove, os.mkfifo, os.mkdir, "deep", "link"])
def test_whatever_lies_in_place_of_a_source_record_is_no_obstacle(tmp_path: Path, harm: Any) -> None:
    first = pack(Listed(good()), tmp_path)
    (record,) = (tmp_path / "sources").iterdir()
    if harm == "deep":
        record.write_bytes(b"[" * 100_000)
    elif harm == "link":
        record.unlink()
        record.symlink_to("/dev/zero")
    elif harm in (os.mkfifo, os.mkdir):
        record.unlink()
        harm(record)
    else:
        harm(record, 10)
    if harm is os.mkdir:
        with pytest.raises(ferbench.UserError, match="cannot write to"):
            pack(Listed(good()), tmp_path)
    else:
        assert pack(Listed(good()), tmp_path).digest == first.digest
        assert record.is_file()


@pytest.mark.parametrize("harm", [os.mkfifo, Path.touch, "dangling"])
def test_whatever_lies_in_place_of_a_pack_gives_way(tmp_path: Path, harm: Any) -> None:
    first = pack(Listed(good()), tmp_path)
    shutil.rmtree(first.path)
    if harm == "dangling":
        first.path.symlink_to("nowhere")
    else:
        harm(first.path)
    assert pack(Listed(good()), tmp_path).damaged_rows() == []
    assert [entry.name for entry in (tmp_path / "packs").iterdir()] == [first.path.name]


def test_a_linked_pack_is_used_and_where_it_is_damaged_the_link_gives_way(tmp_path: Path) -> None:
    first = pack(Listed(good()), tmp_path / "cache")
    first.path.rename(tmp_path / "elsewhere")
    first.path.symlink_to(tmp_path / "elsewhere")
    again = Listed(good())
    assert pack(again, tmp_path / "cache").path == first.path
    assert again.reads == 0
    flip(tmp_path / "elsewhere" / "images.bin", 0)
    assert pack(again, tmp_path / "cache").damaged_rows() == []
    assert not first.path.is_symlink()
    assert (tmp_path / "elsewhere" / "images.bin").exists()


def test_a_dataset_with_no_room_for_what_it_says_to_have_is_refused_before_it_is_read(tmp_path: Path) -> None:
    dataset = Listed(good(), stored_size=(48, 48))
    dataset.least_count = 10**12
    with pytest.raises(ferbench.UserError, match=r"at least 2,304\.0 TB for 1,000,000,000,000 images; .* of room"):
        pack(dataset, tmp_path / "cache")
    assert dataset.reads == 0
    assert not (tmp_path / "cache").exists()
    dataset.least_count = 8
    assert len(pack(dataset, tmp_path / "cache")) == 8


@pytest.mark.parametrize("key", ["class_names", "parts", "rows", "image_shape"])
def test_edited_description_is_found(tmp_path: Path, key: str) -> None:
    found = pack(Listed(good()), tmp_path)
    description = json.loads((found.path / "pack.json").read_text())
    description[key] = {"class_names": ["glad", "calm"], "parts": ["test", "train"], "rows": 7}.get(key, [1, 3, 12])
    (found.path / "pack.json").write_text(json.dumps(description))
    with pytest.raises(DamagedPack):
        open_pack(found.path)


def test_pack_of_another_format_is_named_so(tmp_path: Path) -> None:
    found = pack(Listed(good()), tmp_path)
    description = json.loads((found.path / "pack.json").read_text())
    (found.path / "pack.json").write_text(json.dumps({**description, "format": 99}))
    with pytest.raises(DamagedPack, match="format 99"):
        open_pack(found.path)


def test_missing_pack_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(ferbench.UserError, match="none"):
        open_pack(tmp_path / "none")


def test_deleted_pack_is_built_again_without_fuss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = pack(Listed(good()), tmp_path)
    shutil.rmtree(first.path)
    assert pack(Listed(good()), tmp_path).digest == first.digest
    assert not caplog.records


def test_source_record_cut_short_is_no_obstacle(tmp_path: Path) -> None:
    first = pack(Listed(good()), tmp_path)
    for record in (tmp_path / "sources").iterdir():
        cut(record, 10)
    assert pack(Listed(good()), tmp_path).digest == first.digest


def test_a_source_record_that_says_something_else_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = pack(Listed(good()), tmp_path)
    (record,) = (tmp_path / "sources").iterdir()
    whole = record.read_bytes()
    pack(Listed(good(12), stamp="second"), tmp_path)
    (other,) = (path for path in (tmp_path / "sources").iterdir() if path != record)
    about = json.loads(whole)
    older = {key: value for key, value in about.items() if key != "own"}
    for content in (
        other.read_bytes(),
        json.dumps({**about, "notes": {"reads": 7}}).encode(),
        json.dumps({**about, "skipped": 3}).encode(),
        json.dumps({**older, "dataset": "fer2013"}).encode(),
        json.dumps({**older, "skipped": 3, "notes": {"reads": 7}}).encode(),
        json.dumps(older).encode(),  # as an older release wrote it
    ):
        record.write_bytes(content)
        caplog.clear()
        again = pack(Listed(good()), tmp_path)
        assert (again.digest, again.skipped, again.dataset) == (first.digest, 0, "listed")
        assert f"{record} is damaged" in caplog.text
    dataset = Listed(good())
    assert pack(dataset, tmp_path).notes == first.notes
    assert dataset.reads == 0  # once is enough
