"""Centre loss: features of a class stay near a point of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import nn


def centre(
    task: Task,
    *,
    weight: Annotated[float, Interval(ge=0, le=1e6), Tunable(1e-4, 0.1, log=True)] = 0.003,
    rate: Annotated[float, Interval(ge=0, le=1), Tunable(0.1, 1.0)] = 0.5,
) -> nn.Module:
    """Centre loss of Wen et al. 2016 (https://doi.org/10.1007/978-3-319-46478-7_31), in nats: the mean over the N
    samples of cross-entropy + λ/2 Σ_k y_k ‖x − c_k‖², for features x float[D] and a centre c float[D] of each class.

    After each batch of the training a centre moves by −α Σ_i y_ik (c_k − x_i) / (1 + Σ_i y_ik); the batch's loss is of
    the centres before. With labels this is the paper's; of distributions each class has its share of a sample. What a
    sample weighs, it weighs here too. Micro-batches move the centres one after the other. Validation and test
    leave them as they are, and measure the same sum.

    Centres begin at random with lengths of about 1, as in the authors' code, are no parameters, and are saved with
    checkpoints. λ is for features of any length: it depends on the network how large that is.

    Args:
        task: classes, and D of the model's features.
        weight: λ, the paper's.
        rate: α, of the centres; the paper's.
    """
    from ferbench_builtin.losses.class_centres import Centres

    return Centres(task, weight=weight, rate=rate)
