"""What a trained model says of images that are no part of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image as Picture

    from ferbench.data.sample import ImageSource
    from ferbench.runs.directory import RunDirectory
    from ferbench.training.restore import TrainedModel

AFFECT = ("valence", "arousal")
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Classified:
    """What the model says of an image.

    Attributes:
        image: its path, or its place among those given, from 0.
        probabilities: of each class.
        affect: valence and arousal, where the model predicts them.
    """

    image: Path | int
    probabilities: list[float]
    affect: list[float] | None

    @property
    def label(self) -> int:
        """The most probable class."""
        return self.probabilities.index(max(self.probabilities))


def restored(directory: RunDirectory, device: str, plugins: Sequence[str], flag: str | None = None) -> TrainedModel:
    """The model of a run, ready to classify on a device.

    Args:
        directory: of the run.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        plugins: local plugins, as ``--plugin``.
        flag: what messages call ``device``; None: ``runtime.device``.

    Raises:
        UserError: there is no such device, or no model.
    """
    from ferbench.experiment.device import check_device
    from ferbench.plugin.discovery import load_registry
    from ferbench.runs.saved import refuse_without_weights

    check_device(device, flag)
    refuse_without_weights(directory, directory.load())
    registry = load_registry(plugins)
    from ferbench.training.restore import restore
    from ferbench.training.runtime import choose_device, prepare

    chosen = choose_device(device, flag)
    prepare(chosen, None, deterministic=True)
    return restore(directory, registry, chosen)


def image_files(given: Sequence[Path], warn: Callable[[str], None]) -> Iterator[Path]:
    """Every image that is given or lies below a given directory.

    Raises:
        UserError: there is no such file, or no image in a directory.
    """
    from ferbench.data.image_tree import images_in

    for path in given:
        if path.is_dir():
            images, warning = images_in(path, deep=True)
            if warning:
                warn(warning)
            yield from images
        elif path.exists():
            yield path
        else:
            raise UserError(f"there is no file {path}", "give the path of an image, or of a directory of images")


def classify(
    trained: TrainedModel,
    images: Sequence[tuple[Path | int, ImageSource | Picture]],
    warn: Callable[[str], None] = lambda line: None,
    progress: Callable[[int], None] = lambda seen: None,
) -> tuple[list[Classified], list[tuple[Path | int, str]]]:
    """What a model says of images.

    Args:
        trained: the model.
        images: what each is called in the result, and where its pixels are from.
        warn: is given a line for each way in which they are unlike the training images.
        progress: is told how many have been looked at so far.

    Returns:
        What it says of those that can be decoded, in order; and of the others why they cannot.
    """
    from ferbench.data.decode import DecodeError, decode

    results: list[Classified] = []
    faults: list[tuple[Path | int, str]] = []
    framing = trained.framing
    gathered = trained.gather(min(_BATCH, len(images)))
    for start in range(0, len(images), _BATCH):
        names = []
        for name, source in images[start : start + _BATCH]:
            try:
                decoded = decode(_pixels(source), trained.form.channels)
                gathered.add(decoded)
            except DecodeError as error:
                faults.append((name, str(error)))
            else:
                names.append(name)
                framing.look(name, *decoded.shape[1:])
                del decoded  # before the next one is decoded
        if names:
            probabilities, affect = gathered.classify()
            for i, name in enumerate(names):
                results.append(
                    Classified(name, probabilities[i].tolist(), None if affect is None else affect[i].tolist())
                )
        progress(min(start + _BATCH, len(images)))
    for line in framing.warnings if trained.preprocessing is None else ():
        warn(line)
    return results, faults


def _pixels(source: ImageSource | Picture) -> ImageSource:
    import numpy as np
    from PIL import Image

    if not isinstance(source, Image.Image):
        return source
    return np.asarray(source.convert("L" if source.mode in ("L", "1", "I;16") else "RGB"))


def as_sources(images: Any) -> list[tuple[Path | int, ImageSource | Picture]]:
    """Images as Python users have them: paths (a directory stands for the images below it), arrays uint8[H, W] or
    uint8[H, W, 3], or pictures of Pillow; one, or a sequence of them."""
    import warnings

    import numpy as np

    alone = isinstance(images, (str, Path, np.ndarray)) or hasattr(images, "convert")
    if not alone and not isinstance(images, Iterable):
        raise UserError(f"images is of type {type(images).__name__}", "give paths, arrays or pictures of Pillow")
    several = [images] if alone else list(images)
    sources: list[tuple[Path | int, ImageSource | Picture]] = []
    for place, image in enumerate(several):
        if isinstance(image, (str, Path)):
            paths = image_files([Path(image)], lambda text: warnings.warn(text, stacklevel=4))
            sources += [(path, path) for path in paths]
        else:
            sources.append((place, image if hasattr(image, "convert") else np.asarray(image)))
    return sources


def frame_of(results: Sequence[Classified], class_names: Sequence[str]) -> pd.DataFrame:
    """One row an image: ``image``, ``predicted``, ``probability:CLASS``; ``valence`` and ``arousal`` where the model
    predicts them."""
    import pandas as pd

    columns: dict[str, Any] = {
        "image": [image if isinstance(image, int) else str(image) for image in (result.image for result in results)],
        "predicted": [class_names[result.label] for result in results],
    }
    for k, name in enumerate(class_names):
        columns[f"probability:{name}"] = [result.probabilities[k] for result in results]
    for k, name in enumerate(AFFECT):
        if any(result.affect for result in results):
            columns[name] = [None if result.affect is None else result.affect[k] for result in results]
    return pd.DataFrame(columns)
