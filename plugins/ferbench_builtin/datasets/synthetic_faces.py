"""Rendered faces with known expressions: a dataset that needs no download and shows no real person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

import ferbench
from ferbench_builtin.datasets import action_units, face_renderer
from ferbench_builtin.datasets.action_units import EXPRESSIONS
from ferbench_builtin.datasets.face_parameters import IDENTITY, LIGHT, POSE, SCENE, spread
from ferbench_builtin.datasets.face_renderer import RENDERER_VERSION

#: Training images per class of FER2013 (I. J. Goodfellow et al., "Challenges in representation learning: a
#: report on three machine learning contests", 2013).
FER2013_COUNTS = {
    "angry": 3995,
    "disgust": 436,
    "fear": 4097,
    "happy": 7215,
    "neutral": 4965,
    "sad": 4830,
    "surprise": 3171,
}

# Rendered at a time. Their arrays fit a core's cache and stay below 128 KiB, from where glibc maps
# fresh pages for each.
_CHUNK_PIXELS = 12 * 48 * 48

#: Of images: ten times as many as the largest public dataset of faces has.
Count = Annotated[int, Interval(ge=1, le=10**7)]

_PARTS = ("train", "test")
_SUBJECT, _PICTURE, _GRAIN = range(3)


def synthetic_faces(
    path: Path | None,
    *,
    size: Annotated[int, Interval(ge=16, le=512)] = 48,
    train: Count = 4000,
    test: Count = 1000,
    seed: Annotated[int, Interval(ge=0, lt=2**63)] = 0,
    balance: Literal["fer2013", "uniform"] = "fer2013",
    frames: Annotated[int, Interval(ge=1, le=256)] = 1,
    images_per_subject: Count = 8,
    weakest: Annotated[float, Interval(ge=0, le=1)] = 0.6,
    identity: Annotated[float, Interval(ge=0, le=1)] = 1.0,
    pose: Annotated[float, Interval(ge=0, le=1.5)] = 1.0,
    light: Annotated[float, Interval(ge=0, le=1.2)] = 1.0,
    noise: Annotated[float, Interval(ge=0, le=5)] = 1.0,
    glasses: Annotated[float, Interval(ge=0, le=1)] = 0.1,
    occlusion: Annotated[float, Interval(ge=0, le=1)] = 0.06,
) -> ferbench.Dataset:
    """Gray faces of people who do not exist, with expressions composed of facial action units.

    Image i of a part depends on ``seed``, the part, i and the options of appearance, not on ``train`` and
    ``test``: asking for more images adds some and changes none. The people in train and test are different.

    Args:
        path: must be None.
        size: side of the square images in pixels.
        train: images in the part "train"; clips if ``frames`` > 1.
        test: images in the part "test"; clips if ``frames`` > 1.
        seed: another seed shows other people in other pictures.
        balance: "fer2013": the class proportions of FER2013's training set; "uniform": equal.
        frames: images per clip. A clip shows one person whose expression rises from rest (first frame) to its
            apex (last frame) while the head moves slowly. All its frames have the label of the apex, as CK+
            labels sequences, and the valence and arousal of the moment.
        images_per_subject: consecutive images (or clips) that show the same person.
        weakest: strength of the weakest expressions; strengths are uniform between it and 1.
        identity: how different people are; 0: one face.
        pose: range of head rotation, shift and scale; 0: frontal and centred.
        light: range of light direction, contrast and brightness; 0: the same light.
        noise: strength of the sensor noise.
        glasses: probability of glasses.
        occlusion: probability of a hand or a bar over part of the picture.

    Raises:
        ferbench.UserError: a path is given, or a part has fewer images than there are classes.
    """
    if path is not None:
        raise ferbench.UserError(
            f"synthetic-faces is generated and reads no files, but a path was given: {path}",
            "leave out the path, or choose a dataset that reads one (ferbench plugins list)",
        )
    for part, count in (("train", train), ("test", test)):
        if count < len(EXPRESSIONS):
            raise ferbench.UserError(
                f"synthetic-faces: {part}={count} is too few for {len(EXPRESSIONS)} classes",
                f"ask for at least {part}={len(EXPRESSIONS)}",
            )
    return SyntheticFaces(
        _Options(
            size=size,
            counts=(train, test),
            seed=seed,
            balance=balance,
            frames=frames,
            images_per_subject=images_per_subject,
            weakest=weakest,
            identity=identity,
            pose=pose,
            light=light,
            noise=noise,
            glasses=glasses,
            occlusion=occlusion,
        )
    )


@dataclass(frozen=True, slots=True)
class _Options:
    size: int
    counts: tuple[int, int]
    seed: int
    balance: str
    frames: int
    images_per_subject: int
    weakest: float
    identity: float
    pose: float
    light: float
    noise: float
    glasses: float
    occlusion: float


class SyntheticFaces(ferbench.Dataset):
    """See `synthetic_faces`. Memory does not grow with the number of images."""

    class_names = EXPRESSIONS
    channels = 1

    def __init__(self, options: _Options) -> None:
        self.native_size = (options.size, options.size)
        self.least_count = sum(options.counts) * options.frames
        self._options = options

    @property
    def notes(self) -> Mapping[str, Any]:
        return {"synthetic": True}

    def source(self) -> Mapping[str, Any]:
        options = asdict(self._options)
        train, test = options.pop("counts")
        version = {"generator": "synthetic-faces", "renderer": RENDERER_VERSION}
        return {**version, "train": train, "test": test, **options}

    def samples(self) -> Iterator[ferbench.Sample]:
        chunk = max(1, _CHUNK_PIXELS // self._options.size**2)
        for part, clips in zip(_PARTS, self._options.counts, strict=True):
            expressions = class_sequence(clips, self._options.balance)
            rows = clips * self._options.frames
            for start in range(0, rows, chunk):
                yield from self._chunk(part, expressions, np.arange(start, min(start + chunk, rows)))

    def _chunk(self, part: str, expressions: np.ndarray, rows: np.ndarray) -> Iterator[ferbench.Sample]:
        o = self._options
        clips, frames = rows // o.frames, rows % o.frames
        start = int(o.frames > 1)  # a still picture shows the apex
        units, face = self._faces(part, clips, expressions[clips], (frames + 1 - start) / (o.frames - start))
        grain = [self._random(part, _GRAIN, c, f) for c, f in zip(clips, frames, strict=True)]
        noise = np.stack([rng.standard_normal((o.size, o.size), dtype=np.float32) for rng in grain])
        images = face_renderer.render(units, face, noise)
        valence, arousal = action_units.affect(units)
        for row, (clip, frame) in enumerate(zip(clips.tolist(), frames.tolist(), strict=True)):
            name = f"{part}-{clip:06d}"
            moving = o.frames > 1
            yield ferbench.Sample(
                id=f"{name}-f{frame:02d}" if moving else name,
                part=part,
                label=EXPRESSIONS[expressions[clip]],
                image=images[row],
                valence=float(valence[row]),
                arousal=float(arousal[row]),
                subject=f"{part}-p{clip // o.images_per_subject:05d}",
                clip=name if moving else None,
                frame=frame if moving else None,
            )

    def _faces(
        self, part: str, clips: np.ndarray, expressions: np.ndarray, time: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Action units and parameters of faces at a ``time`` from 0, at rest, to 1, the apex."""
        o = self._options
        shown, which = np.unique(clips, return_inverse=True)
        subjects = shown // o.images_per_subject
        people = np.stack([self._random(part, _SUBJECT, s).random(len(IDENTITY)) for s in subjects])
        widths = np.cumsum([action_units.DRAWS, len(POSE), len(POSE), len(LIGHT), len(SCENE)])
        draws = np.stack([self._random(part, _PICTURE, c).random(widths[-1]) for c in shown])[which]
        expression, apex, way, light, scene = np.split(draws, widths[:-1], axis=1)

        onset = np.clip(apex + 0.4 * (way - 0.5), 0, 1)
        motion = time[:, None]
        face = spread(IDENTITY, people[which], o.identity)
        face |= spread(POSE, onset + motion * (apex - onset), o.pose)
        face |= spread(LIGHT, light, o.light)
        face |= spread(SCENE, scene)
        face["grain"] *= o.noise
        face["glasses"] = face["glasses"] < o.glasses
        face["patch"] = face["patch"] < o.occlusion
        units = action_units.draw_action_units(expressions, expression, o.weakest)
        return units * motion**2 * (3 - 2 * motion), face

    def _random(self, part: str, *key: int) -> np.random.Generator:
        return np.random.default_rng([self._options.seed, _PARTS.index(part), *map(int, key)])


def class_sequence(count: int, balance: str) -> np.ndarray:
    """Classes of the first ``count`` images, int64[count], as positions in ``EXPRESSIONS``.

    Seats in the US House of Representatives are given out in this way (Huntington-Hill: the k-th seat of a
    class with weight w has priority w / sqrt(k (k - 1))). Here it gives each class an image before any gets a
    second, and a longer sequence continues a shorter one although both have the rounded proportions.
    """
    counts = FER2013_COUNTS if balance == "fer2013" else dict.fromkeys(EXPRESSIONS, 1)
    weights = np.array([counts[name] for name in EXPRESSIONS], dtype=np.float64)
    seats = np.arange(1, count + 1)
    with np.errstate(divide="ignore"):
        priority = weights / np.sqrt(seats * (seats - 1.0))[:, None]
    order = np.argsort(-priority, axis=None, kind="stable")[:count]
    return order % len(EXPRESSIONS)
