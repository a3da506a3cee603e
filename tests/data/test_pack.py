"""The pack: what is stored, and what its digest covers."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listed import CLASSES, Listed, good, pack, picture, reasons
from made_packs import make_pack
from PIL import Image

from ferbench import Sample
from ferbench.data.pack import open_pack
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset


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
    for array in (found.labels, found.ids):
        assert not array.flags.writeable
    with pytest.raises(TypeError):
        found.images[0] = 0  # type: ignore[index]
    found.images[0][:] = 0  # what is given out is a copy
    np.testing.assert_array_equal(found.images[0, 0], picture(0))


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


def test_what_is_known_of_samples_goes_with_their_predictions():
    pack = make_pack({"train": {"a": 2}, "test": {"a": 3, "b": 2}}, classes=("a", "b"), clips=2)
    facts = pack.facts(np.array([6, 0, 2]))
    assert facts["part"].tolist() == ["test", "train", "test"]
    assert facts["clip"].tolist() == ["test-b-clip0", "train-a-clip0", "test-a-clip0"]
    assert set(facts) == {"part", "clip"}


def test_a_dataset_may_fill_one_array_and_one_list_again_and_again(tmp_path: Path) -> None:
    class Reusing(Listed):
        def samples(self):
            pixels, votes = np.zeros((4, 4), np.uint8), [0.0, 0.0]
            for number in range(40):
                pixels[:] = number
                votes[:] = [1.0, float(number)]
                yield Sample(str(number), "train", CLASSES[number % 2], pixels, votes=votes)  # type: ignore[arg-type]

    packed = pack_dataset(Reusing([]), name="reusing", cache=tmp_path)
    assert packed.images[:, 0, 0, 0].tolist() == list(range(40))
    assert packed.votes is not None
    share = packed.votes[:, 1] / packed.votes.sum(axis=1)
    np.testing.assert_allclose(share, np.arange(40) / (1 + np.arange(40)), rtol=1e-6)


VOTED = {"cast_votes": (4.0, 5.0, 1.0)}


def voted(items: list, names: tuple[str, ...] = ("calm", "glad", "unknown"), *, drawn: bool = False) -> Listed:
    dataset = Listed(items)
    dataset.vote_names, dataset.draws_labels = names, drawn
    return dataset


def test_votes_as_they_were_cast_are_kept_beside_those_that_are_learnt(tmp_path: Path) -> None:
    items = good(4)
    items[1] = replace(items[1], votes=(1.0, 0.0), **VOTED)
    found = open_pack(pack(voted(items), tmp_path).path)
    assert found.vote_names == ("calm", "glad", "unknown")
    assert found.cast_votes is not None
    assert found.cast_votes[1].tolist() == [4, 5, 1]
    assert np.isnan(found.cast_votes).all(axis=1).tolist() == [True, False, True, True]
    assert found.votes[1].tolist() == [1, 0]


def test_the_digest_covers_what_could_be_voted_for_and_whether_labels_are_drawn(tmp_path: Path) -> None:
    items = [replace(item, **VOTED) for item in good()]
    made = [voted(items), voted(items, ("calm", "glad", "none")), voted(items, drawn=True)]
    digests = {pack(dataset, tmp_path / str(place)).digest for place, dataset in enumerate(made)}
    assert len(digests) == 3
    assert pack(voted(good()), tmp_path / "plain").digest == pack(Listed(good()), tmp_path / "other").digest


@pytest.mark.parametrize(("cast", "reason"), [((1.0, 2.0), "2 votes for 3 vote_names"), ((0.0, 0.0, 0.0), "all zero")])
def test_cast_votes_that_cannot_be_are_faults(tmp_path: Path, cast: tuple[float, ...], reason: str) -> None:
    items = good()
    items[0] = replace(items[0], cast_votes=cast)
    with pytest.raises(FaultyDataset, match=reason):
        pack(voted(items), tmp_path)
