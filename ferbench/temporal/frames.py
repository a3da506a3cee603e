"""Frames in order: from a folder, a list of images, an animated image or a video."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from ferbench.data.decode import FORMATS, MAX_PIXELS, SUFFIXES, DecodeError, decode, format_of
from ferbench.data.image_tree import images_in
from ferbench.errors import UserError
from ferbench.temporal import video
from ferbench.temporal.timeline import Frame, seen

#: Formats of Pillow that can hold several frames with times of their own.
_ANIMATED = tuple(name for name in ("GIF", "WEBP", "PNG", "AVIF") if name in FORMATS)
#: Seconds that a frame of an animation stays when the file does not say: what browsers do.
_STAY = 0.1


@dataclass(frozen=True, slots=True)
class Box:
    """A part of each frame, in pixels: ``LEFT,TOP,WIDTH,HEIGHT``."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Box:
        """A box as a user writes it.

        Raises:
            UserError: it is no box.
        """
        match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", text, re.ASCII)
        numbers = [int(group) for group in match.groups()] if match else []
        if not numbers or not numbers[2] or not numbers[3] or max(numbers) > MAX_PIXELS:
            raise UserError(f"--box {text} is no part of a frame", "write --box LEFT,TOP,WIDTH,HEIGHT in pixels")
        return cls(*numbers)

    def cut(self, frame: Frame) -> Frame:
        """The frame's part, or a fault where the frame does not reach as far."""
        if frame.pixels is None:
            return frame
        height, width = frame.pixels.shape[-2:]
        if self.left + self.width > width or self.top + self.height > height:
            return replace(frame, pixels=None, fault=f"the box leaves the frame, which has {width}×{height} pixels")
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        return replace(frame, pixels=np.ascontiguousarray(frame.pixels[:, rows, columns]))


@dataclass(frozen=True)
class Frames:
    """A sequence that is read once.

    Attributes:
        kind: ``images``, ``animation`` or ``video``.
        label: what it is, for people: the name of the folder or file.
        total: how many frames there will be; None: not known before.
        read: the frames in order, of 1 channel (gray) or 3 (RGB). To be called once.
        warning: what was passed over in looking for them; empty if nothing worth a word.
    """

    kind: str
    label: str
    total: int | None
    read: Callable[[int], Iterator[Frame]]
    warning: str = ""


def open_frames(paths: Sequence[Path], *, fps: float | None = None, every: int = 1, box: Box | None = None) -> Frames:
    """Find the frames of a folder (by name, numbers in it as numbers), of images in the order given, or of one file;
    none is decoded yet.

    Args:
        paths: a folder, images, an animated image or a video.
        fps: frames a second of images, which have no times of their own.
        every: only each so manieth frame, the first one included.
        box: a part of each frame.

    Raises:
        UserError: there is nothing to see, a folder among several paths, ``fps`` for what has times, or a video that
            cannot be read here.
    """
    opened = _opened(paths, fps, every)
    if opened.kind != "images" and fps is not None:
        raise UserError(
            f"{opened.label} has times of its own", "leave --fps out; it is for folders and lists of images"
        )
    return opened if box is None else replace(opened, read=lambda channels: map(box.cut, opened.read(channels)))


def _opened(paths: Sequence[Path], fps: float | None, every: int) -> Frames:
    for path in paths:
        if not path.exists():
            raise UserError(f"there is no file {path}", "give a folder of frames, images in order, or a video")
        if not path.is_dir() and not path.is_file():
            raise UserError(f"{path} is neither a folder nor a regular file", "give a folder of frames, or a video")
        if path.is_dir() and len(paths) > 1:
            raise UserError(f"{path} is a folder beside other frames", "give one folder, or the images themselves")
    if paths[0].is_dir():
        files, warning = images_in(paths[0], deep=False)
        files.sort(key=lambda file: natural_key(file.name))
        return _images(files, paths[0].resolve().name, fps, every, warning)
    if len(paths) > 1:
        return _images(paths, f"{len(paths)} images", fps, every)
    (path,) = paths
    try:
        count = _frame_count(path)
    except DecodeError as error:
        raise UserError(f"{path}: {error.reason}", "take its frames into a folder, and name that") from error
    if count is None:
        if path.suffix.lower() in SUFFIXES or format_of(path) is not None:
            return _images(paths, path.name, fps, every)
        return Frames("video", path.name, *video.read(path, every))
    if count == 1:
        return _images(paths, path.name, fps, every)
    total = len(range(0, count, every))
    return Frames("animation", path.name, total, lambda channels: _animation(path, channels, every))


def natural_key(name: str) -> tuple[list[tuple[int, int | str]], str]:
    """Orders ``frame2`` before ``frame10``: digits as numbers, and what is alike then by the whole name."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part.casefold()) for part in parts if part], name


def _images(paths: Sequence[Path], label: str, fps: float | None, every: int, warning: str = "") -> Frames:
    chosen = range(0, len(paths), every)

    def frames(channels: int) -> Iterator[Frame]:
        for index in chosen:
            seconds = None if fps is None else index / fps
            yield seen(index, paths[index].name, seconds, lambda i=index: decode(paths[i], channels))  # type: ignore[misc]

    return Frames("images", label, len(chosen), frames, warning)


def _frame_count(path: Path) -> int | None:
    """How many frames an image has; None for what is none of the animated formats."""
    try:
        with Image.open(path, formats=_ANIMATED) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DecodeError("more than 25 megapixels")
            return int(getattr(image, "n_frames", 1))
    except Image.UnidentifiedImageError:
        return None
    except DecodeError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # Pillow answers damaged files with a dozen kinds of exception
        raise DecodeError(f"cannot be read: {' '.join(str(error).split())[:120] or type(error).__name__}") from error


def _animation(path: Path, channels: int, every: int) -> Iterator[Frame]:
    seconds = 0.0
    index = -1
    try:
        with Image.open(path, formats=_ANIMATED) as image:
            for index, frame in enumerate(ImageSequence.Iterator(image)):
                if index % every == 0:
                    # Over black where it is transparent, as still images are.
                    ground = Image.new("RGBA", frame.size, (0, 0, 0, 255))
                    colour = Image.alpha_composite(ground, frame.convert("RGBA")).convert("RGB")
                    yield seen(index, f"frame {index}", seconds, lambda c=colour: decode(np.asarray(c), channels))  # type: ignore[misc]
                stay = frame.info.get("duration", 0)
                seconds += stay / 1000 if isinstance(stay, (int, float)) and stay > 0 else _STAY
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        yield Frame(index + 1, f"frame {index + 1}", None, None, f"cannot be decoded: {reason}")
