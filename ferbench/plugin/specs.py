"""Light descriptions that a plugin gives of its components.

A spec names the function or class that builds the component (``"package.module:attribute"``); that module is imported
only when the component is used. The builder's keyword-only parameters are the component's options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Tunable:
    """The range that ``ferbench tune`` searches for an option, given in its annotation.

    ``dropout: Annotated[float, Tunable(0.0, 0.6)] = 0.3``. The range is a default for searches, not a bound: for
    bounds add an ``annotated_types`` constraint such as ``Interval(ge=0, lt=1)``.

    Attributes:
        low: the smallest value to try.
        high: the largest value to try.
        log: whether to search on a logarithmic scale.
        step: distance between values to try; None for a continuous range (floats) or 1 (ints).
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"Tunable({self.low}, {self.high}): low must be below high")
        if self.log and self.low <= 0:
            raise ValueError(f"Tunable({self.low}, {self.high}, log=True): a logarithmic range starts above 0")


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """Marks a text option that says where a model's initial weights come from, in its annotation.

    ``weights: Annotated[str, InitialWeights(names=("none",))] = "none"``. A value that is the path of a file or folder
    enters the ids of a run as the SHA-256 of its content, wherever it lies. When a finished run's model is built again,
    an option with a default takes that default, since the run's checkpoint holds every weight: a run can be used where
    its initial weights are not.

    Attributes:
        names: values that are never paths.
        identify: function of (value, all options) that gives what the ids cover instead of a value that is no path,
            such as the exact release that a name stands for today; None: the value itself.
    """

    names: tuple[str, ...] = ()
    identify: Callable[[str, Mapping[str, Any]], str] | None = None


@dataclass(frozen=True, slots=True)
class Inert:
    """Marks an option that can have no effect outside a run, in its annotation: its value names no file, no server, no
    program, and allows nothing.

    ``label_column: Annotated[str, Inert()] = "label"``. Numbers and ``Literal`` are so by themselves. The value of any
    other option is taken out of the record of a run only where the user has given the same before: a record may come
    from anybody. See docs/explanation/trust.md.
    """


@dataclass(frozen=True, slots=True)
class Permission:
    """Marks an option that allows something which is refused otherwise, in its annotation.

    ``allow_pickled_weights: Annotated[bool, Permission(of="weights")] = False``. It is never taken out of the record of
    a run: the user says so in each command, or in a recipe.

    Attributes:
        of: the option that it is about: while that has its default, nothing is allowed. None: there is no such option.
    """

    of: str | None = None


class Added:
    """Marks a setting that did not always exist: at its default it is left out of ids, so that those from before stay
    what they were. ``head: Annotated[Literal["linear", "cosine"], Added] = "linear"``."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which parts of a dataset are train, validation and test.

    Attributes:
        name: what a recipe says in ``data.protocol``.
        train: parts whose samples are for training.
        test: parts that are read once, at the end; empty: the protocol is for folds alone (``data.fold``).
        validation: parts that selection happens on; empty: validation is cut from train, stratified.
        cut_if_missing: when the dataset has none of the ``validation`` parts, cut validation from train instead of
            failing.
        train_only: parts that are learnt from as ``train`` is, but that validation and folds are never cut from.
        group_by: ``clip`` or ``subject``: what a cut keeps together unless ``data.group_by`` says otherwise.
        summary: one line for ``ferbench plugins show``.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    validation: tuple[str, ...] = ()
    cut_if_missing: bool = False
    train_only: tuple[str, ...] = ()
    group_by: Literal["clip", "subject"] | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """What all component descriptions share.

    Attributes:
        name: what users type; lower-case words joined by hyphens.
        build: ``"package.module:attribute"`` of the builder, imported only when the component is used.
        summary: one line for lists.
    """

    kind: ClassVar[str]

    name: str
    build: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class DatasetSpec(Spec):
    """A dataset. Builder: ``build(path: Path | None, *, options…) -> ferbench.Dataset``.

    Attributes:
        protocols: the splits that the dataset is evaluated with; the first is the default.
        needs_path: whether the user must say where the files are (``--data``).
        synthetic: the images are generated; results are marked so and never ranked beside real data.
    """

    kind: ClassVar[str] = "dataset"

    protocols: tuple[Protocol, ...] = (
        Protocol("folders", ("train",), ("test",), ("validation",), cut_if_missing=True),
    )
    needs_path: bool = True
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class PreprocessingSpec(Spec):
    """What is done to every image of train, validation and test before it is stored. Builder: ``build(*, options…)``
    returns a callable ``(face: Face) -> uint8[h, w] | uint8[h, w, 3] | None``: gray or colour as ``face.pixels``, of
    any size; None where it finds nothing in the image.

    It is called once for each image when a dataset is packed, before the image is brought to the stored size, and for
    every picture of ``ferbench predict`` and ``ferbench timeline``. What it makes of an image depends on its pixels and
    the options alone. It is called from several threads at once.

    Samples that it finds nothing in are left out, and the record of the run counts them.
    """

    kind: ClassVar[str] = "preprocessing"


@dataclass(frozen=True, slots=True)
class ModelSpec(Spec):
    """A model. Builder: ``build(task: Task, *, options…) -> nn.Module`` with
    ``forward(images: float[N, C, H, W]) -> Outputs`` (a bare tensor is taken as logits[N, K]).

    A model may have ``head_parameters() -> Iterable[nn.Parameter]``: those that ``training.head_lr_factor`` acts on.
    Parameters that it freezes have ``requires_grad`` False; what it keeps in evaluation mode when ``train()`` is called
    stays in it, batch-norm statistics included. Where there are several views of each sample, it is called once on all
    of them while it learns, those of the first view first.

    Attributes:
        image_size: side of the square input in pixels, unless a recipe says otherwise (``data.image_size``).
        image_sizes: other sides that the model is made for; the conformance kit tries each.
        channels: channels of the input: 1 gray, 3 RGB (gray images are repeated).
        mean: per-channel mean that the harness subtracts from images in [0, 1].
        std: per-channel standard deviation that it then divides by.
        affect: whether the model can have a valence/arousal head, where the task has those labels.
        gives: what its outputs have beside logits and affect: ``features``, ``classifier``, names of ``extra``. What it
            gives with some of its options alone, these have as a value, or say in their description;
            messages repeat settings of a sentence that names it ("With units=0 and grid=1 … as maps.").
        views: of each training sample that it wants, see `LossSpec`.
    """

    kind: ClassVar[str] = "model"

    image_size: int = 64
    channels: int = 1
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    affect: bool = False
    image_sizes: tuple[int, ...] = ()
    gives: tuple[str, ...] = ()
    views: tuple[Literal["drawn", "mirrored"], ...] = ("drawn",)


@dataclass(frozen=True, slots=True)
class EstimatorSpec(ModelSpec):
    """A model that is fitted at once, as those of scikit-learn are, chosen by ``--model`` like any other. Builder:
    ``build(task: Task, *, seed: int, options…)`` returns an object with ``fit(images: float32[n, D], labels:
    int64[n])``, ``predict_proba(images: float32[m, D]) -> float[m, k]`` and ``classes_``, the k class ids that it was
    fitted on.

    Rows are images as the model's input is given to any model, D = ``task.channels`` × ``task.height`` ×
    ``task.width``, in this order. It is fitted once, on the training samples in the order of the split, not augmented.
    Where ``fit`` has a parameter ``sample_weight`` it is given float64[n] for a sampler that does not draw all samples
    equally often; one without is refused such a sampler. All its random numbers come from ``seed``, which the harness
    gives and is no option. ``fit`` may use the threads that joblib and BLAS are set to.

    What is fitted is kept as a file of ``skops.io``, never as a pickle: objects of scikit-learn and numpy, and of the
    classes in ``trusted``. Trees and support vectors are looked at before they predict, since scikit-learn indexes
    into them unchecked.

    Attributes:
        image_size: side of the square input in pixels, unless a recipe says otherwise (``data.image_size``).
        image_sizes: other sides that it is made for.
        channels: channels of the input: 1 gray, 3 RGB (gray images are repeated).
        mean: per-channel mean that the harness subtracts from images in [0, 1].
        std: per-channel standard deviation that it then divides by.
        affect: of networks alone; False.
        gives: of networks alone; empty.
        views: of networks alone; one.
        trusted: full names of its own classes that the file may hold objects of, such as
            ``("my_package.features.Edges",)``.
    """

    kind: ClassVar[str] = "estimator"

    trusted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LossSpec(Spec):
    """A loss. Builder: ``build(task: Task, *, options…)`` returns a callable
    ``(Outputs, Targets) -> LossValue`` (a scalar tensor, the mean over the samples, is accepted).

    It is built on the processor. An ``nn.Module`` is moved to the device of the predictions; any other callable takes
    its tensors there itself. Outputs and targets are its own: what it writes into them reaches no record. Components
    are scalar tensors with names that nothing else in the records has.

    The parameters of a module are trained with the model's, by the same optimiser, in groups of their own
    (``training.loss_lr_factor``, ``training.loss_decay``), and counted apart. They are there when it is built. A loss
    that has others, and does not freeze them, is refused.

    In validation, test and the trial before a training a module is in evaluation mode (``eval()``), in which dropout is
    off; while it trains, each part of it is in the mode that the builder has left it in.

    Predictions are always the model's logits. A head that lives in the loss predicts nothing: margins are for
    ``outputs.classifier``, or for the ``cosine`` of a model with ``model.head=cosine``. A training whose first update
    leaves the model's head without a gradient says so on stderr.

    One that changes with time also has ``epoch_started(epoch: int, epochs: int)``, called before the first batch of
    each epoch; epochs count from 1 to ``epochs``. Validation in an epoch, and the test of its weights, are of the same
    loss. A run that was stopped goes on with a loss that hears of its present epoch alone. It must work before it is
    told of any, too.

    One that learns from what it is given, such as centres of classes, is a module that keeps it in buffers, or has
    ``state_dict()`` and ``load_state_dict(state)`` with plain values, arrays and tensors. The state is saved with every
    checkpoint and with the best weights, which are tested with it. Validation leaves it as it is, and has neither
    ``targets.positions`` nor an epoch.

    One that returns ``corrected`` labels changes what the samples at ``targets.positions`` are in the training batches
    from the next update on, and in nothing else: class counts, the sampler's labels, validation and test are of the
    given ones. A distribution of votes becomes all of the new class. Of samples that Mixup or CutMix made of two,
    ``positions`` and ``labels`` are those of the larger share. The run keeps what was corrected in ``corrections.csv``.

    Attributes:
        needs: what it reads of the outputs beside logits and affect: ``features``, ``classifier``, names of ``extra``;
            and ``teacher`` where it reads ``targets.teacher``, what another network gives for the same images, which
            ``training.teacher`` names. That has as much of the rest as its model gives, and is None in validation and
            test. They are float32, of all samples of the batch; what no loss needs is not kept. Where evaluation looks
            at an image several times (``evaluation.tta``), features are the mean, and what is in ``extra`` is that of
            the plain image.
        views: of each training sample that it wants. The model sees all, and the loss finds the first in ``outputs``,
            the others in ``outputs.others``. ``drawn``: an augmentation of its own, drawn by (seed, epoch, sample,
            view); ``mirrored``: the first view, left and right changed over. Targets are those of the sample. Mixup and
            CutMix mix each view with the same partners by the same shares. Validation and test have one view.
    """

    kind: ClassVar[str] = "loss"

    needs: tuple[str, ...] = ()
    views: tuple[Literal["drawn", "mirrored"], ...] = ("drawn",)


@dataclass(frozen=True, slots=True)
class SamplerSpec(Spec):
    """A sampler. Builder: ``build(labels: int64[n], task: Task, *, seed: int, options…)`` returns an object with
    ``indices(epoch: int) -> int64[m]``, ``update(scores: Scores)``, ``state_dict()`` and ``load_state_dict(state)``.
    ``labels`` are read-only. Draws depend on (seed, epoch, state) alone. An optional ``describe() -> dict`` of plain
    values says how it draws the next epoch; the epoch's record keeps it.

    Positions are cut into batches of ``training.batch_size``. A sampler that decides which samples are in a batch
    together has ``batches(epoch)`` in place of ``indices``: an int64[m] array for each batch, of one size or of
    several, with at most ``training.batch_size`` samples.

    Every epoch has the same number of positions, or of batches, since learning rates are planned by it. A sampler whose
    epochs are of several lengths tells them beforehand, whatever it will hear: ``lengths(epochs: int) -> list[int]``
    says how many positions, or batches, each epoch has.

    ``seed`` is given by the harness and is no option; so are ``batch_size`` (``training.batch_size``) and ``epochs``
    (``training.epochs``), to a builder that has a keyword parameter of that name without a default.

    Attributes:
        per_sample: ``update(scores)`` hears of each training sample: ``scores.losses`` and ``scores.correct``,
            float32[n] by position, NaN for those that the epoch did not draw. They are of the images as the model
            learnt from them, before each update: augmented, and of what Mixup or CutMix made of two by that of the
            larger share. The loss is the one that the loss plugin gives as ``LossValue.per_sample``, else the
            cross-entropy of the logits with the labels.
    """

    kind: ClassVar[str] = "sampler"

    per_sample: bool = False


@dataclass(frozen=True, slots=True)
class AugmentationSpec(Spec):
    """An augmentation. Builder: ``build(task: Task, *, options…)`` returns a callable
    ``(images: uint8[N, C, h, w], size: tuple[int, int], draws: Draws) -> float32[N, C, H, W]`` in [0, 1] that works on
    the images' device. All its random numbers come from ``draws``, one row per sample."""

    kind: ClassVar[str] = "augmentation"


@dataclass(frozen=True, slots=True)
class OptimizerSpec(Spec):
    """An optimiser. Builder: ``build(parameters: list[nn.Parameter] | list[dict], *, options…) ->
    torch.optim.Optimizer``.

    Attributes:
        closure: whether it computes gradients itself, as ``torch.optim.LBFGS`` does: it is called as ``step(closure)``,
            and calls the closure at least once in each step, as often as it likes. Each call sets gradients to zero,
            computes them anew, from all samples of the update (``training.accumulate``, micro-batches and all devices
            included), with the weights of that moment, and returns the loss. All calls of a step start from the same
            running statistics, state of the loss and random numbers of torch (dropout drops the same units), so that
            the rule sees one function of the weights. What stays of these, what is recorded, and which labels are
            corrected is of the first call. Each gradient is clipped (``training.clip_norm``) before the rule sees it.
            With ``training.precision=fp16`` a step in which one overflows is left out, whichever call that was in. On
            several devices each makes the same calls. The weights after the step are what is averaged, validated and
            saved. False: ``step()``, with the gradients there.
    """

    kind: ClassVar[str] = "optimizer"

    closure: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleSpec(Spec):
    """A learning-rate schedule. Builder: ``build(base_rates: tuple[float, ...], epochs: int, steps_per_epoch: int, *,
    options…)`` returns a callable ``(step: int, scores: Scores | None) -> tuple[float, ...]`` that gives the learning
    rate of each parameter group for a global step; ``scores`` are those of the epoch before, None in the first. Where
    epochs are of several lengths, as some samplers have them, ``steps_per_epoch`` is that of the longest, and ``step``
    counts as if every epoch had as many: it skips some in the shorter ones. One that remembers what it heard also has
    ``state_dict()`` and ``load_state_dict(state)`` with plain values."""

    kind: ClassVar[str] = "schedule"


#: What a metric may need of the samples beside their labels.
MetricNeed = Literal["votes", "affect", "subjects"]


@dataclass(frozen=True, slots=True)
class MetricSpec(Spec):
    """A metric. ``build`` names the function ``(predictions: ferbench.Predictions) -> float`` itself; NaN says that it
    is not defined for them. The order of the samples must not matter, and the same predictions give the same number.
    One that is a mean over samples returns float[n] instead, what each of them adds, NaN for those that do not count:
    intervals and tests are exact and quick then, and need no bootstrap.

    A recipe asks for it by name, in ``evaluation.metrics`` or as ``training.select``; it has no options, so that a name
    means one number everywhere. Records have it by the name of the spec, with the plugin that computed it. What it
    raises, a value that is no number, or one out of its range costs no run: it is named, and the metric is missing.

    Attributes:
        higher_is_better: else lower is.
        low: the least value that it can have; None: there is no such.
        high: the greatest.
        interval: how its uncertainty is found in leaderboards and comparisons: ``bootstrap`` over samples (over
            subjects or clips, where they are known), or ``none``.
        needs: what it needs of the samples: ``votes``, ``affect`` (labels of valence and arousal, and a model that
            predicts them) or ``subjects``. It is computed where there is all of that alone.
    """

    kind: ClassVar[str] = "metric"

    higher_is_better: bool = True
    low: float | None = None
    high: float | None = None
    interval: Literal["bootstrap", "none"] = "bootstrap"
    needs: tuple[MetricNeed, ...] = ()


@dataclass(frozen=True, slots=True)
class PostprocessingSpec(Spec):
    """What is done to predictions at test time. Builder: ``build(task: Task, *, options…)`` returns a callable
    ``(logits: float64[N, K]) -> float[N, K]``, whose logits the harness makes probabilities of by a softmax.

    It is given log-probabilities: the logarithm of the probabilities as an evaluation records them, after test-time
    augmentation. ``task.train_counts`` are the training samples of each class. What it gives for an image must not
    depend on the others. Valence and arousal are not its business.

    One that is fitted also has ``fit(logits: float64[n, K], labels: int64[n])``, ``state_dict()`` with plain values and
    ``load_state_dict(state)``. It is fitted once, on validation predictions and true labels, never on test samples; the
    evaluation records the state, and ``ferbench predict`` loads it. The training, the choice of its best epoch, and the
    validation that a run records are without it.
    """

    kind: ClassVar[str] = "postprocessing"


@dataclass(frozen=True, slots=True)
class TrackerSpec(Spec):
    """An observer of a run's life. Builder: ``build(*, options…)`` returns an object with any of
    ``run_started(record: dict)``, ``checkpoint_written(checkpoint: dict)``, ``epoch_ended(epoch: dict)``,
    ``run_finished(record: dict)``, ``run_failed(record: dict)``. What it raises is reported and cannot fail the run.

    It is built and called in a thread of its own, always the same one. Where it waits for more than ten seconds, in a
    call or until it has heard of the start, it is reported and left out; ``ferbench runs send`` tells it later.

    Records are those of ``run.json``, epochs those of ``history.jsonl``. A checkpoint has ``path`` (of its
    ``.safetensors``), ``kind`` (``snapshot``, or ``best`` for the weights that are kept), ``epoch``, ``batches``
    of it that are done (0: all of them) and ``step``, the updates so far. It is on the disk when a tracker hears of it;
    snapshots make room for newer ones."""

    EVENTS: ClassVar[tuple[str, ...]] = (
        "run_started",
        "checkpoint_written",
        "epoch_ended",
        "run_finished",
        "run_failed",
    )

    kind: ClassVar[str] = "tracker"


@dataclass(frozen=True, slots=True)
class CommandSpec(Spec):
    """A command, ``ferbench NAME``. ``build`` names a ``click.Command`` (or group), imported when it is called;
    ``summary`` is its line in ``ferbench --help``. ferbench's own commands come first where names are the same."""

    kind: ClassVar[str] = "command"


@dataclass(frozen=True, slots=True)
class ReportSectionSpec(Spec):
    """A section of each run in a report. ``build`` names a function ``(record: dict, history: list[dict]) ->
    Iterable[ferbench.Table]`` of ``run.json`` and the lines of ``history.jsonl``; without tables there is no section.
    The same record must give the same tables. What it raises is said in the report, which stays whole otherwise.

    Attributes:
        title: the section's heading.
    """

    kind: ClassVar[str] = "report-section"

    title: str = ""
