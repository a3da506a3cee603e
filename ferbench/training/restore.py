"""A trained model from its run directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ferbench.data.batches import InputShape
from ferbench.data.decode import DecodeError
from ferbench.data.fit import StoredForm
from ferbench.data.framing import Framing
from ferbench.data.views import VIEWS, View
from ferbench.errors import is_out_of_memory
from ferbench.experiment.postprocessing import Postprocessing
from ferbench.experiment.preprocessing import Preprocessing
from ferbench.experiment.trained import changed_since, recorded_component, recorded_model
from ferbench.plugin.culprit import using
from ferbench.plugin.discovery import Component, Registry
from ferbench.records.run import Choice, Run
from ferbench.runs.directory import RunDirectory
from ferbench.runs.saved import BEST, refuse_without_weights
from ferbench.task import Task
from ferbench.training import checkpoints
from ferbench.training.building import built
from ferbench.training.evaluation import averaged
from ferbench.training.step import forward


@dataclass(frozen=True)
class TrainedModel:
    """The weights that a run kept, ready to classify.

    Attributes:
        model: in evaluation mode, on ``device``.
        task: what it was built for.
        shape: what it expects of an image.
        form: what the pack that it was trained on made of an image before that.
        views: how the run's own evaluations look at an image.
        device: where it runs.
        changed: how the installed plugin differs from the one that trained it, None if it does not.
        component: the model's.
        plugin: distribution, version and source of the installed plugin.
        doubt: what an older record does not say of ``form``; None if it says all.
        preprocessing: what was done to images before ``form``; None: nothing.
        postprocessing: what the run's own test does to predictions; None: nothing.
        changed_steps: how the plugins of these two are others now than then.
        image_size: (height, width) of the images that it was trained on; None where an older record does not say.
    """

    model: nn.Module
    task: Task
    shape: InputShape
    form: StoredForm
    views: Sequence[View]
    device: torch.device
    changed: str | None
    component: Component
    plugin: Mapping[str, str | None]
    doubt: str | None
    preprocessing: Preprocessing | None = None
    postprocessing: Postprocessing | None = None
    changed_steps: tuple[str, ...] = ()
    image_size: tuple[int, int] | None = None

    @property
    def warnings(self) -> list[str]:
        """Why what it predicts may not be what the run's own tests say."""
        several = (self.changed, *self.changed_steps, self.doubt)
        return [warning for warning in several if warning is not None]

    @property
    def framing(self) -> Framing:
        """Counts pictures that are unlike what it was trained on."""
        return Framing(self.image_size or self.shape.size, self.form.size is not None or self.image_size is None)

    def gather(self, most: int) -> Gathered:
        """Room for so many images, which are classified together."""
        size = (most, self.form.channels, *self.shape.size)
        return Gathered(self, [torch.empty(size, device=self.device) for _ in self.views])


class Gathered:
    """Images on their way into a model.

    Their room is there before them: what stays of each, were it made after the image, would lie between the blocks that
    large images leave, and no other one would fit there.

    Args:
        trained: the model.
        room: float32[n, C, H, W] for each of its views.
    """

    def __init__(self, trained: TrainedModel, room: list[torch.Tensor]) -> None:
        self._trained, self._room, self._count = trained, room, 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """Prepare an image as those of the model's training and tests were.

        Args:
            image: uint8[C, h, w] of any size, decoded to the channels of ``form``; it is not kept.

        Raises:
            DecodeError: preprocessing finds nothing in it; it is not added then.
        """
        trained = self._trained
        if trained.preprocessing is not None:
            prepared = trained.preprocessing(image)
            if prepared is None:
                raise DecodeError(trained.preprocessing.nothing)
            image = prepared
        with torch.inference_mode():
            stored = torch.from_numpy(trained.form.store(image))[None].to(trained.device)
            for view, room in zip(trained.views, self._room, strict=True):
                room[self._count] = view.of(stored, trained.shape.size)[0]
        self._count += 1

    def classify(self) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """What the model predicts of the n images that were added since it was last asked.

        Returns:
            Class probabilities float32[n, K]; valence and arousal float32[n, 2], None where it does not predict them.
        """
        trained, count = self._trained, self._count
        self._count = 0
        with using(trained.component, innocent=is_out_of_memory), torch.inference_mode():
            batches = [room[:count] for room in self._room]
            outputs = averaged([forward(trained.model, trained.shape.prepare(batch)) for batch in batches])
            affect = None if outputs.affect is None else outputs.affect.float().cpu().numpy()
            probabilities = torch.softmax(outputs.logits.float(), dim=1).cpu().numpy()
        processing = trained.postprocessing
        return probabilities if processing is None else processing(probabilities), affect


def restore(directory: RunDirectory, registry: Registry, device: torch.device) -> TrainedModel:
    """Build a run's model again and load the weights of its best epoch.

    Raises:
        UserError: the run is not done, or its model plugin or checkpoint is missing or does not fit.
    """
    record = directory.load()
    refuse_without_weights(directory, record)
    run = directory.path.name
    about = recorded_model(record, run, registry)
    model = built(about.chosen, about.task, record.recipe.training["seed"])
    checkpoints.load_weights(directory.checkpoints, BEST, model, device, record.training)
    preprocessing, other_before = _preprocessing(record, registry, run)
    postprocessing, other_after = _postprocessing(record, registry, about.task, run)
    return TrainedModel(
        model=model.to(memory_format=torch.channels_last).eval(),
        task=about.task,
        shape=InputShape(about.task.channels, (about.task.height, about.task.width), about.mean, about.std),
        form=about.form,
        views=VIEWS[record.recipe.evaluation.get("tta", "none")],
        device=device,
        changed=about.changed,
        component=about.chosen.component,
        plugin=about.source,
        doubt=about.doubt,
        preprocessing=preprocessing,
        postprocessing=postprocessing,
        changed_steps=tuple(filter(None, (other_before, other_after))),
        image_size=None if (size := record.data.image_size) is None else (size[0], size[1]),
    )


def _preprocessing(record: Run, registry: Registry, run: str) -> tuple[Preprocessing | None, str | None]:
    """What was done to the images that a run learnt from, and how its plugin is another now.

    Raises:
        UserError: its plugin is missing or does not fit.
    """
    used = record.components.get("preprocessing")
    if used is None:
        return None, None
    chosen = recorded_component(registry, "preprocessing", used, run)
    return Preprocessing(chosen), changed_since(chosen, used, "the run was trained")


def _postprocessing(record: Run, registry: Registry, task: Task, run: str) -> tuple[Postprocessing | None, str | None]:
    """What a run's recipe does to predictions, with what was fitted for the run's own test, and how its plugin is
    another now.

    Raises:
        UserError: its plugin is missing or does not fit.
    """
    asked = record.recipe.postprocessing
    if not isinstance(asked, Choice):
        return None, None
    name = asked.name.rpartition(":")[2]
    for entry in [entry for split in ("test", "validation") for entry in record.own_evaluations(split).values()]:
        used = entry.postprocessing
        if used is not None and used.name == name:
            chosen = recorded_component(registry, "postprocessing", used, run)
            processing = Postprocessing(chosen, task)
            processing.load(used)
            return processing, changed_since(chosen, used, "the run was tested")
    return None, None
