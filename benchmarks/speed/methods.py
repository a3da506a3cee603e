"""What a method costs a training step, against plain cross-entropy with Adam on the same network.

    python benchmarks/speed/methods.py [--rounds 7] [--steps 6] [--threads 2] [--only centre sam]
        [--method "wide-margin loss.name=arcface loss.margin=0.3 model.head=cosine"]

A step is all that a run does for a batch: gathering, augmentation of each view, the passes, the loss and the update.
Network, augmentation and batch are those of benchmarks/recipes/sampler-comparison.toml (cnn4, 48 px, 64 images); the
images are noise.

Methods are all losses that ferbench brings along, `sam` and `asam`, and what --method adds: a name and settings as a
recipe has them. A loss gets what it needs: model.head=cosine, model.pool=mean with model.units=0 for maps, or another
network, with cross-entropy and Adam on that one to compare with. Losses hear of the last epoch, in which what they
defer is at work.

All take turns in one process. Prints the median milliseconds of a step, and the median and range of the ratios within
single rounds.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interleave import interleave

from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.errors import UserError
from ferbench.plugin.discovery import Registry, load_registry
from ferbench.plugin.partners import check_partners, needed, views_of
from ferbench.task import Task
from ferbench.training import runtime
from ferbench.training.closure import check_closure
from ferbench.training.loss_state import trainable
from ferbench.training.step import Stepper, forward, start_epoch

RECIPE = Path(__file__).parents[1] / "recipes" / "sampler-comparison.toml"
PLAIN = {"loss.name": "cross-entropy", "optimizer.name": "adam"}
SECTIONS = ("model", "loss", "augmentation", "optimizer")
#: What a loss needs that no spec says.
ALSO: Mapping[str, Mapping[str, Any]] = {"multi-task": {"model.affect": True}}
#: How the network gives what a loss needs.
GIVES: Mapping[str, Mapping[str, Any]] = {
    "cosine": {"model.head": "cosine"},
    "maps": {"model.pool": "mean", "model.units": 0},
}
#: What makes no other network of one that is compared with.
OF_METHOD = ("model.head", "model.head_scale", "model.affect")
NAMING = ("model.name", "model.weights")

Settings = Mapping[str, Any]


def methods(registry: Registry) -> dict[str, Settings]:
    """What is measured without being named."""
    losses = [each.name for each in registry.components("loss") if each.distribution == "ferbench"]
    chosen: dict[str, Settings] = {
        name: {"loss.name": name, **ALSO.get(name, {})} for name in losses if name != "cross-entropy"
    }
    for rule in ("sam", "asam"):
        chosen[rule] = {"optimizer.name": rule, "optimizer.base": "adam"}
    return chosen


def named(text: str) -> tuple[str, Settings]:
    """``NAME KEY=VALUE …``."""
    name, *given = text.split()
    return name, {key: _value(value) for key, _, value in (part.partition("=") for part in given)}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def fitted(registry: Registry, settings: Settings) -> Settings:
    """The same, with a network that gives what the loss needs: the recipe's, or else another one."""
    if any(key.startswith("model.") for key in settings.keys() - {"model.affect"}):
        return settings
    loss = registry.find("loss", settings.get("loss.name", PLAIN["loss.name"]))
    needs = set(needed(loss.spec))  # type: ignore[arg-type]
    models = [registry.find("model", _recipe()["model.name"]), *registry.components("model")]
    model = next((each for each in models if needs <= set(each.spec.gives)), None)  # type: ignore[attr-defined]
    if model is None or model is models[0]:
        return {**settings, **{key: value for need in needs for key, value in GIVES.get(need, {}).items()}}
    weights = {"model.weights": "none"} if any(each.name == "weights" for each in model.options().fields) else {}
    return {**settings, "model.name": model.name, **weights}


def _recipe() -> dict[str, Any]:
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    return {f"{section}.{key}": value for section in SECTIONS for key, value in recipe.get(section, {}).items()}


def side(registry: Registry, settings: Settings, steps: int) -> Callable[[], None]:
    """Trains that many batches at each call.

    Raises:
        UserError: the parts do not fit each other, or the task.
    """
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    size, batch = recipe["data"]["image_size"], recipe["training"]["batch_size"]
    epochs, device = recipe["training"]["epochs"], torch.device("cpu")
    whole = {**PLAIN, **_recipe(), **settings}
    if "model.name" in settings:  # the recipe's options are its own model's
        whole = {key: value for key, value in whole.items() if not key.startswith("model.") or key in settings}
    chosen: dict[str, Any] = {}
    for section in SECTIONS:
        component = registry.find(section, whole[f"{section}.name"])
        given = {key.partition(".")[2]: value for key, value in whole.items() if key.startswith(f"{section}.")}
        del given["name"]
        options = component.options()
        chosen[section] = component, options.arguments(options.validate(given, section), section)

    def build(section: str, *given: Any) -> Any:
        component, options = chosen[section]
        return component.builder()(*given, **options)

    specs = {section: component.spec for section, (component, _) in chosen.items()}
    check_partners(chosen["loss"][0], chosen["model"][0], registry)
    runtime.seed_everything(0)
    rng = np.random.default_rng(0)
    n = steps * batch
    labels = rng.integers(0, 7, n)
    counts = tuple(np.bincount(labels, minlength=7).tolist())
    channels = specs["model"].channels
    task = Task(tuple("abcdefg"), channels, size, size, counts, has_affect=True)
    affect = rng.uniform(-1, 1, (n, 2)).astype(np.float32)
    model = build("model", task).to(memory_format=torch.channels_last).train()
    needs = needed(specs["loss"])
    if "features" in needs:
        features = forward(model, torch.zeros(2, channels, size, size), ("features",)).features
        assert features is not None
        task = dataclasses.replace(task, features=features.shape[1])
    loss = build("loss", task)
    optimizer = build("optimizer", [*model.parameters(), *trainable(loss)])
    closure = specs["optimizer"].closure
    check_closure(optimizer, closure)
    images = rng.integers(0, 256, (n, 1, size, size), dtype=np.uint8)
    shape = InputShape(channels, (size, size), specs["model"].mean, specs["model"].std)
    batches = Batches(images, np.arange(n), Truth(labels, affect=affect), shape, device, 7)
    augment = build("augmentation", task)
    stepper = Stepper(model, loss, optimizer, device, needs=needs, closure=closure)
    views = views_of(specs["loss"], specs["model"])
    start_epoch(loss, epochs, epochs)

    def go() -> None:
        for prepared in batches.training(np.arange(n), batch, augment, seed=0, epoch=epochs, views=views):
            for positions, corrected in stepper.step([prepared]).corrected:
                batches.correct(positions, corrected, epochs)

    return go


def table(seconds: Mapping[str, Sequence[float]], plain: Mapping[str, str], steps: int) -> None:
    """Print every method beside that which it is compared with."""
    width = max(map(len, seconds))
    print(f"{'method':<{width}}  ms a step  x plain  range")
    for name, values in seconds.items():
        each = [own / other for own, other in zip(values, seconds[plain[name]], strict=True)]
        spread = f"{min(each):.2f} to {max(each):.2f}" if name != plain[name] else ""
        step = 1000 * statistics.median(values) / steps
        print(f"{name:<{width}}  {step:9.1f}  {statistics.median(each):7.2f}  {spread}".rstrip())


def main() -> None:
    """Print a table, and why what is not in it cannot be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=6, help="batches a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of what is measured by itself")
    parser.add_argument("--method", action="append", default=[], metavar="NAME KEY=VALUE …")
    asked = parser.parse_args()
    runtime.prepare(torch.device("cpu"), asked.threads, deterministic=True)
    registry = load_registry()
    wanted = methods(registry)
    if asked.only is not None:
        wanted = {name: wanted[name] for name in asked.only}
    wanted |= dict(named(text) for text in asked.method)
    sides: dict[str, Callable[[], None]] = {}
    plain: dict[str, str] = {}
    for name, settings in wanted.items():
        try:
            settings = fitted(registry, settings)
            work = side(registry, settings, asked.steps)
            work()
        except UserError as error:
            print(f"not measured: {name}: {error.message}")
            continue
        network = {key: value for key, value in settings.items() if key.startswith("model.") and key not in OF_METHOD}
        options = [f"{key.removeprefix('model.')}={value}" for key, value in network.items() if key not in NAMING]
        base = " ".join(["plain", network.get("model.name", _recipe()["model.name"]), *options])
        if base not in sides:
            sides[base] = side(registry, network, asked.steps)
            plain[base] = base
        sides[name], plain[name] = work, base
    table(interleave(sides, asked.rounds), plain, asked.steps)


if __name__ == "__main__":
    main()
