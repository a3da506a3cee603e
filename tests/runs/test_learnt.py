"""Tested samples held against those that a run has seen."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.records.evaluation import Overlap
from ferbench.runs.directory import RunDirectory
from ferbench.runs.learnt import Samples, inherited, overlap, read_samples, seen, write_samples


def samples(**pixels: int) -> Samples:
    hashes = np.array([[value] * 16 for value in pixels.values()], dtype=np.uint8)
    return Samples(np.array([key.replace("__", ":") for key in pixels]), hashes, hashes)


@pytest.mark.parametrize(
    ("tested", "found"),
    [
        (samples(a=9, b=9), Overlap(same=0, copies=0)),
        (samples(a=1, b=9), Overlap(same=1, copies=1)),
        (samples(other=1, b=9), Overlap(same=0, copies=1)),
        (samples(raf__a=1), Overlap(same=1, copies=1)),
        (samples(c=3), Overlap(same=1, copies=1)),
    ],
)
def test_same_samples_and_mere_copies_are_told_apart(tested, found):
    assert overlap(tested, samples(a=1, b=2, raf__c=3)) == found


def test_what_was_learnt_is_read_as_it_was_written(tmp_path):
    directory = RunDirectory(tmp_path)
    write_samples(directory, {"train": samples(a=1, b=2), "validation": samples(c=3)})
    read = read_samples(directory)
    assert read["train"].ids.tolist() == ["a", "b"]
    assert read["validation"].pixel_hashes.tolist() == [[3] * 16]


def in_colour(colour: int, gray: int) -> Samples:
    """One colour image; 0: what it is in gray is not known."""
    return Samples(np.array(["x"]), np.full((1, 16), colour, np.uint8), np.full((1, 16), gray, np.uint8))


def learnt(one: Samples) -> dict[str, Samples]:
    return {"train": one, "validation": Samples(one.ids[:0], one.pixel_hashes[:0], one.gray_hashes[:0])}


@pytest.mark.parametrize(
    ("trained", "tested", "contaminated"),
    [
        (samples(a=1), in_colour(7, 1), True),
        (in_colour(7, 1), samples(a=1), True),
        (in_colour(7, 1), in_colour(8, 1), True),
        (in_colour(7, 1), in_colour(8, 2), False),
        (samples(a=1), in_colour(1, 0), True),
        (in_colour(7, 0), in_colour(7, 1), True),
        (in_colour(7, 0), in_colour(8, 1), False),
        (in_colour(7, 0), samples(a=1), None),
        (samples(a=1), in_colour(7, 0), None),
    ],
)
def test_a_picture_is_known_again_in_gray_and_in_colour_and_it_is_said_where_that_cannot_be_told(
    trained, tested, contaminated
):
    assert seen(learnt(trained), tested, home=False).contaminated is contaminated


def test_what_images_are_in_gray_is_read_as_it_was_written_and_not_known_of_older_records(tmp_path):
    directory = RunDirectory(tmp_path)
    write_samples(directory, learnt(in_colour(7, 1)))
    assert read_samples(directory)["train"].gray_hashes.tolist() == [[1] * 16]
    write_samples(directory, learnt(samples(a=3, b=4)))
    assert read_samples(directory)["train"].gray_hashes.tolist() == [[3] * 16, [4] * 16]
    with np.load(tmp_path / "samples.npz") as arrays:
        older = {name: array for name, array in arrays.items() if not name.endswith("_gray")}
    np.savez(tmp_path / "samples.npz", **older)
    assert not read_samples(directory)["train"].says_gray


def test_what_is_inherited_keeps_what_it_is_in_gray():
    found = inherited(learnt(in_colour(7, 1)), learnt(in_colour(8, 2)), same_protocol=True)
    assert found["train"].gray_hashes.tolist() == [[1] * 16, [2] * 16]


@pytest.mark.parametrize("content", [None, b"", b"PK no archive"])
def test_a_run_that_does_not_say_what_it_learnt_is_not_known(tmp_path, content):
    if content is not None:
        (tmp_path / "samples.npz").write_bytes(content)
    assert read_samples(RunDirectory(tmp_path)) is None
