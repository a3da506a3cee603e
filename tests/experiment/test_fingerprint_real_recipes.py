"""The ids of recipes that people use, spelled out: a change of any of them is a decision for the changelog.

The data is made up, so that nothing has to be packed; so are the digests of plugins' sources, which change with every
edit of a built-in.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from made_packs import make_pack

from ferbench.experiment.plan import Plan, plan
from ferbench.experiment.resolve import resolve
from ferbench.experiment.settings import grid, read_recipe
from ferbench.plugin.component import Component
from ferbench.plugin.discovery import load_registry

RECIPES = Path(__file__).parents[2] / "benchmarks" / "recipes"
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

#: Recipe, names of the data's parts, training id and configuration id.
PINNED: list[tuple[str, tuple[str, ...], str, str]] = [
    (
        "demo",
        ("train", "test"),
        "v1:1f6f2ef3418effc2a9bb44a3fea87585ba03ce83fe01e4b9948eca0e311312b1",
        "v1:78b4113c46eaf97f5f07a54e2f6d111beb85c5cc46338f0d4e3c77d6cbba9860",
    ),
    (
        "fer2013-basic-cnn",
        ("Training", "PublicTest", "PrivateTest"),
        "v1:cffdc42d859f3949c8692efcb0cb59e3b070b10ead8c283791b06cbe9bce17a7",
        "v1:208cd0ae056515ae9837af947482de1e5781578c9cc8583026a05916ed06f8d8",
    ),
    (
        "fer2013-fast",
        ("Training", "PublicTest", "PrivateTest"),
        "v1:49d682faebfd713a532c4baf32016e2ba34e5128ff97824178890353027feea9",
        "v1:498f593b87f5d4e7d8e3b522e109da8328912f7105809e4624d64a7d6618dcdc",
    ),
    (
        "s3-cnn4-step",
        ("Training", "PublicTest", "PrivateTest"),
        "v1:5c4d37235fff59b904eacd20e123462d4adeb25efca2095e408c7570b879eef3",
        "v1:b0da49dbbc4d84d82bc3044cc30510dec746d20f4471506268b59009db2fbd83",
    ),
    (
        "sampler-comparison",
        ("Training", "PublicTest", "PrivateTest"),
        "v1:19ef28a8424beadc3861fafbc170e0d8476b5e679b19cdaf32442025a977a66d",
        "v1:6f4d67797eac1290f8606e35c7341fa0ec13e54f8ce1866674d6cdcb11f647e0",
    ),
]


def planned(recipe: str, parts: tuple[str, ...]) -> Plan:
    counts = {part: dict.fromkeys(CLASSES, 40) for part in parts}
    (settings, *_) = grid(read_recipe(RECIPES / f"{recipe}.toml"), no_folds=None)
    resolved = resolve(settings, load_registry(environ={"FERBENCH_PLUGINS": ""}))
    return plan(resolved, make_pack(counts, classes=CLASSES))


@pytest.mark.parametrize(("recipe", "parts", "training_id", "config_id"), PINNED, ids=lambda one: str(one)[:20])
def test_the_ids_of_a_real_recipe_stay_what_they_are(recipe, parts, training_id, config_id, monkeypatch):
    monkeypatch.setattr(Component, "source_hash", lambda component: "0" * 64)
    monkeypatch.setattr(Component, "version", "0.1.0")
    made = planned(recipe, parts)
    assert (made.training_id, made.config_id) == (training_id, config_id)
