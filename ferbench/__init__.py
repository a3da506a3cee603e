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
    Added,
    AugmentationSpec,
    CommandSpec,
    DatasetSpec,
    EstimatorSpec,
    Inert,
    InitialWeights,
    LossSpec,
    MetricSpec,
    ModelSpec,
    OptimizerSpec,
    Permission,
    PostprocessingSpec,
    PreprocessingSpec,
    Protocol,
    ReportSectionSpec,
    SamplerSpec,
    ScheduleSpec,
    TrackerSpec,
    Tunable,
)
from ferbench.task import Task
from ferbench.version import API_VERSION, __version__

if TYPE_CHECKING:
    from ferbench.api.audits import audit_data, audit_table, audit_tables
    from ferbench.api.comparing import Comparison, compare
    from ferbench.api.evaluate import EvaluationResult, evaluate
    from ferbench.api.imports import import_predictions
    from ferbench.api.plan import plan
    from ferbench.api.ranking import Board, leaderboard
    from ferbench.api.results import Results, Run, load_results, load_run
    from ferbench.api.run import run
    from ferbench.api.tune import Study, load_study, tune
    from ferbench.data import augment, expressions, image_tree
    from ferbench.data.class_mapping import unknown_label
    from ferbench.data.draws import Draws
    from ferbench.data.face import Face
    from ferbench.data.sample import Crop, Dataset, Fault, Fit, PixelText, Sample
    from ferbench.data.targets import LossValue, Outputs, Targets
    from ferbench.hub import hub_file
    from ferbench.metrics.measures import HIGHER_IS_BETTER, is_selectable
    from ferbench.metrics.predicted import Predictions
    from ferbench.plugin.discovery import warn_on_stderr
    from ferbench.storage import replace_file, writing
    from ferbench.tables.reading import csv_columns, csv_rows, text_lines
    from ferbench.tables.table import Column, Table
    from ferbench.training.scores import Scores
    from ferbench.training.stopping import better
    from ferbench.wording import did_you_mean, one_line

#: What is loaded when it is first asked for, by module.
_LAZY = {
    "ferbench.api.audits": ("audit_data", "audit_table", "audit_tables"),
    "ferbench.api.comparing": ("Comparison", "compare"),
    "ferbench.api.evaluate": ("EvaluationResult", "evaluate"),
    "ferbench.api.imports": ("import_predictions",),
    "ferbench.api.plan": ("plan",),
    "ferbench.api.ranking": ("Board", "leaderboard"),
    "ferbench.api.results": ("Results", "Run", "load_results", "load_run"),
    "ferbench.api.run": ("run",),
    "ferbench.api.tune": ("Study", "load_study", "tune"),
    "ferbench.data.class_mapping": ("unknown_label",),
    "ferbench.data.draws": ("Draws",),
    "ferbench.data.face": ("Face",),
    "ferbench.data.sample": ("Crop", "Dataset", "Fault", "Fit", "PixelText", "Sample"),
    "ferbench.data.targets": ("LossValue", "Outputs", "Targets"),
    "ferbench.hub": ("hub_file",),
    "ferbench.metrics.measures": ("HIGHER_IS_BETTER", "is_selectable"),
    "ferbench.metrics.predicted": ("Predictions",),
    "ferbench.plugin.discovery": ("warn_on_stderr",),
    "ferbench.storage": ("replace_file", "writing"),
    "ferbench.tables.reading": ("csv_columns", "csv_rows", "text_lines"),
    "ferbench.tables.table": ("Column", "Table"),
    "ferbench.training.scores": ("Scores",),
    "ferbench.training.stopping": ("better",),
    "ferbench.wording": ("did_you_mean", "one_line"),
}

#: Names of modules: of what augmentations are made of, of expressions and their spelling, of files of images.
_MODULES = {
    "augment": "ferbench.data.augment",
    "expressions": "ferbench.data.expressions",
    "image_tree": "ferbench.data.image_tree",
}

__all__ = [
    "API_VERSION",
    "HIGHER_IS_BETTER",
    "Added",
    "AugmentationSpec",
    "Board",
    "Column",
    "CommandSpec",
    "Comparison",
    "Crop",
    "Dataset",
    "DatasetSpec",
    "Draws",
    "EstimatorSpec",
    "EvaluationResult",
    "Face",
    "Fault",
    "Fit",
    "Inert",
    "InitialWeights",
    "LossSpec",
    "LossValue",
    "MetricSpec",
    "ModelSpec",
    "OptimizerSpec",
    "Outputs",
    "Permission",
    "PixelText",
    "PostprocessingSpec",
    "Predictions",
    "PreprocessingSpec",
    "Protocol",
    "ReportSectionSpec",
    "Results",
    "Run",
    "Sample",
    "SamplerSpec",
    "ScheduleSpec",
    "Scores",
    "Study",
    "Table",
    "Targets",
    "Task",
    "TrackerSpec",
    "Tunable",
    "UserError",
    "__version__",
    "audit_data",
    "audit_table",
    "audit_tables",
    "augment",
    "better",
    "compare",
    "csv_columns",
    "csv_rows",
    "did_you_mean",
    "evaluate",
    "expressions",
    "hookimpl",
    "hub_file",
    "image_tree",
    "import_predictions",
    "is_selectable",
    "leaderboard",
    "load_results",
    "load_run",
    "load_study",
    "one_line",
    "plan",
    "replace_file",
    "run",
    "text_lines",
    "tune",
    "unknown_label",
    "warn_on_stderr",
    "writing",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(_MODULES[name])
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'ferbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
