"""What a recipe does to every image before it is stored, in training, tests and predictions alike: the one place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.decode import DecodeError, decode
from ferbench.data.face import Face
from ferbench.errors import UserError
from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.culprit import using


class Preprocessing:
    """A component that a recipe chose, in use.

    Args:
        chosen: the component with its options.

    Attributes:
        chosen: the component with its options.

    Raises:
        UserError: its options make no sense, or what it is made of cannot be called.
    """

    def __init__(self, chosen: ChosenComponent) -> None:
        self.chosen = chosen
        self._process = chosen.build()
        if not callable(self._process):
            given = type(self._process).__name__
            raise UserError(f"{chosen.component.title} builds {given}, which cannot be called", self._whom)

    @property
    def _whom(self) -> str:
        return f"tell the authors of {self.chosen.component.distribution}; the contract is ferbench.PreprocessingSpec"

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
        pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
        pixels = pixels.view()
        pixels.flags.writeable = False
        with using(self.chosen.component):
            given = self._process(Face(pixels, identifier))
        if given is None:
            return None
        made = np.asarray(given)
        if made.ndim != pixels.ndim:
            raise UserError(f"{self._titled} an array of shape {made.shape} for one of {pixels.shape}", self._whom)
        try:
            return decode(made, len(image))
        except DecodeError as error:
            raise UserError(f"{self._titled} an {error.reason}", self._whom) from error

    @property
    def nothing(self) -> str:
        """Why an image is left out that it gives nothing for."""
        return f"{self.chosen.component.where} found nothing in it"

    @property
    def _titled(self) -> str:
        return f"{self.chosen.component.title} gives"


def preprocessing_of(chosen: ChosenComponent | None) -> Preprocessing | None:
    """What a recipe chose, built; None where it chose none."""
    return None if chosen is None else Preprocessing(chosen)
