"""ferbench: find out what really works in facial expression recognition.

This module is what a plugin author needs. Importing it imports neither torch nor numpy nor pydantic; names that need
torch or numpy (``Outputs``, ``Targets``, ``LossValue``, ``Sample``, …) are loaded when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.plugin.hookspecs import hookimpl
from ferbench.plugin.specs import (
    AugmentationSpec,
    CommandSpec,
    DatasetSpec,
    InitialWeights,
    LossSpec,
    ModelSpec,
    OptimizerSpec,
    Protocol,
    ReportSectionSpec,
    SamplerSpec,
    ScheduleSpec,
    TrackerSpec,
    Tunable,
)
from ferbench.task import Task

if TYPE_CHECKING:
    from ferbench.data.draws import Draws
    from ferbench.data.sample import Crop, Dataset, Fault, PixelText, Sample
    from ferbench.data.targets import LossValue, Outputs, Targets
    from ferbench.tables.table import Column, Table
    from ferbench.training.scores import Scores

__version__ = "0.1.0"

#: The version of the plugin interface. It rises when a plugin written for the one before may break; a plugin says with
#: ``FERBENCH_API`` which one it is written for.
API_VERSION = 1

_LAZY = {
    "Column": "ferbench.tables.table",
    "Crop": "ferbench.data.sample",
    "Dataset": "ferbench.data.sample",
    "Draws": "ferbench.data.draws",
    "Fault": "ferbench.data.sample",
    "LossValue": "ferbench.data.targets",
    "Outputs": "ferbench.data.targets",
    "PixelText": "ferbench.data.sample",
    "Sample": "ferbench.data.sample",
    "Scores": "ferbench.training.scores",
    "Table": "ferbench.tables.table",
    "Targets": "ferbench.data.targets",
}

__all__ = [
    "API_VERSION",
    "AugmentationSpec",
    "Column",
    "CommandSpec",
    "Crop",
    "Dataset",
    "DatasetSpec",
    "Draws",
    "Fault",
    "InitialWeights",
    "LossSpec",
    "LossValue",
    "ModelSpec",
    "OptimizerSpec",
    "Outputs",
    "PixelText",
    "Protocol",
    "ReportSectionSpec",
    "Sample",
    "SamplerSpec",
    "ScheduleSpec",
    "Scores",
    "Table",
    "Targets",
    "Task",
    "TrackerSpec",
    "Tunable",
    "UserError",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'ferbench' has no attribute {name!r}")
