"""Where a checkpoint's files are: in a local folder, or in the cache of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from ferbench import UserError, hub_file

_WEIGHTS = "model.safetensors"
_NEEDED = ("config.json", "preprocessor_config.json")


def checkpoint_folder(checkpoint: str, revision: str | None) -> Path:
    """The folder with a checkpoint's configuration, image processor and weights.

    Args:
        checkpoint: the path of a folder, or ``owner/name`` on the hub.
        revision: of the hub's repository; None: its ``main``.

    Raises:
        UserError: a file is missing, or the hub's cannot be had; without network within two seconds.
    """
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        for name in _NEEDED:
            if not (folder / name).is_file():
                raise UserError(
                    f"folder {checkpoint} is no checkpoint of an image classifier: it has no {name}",
                    f"give a folder with {', '.join(_NEEDED)} and {_WEIGHTS}",
                )
        return folder
    remedy = (
        f"fetch {', '.join(_NEEDED)} and {_WEIGHTS} of {checkpoint} into a folder where there is a network, "
        "and say --set model.checkpoint=FOLDER"
    )
    weights = hub_file(checkpoint, _WEIGHTS, revision=revision, remedy=remedy)
    for name in _NEEDED:  # of the very commit that the weights are of
        hub_file(checkpoint, name, revision=weights.parent.name, remedy=remedy)
    return weights.parent
