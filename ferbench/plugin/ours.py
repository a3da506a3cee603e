"""What ferbench's own further distributions offer, so that a name that is not installed says what to install."""

from __future__ import annotations

#: Distributions by kind and name of what each offers; tests hold each against the plugins.
ELSEWHERE = {
    ("tracker", "mlflow"): "ferbench-mlflow",
    ("tracker", "tensorboard"): "ferbench-tensorboard",
    ("command", "submit"): "ferbench-submitit",
    ("model", "hf-image-classifier"): "ferbench-transformers",
    ("dataset", "hf-dataset"): "ferbench-transformers",
    ("model", "fer"): "ferbench-foreign",
    ("model", "onnx"): "ferbench-foreign",
    ("model", "face-api"): "ferbench-foreign",
}


def to_install(kind: str | None, name: str) -> str | None:
    """How to get a component that is in one of them; None for others.

    Args:
        kind: of the component; None: any.
        name: of it, bare.
    """
    for (its_kind, its_name), distribution in ELSEWHERE.items():
        if its_name == name and kind in (None, its_kind):
            return f"it comes with another distribution: pip install {distribution}"
    return None
