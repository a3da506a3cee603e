"""Sequences of frames of which everything is known."""

from __future__ import annotations

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


def write_video(path: Path, levels: list[int], fps: int = 10, *, rotation: int = 0, half: bool = False) -> Path:
    """A video of gray frames; ``half``: their upper half is black."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 4_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        for value in levels:
            pixels = level(value, width=64, height=48)
            if half:
                pixels[:24] = 0
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
