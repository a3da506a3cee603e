"""Pictures without their colours."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ferbench.data.decode import decode
from ferbench.data.digests import stored_digest
from ferbench.data.fit import StoredForm
from ferbench.data.gray import gray_hashes, luma
from ferbench.data.images import pixel_hash
from ferbench.data.pack import GRAY_FILE, open_pack
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.sample import Dataset, Sample


def colours(seed: int, size: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def test_luma_is_what_decoding_to_gray_gives_for_every_value():
    every = np.random.default_rng(0).integers(0, 256, (500, 500, 3), dtype=np.uint8)
    assert np.array_equal(luma(decode(every, 3)), decode(every, 1))
    red, green, blue = every.transpose(2, 0, 1).astype(np.int64)  # ITU-R 601-2, in 16 bits behind the point
    assert np.array_equal(luma(decode(every, 3))[0], (red * 19595 + green * 38470 + blue * 7471 + 32768) // 65536)


def test_three_equal_planes_are_the_gray_image():
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(luma(decode(gray, 3)), decode(gray, 1))
    assert np.array_equal(luma(decode(gray, 1)), decode(gray, 1))


class Faces(Dataset):
    """Four colour images of two classes, resampled or not."""

    class_names = ("happy", "sad")

    def __init__(self, channels: int, stored: int | None) -> None:
        self.channels, self.stored_size = channels, None if stored is None else (stored, stored)

    def source(self):
        return {"channels": self.channels, "stored": self.stored_size}

    def samples(self):
        for i in range(4):
            yield Sample(id=f"{i}", image=colours(i), label=self.class_names[i % 2], part="train")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stored", [None, 12, 8])
def test_packs_know_what_their_native_images_are_in_gray(tmp_path, channels, stored):
    pack = pack_dataset(Faces(channels, stored), name="faces", cache=tmp_path)
    wanted = [pixel_hash(decode(colours(i), 1)) for i in (3, 0)]
    assert [row.tobytes() for row in gray_hashes(pack, np.array([3, 0]))] == wanted


def test_a_pack_of_an_older_release_does_not_know_and_learns_it_when_it_is_made_again(tmp_path):
    path = pack_dataset(Faces(3, 8), name="faces", cache=tmp_path).path
    (path / GRAY_FILE).unlink()
    description = json.loads((path / "pack.json").read_bytes())
    del description["gray"]
    (path / "pack.json").write_text(json.dumps(description))
    pack = open_pack(path)
    assert not gray_hashes(pack, np.arange(4)).any()
    for path in (tmp_path / "sources").iterdir():
        path.unlink()
    again = pack_dataset(Faces(3, 8), name="faces", cache=tmp_path)
    assert (again.path, again.digest) == (pack.path, pack.digest)
    assert gray_hashes(again, np.arange(4)).any(axis=1).all()


@pytest.mark.parametrize(("own", "other"), [(1, 3), (3, 1)])
@pytest.mark.parametrize("size", [None, (12, 12), (6, 6)])
def test_a_pack_in_other_colours_than_the_datasets_is_of_the_same_pictures(tmp_path, own, other, size):
    as_asked = pack_dataset(Faces(own, None), name="faces", cache=tmp_path)
    made = pack_dataset(Faces(own, None), name="faces", cache=tmp_path, form=StoredForm(other, size))
    rows = np.arange(len(made))
    assert made.images.shape[1] == other
    assert made.pixel_hashes.tolist() == as_asked.pixel_hashes.tolist()
    assert gray_hashes(made, rows).tolist() == gray_hashes(as_asked, rows).tolist()
    assert made.damaged_rows() == []
    assert stored_digest(made, rows) is not None  # evaluations of the two are told apart
