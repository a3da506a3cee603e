"""What the ids cover of initial weights: their content, not where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferbench.experiment.file_content import content_digest
from ferbench.plugin.specs import InitialWeights


def identify_weights(marked: InitialWeights, value: Any, options: Mapping[str, Any]) -> Any:
    """What stands in the ids for the value of an option that names initial weights.

    Args:
        marked: the option's annotation.
        value: the option's value.
        options: every option of the component.

    Returns:
        ``sha256:…`` of the file or folder that ``value`` is the path of; else what ``marked.identify`` says, or the
        value.

    Raises:
        UserError: the file or folder cannot be read.
    """
    if not isinstance(value, str):
        return value
    path = Path(value).expanduser()
    if value in marked.names or not path.exists():
        return value if marked.identify is None else marked.identify(value, options)
    return f"sha256:{content_digest(path, 'initial weights')}"
