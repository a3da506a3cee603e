"""Tested samples held against those that a run has seen."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.runs.directory import RunDirectory
from ferbench.runs.learnt import Overlap, Samples, overlap, read_samples, write_samples


def samples(**pixels: int) -> Samples:
    hashes = np.array([[value] * 16 for value in pixels.values()], dtype=np.uint8)
    return Samples(np.array([key.replace("__", ":") for key in pixels]), hashes)


@pytest.mark.parametrize(
    ("tested", "found"),
    [
        (samples(a=9, b=9), Overlap(0, 0)),
        (samples(a=1, b=9), Overlap(1, 1)),
        (samples(other=1, b=9), Overlap(0, 1)),
        (samples(raf__a=1), Overlap(1, 1)),
        (samples(c=3), Overlap(1, 1)),
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


@pytest.mark.parametrize("content", [None, b"", b"PK no archive"])
def test_a_run_that_does_not_say_what_it_learnt_is_not_known(tmp_path, content):
    if content is not None:
        (tmp_path / "samples.npz").write_bytes(content)
    assert read_samples(RunDirectory(tmp_path)) is None
