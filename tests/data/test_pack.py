"""The pack: what is stored, what is refused, and what survives crashes, damage and company."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_packs import make_pack
from PIL import Image

import ferbench
from ferbench import Fault, PixelText, Sample
from ferbench.data.pack import DamagedPack, FaultyDataset, Pack, open_pack, pack_dataset

CLASSES = ("calm", "glad")


class Listed(ferbench.Dataset):
    """A dataset from a list; counts how often it is read."""

    def __init__(
        self,
        items: list[Sample | Fault],
        *,
        class_names: tuple[str, ...] = CLASSES,
        channels: int = 1,
        native_size: tuple[int, int] | None = None,
        stored_size: tuple[int, int] | None = None,
        stamp: str = "first",
    ) -> None:
        self.items = items
        self.class_names = class_names
        self.channels = channels
        self.native_size = native_size
        self.stored_size = stored_size
        self.stamp = stamp
        self.reads = 0

    @property
    def notes(self) -> Mapping[str, Any]:
        return {"reads": self.reads}

    def source(self) -> Mapping[str, Any]:
        return {"stamp": self.stamp}

    def samples(self) -> Iterator[Sample | Fault]:
        self.reads += 1
        yield from self.items


def picture(seed: int, height: int = 6, width: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def good(count: int = 8, **changes: Any) -> list[Sample | Fault]:
    return [
        Sample(
            id=f"s{index}",
            part="train" if index < count // 2 else "test",
            label=CLASSES[index % 2],
            image=picture(index),
            location=f"table.csv, row {index + 2}",
            **changes,
        )
        for index in range(count)
    ]


def pack(dataset: ferbench.Dataset, cache: Path, **options: Any) -> Pack:
    return pack_dataset(dataset, name="listed", cache=cache, **options)


def reasons(items: list[Sample | Fault], cache: Path, **options: Any) -> list[str]:
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items, **options), cache)
    assert not list((cache / "packs").iterdir()), "a refused dataset left something behind"
    return [fault.reason for fault in caught.value.faults]


def with_image(image: Any) -> list[Sample | Fault]:
    items = good()
    items[3] = replace(items[3], image=image)
    return items


# What is stored


def test_images_and_table_are_what_the_dataset_said(tmp_path: Path) -> None:
    items = good(6, valence=0.5, arousal=-0.25, votes=(3.0, 1.0), subject="anna", clip="c1", frame=7)
    found = pack(Listed(items), tmp_path)
    assert found.images.shape == (6, 1, 6, 6)
    assert found.images.dtype == np.uint8
    for index, item in enumerate(items):
        assert isinstance(item, Sample)
        np.testing.assert_array_equal(found.images[index, 0], item.image)
        assert found.ids[index] == item.id
        assert found.class_names[found.labels[index]] == item.label
        assert found.parts[found.part[index]] == item.part
    assert found.labels.dtype == np.int16
    assert found.part.dtype == np.int8
    assert found.affect is not None
    assert found.affect.tolist() == [[0.5, -0.25]] * 6
    assert found.votes is not None
    assert found.votes.tolist() == [[3.0, 1.0]] * 6
    assert found.subject is not None
    assert found.subject.tolist() == ["anna"] * 6
    assert found.clip is not None
    assert found.clip.tolist() == ["c1"] * 6
    assert found.frame is not None
    assert found.frame.tolist() == [7] * 6
    assert (found.skipped, found.faults, found.dataset) == (0, (), "listed")


def test_what_nowhere_is_known_has_no_column(tmp_path: Path) -> None:
    found = pack(Listed(good()), tmp_path)
    assert [found.affect, found.votes, found.subject, found.clip, found.frame, found.source] == [None] * 6


def test_what_is_known_in_places_is_marked_missing_elsewhere(tmp_path: Path) -> None:
    items = good(4)
    items[1] = replace(items[1], valence=1.0, votes=(1.0, 0.0), subject="b", clip="k", frame=0)
    found = pack(Listed(items), tmp_path)
    assert found.affect is not None
    assert found.votes is not None
    assert found.subject is not None
    assert found.frame is not None
    assert np.isnan(found.affect).tolist() == [[True, True], [False, True], [True, True], [True, True]]
    assert np.isnan(found.votes).all(axis=1).tolist() == [True, False, True, True]
    assert found.subject.tolist() == ["", "b", "", ""]
    assert found.frame.tolist() == [-1, 0, -1, -1]


def test_ids_beyond_ascii_and_of_any_length_come_back(tmp_path: Path) -> None:
    items = good(4)
    items[2] = replace(items[2], id="ä" * 300 + "脸")
    assert pack(Listed(items), tmp_path).ids.tolist()[2] == "ä" * 300 + "脸"


def test_pixel_hash_is_of_the_native_image(tmp_path: Path) -> None:
    """The form of the hash is fixed: test-set digests of published results rest on it."""
    expected = hashlib.blake2b(b"1x6x6:" + picture(0).tobytes(), digest_size=16).digest()
    native = pack(Listed(good()), tmp_path / "a")
    small = pack(Listed(good(), stored_size=(3, 3)), tmp_path / "b")
    assert native.pixel_hashes[0].tobytes() == expected
    np.testing.assert_array_equal(native.pixel_hashes, small.pixel_hashes)
    assert small.images.shape == (8, 1, 3, 3)
    assert native.digest != small.digest


def test_resampling_takes_images_of_any_size_to_one(tmp_path: Path) -> None:
    items = [replace(item, image=picture(9, 5 + index, 7)) for index, item in enumerate(good())]
    found = pack(Listed(items, stored_size=(4, 8), channels=3), tmp_path)
    assert found.images.shape == (8, 3, 4, 8)
    assert found.damaged_rows() == []


def test_resampling_keeps_the_aspect_ratio_on_request(tmp_path: Path) -> None:
    items = [replace(item, image=np.full((4, 8), 77, np.uint8)) for item in good()]
    dataset = Listed(items, stored_size=(8, 8))
    dataset.fit = "pad"
    found = pack(dataset, tmp_path)
    np.testing.assert_array_equal(found.images[0, 0, :, 0], [0, 0, 77, 77, 77, 77, 0, 0])


def test_another_fit_is_another_pack(tmp_path: Path) -> None:
    items = [replace(item, image=picture(9, 4, 8)) for item in good()]
    digests = set()
    for fit in ("stretch", "pad", "crop"):
        dataset = Listed(items, stored_size=(8, 8))
        dataset.fit = fit  # type: ignore[assignment]
        digests.add(pack(dataset, tmp_path).digest)
    assert len(digests) == 3


def test_a_sample_may_state_its_own_native_size(tmp_path: Path) -> None:
    items = good()
    items[3] = replace(items[3], native_size=(9, 9))
    assert reasons(items, tmp_path, stored_size=(4, 4)) == ["wrong shape 6×6, expected 9×9"]


def test_resampling_keeps_a_plain_image_plain(tmp_path: Path) -> None:
    items = [replace(item, image=np.full((6, 6), 77, np.uint8)) for item in good()]
    assert np.unique(pack(Listed(items, stored_size=(4, 4)), tmp_path).images).tolist() == [77]


def test_arrays_cannot_be_written(tmp_path: Path) -> None:
    found = pack(Listed(good()), tmp_path)
    for array in (found.images, found.labels, found.ids):
        assert not array.flags.writeable


def test_opened_pack_equals_the_packed_one(tmp_path: Path) -> None:
    packed = pack(Listed(good()), tmp_path)
    opened = open_pack(packed.path)
    assert (opened.digest, opened.class_names, opened.parts, opened.dataset, opened.notes) == (
        packed.digest,
        packed.class_names,
        packed.parts,
        packed.dataset,
        packed.notes,
    )
    np.testing.assert_array_equal(opened.images, packed.images)
    assert opened.ids.tolist() == packed.ids.tolist()
    assert len(opened) == 8


def test_notes_are_those_after_reading(tmp_path: Path) -> None:
    assert pack(Listed(good()), tmp_path).notes == {"reads": 1}


def test_progress_counts_up_to_the_number_of_samples(tmp_path: Path) -> None:
    seen: list[int] = []
    pack(Listed(good(300)), tmp_path, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 300


# Identity


def test_digest_does_not_depend_on_cache_name_or_workers(tmp_path: Path) -> None:
    digests = {
        pack_dataset(Listed(good(700)), name=name, cache=tmp_path / name, workers=workers).digest
        for name, workers in (("a", 1), ("b", 2), ("c", 5))
    }
    assert len(digests) == 1


def test_digest_does_not_depend_on_the_path_of_the_files(tmp_path: Path) -> None:
    digests = set()
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        items = good()
        for index, item in enumerate(items):
            assert isinstance(item, Sample)
            file = tmp_path / name / f"{index}.png"
            Image.fromarray(np.asarray(item.image)).save(file)
            items[index] = replace(item, image=file, location=str(file))
        digests.add(pack(Listed(items), tmp_path / f"cache {name}").digest)
    assert len(digests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"label": "glad"},
        {"id": "other"},
        {"part": "test"},
        {"image": picture(99)},
        {"valence": 0.0},
        {"votes": (1.0, 0.0)},
        {"subject": "x"},
        {"clip": "x"},
        {"frame": 0},
        {"source": "x"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_digest_covers_every_fact(tmp_path: Path, change: dict[str, Any]) -> None:
    items = good()
    items[2] = replace(items[2], **change)
    assert pack(Listed(good()), tmp_path / "a").digest != pack(Listed(items), tmp_path / "b").digest


def test_digest_covers_class_names(tmp_path: Path) -> None:
    renamed = [replace(item, label="serene" if item.label == "calm" else "glad") for item in good()]
    one = pack(Listed(good()), tmp_path / "a").digest
    assert one != pack(Listed(renamed, class_names=("serene", "glad")), tmp_path / "b").digest


# The cache


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


# Damage


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
    with caplog.at_level(logging.WARNING, "ferbench.data.pack"):
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


# Faults


def test_undecodable_image(tmp_path: Path) -> None:
    file = tmp_path / "broken.jpg"
    file.write_bytes(b"no image")
    items = good()
    items[3] = replace(items[3], image=file, location=str(file))
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path / "cache")
    assert caught.value.faults == (Fault(str(file), None, "not a readable JPEG, PNG, BMP, WebP or TIFF image"),)


def test_fault_in_a_table_names_file_and_row(tmp_path: Path) -> None:
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(with_image(PixelText("1 2 3", 6, 6))), tmp_path)
    assert caught.value.faults == (Fault("table.csv", 5, "short pixel row: 3 of 36 values"),)
    assert "table.csv, row 5: short pixel row" in caught.value.message
    assert "--skip-faulty" in caught.value.remedy


def test_non_numeric_value(tmp_path: Path) -> None:
    assert reasons(with_image(PixelText("x" + " 1" * 35, 6, 6)), tmp_path) == ["non-numeric value 'x'"]


def test_shape_unlike_the_native_one(tmp_path: Path) -> None:
    found = reasons(with_image(picture(1, 7, 6)), tmp_path, native_size=(6, 6))
    assert found == ["wrong shape 7×6, expected 6×6"]


def test_shape_unlike_the_first_image(tmp_path: Path) -> None:
    assert reasons(with_image(picture(1, 6, 5)), tmp_path) == ["wrong shape 6×5, expected 6×6"]


def test_unknown_label(tmp_path: Path) -> None:
    items = good()
    items[3] = replace(items[3], label="sly")
    assert reasons(items, tmp_path) == ["unknown label 'sly'"]


def test_duplicate_id_names_both_places(tmp_path: Path) -> None:
    items = good()
    items[6] = replace(items[6], id="s1")
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path)
    assert caught.value.faults == (Fault("table.csv", 8, "duplicate id 's1', which table.csv, row 3 has"),)


def test_fault_from_the_dataset(tmp_path: Path) -> None:
    items = [*good(), Fault("table.csv", 10, "unknown Usage 'Secret'")]
    assert reasons(items, tmp_path) == ["unknown Usage 'Secret'"]


def test_class_without_any_image(tmp_path: Path) -> None:
    found = reasons(good(), tmp_path, class_names=("calm", "glad", "sly"))
    assert found == ["class 'sly' has no image in any part"]


def test_class_that_loses_its_only_images_in_a_part(tmp_path: Path) -> None:
    items = [
        replace(item, image=b"broken") if (item.part, item.label) == ("train", "glad") else item
        for item in good()
        if isinstance(item, Sample)
    ]
    assert reasons(items, tmp_path)[-1] == "class 'glad' has no usable image in part 'train'"


def test_part_that_loses_all_its_images(tmp_path: Path) -> None:
    items = [replace(item, image=b"broken") if item.part == "test" else item for item in good()]
    assert reasons(items, tmp_path)[-1] == "no usable image in part 'test'"


def test_dataset_without_samples(tmp_path: Path) -> None:
    with pytest.raises(ferbench.UserError, match="no usable image"):
        pack(Listed([]), tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": ""}, "id is not a text of 1 to 512 characters"),
        ({"id": "a\0b"}, "id is not a text of 1 to 512 characters"),
        ({"id": "\udc80"}, "id is not valid Unicode"),
        ({"part": ""}, "part is not a text of 1 to 512 characters"),
        ({"valence": 1.5}, "valence 1.5 outside -1..1"),
        ({"arousal": float("nan")}, "arousal nan outside -1..1"),
        ({"votes": (1.0,)}, "1 votes for 2 classes"),
        ({"votes": (1.0, -1.0)}, "votes that are negative, infinite or all zero"),
        ({"votes": (0.0, 0.0)}, "votes that are negative, infinite or all zero"),
        ({"frame": -1}, "frame -1 outside 0..2147483647"),
    ],
)
def test_facts_out_of_range(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    items = good()
    items[3] = replace(items[3], **change)
    assert reasons(items, tmp_path) == [reason]


def test_all_faults_are_listed_and_the_first_few_named(tmp_path: Path) -> None:
    items = [replace(item, image=b"x") if index > 1 else item for index, item in enumerate(good(8))]
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path)
    assert sum("readable" in fault.reason for fault in caught.value.faults) == 6
    assert "row 4" in caught.value.message
    assert "row 9" not in caught.value.message
    assert "\n" not in caught.value.message


def test_fault_in_a_file_with_an_awkward_name_is_one_line_of_text(tmp_path: Path) -> None:
    items = good()
    items[3] = replace(items[3], image=b"x", location="a\nb\udcff.jpg")
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path)
    assert caught.value.faults[0].file == "a\\nb\\udcff.jpg"


def test_skipping_keeps_the_rest_and_records_the_faults(tmp_path: Path) -> None:
    items = good(300)
    items[3] = replace(items[3], image=b"x")
    items[200] = replace(items[200], id="s7")
    items[299] = Fault("table.csv", 301, "unknown Usage")
    found = pack(Listed(items), tmp_path, skip_faulty=True)
    left = [item for index, item in enumerate(items) if index not in (3, 200, 299)]
    assert found.ids.tolist() == [item.id for item in left if isinstance(item, Sample)]
    assert found.skipped == 3
    assert [fault.row for fault in found.faults] == [5, 301, 202]
    for index, item in enumerate(left):
        assert isinstance(item, Sample)
        np.testing.assert_array_equal(found.images[index, 0], item.image)
    assert found.damaged_rows() == []
    assert open_pack(found.path).skipped == 3
    assert pack(Listed(items), tmp_path, skip_faulty=True).faults == found.faults


def test_skipped_samples_do_not_change_what_the_pack_is(tmp_path: Path) -> None:
    clean = pack(Listed(good()), tmp_path)
    faulty = pack(Listed([*good(), Fault("f", 1, "bad")], stamp="faulty"), tmp_path, skip_faulty=True)
    assert faulty.digest == clean.digest
    assert (clean.skipped, faulty.skipped) == (0, 1)
    assert pack(Listed(good()), tmp_path).skipped == 0
    assert pack(Listed([], stamp="faulty"), tmp_path, skip_faulty=True).skipped == 1


def test_skipping_everything_is_refused(tmp_path: Path) -> None:
    items = [replace(item, image=b"x") for item in good()]
    with pytest.raises(FaultyDataset, match="no usable image"):
        pack(Listed(items), tmp_path, skip_faulty=True)
    assert not list((tmp_path / "packs").iterdir())


def test_refusal_without_skipping_does_not_stand_in_the_way_of_skipping(tmp_path: Path) -> None:
    with pytest.raises(FaultyDataset):
        pack(Listed(with_image(b"x")), tmp_path)
    assert pack(Listed(with_image(b"x")), tmp_path, skip_faulty=True).skipped == 1


def test_what_is_known_of_samples_goes_with_their_predictions():
    pack = make_pack({"train": {"a": 2}, "test": {"a": 3, "b": 2}}, classes=("a", "b"), clips=2)
    facts = pack.facts(np.array([6, 0, 2]))
    assert facts["part"].tolist() == ["test", "train", "test"]
    assert facts["clip"].tolist() == ["test-b-clip0", "train-a-clip0", "test-a-clip0"]
    assert set(facts) == {"part", "clip"}
