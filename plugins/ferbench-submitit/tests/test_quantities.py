"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.errors import UserError
from ferbench_submitit.quantities import gigabytes, minutes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("90", 90),
        ("4h", 240),
        ("1h30m", 90),
        ("30s", 0.5),
        ("2d", 2880),
        ("1.5h", 90),
        ("90:30", 90.5),  # sbatch: minutes:seconds
        ("04:00:00", 240),
        ("1-12", 2160),  # sbatch: days-hours
        ("1-12:30", 2190),
        ("1-12:30:30", 2190.5),
    ],
)
def test_a_duration_in_minutes(text, found):
    assert minutes(text) == found


@given(st.integers(0, 9), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_the_clock_and_the_letters_agree(days, hours, mins, secs):
    total = days * 1440 + hours * 60 + mins + secs / 60
    clock, letters = f"{days}-{hours}:{mins}:{secs}", f"{days}d{hours}h{mins}m{secs}s"
    if total:
        assert minutes(clock) == pytest.approx(minutes(letters)) == pytest.approx(total)
    else:
        with pytest.raises(UserError):
            minutes(clock)


@pytest.mark.parametrize("text", ["", "0", "soon", "4 hours", "-3", "1:2:3:4", "h", "1x"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UserError, match="is no duration"):
        minutes(text)


@pytest.mark.parametrize(("text", "found"), [("16", 16), ("16G", 16), ("512M", 0.5), ("1T", 1024), ("1.5gb", 1.5)])
def test_a_size_in_gigabytes(text, found):
    assert gigabytes(text) == found


@pytest.mark.parametrize("text", ["", "0", "much", "-1G", "3K"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UserError, match="is no size"):
        gigabytes(text)
