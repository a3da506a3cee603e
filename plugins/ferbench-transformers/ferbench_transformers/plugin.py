"""What this distribution offers; light, because discovery imports it for every command that names a component."""

from __future__ import annotations

from collections.abc import Iterable

import ferbench


@ferbench.hookimpl
def ferbench_models() -> Iterable[ferbench.ModelSpec]:
    yield ferbench.ModelSpec(
        "hf-image-classifier",
        build="ferbench_transformers.classifier:hf_image_classifier",
        summary="Any Hugging Face image classifier, by model.checkpoint; it normalises its images itself",
        image_size=224,
        channels=3,
        gives=("features", "classifier"),
    )
