"""A class and a function of a notebook's cells are trained, identified, and used again."""

from __future__ import annotations

import numpy as np
import pytest
from cells import Kernel

import ferbench as fb

CELL = """
    import torch.nn.functional as F
    from torch import nn

    def small(channels):
        return nn.Sequential(nn.Conv2d(1, channels, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    class Net(nn.Module):
        image_size = 24

        def __init__(self, num_classes, *, width: int = 4):
            super().__init__()
            self.layers = nn.Sequential(small(width), nn.Linear(width, num_classes))

        def forward(self, images):
            return self.layers(images)

    def my_loss(outputs, targets, *, smoothing: float = 0.1):
        return F.cross_entropy(outputs.logits, targets.labels, label_smoothing=smoothing)
"""
SMALL = {"dataset.train": 70, "dataset.test": 35, "dataset.size": 24, "training.epochs": 1, "training.batch_size": 32}


@pytest.fixture
def train(tmp_path):
    def trained(names, **more):
        own = {"model": names["Net"], "loss": names["my_loss"], **more}
        settings = {**SMALL, **own.pop("settings", {})}
        return fb.run(dataset="synthetic-faces", settings=settings, results=tmp_path, cache=tmp_path / "cache", **own)

    return trained


def test_the_same_source_is_the_same_run_and_an_edited_one_another(train):
    kernel = Kernel()
    (first,) = train(kernel.run(CELL))
    assert first.status == "done"
    assert first.settings["model"] == "net"
    assert first.settings["loss.smoothing"] == 0.1
    (again,) = train(kernel.run(CELL))
    (elsewhere,) = train(Kernel().run(CELL))
    assert again.id == elsewhere.id == first.id
    edited = kernel.run(CELL.replace("nn.ReLU()", "nn.Tanh()"))
    (other,) = train(edited)
    assert other.id != first.id
    assert first.record.components["model"].source != other.record.components["model"].source
    assert first.record.components["loss"].source == other.record.components["loss"].source
    (wider,) = train(edited, settings={"model.width": 6})
    assert wider.id != other.id


def test_the_run_is_used_without_the_class(train, tmp_path, ferbench_cli):
    (run,) = train(Kernel().run(CELL), name="own")
    found = fb.load_run("own", tmp_path)
    faces = [np.full((30, 20), 128, np.uint8), np.zeros((24, 24, 3), np.uint8)]
    frame = found.predict(faces, device="cpu")
    assert frame["image"].tolist() == [0, 1]
    assert frame.filter(like="probability:").sum(axis=1).round(4).eq(1).all()
    model = found.model()
    assert not model.training
    assert type(model).__name__ == "Net"
    with pytest.raises(fb.UserError, match="1 image could not be decoded, first 0"):
        found.predict(np.zeros((3, 4), np.float32))
    from PIL import Image

    Image.fromarray(faces[0]).save(tmp_path / "face.png")
    (plugin,) = (tmp_path / "plugins").glob("net_*.py")
    done = ferbench_cli("predict", "own", "face.png", "--results", tmp_path, "--plugin", plugin, "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert run.predict("face.png", device="cpu")["predicted"][0] in done.stdout


def test_it_is_trained_on_several_devices(train):
    (run,) = train(Kernel().run(CELL), settings={"runtime.devices": 2, "runtime.device": "cpu"})
    assert run.status == "done"
    assert run.record.training.shards == [16, 16]


def test_code_that_came_with_the_results_is_run_only_when_it_is_named(train, tmp_path, monkeypatch):
    (run,) = train(Kernel().run(CELL))
    (model,) = (tmp_path / "plugins").glob("net_*.py")
    trap = tmp_path / "trap"
    model.write_text(f"{model.read_text()}\nopen({str(trap)!r}, 'w')\n")
    with pytest.raises(fb.UserError, match="is code that was not written from a notebook") as refused:
        fb.load_run(run.id, tmp_path).model()
    assert not trap.exists()
    assert f"plugins=[{str(model)!r}]" in refused.value.remedy
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of another user"))
    with pytest.raises(fb.UserError, match="is code that was not written"):
        fb.load_run(run.id, tmp_path).predict([np.zeros((24, 24), np.uint8)])
    assert not trap.exists()
    losses = [str(path) for path in (tmp_path / "plugins").glob("my_loss_*.py")]
    with pytest.warns(UserWarning, match="another source"):
        fb.load_run(run.id, tmp_path).model(plugins=[str(model), *losses])
    assert trap.exists()


def test_an_optimiser_that_says_closure_gets_one(train):
    kernel = Kernel()
    names = kernel.run(CELL)
    names |= kernel.run("""
        import torch

        class Twice(torch.optim.SGD):
            closure = True

            def __init__(self, parameters, *, lr: float = 0.01):
                super().__init__(parameters, lr=lr)

            def step(self, closure):
                closure()
                loss = closure()
                super().step()
                return loss
    """)
    (run,) = train(names, optimizer=names["Twice"])
    assert run.status == "done"
