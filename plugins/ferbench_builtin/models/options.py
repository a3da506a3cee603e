"""Options that several models have. They stand apart, as the networks do, so that what a user asks for is checked
before torch is imported, which takes seconds."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Interval

from ferbench import Added, Inert, InitialWeights, Permission

#: Of a layer. Where all are as large as they may be, no memory holds the model; each alone is more than anybody uses.
Width = Annotated[int, Interval(ge=1, le=4096)]
Units = Annotated[int, Interval(ge=1, le=16384)]

#: Share of the activations that is dropped while training.
Dropout = Annotated[float, Interval(ge=0, lt=1)]

#: Whether valence and arousal are predicted too.
Affect = Annotated[bool, Inert()]

#: The option ``weights`` of a model that has no published weights, and of one that has.
FileWeights = Annotated[str, InitialWeights(names=("none",))]

#: Whether weights may be read from a pickle.
Pickles = Annotated[bool, Permission(of="weights")]

#: How the last layer makes logits of the features, and what a cosine is multiplied by: see ``heads.CosineClassifier``.
Head = Annotated[Literal["linear", "cosine"], Added]
HeadScale = Annotated[float, Interval(gt=0, le=1e4), Added]

#: What ``freeze`` can say: with "backbone" only the head learns.
Freeze = Literal["none", "backbone"]
