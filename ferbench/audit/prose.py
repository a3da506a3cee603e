"""Averages in the lines of text around a table, such as ``Overall accuracy: 0.89 (1660 samples)``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ferbench.audit.cells import Score, score
from ferbench.audit.headings import column_of, row_of, says_percent
from ferbench.audit.printed import MEASURES
from ferbench.errors import UserError

_NUMBER = r"\d*[.,]?\d+\s*%?"
_ALONE = re.compile(
    rf"(?P<title>[^\d:=]*(?:f1?[ -]?[^\d:=]*)?)[:=\s]\s*(?P<number>{_NUMBER})(?:\s*\((?P<more>[^)]*)\))?\.?",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"(?P<number>{_NUMBER})\s*\((?P<measure>[^)]*)\)")
_AFTER = re.compile(rf"(?P<measure>[a-z][a-z1 -]*?)\s*[:=]?\s*(?P<number>{_NUMBER})", re.IGNORECASE)
#: Words of a line that is about something else than the table's images, or a step of training.
_ELSEWHERE = re.compile(
    r"\b(train|training|val|valid|validation|epoch|loss|cv|fold|baseline|state|human|sota|paper)\b", re.IGNORECASE
)

Averages = list[tuple[str, dict[str, Score]]]


def averages_in(lines: Sequence[tuple[int, list[str]]]) -> Iterator[tuple[int, Averages]]:
    """Lines that say averages and nothing else, with their numbers."""
    for number, (text,) in lines:
        plain = re.sub(r"[*_`#>|$]|^\s*[-•·]\s+|^\s*print\(|\\\\", " ", text).strip()
        if len(plain) > 200 or _ELSEWHERE.search(plain):
            continue
        found = _of_line(plain)
        if found:
            yield number, found


def _of_line(text: str) -> Averages:
    title, mark, rest = text.partition(":")
    if mark and row_of(title) is not None and len(re.findall(_NUMBER, rest)) > 1:
        scores = _by_measure(rest)
        if scores:
            return [(title, scores)]
    found: Averages = []
    for part in re.split(r";|,\s+|\s\|\s", text):
        match = _ALONE.fullmatch(part.strip())
        if match is None:
            return []
        title = match["title"].strip(" :=-–—")
        if match["more"] and row_of(f"{title} {match['more']}") is not None:
            title = f"{title} {match['more']}"  # F1: 0.59 (macro)
        meaning = row_of(title)
        if meaning is None:
            return []
        own = _score(match["number"], title)
        if own is None:
            return []
        found.append((title, {meaning.measure or "f1": own}))
    return found


def _by_measure(text: str) -> dict[str, Score]:
    """``0.90 (precision), 0.89 (recall)``, or ``precision 0.90, recall 0.89``."""
    scores = {}
    for part in re.split(r";|,\s+|\s\|\s|\s/\s", text.strip().rstrip(".")):
        match = _NAMED.fullmatch(part.strip()) or _AFTER.fullmatch(part.strip())
        measure = None if match is None else column_of(match["measure"])
        own = None if match is None else _score(match["number"], "")
        if measure not in MEASURES or own is None:
            return {}
        scores[str(measure)] = own
    return scores


def _score(written: str, title: str) -> Score | None:
    try:
        return score(written.replace(" ", ""), True if says_percent(title) else None, None, "")
    except UserError:
        return None
