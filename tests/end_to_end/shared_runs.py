"""Small runs on several devices, and what is read of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from ferbench.cli import cli

PLUGIN = Path(__file__).with_name("sharing.py")

#: 121 samples in batches of 17: the last has two, which leaves a device without any where the two are mixed.
FACES = ("dataset.size=24", "dataset.train=161", "dataset.test=35", "data.image_size=16", "training.batch_size=17")
CPU = ("--set", "runtime.device=cpu")


def arguments(*settings: str, model: str = "net") -> list[str]:
    sets = [part for setting in (*FACES, *settings) for part in ("--set", setting)]
    return ["run", "--plugin", str(PLUGIN), "--model", model, *CPU, *sets, "--no-report"]


EXACT = arguments(
    "loss.name=multi-task",
    "loss.affect=ccc",
    "sampler.name=adaptive-smooth",
    "optimizer.name=sgd",
    "optimizer.lr=0.1",
    "optimizer.momentum=0.9",
    "schedule.name=plateau",
    "training.epochs=3",
    "training.accumulate=2",
    "training.mixup=0.2",
    "training.cutmix=1.0",
    "training.ema=0.9",
    "training.clip_norm=0.5",
    "training.norm_batches=2",
)
#: A loss that reads features, a classifier and something by name, of three views.
NAMED = arguments(
    "loss.name=consistent",
    "optimizer.name=sgd",
    "optimizer.lr=0.05",
    "training.epochs=2",
    "training.accumulate=2",
    "training.mixup=0.2",
    "training.cutmix=1.0",
    "evaluation.tta=flip",
)
#: 120 samples: the last joins the batch before it.
JOINED = arguments("dataset.train=160", "training.epochs=2", "optimizer.name=sgd", "training.norm_batches=2")
LINEAR = arguments("training.epochs=3", "optimizer.name=sgd", "optimizer.lr=0.1", model="linear")
DROPOUT = arguments("training.epochs=4", "model.dropout=0.3", "training.mixup=0.2", "runtime.checkpoint_every=3")


def command(args: list[str], results: Path, cache: Path) -> list[str]:
    main = "from ferbench.cli import main; main()"
    return [sys.executable, "-u", "-c", main, *args, "--results", str(results), "--cache", str(cache)]


def ended(args: list[str], results: Path, cache: Path) -> Result:
    """A command in this process; the ranks have their own."""
    return CliRunner().invoke(cli, [*args, "--results", str(results), "--cache", str(cache)], prog_name="ferbench")


def runs(results: Path) -> list[Path]:
    return [path.parent for path in results.glob("runs/*/run.json")]


def only_run(results: Path) -> Path:
    (path,) = runs(results)
    return path


def record_of(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


def history(run: Path) -> list[dict]:
    epochs = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    for epoch in epochs:
        epoch.pop("seconds"), epoch.pop("images_per_second")
    return epochs
