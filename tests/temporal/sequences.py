"""Sequences of frames of which everything is known."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image


def level(value: int, *, width: int = 32, height: int = 24) -> np.ndarray:
    """uint8[height, width, 3] of one gray."""
    return np.full((height, width, 3), value, np.uint8)


def write_folder(folder: Path, levels: list[int], name: str = "frame{}.png") -> Path:
    folder.mkdir(parents=True)
    for number, value in enumerate(levels, start=1):
        Image.fromarray(level(value)).save(folder / name.format(number))
    return folder


def write_gif(path: Path, levels: list[int], durations: list[int]) -> Path:
    """Durations in milliseconds."""
    images = [Image.fromarray(level(value)) for value in levels]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0, disposal=2)
    return path


def write_video(
    path: Path,
    pictures: Sequence[int | np.ndarray],
    fps: int = 10,
    *,
    rotation: int = 0,
    half: bool = False,
    codec: str = "mpeg4",
    sound: float = 0,
    times: Sequence[int] | None = None,
) -> Path:
    """A video, its index in front where it has one.

    Args:
        path: the file; its suffix names the container.
        pictures: of each frame, a gray or uint8[48, 64, 3].
        fps: frames a second.
        rotation: in degrees, as the file says it.
        half: the upper half of frames is black.
        codec: of the pictures.
        sound: seconds of silence beside them.
        times: of the frames, in milliseconds; None: by ``fps``.
    """
    import av

    options = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 4_000_000
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        silence = container.add_stream("aac", rate=48_000) if sound else None
        for number, picture in enumerate(pictures):
            pixels = level(picture, width=64, height=48) if isinstance(picture, int) else picture
            if half:
                pixels[:24] = 0
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        for start in range(0, int(48_000 * sound), 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
            container.mux(silence.encode(frame))
        if silence is not None:
            container.mux(silence.encode())
    return path


def set_display_matrix(path: Path, a: float, b: float, c: float, d: float) -> None:
    """Write the matrix of an MP4's only track: x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    fixed = [round(number * 65536) for number in (a, b, 0, c, d, 0, 0, 0)]
    data[place : place + 36] = struct.pack(">9i", *fixed, 1 << 30)
    path.write_bytes(data)
