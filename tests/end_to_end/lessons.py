"""A loss that learns from a teacher, and fails at the update that an environment variable names."""

import os

import torch
import torch.nn.functional as F

import ferbench


@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("lessons", build="lessons:Lessons", summary="For tests", needs=("features", "teacher"))


class Lessons:
    """Cross-entropy, and the squared distance of probabilities."""

    def __init__(self, task):
        self.calls = 0

    def __call__(self, outputs, targets):
        labels = F.cross_entropy(outputs.logits, targets.distributions(outputs.logits.shape[1]))
        teacher = targets.teacher
        if teacher is None:
            assert targets.positions is None, "without a teacher while it learns"
            return ferbench.LossValue(labels, {"expression": labels.detach()})
        self.calls += targets.positions is not None
        if str(self.calls) == os.environ.get("LESSONS_END_AT"):
            raise RuntimeError("the lessons are over")
        for part in (teacher.logits, teacher.features):
            assert part.dtype == torch.float32
            assert len(part) == len(targets)
        taught = (outputs.logits.softmax(1) - teacher.logits.detach().softmax(1)).square().sum(1).mean()
        return ferbench.LossValue(labels + taught, {"expression": labels.detach(), "taught": taught.detach()})
