"""Datasets of posed faces whose file names say everything: who, which expression, from where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ferbench import Dataset, Fault, Sample, expressions, image_tree
from ferbench_builtin.datasets.held_out import held_out
from ferbench_builtin.datasets.image_files import ImageFiles, LeftOut, Stored
from ferbench_builtin.datasets.layouts import no_such_layout

#: How JAFFE and KDEF abbreviate expressions.
BY_LETTERS = {
    "AF": "fear",
    "AN": "angry",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}


def named_faces(
    path: Path,
    pattern: re.Pattern[str],
    stored: Stored,
    *,
    name: str,
    example: str,
    where_to_get: str,
    left_out_for: Callable[[re.Match[str]], str | None] = lambda match: None,
    options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Every image below a directory, at any depth, in the seven classes; ids are file names without suffix.

    A fifth of the people (``held_out``) are in the part ``test``, the others in ``train``. Who is does not depend on
    what is left out.

    Args:
        path: the directory.
        pattern: matches the name without suffix; groups ``subject`` and ``expression`` (of ``BY_LETTERS``).
        stored: how images are stored.
        name: of the dataset.
        example: a name that matches.
        where_to_get: the remedy where no name matches.
        left_out_for: why an image is not wanted, None if it is.
        options: what ``left_out_for`` goes by.

    Raises:
        UserError: no image has such a name.
    """
    ignored = image_tree.Ignored()
    found = [(file, pattern.fullmatch(_stem(file))) for file in image_tree.images(path, ignored)]
    matches = [match for _, match in found if match is not None]
    if not matches:
        raise no_such_layout(name, path, f"images named as {example}, at any depth", where_to_get)
    testers = held_out(match["subject"] for match in matches)

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        for file, match in found:
            location = f"{path}/{file}"
            if match is None:
                yield Fault(location, None, f"is not named as {example} is")
            elif (reason := left_out_for(match)) is not None:
                left_out.add(reason)
            else:
                subject = match["subject"]
                part = "test" if subject in testers else "train"
                label = BY_LETTERS[match["expression"]]
                yield Sample(match[0], part, label, path / file, location=location, subject=subject)
        left_out.add_ignored(ignored)

    return ImageFiles(
        path,
        expressions.BASIC,
        stored,
        layout="files named by person and expression",
        listing=listing,
        stamped=lambda: {"files": image_tree.stamp([path]), **(options or {})},
        notes={
            "people": len({match["subject"] for match in matches}),
            "test_people": sorted(testers),
            **(options or {}),
        },
    )


def _stem(file: str) -> str:
    return Path(file).stem.upper()
