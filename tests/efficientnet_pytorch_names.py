"""The layout of EfficientNet-PyTorch, written by hand as its ``model.py`` names layers."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

#: Names of timm's layers and of the other's: outside of blocks, in a block that widens its input, in one that does not.
OUTSIDE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
WIDENING = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "se.conv_reduce": "_se_reduce",
    "se.conv_expand": "_se_expand",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
NARROW = {
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "se.conv_reduce": "_se_reduce",
    "se.conv_expand": "_se_expand",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
}


def other_names(state: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """timm's weights as the other program would have saved them."""
    number, before = -1, ""
    for key, value in state.items():
        if not key.startswith("blocks."):
            layer, _, rest = key.partition(".")
            yield f"{OUTSIDE[layer]}.{rest}", value
            continue
        block, rest = ".".join(key.split(".")[:3]), ".".join(key.split(".")[3:])
        number, before = number + (block != before), block
        layer, _, part = rest.rpartition(".")
        names = WIDENING if f"{block}.conv_pwl.weight" in state else NARROW
        yield f"_blocks.{number}.{names[layer]}.{part}", value
