"""KDEF (Lundqvist, Flykt and Öhman, 1998): 70 people, seven expressions, five angles, two sessions; 562×762 pixels.

File names such as ``AF01ANS.JPG`` state the session (A, B), sex and number of the person (F01 to M35), the expression
(AF afraid, AN, DI, HA, NE, SA, SU) and the angle (FL full left profile, HL half left, S straight, HR, FR): kdef.se,
"About KDEF".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import annotated_types

from ferbench import Dataset
from ferbench_builtin.datasets.image_files import Color, Fit, Size, Stored
from ferbench_builtin.datasets.layouts import directory_of
from ferbench_builtin.datasets.named_faces import named_faces

_NAME = re.compile(
    r"[AB](?P<subject>[FM](?:0[1-9]|[12][0-9]|3[0-5]))(?P<expression>AF|AN|DI|HA|NE|SA|SU)(?P<angle>FL|HL|S|HR|FR)"
)
_WHERE_TO_GET = "get it from kdef.se and name the directory with --data"
Angle = Literal["FL", "HL", "S", "HR", "FR"]


def kdef(
    path: Path | None,
    *,
    angles: Annotated[tuple[Angle, ...], annotated_types.MinLen(1)] = ("S",),
    size: Size | None = None,
    color: Color = "rgb",
    fit: Fit = "stretch",
) -> Dataset:
    """KDEF: seven classes; parts ``train`` and ``test`` show different people, by digests of their numbers.

    Args:
        path: the directory with the images, flat or in folders of each person; where it holds ``KDEF/`` (beside
            the averaged faces of ``AKDEF/``), that.
        angles: the views to take: FL, HL, S (straight), HR, FR.
        size: side in pixels that images are resampled to; None: all must have one size already.
        color: how images are stored.
        fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and
            leaves black margins, ``crop`` keeps it and takes the middle.

    Raises:
        UserError: no image there is named as KDEF's are.
    """
    path = directory_of(path, "kdef", _WHERE_TO_GET)

    def left_out_for(match: re.Match[str]) -> str | None:
        return None if match["angle"] in angles else f"angle {match['angle']}"

    return named_faces(
        path / "KDEF" if (path / "KDEF").is_dir() else path,
        _NAME,
        Stored(size, color, fit),
        name="KDEF",
        example="AF01ANS.JPG",
        where_to_get=_WHERE_TO_GET,
        left_out_for=left_out_for,
        options={"angles": sorted(set(angles))},
    )
