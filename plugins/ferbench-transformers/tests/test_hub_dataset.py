"""Datasets of the hub from the disk, with Parquet files that the tests write."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ferbench as fb
from ferbench import Fault, Sample, UserError
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset
from ferbench.plugin.discovery import load_registry
from ferbench.testing import Subject, check
from ferbench_transformers.hub_dataset import hf_dataset

NAMES = ["Angry", "joy", "Thinking"]
CLASSES = ("Thinking", "angry", "happy")
SPLITS = {"train": 18, "validation": 6, "test": 6}


def face(seed: int, side: int = 12) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8))


def made(n: int, *, named: bool = True, image: str = "image", label: str = "label", **more):
    import datasets

    labels = [k % 3 for k in range(n)]
    kind = datasets.ClassLabel(names=NAMES) if named else datasets.Value("int64")
    features = {image: datasets.Image(), label: kind, **{key: datasets.Value("string") for key in more}}
    columns = {image: [face(k + n) for k in range(n)], label: labels, **{key: value[:n] for key, value in more.items()}}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """As a repository of the hub lies on the disk; train in two files."""
    root = tmp_path_factory.mktemp("repository")
    (root / "README.md").write_text("---\nconfigs:\n- config_name: default\n---\n")
    (root / "data").mkdir()
    for split, n in SPLITS.items():
        rows = made(n)
        if split == "train":
            rows.select(range(9)).to_parquet(root / "data" / "train-00000-of-00002.parquet")
            rows.select(range(9, n)).to_parquet(root / "data" / "train-00001-of-00002.parquet")
        else:
            rows.to_parquet(root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def samples(path: Path, **options) -> dict[str, Sample]:
    items = list(hf_dataset(path, **options).samples())
    assert not [item for item in items if isinstance(item, Fault)]
    return {item.id: item for item in items if isinstance(item, Sample)}


def pixels(sample: Sample) -> np.ndarray:
    assert isinstance(sample.image, bytes)
    return np.asarray(Image.open(io.BytesIO(sample.image)))


def test_splits_classes_and_pixels_are_those_of_the_files(repository):
    found = samples(repository)
    assert {part: sum(each.part == part for each in found.values()) for part in SPLITS} == SPLITS
    assert hf_dataset(repository).class_names == CLASSES
    assert [found[f"train-{k:06d}"].label for k in range(3)] == ["angry", "happy", "Thinking"]
    for k in (0, 8, 9, 17):  # of both files, in their order
        np.testing.assert_array_equal(pixels(found[f"train-{k:06d}"]), np.asarray(face(k + 18)))


def test_parquet_files_are_read_without_the_package_datasets(repository):
    script = "import sys; from ferbench_transformers.hub_dataset import hf_dataset; "
    script += "rows = list(hf_dataset(sys.argv[1]).samples()); print(len(rows), 'datasets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, repository], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["30", "False"]


def test_what_save_to_disk_wrote_is_the_same(repository, tmp_path):
    import datasets

    datasets.DatasetDict({split: made(n) for split, n in SPLITS.items()}).save_to_disk(tmp_path / "saved")
    one, other = samples(repository), samples(tmp_path / "saved")
    assert one.keys() == other.keys()
    assert all((one[key].label, one[key].part) == (other[key].label, other[key].part) for key in one)


@pytest.mark.parametrize(
    ("name", "part"),
    [("default/train/0000.parquet", "train"), ("plain_text/test/0000.parquet", "test"), ("val.parquet", "validation"),
     ("faces.parquet", "train")],
)  # fmt: skip
def test_folders_or_names_say_the_split(tmp_path, name, part):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    made(3).to_parquet(tmp_path / name)
    assert {sample.part for sample in samples(tmp_path).values()} == {part}


def test_columns_are_found_by_type_and_by_their_usual_names(tmp_path):
    made(3, image="whatever", label="Emotion").to_parquet(tmp_path / "train.parquet")
    dataset = hf_dataset(tmp_path)
    assert (dataset.notes["image_column"], dataset.notes["label_column"]) == ("whatever", "Emotion")


def test_numbers_without_names_are_refused_and_named_by_an_option(tmp_path):
    made(6, named=False).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(UserError, match="nothing names the classes") as raised:
        hf_dataset(tmp_path)
    assert "dataset.names" in raised.value.remedy
    assert samples(tmp_path, names=("sad", "fear", "happy"))["train-000001"].label == "fear"


def test_classes_may_be_words(tmp_path):
    import datasets

    words = ["Happiness", "sadness", "bored"]
    columns = {"image": [face(k) for k in range(3)], "label": words}
    datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image()).to_parquet(tmp_path / "train.parquet")
    assert [sample.label for sample in samples(tmp_path).values()] == ["happy", "sad", "bored"]


def test_people_are_known_where_a_column_says_them(tmp_path):
    made(3, person=["anna", "ben", "anna"]).to_parquet(tmp_path / "train.parquet")
    assert [sample.subject for sample in samples(tmp_path, subject="person").values()] == ["anna", "ben", "anna"]


def test_samples_without_a_label_are_left_out_and_counted(tmp_path):
    import datasets

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    rows = {"image": [face(k) for k in range(4)], "label": [0, -1, None, 2]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "train.parquet")
    dataset = hf_dataset(tmp_path)
    assert len(list(dataset.samples())) == 2
    assert dataset.notes["left_out"] == {"without a label": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": "nothing"}, "no column 'nothing'; it has: image, label"),
        ({"label": "nothing"}, "no column 'nothing'; it has: image, label"),
        ({"subject": "nothing"}, "no column 'nothing'; it has: image, label"),
    ],
)
def test_a_column_that_is_not_there_is_said_with_those_that_are(tmp_path, options, message):
    made(3).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(UserError, match=message):
        hf_dataset(tmp_path, **options)


def test_what_is_no_dataset_is_refused(tmp_path):
    for path in (None, tmp_path / "nowhere", tmp_path):
        with pytest.raises(UserError, match=r"needs its files|does not exist|no Parquet file"):
            hf_dataset(path)
    (tmp_path / "train.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(UserError, match="cannot be read"):
        hf_dataset(tmp_path)


def test_an_image_that_is_damaged_is_a_fault_with_its_place(tmp_path):
    import datasets

    broken = {"bytes": b"no image", "path": None}
    rows = {"image": [broken, broken, broken], "label": [0, 1, 2]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(FaultyDataset, match="train 0"):
        pack_dataset(hf_dataset(tmp_path), name="hf-dataset", cache=tmp_path / "cache")


def test_it_keeps_the_rules_of_datasets(repository):
    component = load_registry(environ={}).find("dataset", "hf-dataset")
    verdicts = check(Subject(component, {}, repository, None), informational=False)
    assert {verdict.rule: verdict.said for verdict in verdicts if verdict.status == "failed"} == {}


def test_it_trains(repository, tmp_path):
    results = fb.run(
        dataset="hf-dataset", data=repository, model="linear", results=tmp_path,
        settings={"training.epochs": 1, "data.image_size": 8, "dataset.color": "gray"},
    )  # fmt: skip
    assert results[0].status == "done"
