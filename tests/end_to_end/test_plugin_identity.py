"""What a plugin's author changes between two commands, and what ``ferbench run`` then does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from record_files import read_record

from ferbench.runs.find import find_run

ROOT = Path(__file__).parents[2]
QUICK = ("--set", "data.image_size=8", "--set", "training.epochs=1", "--no-report", "--quiet")

DATASET = '''
from pathlib import Path
import numpy as np
import ferbench

@ferbench.hookimpl
def ferbench_datasets():
    yield ferbench.DatasetSpec("made-up", build="made_up:MadeUp", summary="A line", needs_path=False,
        protocols=(ferbench.Protocol("all", train=("train",), test=("test",)),))

class MadeUp(ferbench.Dataset):
    """Made up.

    Args:
        path: nowhere.
        turned: every second label.
        labels: a table of them.
    """
    class_names = ("happy", "sad")
    channels = 1

    def __init__(self, path, *, turned: bool = False, labels: Path | None = None):
        self._turned = turned
        self._labels = None if labels is None else labels.read_text().split()

    def source(self):
        return {}

    def samples(self):
        names = self.class_names
        for part, count in (("train", 12), ("test", 4)):
            for i in range(count):
                name = names[(i + self._turned) % 2] if self._labels is None else self._labels[i % 2]
                image = np.full((8, 8), 20 * i, dtype=np.uint8)
                yield ferbench.Sample(f"{part}-{i}", part, name, image)
'''

LOSS = '''
from pathlib import Path
import ferbench

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("tabled", build="tabled:Tabled", summary="A line")

class Tabled:
    """Tabled.

    Args:
        task: the problem.
        table: of a factor.
    """
    def __init__(self, task, *, table: Path = Path("factor.txt")):
        self.factor = float(table.read_text())

    def __call__(self, outputs, targets):
        from torch.nn import functional
        return self.factor * functional.cross_entropy(outputs.logits, targets.labels)
'''


@pytest.fixture
def run(ferbench_cli, tmp_path):
    (tmp_path / "made_up.py").write_text(DATASET)
    (tmp_path / "tabled.py").write_text(LOSS)

    def call(*args: str) -> dict:
        plugins = ("--plugin", "made_up.py", "--plugin", "tabled.py")
        linear = () if "--model" in args else ("--model", "linear")
        given = (*plugins, "--dataset", "made-up", *QUICK, *linear, *args)
        done = ferbench_cli("run", *given, "--cache", "cache", "--json")
        assert done.exit_code == 0, done.stderr
        (outcome,) = json.loads(done.stdout)
        return outcome

    return call


def labels_of(tmp_path: Path, outcome: dict) -> list[int]:
    directory = find_run(tmp_path / "results", outcome["run"])
    (name,) = [name for name, one in read_record(directory)["evaluations"].items() if one["split"] == "test"]
    given = directory.predictions(name)
    return given.truth[given.ids.argsort()].tolist()


def test_swapped_labels_in_a_dataset_plugin_are_other_data(run, tmp_path):
    first = run()
    assert run()["reused"]
    (tmp_path / "made_up.py").write_text(DATASET.replace("names = self.class_names", 'names = ("sad", "happy")'))
    second = run()
    assert labels_of(tmp_path, first) == [0, 1, 0, 1]
    assert labels_of(tmp_path, second) == [1, 0, 1, 0]


def test_an_option_that_the_datasets_own_stamp_leaves_out_is_heard(run, tmp_path):
    assert labels_of(tmp_path, run()) == [0, 1, 0, 1]
    assert labels_of(tmp_path, run("--set", "dataset.turned=true")) == [1, 0, 1, 0]


def test_a_file_that_an_option_of_a_dataset_names_is_read_again_when_it_changes(run, tmp_path):
    table = ("--set", "dataset.labels=labels.txt")
    (tmp_path / "labels.txt").write_text("happy sad")
    first = run(*table)
    assert labels_of(tmp_path, first) == [0, 1, 0, 1]
    (tmp_path / "labels.txt").write_text("sad happy")
    assert labels_of(tmp_path, run(*table)) == [1, 0, 1, 0]
    (tmp_path / "copy.txt").write_text("happy sad")
    assert run("--set", "dataset.labels=copy.txt")["training_id"] == first["training_id"]


def test_new_code_of_a_dataset_that_gives_the_same_samples_is_the_same_run(run, tmp_path):
    run()
    (tmp_path / "made_up.py").write_text(DATASET + "# tidied\n")
    assert run()["reused"]


def test_a_file_that_a_loss_reads_is_known_by_its_content(run, tmp_path):
    (tmp_path / "factor.txt").write_text("1.0")
    first = run("--loss", "tabled")
    assert run("--loss", "tabled")["reused"]
    (tmp_path / "factor.txt").write_text("2.0")
    changed = run("--loss", "tabled")
    assert not changed["reused"]
    assert changed["training_id"] != first["training_id"]
    (tmp_path / "kept.txt").write_text("1.0")
    assert run("--loss", "tabled", "--set", "loss.table=kept.txt")["training_id"] == first["training_id"]


def test_a_missing_file_is_said_before_anything_is_packed(ferbench_cli, run, tmp_path):
    plugins = ("--plugin", "made_up.py", "--plugin", "tabled.py")
    done = ferbench_cli("run", *plugins, "--dataset", "made-up", "--loss", "tabled", *QUICK, "--cache", "cache")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "error: loss.table: there is no file or folder 'factor.txt'",
        "  → say where it is with --set loss.table=PATH",
    ]
    assert not (tmp_path / "cache").exists()


def test_a_run_is_evaluated_though_a_file_of_its_loss_is_gone(ferbench_cli, run, tmp_path):
    (tmp_path / "factor.txt").write_text("1.0")
    outcome = run("--loss", "tabled")
    (tmp_path / "factor.txt").unlink()
    args = ("--set", "evaluation.tta=flip", "--plugin", "made_up.py", "--cache", "cache")
    done = ferbench_cli("evaluate", outcome["run"], *args)
    assert done.exit_code == 0, done.stderr


def test_an_edited_neighbour_of_a_plugin_is_another_run(run, tmp_path):
    loss = LOSS.replace("float(table.read_text())", "helped()").replace("import ferbench\n", HEAD)
    (tmp_path / "tabled.py").write_text(loss)
    (tmp_path / "factor.txt").write_text("1.0")
    (tmp_path / "helper_of_tabled.py").write_text("def helped(): return 1.0\n")
    assert not run("--loss", "tabled")["reused"]
    assert run("--loss", "tabled")["reused"]
    (tmp_path / "helper_of_tabled.py").write_text("def helped(): return 2.0\n")
    assert not run("--loss", "tabled")["reused"]


NET = """
import ferbench

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("edited-net", build="edited_net:build", summary="A line", image_size=8)

def build(task):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(task.channels * 64, task.num_classes), nn.Identity())
"""


def test_what_a_changed_model_says_is_not_taken_for_what_the_trained_one_said(ferbench_cli, run, tmp_path):
    (tmp_path / "edited_net.py").write_text(NET)
    run("--plugin", "edited_net.py", "--model", "edited-net", "--name", "one")

    def evaluate() -> dict:
        plugins = ("--plugin", "made_up.py", "--plugin", "edited_net.py")
        done = ferbench_cli("evaluate", "one", "--set", "evaluation.tta=flip", *plugins, "--cache", "cache", "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    (tmp_path / "edited_net.py").write_text(NET.replace("nn.Identity()", "nn.Softsign()"))
    other = evaluate()
    assert evaluate()["reused"]
    (tmp_path / "edited_net.py").write_text(NET)
    right = evaluate()
    assert not right["reused"]
    assert right["evaluation"] != other["evaluation"]
    (tmp_path / "edited_net.py").write_text(NET + "# tidied")
    assert evaluate()["evaluation"] == right["evaluation"]
    assert ferbench_cli("runs", "verify").exit_code == 0


HEAD = """import sys
import ferbench
sys.path.insert(0, str(Path(__file__).parent))
from helper_of_tabled import helped
"""


def test_the_documented_dataset_hears_its_own_option(ferbench_cli, tmp_path):
    from made_images import draw

    page = (ROOT / "docs/how-to/own-data.md").read_text()
    (code,) = re.findall(r'```python title="lab_faces.py"\n(.*?)```', page, re.DOTALL)
    (tmp_path / "lab_faces.py").write_text(code)
    for person in ("anna", "ben", "cleo", "dora"):
        for name in ("neutral", "happy", "sad"):
            draw(tmp_path / "LAB" / f"{person}_{name}_1.png", hash((person, name)) % 1000)
    tested = []
    for sets in ((), ("--set", "dataset.test_people=[anna,ben]")):
        args = ("--plugin", "lab_faces.py", "--dataset", "lab-faces", "--data", "LAB", "--dry-run", "--json")
        done = ferbench_cli("run", *args, *QUICK, *sets, "--cache", "cache")
        assert done.exit_code == 0, done.stderr
        tested.append(json.loads(done.stdout)[0]["samples"]["test"])
    assert tested == [3, 6]
    done = ferbench_cli("plugins", "check", "lab-faces", "--plugin", "lab_faces.py", "--data", "LAB")
    assert done.exit_code == 0, done.stdout
