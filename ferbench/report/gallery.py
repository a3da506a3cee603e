"""Pictures of the worst errors. They show faces, so they are made on request only and never leave the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferbench.errors import UserError
from ferbench.report.contents import RunView
from ferbench.report.per_sample import worst_errors
from ferbench.runs.predictions import Predictions


@dataclass(frozen=True)
class Picture:
    """One misclassified sample.

    Attributes:
        source: a PNG as a data address.
        caption: what it is and what it was taken for.
    """

    source: str
    caption: str


def worst_pictures(run: RunView, given: Predictions, most: int, cache: Path | None) -> tuple[Picture, ...]:
    """The misclassified samples that the model was surest of, from the pack that the run was tested on.

    Raises:
        UserError: that pack is not in the cache any more.
    """
    from PIL import Image

    from ferbench.data.pack import open_pack

    digest = run.record.data.pack or ""
    path = (cache or Path()) / "packs" / digest.removeprefix("v1:")[:16]
    if not digest or not path.is_dir():
        raise UserError(
            f"--gallery: the images of {run.label} are not in the cache {cache}",
            "name the cache that it was trained with (--cache), or leave out --gallery",
        )
    pack = open_pack(path)
    names, predicted = run.scored.class_names, given.predicted
    rows = worst_errors(given)[:most]
    places = {sample: place for place, sample in enumerate(pack.ids.tolist())}
    pack.check(places[str(given.ids[row])] for row in rows.tolist())
    pictures = []
    for row in rows.tolist():
        image = np.asarray(pack.images[places[str(given.ids[row])]])
        pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=False)
        share = float(given.probabilities[row, predicted[row]])
        caption = f"{given.ids[row]}: {names[given.truth[row]]}, taken for {names[predicted[row]]} ({share:.2f})"
        pictures.append(Picture(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}", caption))
    return tuple(pictures)
