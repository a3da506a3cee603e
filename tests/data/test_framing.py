"""Whether pictures are like training crops."""

from __future__ import annotations

import pytest

from ferbench.data.framing import Framing


@pytest.mark.parametrize(
    ("width", "height", "resampled", "said"),
    [
        (48, 48, False, ""),
        (300, 280, False, ""),
        (1600, 1066, False, "much wider"),
        (1600, 1066, True, "much wider"),
        (640, 426, True, "much wider"),
        (562, 762, True, ""),
        (562, 762, False, "much taller"),
        (20, 20, False, "less than half as large"),
        (500, 500, False, ""),
        (2000, 2000, False, "more than a face"),
    ],
)
def test_pictures_that_are_unlike_the_training_images_are_named(width, height, resampled, said):
    framing = Framing((48, 48), resampled)
    framing.look("a.png", 48, 48)
    framing.look("b.png", height, width)
    lines = framing.warnings
    if not said:
        assert lines == []
    else:
        (line,) = lines
        assert line.startswith("1 of 2 pictures are")
        assert said in line
        assert f"b.png ({width}×{height})" in line


def test_pictures_of_one_kind_are_counted_and_the_first_is_named():
    framing = Framing((96, 96), True)
    for number in range(5):
        framing.look(f"{number}.jpg", 100, 200)
    (line,) = framing.warnings
    assert line.startswith("5 of 5 pictures are much wider")
    assert "first 0.jpg (200×100)" in line
