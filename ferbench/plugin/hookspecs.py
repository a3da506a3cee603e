"""The hooks that a plugin may implement.

Every hook returns (or yields) light descriptions. A whole plugin:

    import ferbench

    @ferbench.hookimpl
    def ferbench_models():
        yield ferbench.ModelSpec("tiny-net", build="my_package.net:tiny_net", summary="Two convolutions and a head")

with ``[project.entry-points.ferbench]`` naming the module in its ``pyproject.toml``.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from ferbench.plugin.specs import (
    AugmentationSpec,
    CommandSpec,
    DatasetSpec,
    EstimatorSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    OptimizerSpec,
    PostprocessingSpec,
    PreprocessingSpec,
    ReportSectionSpec,
    SamplerSpec,
    ScheduleSpec,
    TrackerSpec,
)

hookspec = pluggy.HookspecMarker("ferbench")
hookimpl = pluggy.HookimplMarker("ferbench")


@hookspec
def ferbench_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Datasets, named in ``--dataset``.

    @ferbench.hookimpl
    def ferbench_datasets():
        yield ferbench.DatasetSpec("my-faces", build="my_package.faces:MyFaces", summary="Faces from my lab")
    """


@hookspec
def ferbench_preprocessing() -> Iterable[PreprocessingSpec]:  # type: ignore[empty-body]
    """What is done to every image before it is stored, named in ``--preprocessing``.

    @ferbench.hookimpl
    def ferbench_preprocessing():
        yield ferbench.PreprocessingSpec("my-contrast", build="my_package.contrast:my_contrast")
    """


@hookspec
def ferbench_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Models, named in ``--model``.

    @ferbench.hookimpl
    def ferbench_models():
        yield ferbench.ModelSpec("tiny-net", build="my_package.net:tiny_net", image_size=48, channels=1)
    """


@hookspec
def ferbench_estimators() -> Iterable[EstimatorSpec]:  # type: ignore[empty-body]
    """Models that are fitted at once, named in ``--model``.

    @ferbench.hookimpl
    def ferbench_estimators():
        yield ferbench.EstimatorSpec("my-forest", build="my_package.forest:my_forest", image_size=48, channels=1)
    """


@hookspec
def ferbench_losses() -> Iterable[LossSpec]:  # type: ignore[empty-body]
    """Losses, named in ``--loss``.

    @ferbench.hookimpl
    def ferbench_losses():
        yield ferbench.LossSpec("my-loss", build="my_package.losses:my_loss")
    """


@hookspec
def ferbench_samplers() -> Iterable[SamplerSpec]:  # type: ignore[empty-body]
    """Samplers, named in ``--sampler``.

    @ferbench.hookimpl
    def ferbench_samplers():
        yield ferbench.SamplerSpec("my-sampler", build="my_package.samplers:MySampler")
    """


@hookspec
def ferbench_augmentations() -> Iterable[AugmentationSpec]:  # type: ignore[empty-body]
    """Augmentations, named in ``--augmentation``.

    @ferbench.hookimpl
    def ferbench_augmentations():
        yield ferbench.AugmentationSpec("my-noise", build="my_package.noise:my_noise")
    """


@hookspec
def ferbench_optimizers() -> Iterable[OptimizerSpec]:  # type: ignore[empty-body]
    """Optimisers, named in ``--optimizer``.

    @ferbench.hookimpl
    def ferbench_optimizers():
        yield ferbench.OptimizerSpec("my-adam", build="my_package.optim:my_adam")
    """


@hookspec
def ferbench_schedules() -> Iterable[ScheduleSpec]:  # type: ignore[empty-body]
    """Learning-rate schedules, named in ``--schedule``.

    @ferbench.hookimpl
    def ferbench_schedules():
        yield ferbench.ScheduleSpec("my-decay", build="my_package.decay:my_decay")
    """


@hookspec
def ferbench_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Metrics, named in ``evaluation.metrics`` and ``training.select``.

    @ferbench.hookimpl
    def ferbench_metrics():
        yield ferbench.MetricSpec("my-error", build="my_package.errors:my_error", higher_is_better=False, low=0.0)
    """


@hookspec
def ferbench_postprocessing() -> Iterable[PostprocessingSpec]:  # type: ignore[empty-body]
    """What is done to predictions at test time, named in ``--postprocessing``.

    @ferbench.hookimpl
    def ferbench_postprocessing():
        yield ferbench.PostprocessingSpec("my-scaling", build="my_package.scaling:MyScaling")
    """


@hookspec
def ferbench_trackers() -> Iterable[TrackerSpec]:  # type: ignore[empty-body]
    """Observers of a run's life, named in ``--tracker``.

    @ferbench.hookimpl
    def ferbench_trackers():
        yield ferbench.TrackerSpec("my-tracker", build="my_package.track:MyTracker")
    """


@hookspec
def ferbench_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Commands, called as ``ferbench NAME``.

    @ferbench.hookimpl
    def ferbench_commands():
        yield ferbench.CommandSpec("my-command", build="my_package.command:my_command", summary="Does what I need")
    """


@hookspec
def ferbench_report_sections() -> Iterable[ReportSectionSpec]:  # type: ignore[empty-body]
    """Sections that every run has in a report.

    @ferbench.hookimpl
    def ferbench_report_sections():
        yield ferbench.ReportSectionSpec("my-section", build="my_package.section:tables", title="What I look at")
    """
