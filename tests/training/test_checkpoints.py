"""Weights on disk."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from ferbench.errors import UserError
from ferbench.runs.saved import is_whole
from ferbench.storage import replace_json
from ferbench.training.checkpoints import load_weights, save_weights

CPU = torch.device("cpu")


def model(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1))
    made[3].weight = made[2].weight
    return made.to(memory_format=torch.channels_last)


def test_weights_come_back_with_what_is_said_of_them(tmp_path):
    saved, other = model(1), model(2)
    save_weights(tmp_path, "best", saved, {"epoch": 3})
    assert load_weights(tmp_path, "best", other, CPU).epoch == 3
    torch.testing.assert_close(other.state_dict(), saved.state_dict(), rtol=0, atol=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.json", "best.safetensors"]


def test_a_changed_byte_is_noticed(tmp_path):
    save_weights(tmp_path, "best", model(1), {})
    content = bytearray((tmp_path / "best.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "best.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load_weights(tmp_path, "best", model(1), CPU)


def test_whole_means_there_and_unchanged(tmp_path):
    assert not is_whole(tmp_path, "best")
    save_weights(tmp_path, "best", model(1), {})
    assert is_whole(tmp_path, "best")
    path = tmp_path / "best.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert not is_whole(tmp_path, "best")


def test_weights_of_another_model_are_refused(tmp_path):
    save_weights(tmp_path, "best", nn.Linear(2, 3), {})
    with pytest.raises(UserError, match="does not fit"):
        load_weights(tmp_path, "best", nn.Linear(2, 4), CPU)


@pytest.mark.parametrize("name", ["best.json", "best.safetensors"])
def test_half_a_checkpoint_is_none(tmp_path, name):
    save_weights(tmp_path, "best", nn.Linear(2, 3), {})
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match="no readable checkpoint"):
        load_weights(tmp_path, "best", nn.Linear(2, 3), CPU)


def test_the_json_holds_no_surprises(tmp_path):
    save_weights(tmp_path, "best", nn.Linear(2, 3), {"epoch": 1})
    assert set(json.loads((tmp_path / "best.json").read_text())) == {"epoch", "sha256", "own"}


def test_every_changed_byte_of_the_json_is_noticed(tmp_path):
    save_weights(tmp_path, "best", nn.Linear(2, 3), {"epoch": 3, "value": 0.25})
    path = tmp_path / "best.json"
    content = path.read_bytes()
    for place in range(len(content)):
        for damaged in (content[:place], content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]):
            path.write_bytes(damaged)
            assert not is_whole(tmp_path, "best"), damaged


def test_weights_of_an_older_release_are_read(tmp_path):
    save_weights(tmp_path, "best", nn.Linear(2, 3), {"epoch": 3})
    about = json.loads((tmp_path / "best.json").read_text())
    del about["own"]
    replace_json(tmp_path / "best.json", about)
    assert is_whole(tmp_path, "best")
    assert load_weights(tmp_path, "best", nn.Linear(2, 3), CPU).epoch == 3
