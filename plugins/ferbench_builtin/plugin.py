"""What ferbench brings along; light, because discovery imports it for every command that names a component."""

from __future__ import annotations

from collections.abc import Iterable

import ferbench
from ferbench import Protocol


@ferbench.hookimpl
def ferbench_datasets() -> Iterable[ferbench.DatasetSpec]:
    yield ferbench.DatasetSpec(
        "fer2013",
        build="ferbench_builtin.datasets.fer2013:fer2013",
        summary="FER2013: 35,887 gray 48×48 faces, seven expressions; CSV, Kaggle folders or three folders",
        protocols=(
            Protocol(
                "official",
                train=("Training",),
                validation=("PublicTest",),
                test=("PrivateTest",),
                summary="validation = PublicTest, test = PrivateTest, as the challenge had it",
            ),
            Protocol(
                "merged",
                train=("Training",),
                test=("PublicTest", "PrivateTest"),
                summary="test = PublicTest and PrivateTest together, validation cut from train",
            ),
            Protocol(
                "public-test",
                train=("Training",),
                test=("PublicTest",),
                summary="test = PublicTest, validation cut from train",
            ),
        ),
    )
    yield ferbench.DatasetSpec(
        "folder",
        build="ferbench_builtin.datasets.folder:folder",
        summary="Any tree of <split>/<class>/<image>",
        protocols=(
            Protocol(
                "folders",
                train=("train",),
                validation=("validation",),
                test=("test",),
                cut_if_missing=True,
                summary="the folders as they are; validation cut from train where there is no such folder",
            ),
        ),
    )
    yield ferbench.DatasetSpec(
        "synthetic-faces",
        build="ferbench_builtin.datasets.synthetic_faces:synthetic_faces",
        summary="Rendered faces with known expressions, for demonstrations and tests",
        protocols=(
            Protocol(
                "generated",
                train=("train",),
                test=("test",),
                summary="train and test show different people; validation cut from train",
            ),
        ),
        needs_path=False,
        synthetic=True,
    )


@ferbench.hookimpl
def ferbench_models() -> Iterable[ferbench.ModelSpec]:
    yield ferbench.ModelSpec(
        "basic-cnn",
        build="ferbench_builtin.models.basic_cnn:basic_cnn",
        summary="Three convolutions and three dense layers, 118,531 parameters at three classes",
        image_size=64,
        channels=1,
    )
    yield ferbench.ModelSpec(
        "linear",
        build="ferbench_builtin.models.linear:linear",
        summary="Softmax regression on the pixels: the floor that a network has to beat",
        image_size=48,
        channels=1,
        mean=(0.5,),
        std=(0.25,),
    )


@ferbench.hookimpl
def ferbench_losses() -> Iterable[ferbench.LossSpec]:
    yield ferbench.LossSpec(
        "cross-entropy",
        build="ferbench_builtin.losses.cross_entropy:cross_entropy",
        summary="Cross-entropy with optional label smoothing",
    )
    yield ferbench.LossSpec(
        "weighted-cross-entropy",
        build="ferbench_builtin.losses.weighted_cross_entropy:WeightedCrossEntropy",
        summary="Cross-entropy that counts rare, or named, classes more",
    )
    yield ferbench.LossSpec(
        "focal",
        build="ferbench_builtin.losses.focal:Focal",
        summary="Focal loss: what the model is sure of counts less",
    )
    yield ferbench.LossSpec(
        "soft-cross-entropy",
        build="ferbench_builtin.losses.soft_cross_entropy:soft_cross_entropy",
        summary="Cross-entropy with label distributions such as annotators' votes",
    )
    yield ferbench.LossSpec(
        "multi-task",
        build="ferbench_builtin.losses.multi_task:multi_task",
        summary="Expression, valence and arousal together",
    )


@ferbench.hookimpl
def ferbench_samplers() -> Iterable[ferbench.SamplerSpec]:
    yield ferbench.SamplerSpec(
        "shuffled",
        build="ferbench_builtin.samplers.shuffled:Shuffled",
        summary="Every training sample once an epoch, in a new order each time",
    )
    yield ferbench.SamplerSpec(
        "balanced",
        build="ferbench_builtin.samplers.balanced:Balanced",
        summary="Every class equally often",
    )
    yield ferbench.SamplerSpec(
        "weighted",
        build="ferbench_builtin.samplers.weighted:Weighted",
        summary="Draws with fixed weights: by a power of the class size, or by class name",
    )
    yield ferbench.SamplerSpec(
        "adaptive",
        build="ferbench_builtin.samplers.adaptive:Adaptive",
        summary="After each epoch, more of the classes with the lowest F1",
    )
    yield ferbench.SamplerSpec(
        "adaptive-smooth",
        build="ferbench_builtin.samplers.adaptive:AdaptiveSmooth",
        summary="Weights that follow 1 − F1 smoothly over the epochs",
    )


@ferbench.hookimpl
def ferbench_augmentations() -> Iterable[ferbench.AugmentationSpec]:
    yield ferbench.AugmentationSpec(
        "none",
        build="ferbench_builtin.augmentations.none:none",
        summary="Resize to the model's input, nothing else",
    )
    yield ferbench.AugmentationSpec(
        "standard",
        build="ferbench_builtin.augmentations.standard:Standard",
        summary="Flip, rotation and zoom; shift, crop, perspective, light, colour and random erasing as options",
    )
    yield ferbench.AugmentationSpec(
        "shifted",
        build="ferbench_builtin.augmentations.presets:shifted",
        summary="Flip, rotation, zoom and shift",
    )
    yield ferbench.AugmentationSpec(
        "crop-jitter",
        build="ferbench_builtin.augmentations.presets:crop_jitter",
        summary="Random crop, flip, rotation and colour jitter",
    )
    yield ferbench.AugmentationSpec(
        "crop-jitter-erase",
        build="ferbench_builtin.augmentations.presets:crop_jitter_erase",
        summary="The same with perspective and random erasing",
    )


@ferbench.hookimpl
def ferbench_optimizers() -> Iterable[ferbench.OptimizerSpec]:
    yield ferbench.OptimizerSpec("adam", build="ferbench_builtin.optimizers.adam:adam", summary="Adam")
    yield ferbench.OptimizerSpec(
        "adamw",
        build="ferbench_builtin.optimizers.adamw:adamw",
        summary="Adam with decoupled weight decay",
    )
    yield ferbench.OptimizerSpec(
        "sgd",
        build="ferbench_builtin.optimizers.sgd:sgd",
        summary="Stochastic gradient descent with momentum, Nesterov's too",
    )
    yield ferbench.OptimizerSpec(
        "timm",
        build="ferbench_builtin.optimizers.timm_optimizers:timm_optimizer",
        summary="Any optimiser of timm, by optimizer.algorithm",
    )


@ferbench.hookimpl
def ferbench_schedules() -> Iterable[ferbench.ScheduleSpec]:
    yield ferbench.ScheduleSpec(
        "constant",
        build="ferbench_builtin.schedules.constant:constant",
        summary="The optimiser's learning rate throughout",
    )
    yield ferbench.ScheduleSpec(
        "exponential",
        build="ferbench_builtin.schedules.decay:exponential",
        summary="Exponential decay, smooth or after whole periods",
    )
    yield ferbench.ScheduleSpec(
        "step",
        build="ferbench_builtin.schedules.decay:step_decay",
        summary="Steps down every so many epochs, or at milestones",
    )
    yield ferbench.ScheduleSpec(
        "linear",
        build="ferbench_builtin.schedules.decay:linear",
        summary="A line down to a share of the rate",
    )
    yield ferbench.ScheduleSpec(
        "cosine",
        build="ferbench_builtin.schedules.cosine:cosine",
        summary="Cosine annealing over the whole run",
    )
    yield ferbench.ScheduleSpec(
        "cosine-restarts",
        build="ferbench_builtin.schedules.cosine:cosine_restarts",
        summary="Cosine annealing with warm restarts",
    )
    yield ferbench.ScheduleSpec(
        "one-cycle",
        build="ferbench_builtin.schedules.cosine:one_cycle",
        summary="One rise to the rate and one long fall",
    )
    yield ferbench.ScheduleSpec(
        "plateau",
        build="ferbench_builtin.schedules.plateau:Plateau",
        summary="Lowers the rate when a validation metric stops to improve",
    )
