"""Frames of a video, by PyAV, which is only needed for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.decode import MAX_PIXELS, decode
from ferbench.errors import UserError
from ferbench.temporal.frame import Frame, seen

_REMEDY = "take its frames into a folder where you can, such as with 'ffmpeg -i VIDEO frames/%06d.png', and name that"


def read(path: Path, every: int) -> tuple[int | None, Callable[[int], Iterator[Frame]]]:
    """How many frames there will be, as far as the file says, and what gives the frames of its first video stream,
    upright, of 1 channel or 3.

    Args:
        path: the file.
        every: only each so manieth frame.

    Raises:
        UserError: PyAV is not installed, or the file is no video that it can read.
    """
    try:
        import av
    except ImportError as error:
        raise UserError(
            f"{path} is no image, and videos are read by PyAV, which is not installed",
            "pip install 'ferbench[video]'; or take its frames into a folder, and name that",
        ) from error
    try:
        container = av.open(str(path.resolve()), metadata_errors="replace", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UserError(f"{path} is neither an image nor a video that can be read: {_said(error)}", _REMEDY) from error
    if not container.streams.video:
        container.close()
        raise UserError(f"{path} has no video stream", "give a video, an animated image or a folder of frames")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        container.close()
        raise UserError(f"{path} is coded in a way that PyAV does not know", _REMEDY)
    if stream.width * stream.height > MAX_PIXELS:
        container.close()
        raise UserError(f"{path} has frames of more than 25 megapixels", _REMEDY)
    stream.thread_type = "SLICE"  # frames by many threads have hung on damaged files
    total = -(-stream.frames // every) if stream.frames else None
    return total, lambda channels: _frames(container, channels, every)


def _frames(container: Any, channels: int, every: int) -> Iterator[Frame]:
    import av

    index, first = -1, None
    with container:
        try:
            for index, shown in enumerate(container.decode(video=0)):
                first = shown.time if first is None else first
                if index % every:
                    continue
                seconds = None if shown.time is None or first is None else float(shown.time - first)
                yield seen(index, f"frame {index}", seconds, lambda s=shown: decode(_upright(s), channels))  # type: ignore[misc]
        except (av.FFmpegError, OSError, ValueError) as error:
            # Nothing behind this place can be seen.
            yield Frame(index + 1, f"frame {index + 1}", None, None, f"cannot be decoded: {_said(error)}")


def _upright(shown: Any) -> NDArray[np.uint8]:
    """uint8[h, w, 3] as a player shows it: telephones store how they were held beside the pixels."""
    pixels = shown.to_ndarray(format="rgb24")
    turns = round(shown.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _said(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:120]
