"""Near copies side by side, as a page to look at: one file of HTML with the pictures in it."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from numpy.typing import NDArray

from ferbench.audit.findings import Findings
from ferbench.audit.near_copies import Pairs
from ferbench.data.pack import Pack

#: Pairs on a page: what crosses splits first, then what has two labels.
MOST_PAIRS = 1000

_SIDE = 144  # pixels
_STYLE = """body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(20em, 1fr)); gap: 1.2em }
figure { margin: 0 } img { width: 9em; image-rendering: pixelated; margin-right: .4em }
figcaption { overflow-wrap: anywhere } .leak { border-left: .3em solid #b3261e; padding-left: .5em }"""


def page(pack: Pack, findings: Findings) -> str:
    """The pairs that near copies were found by, each with ids, labels, splits and how one differs from the other."""
    pairs = findings.pairs
    assert pairs is not None
    pairs = pairs.where((findings.role[pairs.first] >= 0) & (findings.role[pairs.second] >= 0))
    leaks = findings.role[pairs.first] != findings.role[pairs.second]
    conflicts = pack.labels[pairs.first] != pack.labels[pairs.second]
    order = np.lexsort((pairs.agreement, ~conflicts, ~leaks))[:MOST_PAIRS]
    shown, crossing = pairs.where(order), leaks[order].tolist()
    count = f"{len(pairs):,} pairs connect them"
    count += f", of which {MOST_PAIRS:,} are here" if len(pairs) > MOST_PAIRS else ""
    title = escape(f"Near copies in {pack.dataset}")
    figures = "\n".join(_figure(pack, findings, shown, number, leak) for number, leak in enumerate(crossing))
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>\n'
        f"<h1>{title}</h1>\n<p>{count}: those that cross splits first, then those with two labels, "
        f"each time the least sure first. Of exact copies one is shown.</p>\n<main>\n{figures}\n</main></html>\n"
    )


def difference(pairs: Pairs) -> list[str]:
    """In words how the second picture of each pair differs from the first, as far as that can be seen."""
    linear = pairs.maps[:, :, :2]
    degrees = np.abs(np.rad2deg(np.arctan2(linear[:, 1, 0] - linear[:, 0, 1], linear[:, 0, 0] + linear[:, 1, 1])))
    zoom = np.sqrt(np.abs(np.linalg.det(linear)))
    percent = 100 * (np.maximum(zoom, 1 / zoom) - 1)
    shift = np.linalg.norm(pairs.maps[:, :, 2], axis=1)
    texts = []
    for row in range(len(pairs)):
        words = ["mirrored"] if pairs.mirrored[row] else []
        words += [f"turned by {degrees[row]:.0f}°"] if degrees[row] >= 1 else []
        words += [f"zoomed by {percent[row]:.0f} %"] if percent[row] >= 2 else []
        words += [f"shifted by {shift[row]:.0f} of 48 pixels"] if shift[row] >= 0.5 else []
        texts.append(", ".join(words) or "in one place")
    return texts


def _figure(pack: Pack, findings: Findings, pairs: Pairs, number: int, leak: bool) -> str:
    one = pairs.where(np.array([number]))
    ends = (int(one.first[0]), int(one.second[0]))
    images = "".join(f'<img alt="" src="{_source(np.asarray(pack.images[row]))}">' for row in ends)
    lines = [
        f"{pack.ids[row]}: {pack.class_names[pack.labels[row]]}, {findings.roles[findings.role[row]]}" for row in ends
    ]
    lines.append(f"correlation {one.agreement[0]:.2f}; {difference(one)[0]}")
    caption = "<br>".join(map(escape, lines))
    return f"<figure{' class=leak' if leak else ''}>{images}<figcaption>{caption}</figcaption></figure>"


def _source(image: NDArray[np.uint8]) -> str:
    from PIL import Image

    shown = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    shown.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    shown.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
