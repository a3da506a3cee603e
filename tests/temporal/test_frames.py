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
from sequences import level, set_display_matrix, write_folder, write_gif, write_video

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


QUARTERS = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]
MIRRORED = [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]


@pytest.mark.parametrize("matrix", [*QUARTERS, *MIRRORED, (-2, 0, 0, 2), (0, 0.5, 0.5, 0), (1, 0.03, -0.03, 1)])
def test_display_matrices_turn_and_mirror_as_the_standard_says(tmp_path, matrix):
    """Each quarter of the picture, seen from its middle, is where the matrix sends it: x' = ax + cy, y' = bx + dy."""
    quarters = {(-1, -1): 10, (1, -1): 90, (-1, 1): 170, (1, 1): 250}
    pixels = level(0, width=64, height=48)
    for (x, y), gray in quarters.items():
        pixels[slice(0, 24) if y < 0 else slice(24, 48), slice(0, 32) if x < 0 else slice(32, 64)] = gray
    path = write_video(tmp_path / "a.mp4", [pixels])
    set_display_matrix(path, *matrix)
    found = next(open_frames([path]).read(1)).pixels[0]
    a, b, c, d = (round(number / max(map(abs, matrix))) for number in matrix)
    height, width = found.shape
    assert (height, width) == ((48, 64) if a else (64, 48))
    for (x, y), gray in quarters.items():
        column, row = a * x + c * y, b * x + d * y
        there = found[height * (2 + row) // 4, width * (2 + column) // 4]
        assert int(there) == pytest.approx(gray, abs=12)


def test_a_matrix_of_nothing_turns_nothing(tmp_path):
    path = write_video(tmp_path / "a.mp4", [200], half=True)
    set_display_matrix(path, 0, 0, 0, 0)
    assert next(open_frames([path]).read(1)).pixels[0, :20].mean() < 20


def test_a_matrix_between_quarter_turns_is_a_fault(tmp_path):
    path = write_video(tmp_path / "a.mp4", [200])
    set_display_matrix(path, 0.7, 0.7, -0.7, 0.7)
    assert "turns its pictures by less than a quarter" in next(open_frames([path]).read(1)).fault


VIDEOS = [("a.mkv", "mpeg4"), ("a.webm", "libvpx"), ("a.mp4", "mpeg4"), ("a.mov", "libx264"), ("a.avi", "mpeg4")]


def noise(count):
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize(("name", "codec"), VIDEOS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_video_that_breaks_off_ends_with_a_fault_that_says_how_much_there_is(tmp_path, name, codec, share):
    path = write_video(tmp_path / name, noise(40), codec=codec)
    whole = path.read_bytes()
    assert [one.fault for one in open_frames([path]).read(1)] == [""] * 40
    path.write_bytes(whole[: int(len(whole) * share)])
    frames = list(open_frames([path]).read(1))
    seen = sum(one.pixels is not None for one in frames)
    assert 0 < seen < 40
    assert [one.index for one in frames] == list(range(len(frames)))
    assert "the file is cut off or damaged" in frames[-1].fault
    assert "of 4.0 s" in frames[-1].fault


@pytest.mark.parametrize(("name", "codec"), VIDEOS)
def test_frames_lost_in_the_middle_are_faults_in_their_place(tmp_path, name, codec):
    path = write_video(tmp_path / name, noise(40), codec=codec)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 4000] = b"\xaa" * 4000
    path.write_bytes(whole)
    frames = list(open_frames([path]).read(1))
    assert any(one.fault for one in frames[1:-1])
    assert frames[-1].index >= 39
    for one in frames:
        if one.pixels is not None:
            assert one.seconds == pytest.approx(one.index / 10, abs=0.01)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("sound", [0.5, 3.0])
def test_a_video_whose_sound_ends_at_another_time_is_whole(tmp_path, name, sound):
    path = write_video(tmp_path / name, RISING * 2, sound=sound)
    assert [one.fault for one in open_frames([path]).read(1)] == [""] * 14


def test_a_video_of_unequal_steps_is_whole(tmp_path):
    path = write_video(tmp_path / "a.mkv", RISING, times=[0, 40, 200, 240, 900, 910, 1500])
    found = grays([path])
    assert [seconds for _, seconds, _ in found] == pytest.approx([0, 0.04, 0.2, 0.24, 0.9, 0.91, 1.5])
    assert [index for index, _, _ in found] == list(range(7))


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
