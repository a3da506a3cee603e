"""Copies that were changed as augmentation changes them, among rendered faces."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from ferbench.audit.near_copies import LEAST_AGREEMENT, near_copies
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces

BASE, COPIED = 150, 20
BICUBIC = Image.Resampling.BICUBIC


def turned(degrees):
    return lambda face: face.rotate(degrees, BICUBIC)


def zoomed(factor):
    """About the centre; what comes in from outside is black."""

    def change(face):
        scale, edge = 1 / factor, (1 - 1 / factor) / 2 * face.width
        return face.transform(face.size, Image.Transform.AFFINE, (scale, 0, edge, 0, scale, edge), BICUBIC)

    return change


def shifted(right, down):
    return lambda face: face.transform(face.size, Image.Transform.AFFINE, (1, 0, -right, 0, 1, -down))


def cropped(face):
    return face.crop((4, 2, 45, 46)).resize(face.size, BICUBIC)


def compressed(face):
    buffer = io.BytesIO()
    face.save(buffer, "JPEG", quality=50)
    return Image.open(buffer)


CHANGES = {
    "mirrored": ImageOps.mirror,
    "turned by 5 degrees": turned(5),
    "turned by 15 degrees": turned(-15),
    "zoomed in": zoomed(1.1),
    "zoomed out": zoomed(0.9),
    "shifted": shifted(4, -3),
    "cropped": cropped,
    "brighter": lambda face: ImageEnhance.Brightness(face).enhance(1.4),
    "of less contrast": lambda face: ImageEnhance.Contrast(face).enhance(0.5),
    "equalised": ImageOps.equalize,
    "compressed": compressed,
    "mirrored and turned": lambda face: turned(8)(ImageOps.mirror(face)),
    "shifted and compressed": lambda face: compressed(shifted(-3, 2)(face)),
}


@pytest.fixture(scope="module")
def faces():
    """Each of another person."""
    made = synthetic_faces(None, size=48, train=BASE, test=7, images_per_subject=1)
    return np.stack([sample.image for sample in made.samples()][:BASE]).reshape(BASE, 1, 48, 48)


def with_copies(faces, change):
    copies = [np.asarray(change(Image.fromarray(face[0])))[None] for face in faces[:COPIED]]
    return np.concatenate([faces, np.stack(copies)])


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(faces, change):
    found = near_copies(with_copies(faces, CHANGES[change]), np.arange(BASE + COPIED))
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert sum((row, BASE + row) in pairs for row in range(COPIED)) >= 0.95 * COPIED
    assert (found.agreement >= LEAST_AGREEMENT).all()


def test_faces_of_different_people_are_no_copies(faces):
    assert len(near_copies(faces, np.arange(BASE))) == 0


def test_what_a_copy_was_made_by_is_known(faces):
    changed = with_copies(faces, lambda face: turned(10)(ImageOps.mirror(face)))
    found = near_copies(changed, np.arange(len(changed)))
    planted = found.second == found.first + BASE
    assert found.mirrored[planted].all()
    angle = np.rad2deg(np.arctan2(found.maps[planted, 1, 0], found.maps[planted, 0, 0]))
    assert np.abs(angle) == pytest.approx(10, abs=1.5)


def test_row_numbers_are_those_of_the_images(faces):
    changed = with_copies(faces, ImageOps.mirror)
    rows = np.array([3, 40, 41, 50, BASE + 3])
    found = near_copies(changed, rows)
    assert [(found.first.tolist(), found.second.tolist())] == [([3], [BASE + 3])]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_pair(faces, count):
    assert len(near_copies(faces, np.arange(count))) == 0


def test_colour_and_size_say_nothing(faces):
    """Images of one pack have one size; what was enlarged to it is known again in the next pack's size."""
    large = np.repeat(np.repeat(np.repeat(faces[:60], 2, axis=2), 2, axis=3), 3, axis=1)
    again = [
        np.asarray(shifted(2, 2)(Image.fromarray(face.transpose(1, 2, 0)))).transpose(2, 0, 1) for face in large[:20]
    ]
    found = near_copies(np.concatenate([large, np.stack(again)]), np.arange(80))
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == {(row, 60 + row) for row in range(20)}
