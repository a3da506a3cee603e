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


@ferbench.hookimpl
def ferbench_datasets() -> Iterable[ferbench.DatasetSpec]:
    yield ferbench.DatasetSpec(
        "hf-dataset",
        build="ferbench_transformers.hub_dataset:hf_dataset",
        summary="A dataset as the Hugging Face hub has it, from the disk: Parquet files, or what save_to_disk wrote",
        protocols=(
            ferbench.Protocol(
                "splits",
                train=("train",),
                validation=("validation",),
                test=("test",),
                cut_if_missing=True,
                summary="the dataset's splits; validation cut from train where there is none",
            ),
            ferbench.Protocol(
                "validation-as-test",
                train=("train",),
                test=("validation",),
                summary="test = validation, for datasets whose test labels are not given",
            ),
            ferbench.Protocol("folds", train=("train",), test=(), summary="k-fold over train; needs data.fold"),
        ),
    )
