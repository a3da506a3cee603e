"""ferbench: find out what really works in facial expression recognition.

This module is what people who work in Python need (`run`, `load_results`, `leaderboard`, `compare`, …), and what a
plugin author needs. Importing it imports neither torch nor numpy nor pandas nor pydantic; names that need one of them
are loaded when they are first asked for.
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
    from ferbench.api.audits import audit_data, audit_table
    from ferbench.api.imports import import_predictions
    from ferbench.api.ranking import Board, Comparison, compare, leaderboard
    from ferbench.api.results import Results, Run, load_results, load_run
    from ferbench.api.run import run
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
    "Board": "ferbench.api.ranking",
    "Column": "ferbench.tables.table",
    "Comparison": "ferbench.api.ranking",
    "Crop": "ferbench.data.sample",
    "Dataset": "ferbench.data.sample",
    "Draws": "ferbench.data.draws",
    "Fault": "ferbench.data.sample",
    "LossValue": "ferbench.data.targets",
    "Outputs": "ferbench.data.targets",
    "PixelText": "ferbench.data.sample",
    "Results": "ferbench.api.results",
    "Run": "ferbench.api.results",
    "Sample": "ferbench.data.sample",
    "Scores": "ferbench.training.scores",
    "Table": "ferbench.tables.table",
    "Targets": "ferbench.data.targets",
    "audit_data": "ferbench.api.audits",
    "audit_table": "ferbench.api.audits",
    "compare": "ferbench.api.ranking",
    "import_predictions": "ferbench.api.imports",
    "leaderboard": "ferbench.api.ranking",
    "load_results": "ferbench.api.results",
    "load_run": "ferbench.api.results",
    "run": "ferbench.api.run",
}

__all__ = [
    "API_VERSION",
    "AugmentationSpec",
    "Board",
    "Column",
    "CommandSpec",
    "Comparison",
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
    "Results",
    "Run",
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
    "audit_data",
    "audit_table",
    "compare",
    "hookimpl",
    "import_predictions",
    "leaderboard",
    "load_results",
    "load_run",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'ferbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
