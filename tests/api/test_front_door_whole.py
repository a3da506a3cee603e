"""What the front door promises, all of it as a notebook would say it, on FER2013 in miniature."""

from __future__ import annotations

import csv

import numpy as np
import plotly.graph_objects as go
import pytest
from cells import Kernel
from PIL import Image
from torch import nn

SETTINGS = '{"training.epochs": 1, "training.batch_size": 32, "data.image_size": 24, "runtime.threads": 1}'

CELLS = (
    f"""
    import ferbench as fb
    import pandas as pd
    from torch import nn

    tiny = {SETTINGS}
    runs = fb.run(dataset="fer2013", data="DIR", model=["basic-cnn", "cnn4"], seed=[0, 1], settings=tiny)
    frame = runs.frame()
    """,
    """
    r = runs[0]
    per_class, history, predictions, confusion = r.per_class, r.history, r.predictions("test"), r.confusion("test")
    mine = r.predict(["me.jpg"])
    model, figure = r.model(), r.figure("confusion")
    """,
    """
    everything = fb.load_results("results").frame()
    board = fb.leaderboard("results", where={"dataset": "fer2013"})
    ranked, shown = board.frame, board._repr_html_()
    a, b = runs[0], runs[2]
    sentence = fb.compare(a, b).sentence
    """,
    """
    best = fb.tune(
        dataset="fer2013", data="DIR", model="linear", settings=tiny, space={"optimizer.lr": [0.1, 0.01]}, only=True,
        trials=2, algorithm="random", seeds=[0],
    ).best
    """,
    """
    df = pd.DataFrame(
        {"precision": ["0.90", "0.80"], "recall": ["0.95", "0.20"], "f1": ["0.92", "0.70"], "support": [100, 50]},
        index=["happy", "sad"],
    )
    verdict = fb.audit_table(df).verdict
    audit = fb.audit_data("fer2013", "DIR", near=False)
    """,
    """
    class MyNet(nn.Module):
        image_size = 24

        def __init__(self, num_classes):
            super().__init__()
            self.layer = nn.Linear(24 * 24, num_classes)

        def forward(self, images):
            return self.layer(images.flatten(1))

    def my_loss(outputs, targets):
        return nn.functional.cross_entropy(outputs.logits, targets.labels)

    (own,) = fb.run(dataset="fer2013", data="DIR", model=MyNet, loss=my_loss, settings=tiny)
    theirs = fb.import_predictions(r.predictions("test")[["id", "predicted"]], like=r, name="theirs")
    """,
)


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What is defined once all cells have run."""
    folder = tmp_path_factory.mktemp("door")
    (folder / "DIR").mkdir()
    draw = np.random.default_rng(0)
    with (folder / "DIR" / "fer2013.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels", "Usage"])
        for usage, count in (("Training", 70), ("PublicTest", 21), ("PrivateTest", 21)):
            for number in range(count):
                rows.writerow([number % 7, " ".join(map(str, draw.integers(0, 256, 48 * 48))), usage])
    Image.fromarray(draw.integers(0, 256, (60, 60), dtype=np.uint8)).save(folder / "me.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FERBENCH_CACHE", str(folder / "cache"))
        patch.setenv("FERBENCH_PLUGINS", "")
        yield Kernel().run(*CELLS)


def test_runs_are_frames(names):
    assert len(names["runs"]) == len(names["frame"]) == 4
    assert len(names["everything"]) == 4
    assert len(names["per_class"]) == 7
    assert len(names["history"]) == 1
    assert len(names["predictions"]) == names["confusion"].to_numpy().sum() == 21


def test_a_run_is_a_model_and_figures(names):
    assert list(names["mine"]["image"]) == ["me.jpg"]
    assert isinstance(names["model"], nn.Module)
    assert isinstance(names["figure"], go.Figure)


def test_runs_are_ranked_compared_and_searched(names):
    assert sorted(names["ranked"]["model"]) == ["basic-cnn", "cnn4"]
    assert "<table>" in names["shown"]
    assert "accura" in names["sentence"]
    assert set(names["best"].settings) == {"optimizer.lr"}
    (run,) = names["best"].runs
    assert run.metrics("test")["accuracy"] >= 0


def test_tables_and_data_are_audited(names):
    assert names["verdict"] == "inconsistent"
    assert len(names["audit"].pack) == 112


def test_own_classes_and_predictions_of_others_are_results(names):
    assert names["own"].settings["model"] == "my-net"
    assert names["theirs"].kind == "imported"
    assert names["theirs"].metrics()["accuracy"] == pytest.approx(names["r"].metrics()["accuracy"])
