"""What a recipe may say: the sections, their fields, and how each field enters a run's identity."""

from __future__ import annotations

import enum
import re
from typing import Annotated, Any, Literal

import annotated_types as at
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ferbench.experiment.fold_axis import EVERY_PERSON
from ferbench.kinds import SECTIONS
from ferbench.plugin.specs import Added, Inert

#: The teacher that is no run: the average of the student's own weights.
AVERAGE = "ema"

_FOLD = re.compile(r"[0-9]{1,9}/[0-9]{1,9}")  # as records have it


class Role(enum.Enum):
    """How a field of a recipe enters the ids of a run. Every field has exactly one role (a test holds that)."""

    WEIGHTS = "changes the weights: part of training_id and config_id"
    SEED = "part of training_id, left out of config_id"
    STARTS = "acts through the digest of the weights that it names"
    SELECTS_ROWS = "acts through the digests of the rows it selects"
    EVALUATION = "what is done at test time: part of evaluation_id"
    ENVIRONMENT = "where and how it runs: recorded, in no id"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DataSettings(Section):
    """``[data]``: what the harness does with a dataset, whichever plugin it comes from.

    Attributes:
        path: where the dataset's files are (``--data DIR``).
        paths: the same by name of the dataset (``--data NAME=DIR``), for several in a grid or joined with ``+``.
        protocol: which parts are train, validation and test; default: the dataset's first protocol.
        classes: keep only these classes, in this order of class ids.
        num_classes: assert the number of classes; it never changes it.
        train_limit: at most this many samples for training and validation together, drawn stratified.
        train_limit_per_class: at most this many per class for training and validation together.
        test_limit: at most this many test samples, drawn stratified.
        test_limit_per_class: at most this many test samples per class.
        validation: fraction of train that is cut off for validation where the protocol names no part for it.
        test: fraction that is held out for the test, of data without a test part: stratified, people and clips as a
            whole where they are known; the same images whatever else is set.
        test_seed: seed of that draw alone.
        fold: "i/k": validation is the i-th of k stratified folds of train; test stays unread.
        test_fold: "i/k": test is the i-th of k stratified folds of all that the protocol names, its own test part
            included; validation is cut from the rest. "person": every person is a fold.
        group_by: keep the frames of a clip, or the images of a subject, on one side of a cut; default: what
            the protocol says, else subjects and clips, as far as they are known.
        split_seed: seed of every draw of samples (limits, validation, folds); apart from the training seed, so that
            seeds of one configuration share their split.
        image_size: side of the model's input in pixels; default: the model's own.
        channels: channels of the model's input, 1 (gray) or 3 (RGB); default: the model's own.
        skip_faulty: pack without the faulty samples instead of refusing, and record how many were left out.
        exclude: leave out the samples that this CSV names in its column ``id``, of every part; ``ferbench audit data``
            writes such lists.
        label_noise: give this share of the training samples of each class a wrong label, to measure what methods make
            of it; labels of validation and test stay true.
        label_confusion: CSV of a confusion matrix that says which classes a class is mistaken for (true ones in its
            first column, given ones in its header); default: each other class is as likely.
        noise_seed: seed of the wrong labels; apart from the training seed, so that seeds of one configuration share
            them.
    """

    path: Annotated[str | None, Role.ENVIRONMENT] = None
    paths: Annotated[dict[str, str] | None, Role.ENVIRONMENT] = None
    protocol: Annotated[str | None, Inert(), Role.SELECTS_ROWS] = None
    classes: Annotated[tuple[str, ...] | None, Inert(), Role.SELECTS_ROWS] = None
    num_classes: Annotated[int | None, at.Interval(ge=2, le=10**6), Role.SELECTS_ROWS] = None
    train_limit: Annotated[int | None, at.Interval(ge=2, le=10**9), Role.SELECTS_ROWS] = None
    train_limit_per_class: Annotated[int | None, at.Interval(ge=2, le=10**9), Role.SELECTS_ROWS] = None
    test_limit: Annotated[int | None, at.Interval(ge=1, le=10**9), Role.SELECTS_ROWS] = None
    test_limit_per_class: Annotated[int | None, at.Interval(ge=1, le=10**9), Role.SELECTS_ROWS] = None
    validation: Annotated[float, at.Interval(gt=0, lt=1), Role.SELECTS_ROWS] = 0.2
    test: Annotated[float | None, at.Interval(gt=0, lt=1), Role.SELECTS_ROWS] = None
    test_seed: Annotated[int, at.Interval(ge=0, lt=2**63), Role.SELECTS_ROWS] = 0
    fold: Annotated[str | None, Inert(), Role.SELECTS_ROWS] = None
    test_fold: Annotated[str | None, Inert(), Role.SELECTS_ROWS, Added] = None
    group_by: Annotated[Literal["none", "clip", "subject"] | None, Role.SELECTS_ROWS] = None
    split_seed: Annotated[int, at.Interval(ge=0, lt=2**63), Role.SELECTS_ROWS] = 0
    image_size: Annotated[int | None, at.Interval(ge=8, le=1024), Role.WEIGHTS] = None
    channels: Annotated[Literal[1, 3] | None, Role.WEIGHTS] = None
    skip_faulty: Annotated[bool, Inert(), Role.SELECTS_ROWS] = False
    exclude: Annotated[str | None, Role.SELECTS_ROWS] = None
    label_noise: Annotated[float, at.Interval(ge=0, lt=1), Role.SELECTS_ROWS] = 0.0
    label_confusion: Annotated[str | None, Role.SELECTS_ROWS] = None
    noise_seed: Annotated[int, at.Interval(ge=0, lt=2**63), Role.SELECTS_ROWS] = 0

    @field_validator("label_confusion")
    @classmethod
    def _confusion_has_a_say(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is not None and not others.data.get("label_noise", True):
            raise ValueError("it says which labels are wrong, but data.label_noise = 0 makes none")
        return value

    @field_validator("classes", mode="before")
    @classmethod
    def _classes_are_names(cls, value: Any) -> Any:
        """Names that TOML and ``--set`` take for numbers or truth values, such as those of ``[1, 2, true]``."""
        if not isinstance(value, list | tuple):
            return value
        texts = [str(name).lower() if isinstance(name, bool) else name for name in value]
        return tuple(str(name) if isinstance(name, int | float) else name for name in texts)

    @field_validator("classes")
    @classmethod
    def _classes_make_a_task(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None:
            if len(value) < 2:
                raise ValueError("name at least two classes")
            if len(set(value)) < len(value):
                raise ValueError("a class is named twice")
        return value

    @field_validator("fold", "test_fold")
    @classmethod
    def _fold_is_i_of_k(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is not None and others.field_name == "test_fold":
            if others.data.get("fold") is not None:
                raise ValueError("it is a test, and data.fold has none; leave one of them out")
            if others.data.get("test") is not None:
                raise ValueError("it is a test, and data.test is another; leave one of them out")
            if value == EVERY_PERSON:
                return value
        if value is not None:
            first, _, second = value.partition("/")
            if not (_FOLD.fullmatch(value) and 1 <= int(first) <= int(second) and int(second) > 1):
                raise ValueError(f"{value[:40]!r} is not i/k with 1 ≤ i ≤ k and k ≥ 2")
        return value


class TrainingSettings(Section):
    """``[training]``: the loop.

    Attributes:
        epochs: passes over the training samples; 0: the weights are evaluated as they were built.
        batch_size: samples per batch. A single sample left at the end of an epoch joins the batch before it.
        accumulate: batches per update; batch norms see single batches.
        seed: seed of initial weights, order, augmentation and dropout (``--seed``).
        select: validation metric that chooses the epoch whose weights are kept and tested: ``macro_f1``,
            ``accuracy``, ``balanced_accuracy``, ``weighted_f1``, ``macro_precision``, ``macro_recall``,
            ``worst_class_f1``, ``top2_accuracy``, ``kappa``, ``alpha``, ``mcc``, ``loss``, ``log_loss``, ``f1:CLASS``
            or ``recall:CLASS`` of one class, and ``valence_ccc``, ``arousal_ccc``, ``valence_rmse``, ``arousal_rmse``.
        patience: stop when ``select`` has not gained for this many epochs; None: never.
        min_gain: by how much, in units of the metric, an epoch must be better for ``patience`` to start anew.
        head_lr_factor: learning rate of the model's head, as a multiple of the optimiser's.
        loss_lr_factor: learning rate of the loss's parameters, as a multiple of the optimiser's.
        loss_decay: weight decay also acts on the loss's parameters; class centres, for one, are better without.
        decay_all: weight decay also acts on what has one dimension or none: biases and the scales of norms.
        norm_batches: before each validation, estimate the statistics of batch norms anew from this many training
            batches; 0: keep the running averages that training left.
        mixup: α of Mixup; 0: none.
        cutmix: α of CutMix; 0: none. With both, each is as likely.
        mix_probability: share of the samples that Mixup or CutMix applies to.
        clip_norm: longest gradient over all parameters together; None: no limit.
        start_size: side of the training images in the first epoch, in pixels; they grow to the model's input size.
            None: they always have it.
        growing: share of the epochs over which they grow.
        ema: decay of an average of the model's weights over updates, which then is what is validated and kept; None:
            none. The loss's parameters are not averaged.
        teacher: who teaches, for a loss that needs it: ``ema``, an average of the model's own weights over updates, or
            a finished run by name, id or path, as ``from`` has it; without a point its best weights do.
        teacher_decay: decay of the average that ``teacher = "ema"`` is.
        precision: of the training steps; evaluation is in float32 always. ``fp16`` needs CUDA.
        deterministic: refuse operations whose result may differ between two runs on one machine.
        keep: which checkpoints stay: ``last2+best`` the last two and the best weights, ``epochs`` also one after every
            epoch, ``all`` every one.
        parameter_budget: refuse a model with more parameters than this, running statistics included.
    """

    epochs: Annotated[int, at.Interval(ge=0, le=10**6), Role.WEIGHTS] = 10
    batch_size: Annotated[int, at.Interval(ge=1, le=10**7), Role.WEIGHTS] = 128
    accumulate: Annotated[int, at.Interval(ge=1, le=10**6), Role.WEIGHTS] = 1
    seed: Annotated[int, at.Interval(ge=0, lt=2**32), Role.SEED] = 0
    select: Annotated[str, Inert(), Role.WEIGHTS] = "macro_f1"
    patience: Annotated[int | None, at.Ge(1), Role.WEIGHTS] = None
    min_gain: Annotated[float, at.Interval(ge=0, le=1e6), Role.WEIGHTS] = 0.0
    head_lr_factor: Annotated[float, at.Interval(gt=0, le=1e6), Role.WEIGHTS] = 1.0
    loss_lr_factor: Annotated[float, at.Interval(gt=0, le=1e6), Role.WEIGHTS, Added] = 1.0
    loss_decay: Annotated[bool, Inert(), Role.WEIGHTS, Added] = True
    decay_all: Annotated[bool, Inert(), Role.WEIGHTS] = True
    norm_batches: Annotated[int, at.Interval(ge=0, le=10**6), Role.WEIGHTS] = 0
    mixup: Annotated[float, at.Interval(ge=0, le=1000), Role.WEIGHTS] = 0.0
    cutmix: Annotated[float, at.Interval(ge=0, le=1000), Role.WEIGHTS] = 0.0
    mix_probability: Annotated[float, at.Interval(ge=0, le=1), Role.WEIGHTS] = 1.0
    clip_norm: Annotated[float | None, at.Interval(gt=0, le=1e9), Role.WEIGHTS] = None
    start_size: Annotated[int | None, at.Interval(ge=8, le=1024), Role.WEIGHTS, Added] = None
    growing: Annotated[float, at.Interval(gt=0, le=1), Role.WEIGHTS, Added] = 0.7
    ema: Annotated[float | None, at.Interval(gt=0, lt=1), Role.WEIGHTS] = None
    teacher: Annotated[str | None, Role.STARTS, Added] = None
    teacher_decay: Annotated[float, at.Interval(gt=0, lt=1), Role.WEIGHTS, Added] = 0.999
    precision: Annotated[Literal["float32", "bf16", "fp16"], Role.WEIGHTS] = "float32"
    deterministic: Annotated[bool, Inert(), Role.WEIGHTS] = True
    keep: Annotated[Literal["last2+best", "epochs", "all"], Role.ENVIRONMENT] = "last2+best"
    parameter_budget: Annotated[int | None, at.Interval(ge=1, le=10**12), Role.ENVIRONMENT] = None

    @field_validator("teacher")
    @classmethod
    def _teacher_is_named(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("name a run, or 'ema'")
        return value

    @field_validator("teacher_decay")
    @classmethod
    def _decay_has_a_say(cls, value: float, others: ValidationInfo) -> float:
        if value != cls.model_fields["teacher_decay"].default and others.data.get("teacher") != AVERAGE:
            raise ValueError(f"it is the decay of training.teacher = '{AVERAGE}', which is not asked for")
        return value


class EvaluationSettings(Section):
    """``[evaluation]``: what is done at test time. Another ``tta`` evaluates the same weights once more; further
    metrics are computed from the predictions that are there.

    Attributes:
        tta: test-time augmentation: probabilities (and valence and arousal) are averaged over the image and its
            mirror image (``flip``), or over four corners and the centre of both, each of 7/8 of the side
            (``ten-crop``).
        metrics: metrics of plugins that are computed beside ferbench's own, after every epoch too. One that
            ``training.select`` or a schedule names need not be named here.
    """

    tta: Annotated[Literal["none", "flip", "ten-crop"], Role.EVALUATION] = "none"
    metrics: Annotated[tuple[str, ...], Inert(), Role.ENVIRONMENT, Added] = ()

    @field_validator("metrics", mode="before")
    @classmethod
    def _metrics_are_a_list(cls, value: Any) -> Any:
        """A single one needs no brackets."""
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class RuntimeSettings(Section):
    """``[runtime]``: where and how a run is computed; recorded, never part of an id.

    Attributes:
        device: ``auto`` (CUDA when there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        devices: how many GPUs share the run, or processes on the CPU (``--devices``). Each takes its part of every
            batch, and the update is that of the whole one.
        checkpoint_every: batches between two checkpoints within an epoch; 0: only at the end of each.
        threads: CPU threads for torch; default: ``OMP_NUM_THREADS``, else the cores this process may use. Several
            devices share them.
    """

    device: Annotated[str, Inert(), Role.ENVIRONMENT] = "auto"
    devices: Annotated[int, at.Interval(ge=1, le=4096), Role.ENVIRONMENT] = 1
    threads: Annotated[int | None, at.Interval(ge=1, le=4096), Role.ENVIRONMENT] = None
    checkpoint_every: Annotated[int, at.Interval(ge=0, le=10**9), Role.ENVIRONMENT] = 100


class Component(BaseModel):
    """A section that names a plugin component; every other key is an option of it."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class Recipe(Section):
    """One run, as asked for: what every section says, with the harness's defaults filled in. The options of
    components are still unchecked; ``experiment.resolve`` checks them against the plugins.

    Sections that choose a component are those of `ferbench.kinds.SECTIONS`: see `components`.

    Attributes:
        name: of the run (``--name``).
        start: whose weights it starts from, ``from`` in a recipe (``--from``): a run, and with ``@`` at which point.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Component]

    name: Annotated[str | None, Inert(), Role.ENVIRONMENT] = None
    start: Annotated[str | None, Inert(), Role.STARTS, Field(alias="from")] = None
    trackers: Annotated[tuple[Component, ...], Role.ENVIRONMENT] = ()
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    runtime: RuntimeSettings = RuntimeSettings()

    @property
    def components(self) -> dict[str, Component]:
        """The chosen components by section; sections that may be left out are there where a component is chosen."""
        chosen = self.__pydantic_extra__
        return {section: chosen[section] for section in SECTIONS if section in chosen}
