"""Snapshots that somebody has changed and sealed again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from test_snapshots import Every, remembering

from ferbench.data.order import Lengths
from ferbench.runs.sealed import seal
from ferbench.storage import json_bytes
from ferbench.training.loop import Training, fit
from ferbench.training.observer import Observer
from ferbench.training.snapshot_check import misfit, try_on
from ferbench.training.snapshots import Snapshots
from ferbench.training.storable import pack

#: Within the third epoch of four.
NAME = "step-00000010"
GONE = object()
WRONG = (None, -1, 0.5, math.nan, "x", [], {}, torch.ones(3), 10**30, 10**6, GONE)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Snapshots:
    snapshots = Snapshots(tmp_path_factory.mktemp("run"), "v1:me", "all")
    fit(remembering(), Observer(), Every(snapshots))
    return snapshots


@pytest.fixture(scope="module")
def state(kept: Snapshots) -> dict[str, Any]:
    snapshot = kept.read(NAME)
    assert snapshot is not None
    return snapshot.to_state()


def put(folder: Path, state: dict[str, Any], **about: Any) -> Snapshots:
    """Snapshots with one of that state, sealed by whoever made it up."""
    tensors: dict[str, torch.Tensor] = {}
    packed = {key: pack(value, tensors, key) for key, value in state.items()}
    content = safetensors.torch.save(tensors)
    (folder / f"{NAME}.safetensors").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    stated = {"version": 1, "training_id": "v1:me", "step": 10, "epoch": 3, "batches": 2, "sha256": sha256}
    (folder / f"{NAME}.json").write_bytes(json_bytes(seal({**stated, **about, "state": packed})))
    return Snapshots(folder, "v1:me")


def built() -> Training:
    job = remembering()
    job.lengths = Lengths.cut([len(job.train)], job.batch_size)
    return job


@pytest.fixture(scope="module")
def new() -> Training:
    return built()


def taken(snapshots: Snapshots, new: Training, name: str = NAME) -> bool:
    """Whether a training goes on from it."""
    snapshot = snapshots.read(name)
    if snapshot is None or misfit(snapshot, new):
        return False
    try:
        job = built()
        snapshot.restore(job)
        try_on(job)
    except Exception:  # whatever a component says, of which the run makes a line
        return False
    return True


def test_what_was_saved_is_taken(kept: Snapshots, new: Training, state: dict[str, Any], tmp_path: Path) -> None:
    for name in kept.names():
        assert taken(kept, new, name), name
    assert taken(put(tmp_path, state), new)


@pytest.mark.parametrize("key", ["version", "training_id", "step", "epoch", "batches", "sha256"])
def test_what_the_json_says_beside_the_state_is_held_against_it(
    key: str, new: Training, state: dict[str, Any], tmp_path: Path
) -> None:
    for value in (None, -1, 7, "x", [], 10**30):
        snapshots = put(tmp_path, state, **{key: value})
        assert not taken(snapshots, new)
        position = snapshots.position(NAME)
        assert position is None or all(number >= 0 for number in position)


#: By place in the state: what may stand there too, since nothing else tells what it should be.
FREE = {
    "model": (),
    "average": (),
    "optimizer": (),
    "optimizer.param_groups": (),
    "optimizer.param_groups.0.momentum": (),
    "optimizer.state.0.momentum_buffer": (),
    "scaler": (None,),
    "schedule": (),
    "schedule.scale": (0.5,),
    "schedule.waited": (),
    "schedule.heard": (10**6, 10**30),
    "sampler": (),
    "sampler.weights": (),
    "sampler.weights.dark": (),
    "sampler.focus": ([],),
    "best.0": (),
    "stopping": (),
    "stopping.1": (),
    "position": (),
    "position.epoch": (),
    "position.batches": (),
    "position.step": (),
    "position.seconds": (0.5, 10**6, 10**30, GONE),
    "position.scores": (),
    "position.scores.epoch": (),
    "position.scores.metrics": (),
    "position.scores.metrics.macro_f1": (),
    "position.scores.f1.dark": (),
    "position.scores.support.dark": (),
    "position.sums": (),
    "position.sums.images": (),
    "position.sums.labels": (),
    "position.outcome": (),
    "position.outcome.epochs": (),
    "position.outcome.images": (10**6, GONE),
    "position.outcome.stopped": (GONE,),
    "position.record": (),
    "position.record.epoch": (),
    "random": (),
    "random.python": (),
    "random.numpy.2": (),
    "random.torch": (),
}


def changed(state: Any, place: Sequence[str], value: Any) -> Any:
    """The state with another value at a place."""
    if not place:
        return value
    key: Any = int(place[0]) if place[0].isdecimal() else place[0]
    inner = changed(state[key], place[1:], value)
    if isinstance(state, dict):
        return {k: inner if k == key else v for k, v in state.items() if k != key or inner is not GONE}
    items = [inner if number == key else item for number, item in enumerate(state)]
    return type(state)(item for item in items if item is not GONE)


@pytest.mark.parametrize("place", FREE)
def test_what_cannot_be_is_refused(place: str, new: Training, state: dict[str, Any], tmp_path: Path) -> None:
    for value in WRONG:
        if not any(value is free or (type(value) is type(free) and value == free) for free in FREE[place]):
            assert not taken(put(tmp_path, changed(state, place.split("."), value)), new), value
