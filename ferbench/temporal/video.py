"""Frames of a video, by PyAV, which is only needed for them."""

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.decode import MAX_PIXELS, DecodeError, decode
from ferbench.errors import UserError
from ferbench.temporal.timeline import Frame, seen

_REMEDY = "take its frames into a folder where you can, such as with 'ffmpeg -i VIDEO frames/%06d.png', and name that"

#: Containers whose header says how long they are. Others' durations are estimates from the file's own end or size.
_STATED = {"matroska", "mov"}
#: Share of equal steps from which on the times of a video are steady.
_STEADY = 0.9
#: Missing frames of one gap that are named one by one.
_MOST_MISSING = 10_000
#: Sine of the angle to the nearest quarter turn up to which a display matrix counts as that.
_SLANT = 0.1


@dataclass(frozen=True, slots=True)
class _Scan:
    """What the packets of a file say, of which none was decoded.

    Attributes:
        frames: packets of the video stream.
        stated_frames: how many frames the file says that it has; 0: it does not say.
        seconds: that its packets, of any stream, reach.
        stated_seconds: that it says that it has; None: it does not say.
        alone: it has no other stream.
        step: seconds from a frame to the next where that is steady, else None.
        finds_on: damage of the container may take away packets without an error, since reading finds on behind it.
    """

    frames: int
    stated_frames: int
    seconds: float
    stated_seconds: float | None
    alone: bool
    step: float | None
    finds_on: bool

    @property
    def cut_off(self) -> str:
        """How much of how much there is of a file that ends before its end; empty where it does not."""
        step = self.step or 0.1
        least = 0.6 * step if self.alone else max(1.5 * step, 0.1)  # streams need not end together
        if self.stated_seconds is None or self.stated_seconds - self.seconds <= least:
            return ""
        if 0 < self.stated_frames <= self.frames:
            return ""
        read = f"{self.seconds:.1f} of {self.stated_seconds:.1f} s"
        return f"{read}, {self.frames:,} of {self.stated_frames:,} frames" if self.stated_frames else read


def read(path: Path, every: int) -> tuple[int | None, Callable[[int], Iterator[Frame]]]:
    """How many frames there will be, as far as the file says, and what gives the frames of its first video stream,
    upright, of 1 channel or 3.

    Args:
        path: the file.
        every: only each so manieth frame.

    Raises:
        UserError: PyAV is not installed, or the file is no video that it can read.
    """
    container = _open(path)
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
    with container:
        scan = _scanned(container, stream)
    total = -(-scan.frames // every) if scan.frames else None
    return total, lambda channels: _frames(_open(path), scan, channels, every)


def _open(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise UserError(
            f"{path} is no image, and videos are read by PyAV, which is not installed",
            "pip install 'ferbench[video]'; or take its frames into a folder, and name that",
        ) from error
    try:
        return av.open(str(path.resolve()), metadata_errors="replace", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UserError(f"{path} is neither an image nor a video that can be read: {_why(error)}", _REMEDY) from error


def _scanned(container: Any, stream: Any) -> _Scan:
    import av

    times: list[float] = []
    count, last = 0, 0.0
    with contextlib.suppress(av.FFmpegError, OSError, ValueError):  # which is said when frames are read
        for packet in container.demux():
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is None or packet.time_base is None:
                continue
            end = float((stamp + (packet.duration or 0)) * packet.time_base)
            last = max(last, end)
            if packet.stream.index == stream.index:
                count += 1
                times.append(float(stamp * packet.time_base))
    steps = [after - before for before, after in itertools.pairwise(sorted(times))]
    middle = statistics.median(steps) if steps else 0.0
    steady = sum(abs(step - middle) <= max(0.0015, 0.1 * middle) for step in steps)
    formats = set(container.format.name.split(","))
    stated = None
    if formats & _STATED and container.duration:
        stated = container.duration / av.time_base
        last -= (container.start_time or 0) / av.time_base
    elif "avi" in formats and stream.frames and stream.average_rate:
        stated = float(stream.frames / stream.average_rate)
    return _Scan(
        frames=count,
        stated_frames=stream.frames,
        seconds=last,
        stated_seconds=stated,
        alone=len(container.streams) == 1,
        step=middle if middle > 0 and steady >= _STEADY * len(steps) else None,
        finds_on="matroska" in formats and stated is not None,
    )


def _frames(container: Any, scan: _Scan, channels: int, every: int) -> Iterator[Frame]:
    """The frames in order. What could not be decoded, or is missing, is a fault in its place."""
    index, first, before = 0, None, None
    lost: list[str] = []

    def faults(count: int) -> Iterator[Frame]:
        reasons = [*lost[:count], *["missing"] * min(count - len(lost), _MOST_MISSING)]
        del lost[:count]
        for place, reason in enumerate(reasons, start=index):
            if place % every == 0:
                yield Frame(place, f"frame {place}", None, None, reason)

    with container:
        for shown in _decoded(container):
            if isinstance(shown, str):
                lost.append(shown)
                continue
            time = None if shown.time is None else float(shown.time)
            first = time if first is None else first
            gone = 0
            if scan.step is None or time is None:
                gone = len(lost)
            elif before is not None and (lost or scan.finds_on):
                # A camera may have skipped one frame; more than one, or one behind damage, was there.
                steps = round((time - before) / scan.step)
                gone = steps - 1 if steps > (1 if lost else 2) else 0
            yield from faults(gone)
            index += gone
            before = time
            if index % every == 0:
                seconds = None if time is None or first is None else time - first
                yield seen(index, f"frame {index}", seconds, lambda s=shown: decode(_upright(s), channels))  # type: ignore[misc]
            index += 1
    last = index + len(lost)
    yield from faults(len(lost))
    if scan.cut_off:
        yield Frame(last, f"frame {last}", None, None, f"the file is cut off or damaged: {scan.cut_off} can be read")


def _decoded(container: Any) -> Iterator[Any]:
    """The frames of the first video stream, or what is wrong with them, a text."""
    import av

    stream = container.streams.video[0]
    stream.thread_type = "SLICE"  # frames by many threads have hung on damaged files
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                yield f"cannot be decoded: {_why(error)}"
    except (av.FFmpegError, OSError, ValueError) as error:
        # Nothing behind this place can be seen.
        yield f"cannot be decoded: {_why(error)}"


def _upright(shown: Any) -> NDArray[np.uint8]:
    """uint8[h, w, 3] as a player shows it: telephones store how they were held, and mirrored, beside the pixels.

    Raises:
        DecodeError: the frame is damaged, or is to be turned by less than a quarter.
    """
    from av.sidedata.sidedata import Type

    if shown.is_corrupt:
        raise DecodeError("damaged")
    pixels = shown.to_ndarray(format="rgb24")
    matrix = shown.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return pixels
    # ISO/IEC 14496-12, 6.2.2: x' = a x + c y, y' = b x + d y, in 16.16 fixed point; y goes down.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(np.int64).tolist()
    along, across = max(abs(a), abs(d)), max(abs(b), abs(c))
    if min(along, across) > _SLANT * max(along, across):
        raise DecodeError("the file turns its pictures by less than a quarter, which is not understood")
    if across > along:
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _why(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:120]
