"""What files of images are like, by their headers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ferbench.data.file_facts import FileFacts, FileSample, jpeg_quality, listed
from ferbench.data.pack_table import Row
from ferbench.data.sample import Crop, Sample

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))


def encoded(form: str, **options) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 90, 95, 99, 100])
def test_the_quality_that_pillow_was_asked_for_is_found_again(quality):
    with Image.open(io.BytesIO(encoded("JPEG", quality=quality))) as image:
        assert jpeg_quality(image.quantization[0]) == quality


def row(name, image, part="train"):
    return Row(Sample(name, part, "face", image), None, (20, 30))


def test_files_bytes_crops_and_arrays_are_told_apart(tmp_path):
    path = tmp_path / "face.png"
    path.write_bytes(encoded("PNG"))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
    files = FileSample()
    images = (path, Crop(path, 0, 0, 5, 5), encoded("JPEG", quality=80), np.zeros((20, 30), np.uint8))
    for number, image in enumerate((*images, tmp_path / "broken.jpg", tmp_path / "gone.jpg")):
        files.add(row(str(number), image))
    assert files.counts() == {"train": {"PNG,0,20,30": 2, "JPEG,80,20,30": 1, ",0,20,30": 3}}
    assert listed({"JPEG,80,20,30": 2}) == [FileFacts("JPEG", 80, 20, 30)] * 2


def test_the_same_files_are_looked_at_in_whatever_order_and_no_others(monkeypatch):
    monkeypatch.setattr("ferbench.data.file_facts._LOOKED_AT", 20)
    given = {f"{k}": encoded("JPEG", quality=30 + k % 60) for k in range(300)}
    one, other, asked = FileSample(), FileSample(), []
    monkeypatch.setattr(
        "ferbench.data.file_facts.Image.open", lambda *a, own=Image.open, **k: asked.append(1) or own(*a, **k)
    )
    for name, image in given.items():
        one.add(row(name, image))
    assert len(asked) < 120  # 20 · (1 + ln 15) are expected
    for name, image in reversed(given.items()):
        other.add(row(name, image))
    assert one.counts() == other.counts()
    assert sum(one.counts()["train"].values()) == 20
