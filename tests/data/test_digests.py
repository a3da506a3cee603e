"""What is said of pixels that were resampled for the pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listed import CLASSES, Listed, pack, picture

from ferbench import Sample
from ferbench.data.digests import stored_digest
from ferbench.data.fit import StoredForm
from ferbench.data.pack import Pack
from ferbench.data.sample import Fit

WIDE, SQUARE = (6, 12), (6, 6)


def packed(tmp_path: Path, shapes: list[tuple[int, int]], size: int | None, fit: Fit = "stretch", **facts: Any) -> Pack:
    samples = [Sample(f"s{i}", "train", CLASSES[i % 2], picture(i, *shape)) for i, shape in enumerate(shapes)]
    dataset = Listed(list(samples), stored_size=None if size is None else (size, size), stamp=f"{size} {fit} {facts}")
    dataset.fit = fit
    for name, value in facts.items():
        setattr(dataset, name, value)
    return pack(dataset, tmp_path)


def digest(pack: Pack, *rows: int) -> str | None:
    return stored_digest(pack, np.array(rows or range(len(pack)), dtype=np.int64))


@pytest.mark.parametrize("size", [None, 6])
def test_images_that_are_stored_as_they_are_say_it_by_their_native_pixels(tmp_path, size):
    made = packed(tmp_path, [SQUARE] * 4, size)
    assert digest(made) is None


def test_each_size_and_each_fit_has_its_digest(tmp_path):
    made = {digest(packed(tmp_path, [WIDE] * 4, *asked)) for asked in [(4, "stretch"), (4, "crop"), (4, "pad"), (5,)]}
    assert None not in made
    assert len(made) == 4


def test_fits_that_give_the_same_pixels_share_a_digest(tmp_path):
    assert digest(packed(tmp_path, [SQUARE] * 4, 4, "crop")) == digest(packed(tmp_path, [SQUARE] * 4, 4, "stretch"))


def test_only_the_rows_in_question_count(tmp_path):
    made = packed(tmp_path, [SQUARE, SQUARE, WIDE, WIDE], 6)
    assert digest(made, 0, 1) is None
    assert digest(made, 2, 3) is not None


def test_a_size_that_follows_from_images_among_the_rows_needs_no_digest(tmp_path):
    made = packed(tmp_path, [SQUARE, SQUARE, WIDE, WIDE], 6, size_follows=True)
    assert digest(made) is None
    assert digest(made, 2, 3) is not None  # of which none has that size


def test_a_pack_knows_its_form_when_it_is_opened_again(tmp_path):
    for _ in range(2):
        assert packed(tmp_path, [WIDE] * 4, 4, "crop").form == StoredForm(1, (4, 4), "crop")
