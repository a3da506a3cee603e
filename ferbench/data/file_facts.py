"""What the files of some images of each part are like, before they are pixels: native size, format, JPEG quality."""

from __future__ import annotations

import contextlib
import heapq
import io
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from ferbench.bounded import Damaged, opened
from ferbench.data.decode import FORMATS
from ferbench.data.pack_table import Row
from ferbench.data.sample import Crop, ImageSource, PixelText

#: Images of each part whose files are looked at.
_LOOKED_AT = 400

#: What encoders divide luma by at quality 50 (ITU-T T.81, table K.1).
_K1 = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 18 22 37 56 "
    "68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
)
#: Sorted, since files have tables in several orders.
_LUMA = np.sort(np.array([int(step) for step in _K1.split()]))
_SCALES = np.array([5000 // quality if quality < 50 else 200 - 2 * quality for quality in range(1, 101)])
#: int64[100, 64]: the table of each quality from 1 to 100, as the Independent JPEG Group's library makes it.
_TABLES = np.clip((_LUMA * _SCALES[:, None] + 50) // 100, 1, 255)


class FileFacts(NamedTuple):
    """Of one image.

    Attributes:
        format: as Pillow names it; empty for what is in no image file.
        quality: of a JPEG file, from 1 to 100, by its quantisation table; 0 of another.
        height: in pixels, before any resampling.
        width: likewise.
    """

    format: str
    quality: int
    height: int
    width: int

    @classmethod
    def parsed(cls, text: str) -> FileFacts:
        """From what `str` gives.

        Raises:
            ValueError: it is something else.
        """
        name, quality, height, width = text.split(",")
        return cls(name, int(quality), int(height), int(width))

    def __str__(self) -> str:
        return f"{self.format},{self.quality},{self.height},{self.width}"


class FileSample:
    """The same images of each part, however a dataset is read: those whose ids have the smallest checksums."""

    def __init__(self) -> None:
        self._chosen: defaultdict[str, list[tuple[int, str, FileFacts]]] = defaultdict(list)

    def add(self, row: Row) -> None:
        """Look at an image's file, where it is one of them so far."""
        chosen, identifier = self._chosen[row.sample.part], row.sample.id
        order = -zlib.crc32(identifier.encode())
        if len(chosen) < _LOOKED_AT:
            heapq.heappush(chosen, (order, identifier, _facts(row)))
        elif order > chosen[0][0]:
            heapq.heapreplace(chosen, (order, identifier, _facts(row)))

    def counts(self) -> dict[str, dict[str, int]]:
        """By part, how many images are like what."""
        return {
            part: dict(sorted(Counter(str(facts) for *_, facts in of).items())) for part, of in self._chosen.items()
        }


def listed(counts: Mapping[str, int]) -> list[FileFacts]:
    """An element for each image of a part of `FileSample.counts`."""
    return [FileFacts.parsed(text) for text, count in counts.items() for _ in range(min(count, _LOOKED_AT))]


def _facts(row: Row) -> FileFacts:
    name, quality = _file(row.sample.image)
    return FileFacts(name, quality, *row.native[:2])


def _file(source: ImageSource) -> tuple[str, int]:
    """Format and JPEG quality, by the header alone."""
    if isinstance(source, PixelText | np.ndarray):
        return "", 0
    with contextlib.suppress(OSError, Damaged, ValueError, SyntaxError, Image.DecompressionBombError):
        if isinstance(source, bytes):
            return _header(io.BytesIO(source))
        with opened(source.path if isinstance(source, Crop) else source, links=True) as file:
            return _header(file)
    return "", 0


def _header(file: BinaryIO) -> tuple[str, int]:
    with Image.open(file, formats=FORMATS) as image:
        tables = getattr(image, "quantization", None)
        return image.format or "", jpeg_quality(tables[0]) if image.format == "JPEG" and tables else 0


def jpeg_quality(table: object) -> int:
    """The quality from 1 to 100 whose luma table is the nearest to a quantisation table of 64 numbers.

    Raises:
        ValueError: it is no such table.
    """
    values = np.sort(np.asarray(table, dtype=np.int64))
    if values.shape != (64,):
        raise ValueError("no quantisation table")
    return 1 + int(np.abs(_TABLES - values).sum(axis=1).argmin())
