"""Parts that were processed differently, on rendered faces of which some were changed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps

from ferbench import Dataset, Sample
from ferbench.audit.reference.unlike_parts import cliffs_delta, unlike_parts
from ferbench.data.pack import Pack
from ferbench.data.pack_cache import pack_dataset
from ferbench.records.reference import unlike_line
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces


class Parts(Dataset):
    class_names = ("face",)

    def __init__(self, images: list[tuple[str, np.ndarray]], channels: int) -> None:
        self._images, self.channels = images, channels

    def source(self):
        return {}

    def samples(self):
        for number, (part, image) in enumerate(self._images):
            yield Sample(str(number), part, "face", image)


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> list[Image.Image]:
    pack = pack_dataset(
        synthetic_faces(None, size=48, train=210, test=70), name="s", cache=tmp_path_factory.mktemp("c")
    )
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 5, (len(pack), 48, 48))
    return [Image.fromarray(np.clip(face[0] + noise, 0, 255).astype(np.uint8)) for face, noise in
            zip(np.asarray(pack.images[:]), grain, strict=True)]  # fmt: skip


def packed(faces, tmp_path: Path, change=None, *, channels: int = 1, tested: int = 70) -> Pack:
    """The first faces are for training, the last ``tested`` for the test; ``change`` is done to those for training."""
    made = []
    for number, face in enumerate(faces):
        training = number < len(faces) - tested
        shown = face if channels == 1 else face.convert("RGB")
        made.append(("train" if training else "test", np.asarray(change(shown) if training and change else shown)))
    return pack_dataset(Parts(made, channels), name="parts", cache=tmp_path)


def jpeg(face: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    face.save(buffer, "JPEG", quality=10)
    return Image.open(buffer)


def warm(face: Image.Image) -> Image.Image:
    red, green, blue = face.split()
    return Image.merge("RGB", (red, green, blue.point(lambda level: level // 2)))


def test_parts_that_were_cut_from_one_source_are_alike(faces, tmp_path):
    assert unlike_parts(packed(faces, tmp_path)) == []
    assert unlike_line([]) == ""


@pytest.mark.parametrize(
    ("change", "measure", "more_in_test"),
    [
        (lambda face: face.filter(ImageFilter.GaussianBlur(1)), "sharpness", True),
        (ImageOps.equalize, "evenness of gray levels", False),
        (lambda face: face.point(lambda level: min(255, level + 60)), "brightness", False),
        (lambda face: face.point(lambda level: 64 + level // 2), "contrast", True),
        (jpeg, "JPEG blocks", False),
    ],
    ids=["blurred", "equalised", "brighter", "flatter", "compressed"],
)
def test_what_was_done_to_one_part_is_said(faces, tmp_path, change, measure, more_in_test):
    found = {unlike.measure: unlike for unlike in unlike_parts(packed(faces, tmp_path, change))}
    assert (found[measure].part, found[measure].other) == ("test", "train")
    assert (found[measure].difference > 0.33) if more_in_test else (found[measure].difference < -0.33)
    assert f"{measure}: {'more' if more_in_test else 'less'} in test than in train for" in unlike_line(
        [*found.values()]
    )


def test_colours_of_one_part_are_said(faces, tmp_path):
    found = unlike_parts(packed(faces, tmp_path, warm, channels=3))
    assert [unlike.measure for unlike in found if unlike.difference < -0.9] == ["colour"]


def test_a_part_of_few_images_says_nothing(faces, tmp_path):
    assert unlike_parts(packed(faces, tmp_path, ImageOps.equalize, tested=29)) == []


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_the_effect_size_is_what_all_pairs_give(one, other):
    expected = np.mean([np.sign(a - b) for a in one for b in other])
    assert cliffs_delta(one, other) == pytest.approx(expected)


def stored(faces, tmp_path: Path, form: str, *, quality: int = 90, size: int = 48) -> list[tuple[str, Path]]:
    """Files of faces in folders, those for training written in another way than those for the test."""
    made = []
    for number, face in enumerate(faces):
        part = "train" if number < len(faces) - 70 else "test"
        shown, suffix, options = face, "jpg", {"quality": 90}
        if part == "train":
            shown, suffix, options = face.resize((size, size)), form, {"quality": quality} if form == "jpg" else {}
        path = tmp_path / part / f"{number}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        shown.save(path, **options)
        made.append((part, path))
    return made


class Files(Parts):
    stored_size = (48, 48)


@pytest.mark.parametrize(
    ("written", "measure", "words"),
    [
        ({"form": "png"}, "JPEG files", "JPEG files: 100% of test and 0% of train"),
        ({"form": "jpg", "quality": 40}, "JPEG quality", "for 100 of 100 pairs of images (median 90 and 40)"),
        ({"form": "jpg", "size": 96}, "native size", "less in test than in train for 100 of 100 pairs"),
    ],
)
def test_files_of_one_part_that_were_written_in_another_way_are_said(faces, tmp_path, written, measure, words):
    pack = pack_dataset(Files(stored(faces, tmp_path, **written), 1), name="files", cache=tmp_path / "cache")
    found = {unlike.measure: unlike for unlike in unlike_parts(pack)}
    assert abs(found[measure].difference) == 1
    assert words in found[measure].line


def test_files_that_were_written_alike_are_not_spoken_of(faces, tmp_path):
    assert unlike_parts(pack_dataset(Files(stored(faces, tmp_path, "jpg"), 1), name="files", cache=tmp_path)) == []
