"""What a recipe does to every image before it is stored, in training, tests and predictions alike: the one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.decode import DecodeError, decode
from ferbench.data.face import Face
from ferbench.errors import UserError
from ferbench.experiment.chain import Chain
from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.culprit import using
from ferbench.plugin.discovery import Component


class Preprocessing:
    """The step, or the steps in a row, that a recipe chose, in use.

    Args:
        chosen: the component, or the chain of several, with its options.

    Attributes:
        chosen: the component, or the chain of several, with its options.

    Raises:
        UserError: its options make no sense, or what it is made of cannot be called.
    """

    def __init__(self, chosen: ChosenComponent) -> None:
        self.chosen = chosen
        steps = chosen.members.values() if isinstance(chosen, Chain) else [chosen]
        self._steps = [(step.component, step.build()) for step in steps]
        for component, process in self._steps:
            if not callable(process):
                given = type(process).__name__
                raise UserError(f"{component.title} builds {given}, which cannot be called", _whom(component))

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides what it makes of an image."""
        return dict(self.chosen.identify())

    def __call__(self, image: NDArray[np.uint8], identifier: str | None = None) -> NDArray[np.uint8] | None:
        """uint8[C, h, w] of an image uint8[C, H, W]; None where it finds nothing in it. It may be called from several
        threads at once.

        Args:
            image: gray or RGB; it is not written.
            identifier: of the sample; None for a picture that is in no dataset.

        Raises:
            UserError: what it gives is no image.
        """
        for component, process in self._steps:
            made = _processed(component, process, image, identifier)
            if made is None:
                return None
            image = made
        return image

    @property
    def nothing(self) -> str:
        """Why an image is left out that it gives nothing for."""
        return f"{self.chosen.component.where} found nothing in it"


def _processed(
    component: Component, process: Callable[[Face], Any], image: NDArray[np.uint8], identifier: str | None
) -> NDArray[np.uint8] | None:
    """What one step makes of an image."""
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    pixels = pixels.view()
    pixels.flags.writeable = False
    with using(component):
        given = process(Face(pixels, identifier))
    if given is None:
        return None
    made = np.asarray(given)
    if made.ndim != pixels.ndim:
        raise UserError(
            f"{component.title} gives an array of shape {made.shape} for one of {pixels.shape}", _whom(component)
        )
    try:
        return decode(made, len(image))
    except DecodeError as error:
        raise UserError(f"{component.title} gives no image: {error.reason}", _whom(component)) from error


def _whom(component: Component) -> str:
    return f"{component.whom}; the contract is ferbench.PreprocessingSpec"


def preprocessing_of(chosen: ChosenComponent | None) -> Preprocessing | None:
    """What a recipe chose, built; None where it chose none."""
    return None if chosen is None else Preprocessing(chosen)
