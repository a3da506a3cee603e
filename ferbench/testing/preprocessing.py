"""What is asked of preprocessing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.face import Face
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation

#: Heights and widths of images that are tried, each gray and in colour.
_SIZES = ((48, 48), (100, 64), (9, 17))
_THREADS, _ROUNDS = 4, 8


class PreprocessingBench:
    """Images that no camera took: blurred noise, brighter in the middle."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def build(self) -> Any:
        return self._subject.build_callable()

    def faces(self, seed: int = 0) -> Iterator[Face]:
        """Gray and in colour, of several sizes; no two are alike."""
        generator = np.random.default_rng(seed)
        for height, width in _SIZES:
            for shape in ((height, width), (height, width, 3)):
                rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
                light = 160 * np.exp(-2 * (rows**2 + columns**2))
                light = light if len(shape) == 2 else light[:, :, None]
                pixels = (light + generator.integers(0, 90, shape)).astype(np.uint8)
                yield Face(pixels, f"sample-{seed}-{height}-{len(shape)}")


def _alike(one: Any, other: Any) -> bool:
    """Whether two outcomes are the same, to the bit; nothing is an outcome too."""
    return one is other is None or (one is not None and other is not None and np.array_equal(one, other))


def _copied(face: Face) -> Face:
    return Face(face.pixels.copy(), face.id)


def _outcome(made: Any) -> NDArray[np.uint8] | None:
    """A copy of what it gave, so that what it does later is seen."""
    return None if made is None else np.array(made)


RULES = RuleSet(PreprocessingBench)


@RULES.rule(gate=True)
def builds(bench: PreprocessingBench) -> None:
    """The builder returns something that can be called."""
    bench.build()


@RULES.rule(gate=True)
def pixels(bench: PreprocessingBench) -> None:
    """An image gives an image of any size, gray uint8[h, w] or colour uint8[h, w, 3] as it was, or None for nothing."""
    process = bench.build()
    found = 0
    for face in bench.faces():
        made = process(_copied(face))
        if made is None:
            continue
        found += 1
        array, shape = np.asarray(made), face.pixels.shape
        if array.dtype != np.uint8 or array.ndim != len(shape) or array.shape[2:] != shape[2:] or not array.size:
            raise Violation(f"uint8{list(shape)} gives {array.dtype}{list(array.shape)}")
    if not found:
        raise NotApplicable("it found nothing in made-up images")


@RULES.rule()
def input_unchanged(bench: PreprocessingBench) -> None:
    """The pixels that it is given stay as they are."""
    process = bench.build()
    for face in bench.faces():
        given = _copied(face)
        process(given)
        if not np.array_equal(given.pixels, face.pixels):
            raise Violation("it writes into the pixels that it is given: work with a copy, such as face.pixels.copy()")


@RULES.rule()
def determinism(bench: PreprocessingBench) -> None:
    """Built twice, it makes the same of an image, to the bit."""
    first, second = bench.build(), bench.build()
    for face in bench.faces():
        if not _alike(_outcome(first(_copied(face))), _outcome(second(_copied(face)))):
            raise Violation("the same image gives something else: draw nothing, or from the pixels alone")


@RULES.rule()
def image_by_image(bench: PreprocessingBench) -> None:
    """What it makes of an image does not depend on those before it."""
    process = bench.build()
    first = [_outcome(process(_copied(face))) for face in bench.faces()]
    for face in bench.faces(seed=1):
        process(_copied(face))
    for before, face in zip(first, bench.faces(), strict=True):
        if not _alike(before, _outcome(process(_copied(face)))):
            raise Violation("after other images it makes something else of the same one: keep nothing between calls")


@RULES.rule()
def several_threads(bench: PreprocessingBench) -> None:
    """Called from several threads at once, it makes of each image what it makes of it alone."""
    process = bench.build()
    faces = list(bench.faces())
    alone = [_outcome(process(_copied(face))) for face in faces]
    with ThreadPoolExecutor(_THREADS) as pool:
        together = list(pool.map(lambda face: _outcome(process(_copied(face))), faces * _ROUNDS))
    if not all(_alike(one, other) for one, other in zip(alone * _ROUNDS, together, strict=True)):
        raise Violation("several threads at once get other images: packing calls it so; keep no image in the object")


@RULES.rule()
def without_a_dataset(bench: PreprocessingBench) -> None:
    """It makes the same of a picture that is in no dataset, and so has no id."""
    process = bench.build()
    for face in bench.faces():
        if not _alike(_outcome(process(_copied(face))), _outcome(process(Face(face.pixels.copy())))):
            raise Violation("without an id the same pixels give something else, which 'ferbench predict' would see")
