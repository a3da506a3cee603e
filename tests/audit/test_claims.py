"""A single accuracy is a whole number of images, or it is said that it is none."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.audit.claims import of_images
from ferbench.audit.printed import Printed


def hundredths(percent: str) -> Printed:
    return Printed(Fraction(percent) / 100, Fraction(1, 10**4))


@pytest.mark.parametrize(
    ("percent", "images", "said"),
    [
        # 2,630 / 3,589 = 73.2795 %.
        ("73.28", 3589, "it is 2,630 of 3,589 images"),
        # 2,864 / 3,589 = 79.7994 %.
        ("79.79", 3589, "it is 2,864 of 3,589 images with digits cut off, and no number of them when rounded"),
        ("94.76", 3068, "it is no whole number of 3,068 images: 2,907 are 94.75 % and 2,908 are 94.78 %"),
        ("50.00", 100_000, ""),
    ],
)
def test_an_accuracy_at_a_number_of_images(percent, images, said):
    assert of_images(hundredths(percent), "any", images) == said


def test_without_a_number_the_usual_test_sets_are_tried():
    said = of_images(hundredths("74.14"), "FER2013", None)
    assert said == "it is 2,661 of 3,589 images (PrivateTest or PublicTest); it is 5,322 of 7,178 images (both)"
    assert of_images(hundredths("74.14"), "another", None) == ""


@given(st.integers(1, 9000), st.data())
def test_a_true_accuracy_is_never_called_impossible(images, data):
    right = data.draw(st.integers(0, images))
    assert "no whole number" not in of_images(hundredths(f"{100 * right / images:.2f}"), "any", images)
