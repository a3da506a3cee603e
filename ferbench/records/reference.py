"""What a dataset turned out to be, by its reference card."""

from __future__ import annotations

from typing import Literal

from ferbench.records.base import Count, Record

Verdict = Literal["original", "re-encoded", "incomplete", "altered", "unknown"]


class Reference(Record):
    """A dataset beside the reference card of the one that it is, or seems to be, a copy of."""

    dataset: str
    """That the card is of."""
    title: str
    """What people call it."""
    verdict: Verdict
    """``original``; ``re-encoded``: other pixels of the same pictures, as compression leaves them; ``incomplete``;
    ``altered``; or ``unknown``: its pictures are not known, or not found."""
    findings: list[str] = []
    """What is otherwise than in the original, in a few words each."""
    found: Count = 0
    """Reference pictures that are there."""
    sought: Count = 0
    """Reference pictures; 0 where only counts are known."""

    @property
    def line(self) -> str:
        """The verdict as a sentence without its full stop."""
        findings = "; ".join(self.findings)
        match self.verdict:
            case "original":
                text = f"the original pixels of {self.title}"
            case "re-encoded":
                text = f"{self.title}, compressed again: other pixels of the same pictures"
            case "incomplete":
                return f"{self.title}, incomplete: {findings}"
            case "altered":
                return f"{self.title}, altered: {findings}"
            case "unknown" if self.sought:
                text = f"not {self.title} as it is known: {self.found} of {self.sought} reference pictures are there"
            case _:
                text = f"as many images as {self.title} has; of its pictures none is known to compare them with"
        return f"{text} ({findings})" if findings else text

    @property
    def warning(self) -> str:
        """The line with what it means for results; empty where these compare with others on that dataset."""
        if self.verdict in ("original", "re-encoded") or (self.verdict == "unknown" and not self.sought):
            return ""
        return f"{self.line}. Results on it do not compare with those on the original"

    @property
    def statement(self) -> str:
        """The warning, or else the line."""
        return self.warning or self.line


#: What `UnlikeParts` are called that are of files; a format of files is called with ``FILES`` behind its name.
NATIVE_SIZE, JPEG_QUALITY, FILES = "native size", "JPEG quality", " files"


class UnlikeParts(Record):
    """Something that the images of one part of a dataset have more of, or less, than those of its largest part."""

    measure: str
    """Of pixels ``brightness``, ``contrast``, ``sharpness``, ``evenness of gray levels``, ``JPEG blocks``, ``colour``;
    of files ``native size`` (the root of height × width), ``JPEG quality``, or ``PNG files`` and so on: the share of
    that format."""
    part: str
    """Of the dataset."""
    other: str
    """Its largest part."""
    difference: float
    """Cliff's delta, from -1 to 1: above 0 where ``part`` has more of it."""
    median: float
    """Of ``part``; of a format its share."""
    other_median: float
    """Of the largest part."""

    @property
    def line(self) -> str:
        """It in words."""
        if self.measure.endswith(FILES):
            return f"{self.measure}: {self.median:.0%} of {self.part} and {self.other_median:.0%} of {self.other}"
        pairs = 50 + 50 * abs(self.difference)
        more = "more" if self.difference > 0 else "less"
        return (
            f"{self.measure}: {more} in {self.part} than in {self.other} for {pairs:.0f} of 100 pairs of images "
            f"(median {self.median:.3g} and {self.other_median:.3g})"
        )


def unlike_line(unlike: list[UnlikeParts]) -> str:
    """What was processed differently, in a sentence without its full stop; empty where nothing was."""
    if not unlike:
        return ""
    return "parts were processed differently: " + "; ".join(each.line for each in unlike)
