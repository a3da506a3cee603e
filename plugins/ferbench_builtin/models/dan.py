"""DAN, a ResNet-18 with several heads of spatial and channel attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Interval

from ferbench import InitialWeights, Task, Tunable
from ferbench_builtin.models.options import Affect, Dropout, Freeze, Head, HeadScale, Pickles
from ferbench_builtin.models.timm_backbone import TimmOptions

if TYPE_CHECKING:
    from torch import nn

_BACKBONE = "resnet18.a1_in1k"


def dan(
    task: Task,
    *,
    attentions: Annotated[int, Interval(ge=1, le=64), Tunable(1, 8)] = 4,
    reduction: Literal[8, 16, 32] = 32,
    weights: Annotated[str, InitialWeights(names=("none", "timm"))] = "none",
    allow_pickled_weights: Pickles = False,
    dropout: Annotated[Dropout, Tunable(0.0, 0.6)] = 0.0,
    affect: Affect = False,
    head: Head = "linear",
    head_scale: HeadScale = 16.0,
    freeze: Freeze = "none",
) -> nn.Module:
    """Distract Your Attention (Wen et al. 2023, https://arxiv.org/abs/2109.07270): ResNet-18, heads of spatial and then
    channel attention on its last maps, and batch norm on the logits of their fused features. Its loss is ``dan``.

    It follows the authors' code (https://github.com/yaoing/DAN), but for biases in front of batch norms, which do
    nothing, and for the weights that training starts from: theirs are of a ResNet-18 that learnt faces (MS-Celeb-1M),
    which a file in ``weights`` can hold; "timm" learnt ImageNet.

    Args:
        task: the learning problem. The authors enlarge faces to 224×224 pixels.
        attentions: M, number of heads of attention.
        reduction: pixels of the image, across and down, for each place of the last maps. 32 is ResNet's own; 16 leaves
            the max-pooling of its stem out, and 8 the stride of its stem too, for small images, of which little would
            be left to attend to: 48×48 pixels have 2×2, 3×3 and 6×6 places. Pretrained weights fit each.
        weights: "none"; "timm": pretrained, from the Hugging Face hub or its local cache; or the path of a file:
            weights of ResNet-18, or a checkpoint of a run with this model.
        allow_pickled_weights: also read weights from pickles (.pth).
        dropout: fraction of the fused features dropped before the head, while training.
        affect: also predict valence and arousal.
        head: "cosine": logits are head_scale times the cosine of the angle between features and class, as losses with
            angular margins want it, and no batch norm follows.
        head_scale: of the logits of a cosine head.
        freeze: "backbone": only the heads of attention and the classifier learn.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K], and beside them ``pooled``
        float[N, 512], the means of the ResNet's last maps, and ``heads`` float[N, M, 512], what each head of attention
        made of them.

    Raises:
        UserError: weights cannot be had or do not fit; affect without such labels.
    """
    import functools

    from torch import nn

    from ferbench_builtin.models.dan_network import AttentionHeads
    from ferbench_builtin.models.timm_network import build

    options = TimmOptions(weights, allow_pickled_weights, dropout, 0.0, affect, freeze, head, head_scale)
    heads = functools.partial(AttentionHeads, attentions=attentions)
    model = build(task, _BACKBONE, options, nn.Identity(), heads)
    if reduction < 32:
        model.backbone.maxpool = nn.Identity()
    if reduction < 16:
        model.backbone.conv1.stride = (1, 1)
    return model
