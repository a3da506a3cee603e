"""Frames come in order, with their times, and what cannot be seen is said."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sequences import level, write_folder, write_gif, write_video

from ferbench import UserError
from ferbench.data.decode import FORMAT_LIST
from ferbench.temporal.frames import Box, natural_key, open_frames

RISING = [0, 40, 80, 120, 160, 200, 240]


def grays(paths, **asked):
    """(index, seconds, mean gray) of each frame; the gray is None where there is a fault."""
    opened = open_frames([Path(one) for one in paths], **asked)
    return [
        (one.index, one.seconds, None if one.pixels is None else float(one.pixels.mean())) for one in opened.read(1)
    ]


def test_a_folder_is_read_by_the_numbers_in_its_names(tmp_path):
    folder = write_folder(tmp_path / "frames", [*RISING, *RISING])
    (folder / "notes.txt").write_text("no frame")
    found = grays([folder])
    assert [gray for _, _, gray in found] == [*RISING, *RISING]
    assert [index for index, _, _ in found] == list(range(14))
    assert {seconds for _, seconds, _ in found} == {None}


def test_images_are_taken_in_the_order_given(tmp_path):
    folder = write_folder(tmp_path / "frames", [10, 20, 30])
    files = [folder / f"frame{number}.png" for number in (3, 1, 2)]
    assert [gray for _, _, gray in grays(files)] == [30, 10, 20]


def test_times_of_images_come_from_fps_and_count_frames_that_are_passed_over(tmp_path):
    folder = write_folder(tmp_path / "frames", RISING)
    assert grays([folder], fps=4, every=3) == [(0, 0.0, 0), (3, 0.75, 120), (6, 1.5, 240)]


def test_an_animation_has_its_own_times(tmp_path):
    path = write_gif(tmp_path / "a.gif", [0, 100, 200], [500, 250, 1000])
    opened = open_frames([path])
    assert (opened.kind, opened.total) == ("animation", 3)
    found = list(opened.read(1))
    assert [one.seconds for one in found] == pytest.approx([0, 0.5, 0.75])
    assert [float(one.pixels.mean()) for one in found] == [0, 100, 200]
    assert [index for index, _, _ in grays([path], every=2)] == [0, 2]


def test_a_still_image_is_one_frame(tmp_path):
    for name in ("a.png", "a.jpg"):
        Image.fromarray(level(80)).save(tmp_path / name)
        (frame,) = grays([tmp_path / name])
        assert frame[2] == pytest.approx(80, abs=2)


def test_a_video_has_its_own_times(tmp_path):
    path = write_video(tmp_path / "a.mp4", RISING, fps=10)
    found = grays([path])
    assert [seconds for _, seconds, _ in found] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert [gray for _, _, gray in found] == pytest.approx(RISING, abs=4)
    assert [index for index, _, _ in grays([path], every=4)] == [0, 4]


@pytest.mark.parametrize(("rotation", "dark"), [(0, "top"), (180, "bottom"), (90, "left"), (-90, "right")])
def test_a_video_is_upright_as_players_show_it(tmp_path, rotation, dark):
    """The black upper half turns counterclockwise by what the file says."""
    path = write_video(tmp_path / "a.mp4", [200] * 3, rotation=rotation, half=True)
    frame = next(open_frames([path]).read(1)).pixels[0].astype(float)
    assert frame.shape == ((48, 64) if rotation in (0, 180) else (64, 48))
    height, width = frame.shape
    means = {
        "top": frame[: height // 2].mean(),
        "bottom": frame[height // 2 :].mean(),
        "left": frame[:, : width // 2].mean(),
        "right": frame[:, width // 2 :].mean(),
    }
    assert min(means, key=means.get) == dark
    assert means[dark] < 20


def test_a_video_that_breaks_off_ends_with_a_fault(tmp_path):
    path = write_video(tmp_path / "a.avi", RISING * 20)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found = grays([path])
    assert 0 < len(found) < 140


def test_frames_that_cannot_be_decoded_are_faults_in_their_place(tmp_path):
    folder = write_folder(tmp_path / "frames", [10, 20, 30])
    (folder / "frame2.png").write_bytes(b"nothing")
    frames = list(open_frames([folder]).read(1))
    assert [one.pixels is None for one in frames] == [False, True, False]
    assert frames[1].fault == f"not a readable {FORMAT_LIST} image"
    assert frames[2].index == 2


def test_a_box_is_the_same_part_of_each_frame(tmp_path):
    pixels = level(0)
    pixels[4:14, 8:28] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[:10]).save(tmp_path / "b.png")
    opened = open_frames([tmp_path / "a.png", tmp_path / "b.png"], box=Box.parse("8,4,20,10"))
    inside, outside = opened.read(3)
    assert inside.pixels.shape == (3, 10, 20)
    assert inside.pixels.min() == 200
    assert outside.pixels is None
    assert outside.fault == "the box leaves the frame, which has 32×10 pixels"


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "-1,2,3,4", "1,2,0,4", "1,2,3,0", "a,b,c,d", "1.5,2,3,4", "٣,1,1,1"]
)
def test_what_is_no_box_is_said(text):
    with pytest.raises(UserError, match="is no part of a frame"):
        Box.parse(text)


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=20))
def test_numbers_in_names_are_ordered_by_value(numbers):
    names = [f"clip_{number}_face.png" for number in numbers]
    assert sorted(names, key=natural_key) == [f"clip_{number}_face.png" for number in sorted(numbers)]


@given(st.lists(st.text(max_size=8), max_size=12))
def test_any_names_have_one_order(names):
    backwards = names[::-1]
    assert sorted(backwards, key=natural_key) == sorted(names, key=natural_key)


def test_what_cannot_be_a_sequence_is_refused(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "frames", [1])
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.mp4").write_bytes(b"\x00" * 400)
    (tmp_path / "gif").mkdir()
    gif = write_gif(tmp_path / "gif" / "a.gif", [0, 100], [100, 100])
    cases = {
        (tmp_path / "missing",): "there is no file",
        (tmp_path / "empty",): "there is no image in",
        (tmp_path,): "there is no image in",
        (folder, gif): "is a folder beside other frames",
        (tmp_path / "nothing.mp4",): "is neither an image nor a video that can be read",
    }
    for paths, said in cases.items():
        with pytest.raises(UserError) as caught:
            list(open_frames(paths).read(1))
        assert said in caught.value.message
    with pytest.raises(UserError) as caught:
        open_frames([gif], fps=25)
    assert caught.value.message == "a.gif has times of its own"
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError) as caught:
        open_frames([tmp_path / "nothing.mp4"])
    assert "PyAV, which is not installed" in caught.value.message
    assert "pip install 'ferbench[video]'" in caught.value.remedy


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="neither a folder nor a regular file"):
        open_frames([tmp_path / "pipe"])


@pytest.mark.parametrize("name", ["a.gif", "a.mp4", "a.webp"])
def test_damaged_files_are_faults_or_refusals(tmp_path, name):
    """Wherever a byte is changed or the file ends, it is frames, a fault or two plain lines."""
    path = tmp_path / name
    if name == "a.mp4":
        write_video(path, RISING)
    else:
        write_gif(path, RISING, [100] * 7)
    whole = path.read_bytes()
    generator = np.random.default_rng(5)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole[: generator.integers(1, len(whole) + 1)])
        for place in generator.integers(0, len(damaged), 4):
            damaged[place] = generator.integers(0, 256)
        path.write_bytes(damaged)
        try:
            for frame in open_frames([path]).read(1):
                assert (frame.pixels is None) == bool(frame.fault)
        except UserError:
            refused += 1
    assert refused < 60
