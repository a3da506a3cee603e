"""One component for each rule of the conformance kit, which breaks that rule and no other."""

from __future__ import annotations

from collections.abc import Iterator

import ferbench
from ferbench import Protocol

#: By kind: the rules, each broken by the component of the same name in ``broken_parts``.
BROKEN = {
    "model": (
        "options",
        "builds",
        "shapes",
        "named-outputs",
        "classifier-of-features",
        "unnormalised-logits",
        "looks-at-the-images",
        "gradients",
        "same-output-in-evaluation",
        "batch-of-one",
        "input-unchanged",
        "state-dict-round-trip",
        "same-seed-same-weights",
    ),
    "loss": (
        "builds",
        "needs",
        "scalar",
        "one-view",
        "reads-teacher",
        "teacher-learns-nothing",
        "component-names",
        "inputs-unchanged",
        "evaluation",
        "same-in-evaluation",
        "parameters",
        "corrections",
        "single-losses",
        "state-round-trip",
        "finite",
        "absent-class",
        "gradient",
        "trains-the-classifier",
        "lower-for-better",
        "mean-over-samples",
        "distributions",
        "device",
        "missing-labels",
        "any-epoch",
        "class-order",
    ),
    "sampler": (
        "builds",
        "single-samples",
        "length-and-range",
        "whole-batches",
        "told-lengths",
        "plain-description",
        "inputs-unchanged",
        "undrawn-samples",
        "heeds-the-seed",
        "new-draws-every-epoch",
        "determinism",
        "state-round-trip",
        "every-class",
        "cost-at-a-million",
    ),
    "augmentation": ("builds", "range-and-dtype", "determinism", "draws-per-sample", "input-unchanged"),
    "optimizer": (
        "builds",
        "closure",
        "lowers-a-loss",
        "groups-keep-their-settings",
        "heeds-the-schedule",
        "state-round-trip",
        "same-calls",
        "zero-gradient",
        "unused-parameter",
    ),
    "schedule": ("builds", "one-rate-per-group", "inputs-unchanged", "proportions", "state-round-trip"),
    "preprocessing": (
        "builds",
        "pixels",
        "input-unchanged",
        "determinism",
        "image-by-image",
        "several-threads",
        "without-a-dataset",
    ),
    "estimator": (
        "builds",
        "probabilities",
        "kept-without-pickle",
        "inputs-unchanged",
        "same-seed",
        "batch-of-one",
        "learns",
        "weights",
        "fewer-classes",
    ),
    "postprocessing": (
        "builds",
        "shape",
        "inputs-unchanged",
        "determinism",
        "batch-of-one",
        "learns-in-fit-alone",
        "state-round-trip",
        "extremes",
    ),
    "metric": (
        "builds",
        "number",
        "in-range",
        "order-of-samples",
        "inputs-unchanged",
        "determinism",
        "direction",
        "few-samples",
        "needs",
        "missing-values",
    ),
    "tracker": ("builds", "hears-something", "whole-life", "failed-run"),
    "dataset": (
        "empty-directory",
        "builds",
        "stable-ids",
        "labels-in-range",
        "stamp",
        "faults",
        "same-digest",
        "disjoint-splits",
    ),
}

_SPECS = {
    "model": ferbench.ModelSpec,
    "loss": ferbench.LossSpec,
    "sampler": ferbench.SamplerSpec,
    "augmentation": ferbench.AugmentationSpec,
    "estimator": ferbench.EstimatorSpec,
    "optimizer": ferbench.OptimizerSpec,
    "schedule": ferbench.ScheduleSpec,
    "preprocessing": ferbench.PreprocessingSpec,
    "postprocessing": ferbench.PostprocessingSpec,
    "metric": ferbench.MetricSpec,
    "tracker": ferbench.TrackerSpec,
}


def named(kind: str, rule: str) -> str:
    """What breaks a rule; estimators are chosen among models, which have rules of the same names."""
    return f"estimator-breaks-{rule}" if kind == "estimator" else f"breaks-{rule}"


def _specs(kind: str) -> Iterator:
    for rule in BROKEN[kind]:
        more = {"image_size": 16} if kind == "model" else {}
        more |= {"per_sample": True} if rule == "undrawn-samples" else {}
        more |= {"closure": True} if kind == "optimizer" and rule in ("closure", "same-calls") else {}
        more |= {"high": 1.0} if rule == "in-range" else {}
        more |= {"needs": ("votes",)} if rule == "missing-values" else {}
        more |= {"gives": ("features", "classifier")} if rule == "classifier-of-features" else {}
        if kind == "estimator":
            classes = ("NotOne", "Writes", "Drawn", "Neighbours", "Blind", "Unweighted", "Counts", "Unkept")
            more |= {"image_size": 16, "trusted": tuple(f"broken_parts.estimators.{name}" for name in classes)}
        plural = "" if kind.endswith("ing") else "s"
        yield _SPECS[kind](named(kind, rule), build=f"broken_parts.{kind}{plural}:{rule.replace('-', '_')}", **more)


@ferbench.hookimpl
def ferbench_models():
    yield from _specs("model")


@ferbench.hookimpl
def ferbench_estimators():
    yield from _specs("estimator")


@ferbench.hookimpl
def ferbench_losses():
    for rule in BROKEN["loss"]:
        views = ("drawn", "mirrored") if rule == "one-view" else ("drawn",)
        build, needs = f"broken_parts.losses:{rule.replace('-', '_')}", ("teacher",) if "teacher" in rule else ()
        needs = ("features",) if rule == "trains-the-classifier" else needs
        yield ferbench.LossSpec(f"breaks-{rule}", build=build, views=views, needs=needs)


@ferbench.hookimpl
def ferbench_samplers():
    yield from _specs("sampler")


@ferbench.hookimpl
def ferbench_augmentations():
    yield from _specs("augmentation")


@ferbench.hookimpl
def ferbench_optimizers():
    yield from _specs("optimizer")


@ferbench.hookimpl
def ferbench_schedules():
    yield from _specs("schedule")


@ferbench.hookimpl
def ferbench_preprocessing():
    yield from _specs("preprocessing")


@ferbench.hookimpl
def ferbench_postprocessing():
    yield from _specs("postprocessing")


@ferbench.hookimpl
def ferbench_metrics():
    yield from _specs("metric")


@ferbench.hookimpl
def ferbench_trackers():
    yield from _specs("tracker")


@ferbench.hookimpl
def ferbench_datasets():
    for rule in BROKEN["dataset"]:
        train = ("train", "test") if rule == "disjoint-splits" else ("train",)
        yield ferbench.DatasetSpec(
            f"breaks-{rule}",
            build=f"broken_parts.datasets:{rule.replace('-', '_')}",
            protocols=(Protocol("plain", train=train, test=("test",)),),
            needs_path=rule == "empty-directory",
        )
