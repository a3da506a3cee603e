"""A two-stream transformer after POSTER, without its network of landmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable, UserError
from ferbench_builtin.models.options import Affect, Dropout, FileWeights, Freeze, Head, HeadScale, Pickles

if TYPE_CHECKING:
    from torch import nn

_SMALLEST_INPUT = 8  # three halvings leave one place


def poster_like(
    task: Task,
    *,
    width: Annotated[int, Interval(ge=4, le=4096), Tunable(64, 256, step=64)] = 128,
    depth: Annotated[int, Interval(ge=1, le=64), Tunable(1, 8)] = 4,
    attentions: Annotated[int, Interval(ge=1, le=64)] = 4,
    drop_path: Annotated[Dropout, Tunable(0.0, 0.3)] = 0.1,
    dropout: Annotated[Dropout, Tunable(0.0, 0.6)] = 0.0,
    affect: Affect = False,
    head: Head = "linear",
    head_scale: HeadScale = 16.0,
    weights: FileWeights = "none",
    allow_pickled_weights: Pickles = False,
    freeze: Freeze = "none",
) -> nn.Module:
    """Two streams of tokens that look at each other by cross-attention, at three widths: POSTER's pyramid cross-fusion
    transformer (Zheng, Mendieta and Chen, ICCVW 2023, https://arxiv.org/abs/2204.04083), small enough to train from
    nothing. It is not POSTER, and its results are not POSTER's.

    Left out are both pretrained networks: the one that finds landmarks (MobileFaceNet, frozen), whose maps are POSTER's
    second stream, and the one that learnt faces (IR-50), whose maps are the first. In their place two residual networks
    learn with the model, one from the image and one from its gradients (Sobel's, across, down, and their length),
    which show edges as landmarks do, but know of no face.

    As in the authors' code (https://github.com/zczcwh/POSTER), keys and values of a stream meet the queries of the
    other, a class token begins as the mean of its stream, narrow levels of the pyramid are added to wider ones after
    each block, and a gate by channel (squeeze and excitation) stands before the classifier. Otherwise than there
    queries are projected, levels are made by linear layers for each token instead of convolutions over all of them, no
    convolution mixes the tokens between blocks, and the sum of both streams' class tokens is classified, not the
    image's alone, so that the last block of each stream learns.

    Args:
        task: the learning problem; images of any channel count and at least 8×8 pixels. Each 8×8 are a token.
        width: D of the tokens, 512 in the authors' code; the other levels have D / 2 and D / 4.
        depth: blocks of the transformer, 4, 6 or 8 in the authors' code.
        attentions: heads of each cross-attention, 8 in the authors' code; 4 · attentions divides the width.
        drop_path: chance that a branch of the last block is left out for a sample, while training (stochastic depth);
            it rises from 0 in the first.
        dropout: fraction of the features dropped before the head, while training.
        affect: also predict valence and arousal.
        head: "cosine": logits are head_scale times the cosine of the angle between features and class, as losses with
            angular margins want it.
        head_scale: of the logits of a cosine head.
        weights: "none", or the path of a checkpoint of this model.
        allow_pickled_weights: also read weights from pickles (.pth).
        freeze: "backbone": only the head learns.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K].

    Raises:
        UserError: the input is smaller than 8×8; 4 · attentions does not divide the width; the weights cannot be read
            or do not fit; affect without such labels.
    """
    if min(task.height, task.width) < _SMALLEST_INPUT:
        raise UserError(
            f"poster-like: an input of {task.height}×{task.width} pixels is too small for a token of 8×8",
            f"set data.image_size to {_SMALLEST_INPUT} or more",
        )
    if width % (4 * attentions):
        raise UserError(
            f"poster-like: a width of {width} does not give {attentions} heads of attention whole numbers at all three "
            "levels",
            f"set model.width to a multiple of {4 * attentions}",
        )
    from ferbench_builtin.models.backbone import BackboneAndHeads
    from ferbench_builtin.models.cross_fusion import CrossFusion
    from ferbench_builtin.models.heads import Heads
    from ferbench_builtin.models.weights import started

    backbone = CrossFusion(task, width, depth, attentions, drop_path)
    heads = Heads(width, task, dropout=dropout, affect=affect, head=head, scale=head_scale)
    model = BackboneAndHeads(backbone, heads)
    return started(model, weights, allow_pickled=allow_pickled_weights, freeze=freeze)
