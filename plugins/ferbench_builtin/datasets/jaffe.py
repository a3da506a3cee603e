"""JAFFE (Lyons et al., 1998): ten Japanese women, seven expressions, 213 gray images of 256×256 pixels.

File names such as ``KA.AN1.39.tiff`` state the person, the expression and which take of it, and a running number.
"""

from __future__ import annotations

import re
from pathlib import Path

from ferbench import Dataset
from ferbench_builtin.datasets.image_files import Color, Fit, Size, Stored
from ferbench_builtin.datasets.layouts import directory_of
from ferbench_builtin.datasets.named_faces import named_faces

_NAME = re.compile(r"(?P<subject>[A-Z]{2})\.(?P<expression>AN|DI|FE|HA|NE|SA|SU)[0-9]+\.[0-9]+")
_WHERE_TO_GET = "get it from its authors (the JAFFE dataset, on Zenodo) and name the directory with --data"


def jaffe(path: Path | None, *, size: Size | None = None, color: Color = "gray", fit: Fit = "stretch") -> Dataset:
    """JAFFE: seven classes; parts ``train`` and ``test`` show different people, by digests of their initials.

    Args:
        path: the directory with the images, at any depth.
        size: side in pixels that images are resampled to; None: all must have one size already.
        color: how images are stored.
        fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and
            leaves black margins, ``crop`` keeps it and takes the middle.

    Raises:
        UserError: no image there is named as JAFFE's are.
    """
    return named_faces(
        directory_of(path, "jaffe", _WHERE_TO_GET),
        _NAME,
        Stored(size, color, fit),
        name="JAFFE",
        example="KA.AN1.39.tiff",
        where_to_get=_WHERE_TO_GET,
    )
