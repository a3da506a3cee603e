"""Whether pictures are like the crops that a model was trained on, by their height and width alone."""

from __future__ import annotations

from dataclasses import dataclass, field

#: How far an aspect ratio may be from that of the training images: of images that were brought to one size, crops of
#: several ratios may have been among them.
_ASPECT, _ASPECT_RESAMPLED = 1.25, 1.45
#: How many times smaller, or larger, a picture is before it is said.
_ENLARGED, _SHRUNK = 2.0, 10.0
#: Pixels of the shorter side below which a large picture may well be of a face alone.
_SCENE = 600


@dataclass(slots=True)
class Framing:
    """Counts the pictures that are unlike training crops.

    Attributes:
        trained: (height, width) of the training images.
        resampled: these were brought to one size, from sizes that are not known, or may have been.
        seen: how many pictures were looked at.
    """

    trained: tuple[int, int]
    resampled: bool
    seen: int = 0
    _unlike: dict[str, list[str]] = field(default_factory=dict)

    def look(self, name: object, height: int, width: int) -> None:
        """Look at a picture of this many pixels."""
        self.seen += 1
        if (why := self._reason(height, width)) is not None:
            self._unlike.setdefault(why, []).append(f"{name} ({width}×{height})")

    def _reason(self, height: int, width: int) -> str | None:
        high, wide = self.trained
        size = f"{wide}×{high}"
        aspect = (width / height) / (wide / high)
        if max(aspect, 1 / aspect) > (_ASPECT_RESAMPLED if self.resampled else _ASPECT):
            shape = "wider" if aspect > 1 else "taller"
            return (
                f"much {shape} than the {size} images that the model was trained on, as a scene is rather than the "
                "crop of a face; what it says of them means little"
            )
        if min(height, width) * _ENLARGED < min(high, wide):
            return f"less than half as large as the {size} images that the model was trained on"
        if min(height, width) > max(_SCENE, _SHRUNK * max(high, wide)):
            return f"over {_SHRUNK:.0f} times as large as the {size} training images: more than a face may be on them"
        return None

    @property
    def warnings(self) -> list[str]:
        """What to say of those that are unlike, and of what to do, a line each."""
        lines = []
        for why, names in self._unlike.items():
            which = f"{len(names):,} of {self.seen:,} pictures are" if self.seen > 1 else "the picture is"
            lines.append(f"{which} {why}, first {names[0]}; cut the faces out before")
        return lines
