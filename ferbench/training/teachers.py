"""The teacher of a plan: an average of the student's own weights, or a finished run."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ferbench.data.augment import LUMA, per_channel, resample
from ferbench.data.batches import InputShape
from ferbench.errors import UserError
from ferbench.experiment.plan import Plan
from ferbench.experiment.recipe import AVERAGE
from ferbench.experiment.teacher import Teacher as TeacherRun
from ferbench.experiment.trained import RecordedModel
from ferbench.training.ema import averaged
from ferbench.training.precision import Precision
from ferbench.training.starting import weights_of
from ferbench.training.teaching import Teacher


def build_teacher(
    plan: Plan, student: nn.Module, own: InputShape, device: torch.device, precision: Precision
) -> Teacher | None:
    """The teacher of a plan, on the device; None where there is none.

    Args:
        plan: of the run.
        student: its model, on the device.
        own: what that expects of images.
        device: where the training happens.
        precision: of its steps.

    Raises:
        UserError: the run that is to teach is not there any more, or has other weights than those that the ids cover.
    """
    settings = plan.resolved.recipe.training
    if settings.teacher == AVERAGE:
        average = averaged(student, settings.teacher_decay)
        return Teacher(average.module, precision, plan.needs, average=average)
    if plan.teacher is None:
        return None
    about, model = _restored(plan.teacher)
    placed: nn.Module = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    shape = InputShape(about.task.channels, (about.task.height, about.task.width), about.mean, about.std)
    theirs, ours = plan.teacher.weights.class_names, plan.task.class_names
    return Teacher(
        placed,
        precision,
        plan.needs,
        about.chosen.component,
        None if shape == own and settings.start_size is None else shown(own, shape, gray=about.form.channels == 1),
        None if theirs == ours else torch.tensor([theirs.index(name) for name in ours], device=device),
    )


def _restored(teacher: TeacherRun) -> tuple[RecordedModel, nn.Module]:
    """The model of a run with the weights that it teaches with, on the CPU."""
    label = teacher.weights.label
    if teacher.model is None or not teacher.weights.directory.exists():
        raise UserError(
            f"the teacher {label} of this run is not there any more",
            "put it back where it was; or start a new run with another training.teacher",
        )
    model = teacher.model.chosen.build(teacher.model.task)
    state = weights_of(teacher.weights, "learns from", "start a new run, which learns from what it has now")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"the weights of the teacher {label} do not fit its model: {str(error).splitlines()[0]}",
            "use the plugin version that it was trained with (ferbench plugins list)",
        ) from error
    return teacher.model, model


def shown(own: InputShape, theirs: InputShape, *, gray: bool) -> Callable[[Tensor], Tensor]:
    """What makes images as one model expects them such as another one does.

    Args:
        own: what the images are made for.
        theirs: what they are wanted for.
        gray: the other one was trained on images without colours, whatever its channels are.
    """

    def change(images: Tensor) -> Tensor:
        pixels = images * per_channel(own.std, images) + per_channel(own.mean, images)
        pixels = resample(pixels, theirs.size)
        if gray and pixels.shape[1] == 3:
            pixels = (pixels * per_channel(LUMA, pixels)).sum(dim=1, keepdim=True)
        return theirs.prepare(pixels)

    return change
