"""The built-in components keep the rules that everybody's do; datasets that read files do so in tests of their own."""

from __future__ import annotations

from typing import Any

import pytest
from kept_rules import broken_rules

from ferbench.kinds import WITH_RULES
from ferbench.plugin.discovery import load_registry

#: Options that a component is checked with besides its defaults, or (first) instead of them.
OPTIONS: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("model", "timm"): [{"backbone": "resnet10t", "affect": True}],
    ("model", "vggnet-fer"): [{"units": 32, "affect": True}],
    ("model", "cnn4"): [{"widths": [8, 8, 8, 8], "units": 16, "affect": True}],
    ("model", "poster-like"): [{"width": 32, "depth": 2, "affect": True}],
    ("estimator", "eigenfaces-svm"): [{}, {"components": 20, "contrast": False}],
    ("estimator", "gradient-boosting"): [{"rounds": 5}],
    ("estimator", "random-forest"): [{"trees": 20}],
    ("loss", "multi-task"): [{}, {"affect": "ccc"}],
    ("loss", "focal"): [{}, {"scheme": "effective-number", "weights": {"disgust": 3.0}}],
    ("loss", "soft-cross-entropy"): [{}, {"sharpness": 2.0, "label_smoothing": 0.1}],
    ("loss", "weighted-cross-entropy"): [{}, {"weights": {"fear": 2.0}}],
    ("loss", "ldam"): [{}, {"defer": 0.0, "margin": 0.2}],
    ("loss", "poly"): [{}, {"epsilon": -1.0, "label_smoothing": 0.1}],
    ("loss", "class-balanced-focal"): [{}, {"gamma": 0.0}],
    ("loss", "supervised-contrastive"): [{}, {"projection": 0, "temperature": 0.5}],
    ("loss", "scn"): [{}, {"relabel_from": 1, "relabel": "all"}, {"relabel_from": 1}],
    ("sampler", "weighted"): [{}, {"emphasis": {"disgust": 3.0}, "power": -1.0}],
    ("sampler", "adaptive"): [{}, {"mode": "accumulate", "source": "train"}],
    ("augmentation", "standard"): [
        {},
        {"shift": 0.1, "crop": 0.9, "perspective": 0.7, "brightness": 0.3, "contrast": 0.3, "erase": 0.7}
        | {"saturation": 0.3, "hue": 0.1},
    ],
    ("schedule", "plateau"): [{"patience": 2, "factor": 0.5, "warmup": 1.0}],
    ("dataset", "synthetic-faces"): [{"size": 16, "train": 35, "test": 14}, {"size": 16, "train": 42, "frames": 3}],
}

CASES = [
    (component.spec.kind, component.name, options)
    for component in load_registry(environ={"FERBENCH_PLUGINS": ""}).components()
    for options in OPTIONS.get(
        (component.spec.kind, component.name), [{"affect": True} if component.spec.kind == "model" else {}]
    )
    if component.spec.kind in WITH_RULES and (component.kind != "dataset" or not component.spec.needs_path)
]


@pytest.mark.parametrize(("kind", "name", "options"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_built_in_component_keeps_every_rule_of_its_kind(kind, name, options):
    spec = load_registry().find(kind, f"ferbench:{name}").spec
    # Backbones for 224 pixels run the same code at 32, in a fraction of the time.
    size = 32 if kind == "model" and spec.image_size == 224 else None
    assert broken_rules(kind, name, image_size=size, **options) == {}
