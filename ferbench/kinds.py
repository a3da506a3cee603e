"""THE list of component kinds: what plugins may offer, and what each kind implies everywhere else.

Whatever depends on the kind of a component (hooks, sections of a recipe, ids, flags, labels, templates of new plugins,
conformance rules) reads this list. Nothing heavy is imported here: classes and modules are named, not imported.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What ``ferbench plugins new`` writes for a kind, beside its template ``scaffold/templates/KIND.py.txt``.

    Attributes:
        module: name of the module that holds the implementation.
        attribute: the function or class in it that builds the component.
        arguments: of the spec, beside name, build and summary.
        needs_data: whether the component is tried and run with ``--data DIR``.
    """

    module: str
    attribute: str = "build"
    arguments: tuple[str, ...] = ()
    needs_data: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of component.

    Attributes:
        name: as recipes, flags and ``--kind`` say it.
        hook: the hook that gives its specs, in `ferbench.plugin.hookspecs`.
        spec: the class of its specs, in `ferbench.plugin.specs`.
        noun: what prose calls it.
        given: how many arguments the harness gives its builder by position; the contracts are in the specs.
        named: what it gives by keyword, to a builder that has such a parameter, without a default; no options.
        default: the component that a recipe has where it names none; None: it is no section of a recipe. `NONE`: there
            is none then, in recipe, ids and records.
        in_ids: whether the component changes the weights, and so is part of the ids. The dataset acts through the
            digests of its rows.
        of_tests: whether it is a part of evaluations, which record it, and not of the run.
        in_labels: whether the short label of a run always names it.
        recorded: whether the record of a run may choose the component for a new command: whatever it is told, it acts
            on nothing outside the results directory and the cache. Of its options, `ferbench.plugin.consent` says so.
        section: of a recipe, whose components it stands among; None: its own, where it has a default.
        rules: the module of its conformance rules; None: there are none.
        scaffold: how a new plugin of the kind is written; None: there is no template.
    """

    name: str
    hook: str
    spec: str
    noun: str
    given: int
    named: tuple[str, ...] = ()
    default: str | None = None
    in_ids: bool = False
    of_tests: bool = False
    in_labels: bool = False
    recorded: bool = False
    section: str | None = None
    rules: str | None = None
    scaffold: Scaffold | None = None


#: The name of no component at all, in a section of a recipe that may be left out.
NONE = "none"

#: In the order of listings; those that are sections of a recipe in the order of the data flow.
KINDS = (
    Kind(
        name="dataset",
        hook="ferbench_datasets",
        spec="DatasetSpec",
        noun="dataset",
        given=1,
        default="synthetic-faces",
        in_labels=True,
        recorded=True,
        rules="ferbench.testing.datasets",
        scaffold=Scaffold("faces", needs_data=True),
    ),
    Kind(
        name="preprocessing",
        hook="ferbench_preprocessing",
        spec="PreprocessingSpec",
        noun="preprocessing",
        given=0,
        default=NONE,
        in_ids=True,
        recorded=True,
        rules="ferbench.testing.preprocessing",
        scaffold=Scaffold("pixels"),
    ),
    Kind(
        name="model",
        hook="ferbench_models",
        spec="ModelSpec",
        noun="model",
        given=1,
        default="basic-cnn",
        in_ids=True,
        in_labels=True,
        recorded=True,
        rules="ferbench.testing.models",
        scaffold=Scaffold(
            "net", arguments=("image_size=48", "image_sizes=(32, 64)", "channels=1", 'gives=("features", "classifier")')
        ),
    ),
    Kind(
        name="estimator",
        hook="ferbench_estimators",
        spec="EstimatorSpec",
        noun="estimator",
        given=1,
        recorded=True,
        section="model",
        rules="ferbench.testing.estimators",
        scaffold=Scaffold("classifier", arguments=("image_size=48", "channels=1")),
    ),
    Kind(
        name="loss",
        hook="ferbench_losses",
        spec="LossSpec",
        noun="loss",
        given=1,
        default="cross-entropy",
        in_ids=True,
        in_labels=True,
        recorded=True,
        rules="ferbench.testing.losses",
        scaffold=Scaffold("loss"),
    ),
    Kind(
        name="sampler",
        hook="ferbench_samplers",
        spec="SamplerSpec",
        noun="sampler",
        given=2,
        named=("batch_size", "epochs"),
        default="shuffled",
        in_ids=True,
        in_labels=True,
        recorded=True,
        rules="ferbench.testing.samplers",
        scaffold=Scaffold("sampler", "Sampler"),
    ),
    Kind(
        name="augmentation",
        hook="ferbench_augmentations",
        spec="AugmentationSpec",
        noun="augmentation",
        given=1,
        default="standard",
        in_ids=True,
        recorded=True,
        rules="ferbench.testing.augmentations",
        scaffold=Scaffold("augmentation", "Augmentation"),
    ),
    Kind(
        name="optimizer",
        hook="ferbench_optimizers",
        spec="OptimizerSpec",
        noun="optimiser",
        given=1,
        default="adam",
        in_ids=True,
        recorded=True,
        rules="ferbench.testing.optimizers",
        scaffold=Scaffold("optimizer"),
    ),
    Kind(
        name="schedule",
        hook="ferbench_schedules",
        spec="ScheduleSpec",
        noun="learning-rate schedule",
        given=3,
        default="constant",
        in_ids=True,
        recorded=True,
        rules="ferbench.testing.schedules",
        scaffold=Scaffold("schedule"),
    ),
    Kind(
        name="metric",
        hook="ferbench_metrics",
        spec="MetricSpec",
        noun="metric",
        given=1,
        recorded=True,
        rules="ferbench.testing.metrics",
        scaffold=Scaffold("metric", "metric", arguments=("higher_is_better=True", "low=0.0", "high=1.0")),
    ),
    Kind(
        name="postprocessing",
        hook="ferbench_postprocessing",
        spec="PostprocessingSpec",
        noun="post-processing",
        given=1,
        default=NONE,
        of_tests=True,
        recorded=True,
        rules="ferbench.testing.postprocessing",
        scaffold=Scaffold("scaling", "Postprocessing"),
    ),
    Kind(
        name="tracker",
        hook="ferbench_trackers",
        spec="TrackerSpec",
        noun="tracker",
        given=0,
        rules="ferbench.testing.trackers",
        scaffold=Scaffold("tracker", "Tracker"),
    ),
    Kind(
        name="command",
        hook="ferbench_commands",
        spec="CommandSpec",
        noun="command",
        given=0,
    ),
    Kind(
        name="report-section",
        hook="ferbench_report_sections",
        spec="ReportSectionSpec",
        noun="report section",
        given=2,
    ),
)

#: Every kind by name.
BY_NAME = {kind.name: kind for kind in KINDS}

#: The component of each section of a recipe that names none; its keys are the sections.
DEFAULTS = {kind.name: kind.default for kind in KINDS if kind.default is not None}

#: Sections of a recipe that choose a component.
SECTIONS = tuple(DEFAULTS)

#: Those of them that every recipe has; of the others, most have none.
REQUIRED = tuple(section for section, default in DEFAULTS.items() if default != NONE)

#: Sections whose component is a part of the run.
OF_RUNS = tuple(kind.name for kind in KINDS if kind.default is not None and not kind.of_tests)

#: Sections whose component changes the weights.
IN_IDS = tuple(kind.name for kind in KINDS if kind.in_ids)

#: Sections that the short label of a run always names.
IN_LABELS = tuple(kind.name for kind in KINDS if kind.in_labels)

#: Kinds that have conformance rules.
WITH_RULES = tuple(kind.name for kind in KINDS if kind.rules is not None)

#: Kinds that a new plugin can be written for.
WITH_SCAFFOLD = tuple(kind.name for kind in KINDS if kind.scaffold is not None)
