"""Whatever feeds pictures to a trained model prepares them as its training did."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from record_files import read_record, write_record

from ferbench.cli import cli
from ferbench.runs.find import find_run

CLASSES = ("angry", "happy")


def photo(file, seed):
    """A picture of one of many kinds and of a shape of its own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed)
    height, width = 20 + 7 * (seed % 5), 31 + 5 * (seed % 7)
    colour = np.kron(noise.integers(0, 256, (height // 4, width // 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    image, options = Image.fromarray(colour), {}
    match seed % 6:
        case 0:
            options["exif"] = Image.Exif()
            options["exif"][0x0112] = 6
        case 1:
            image = Image.fromarray(colour[..., 0].astype(np.uint16) * 257)
        case 2:
            image = image.quantize(16)
        case 3:
            image.putalpha(Image.fromarray(colour[..., 1]))
        case 4:
            image = image.convert("L")
    image.save(file, **options)


def tree(root, train=6, test=6):
    for part, count in (("train", train), ("test", test)):
        for k, name in enumerate(CLASSES):
            for i in range(count):
                photo(root / part / name / f"{i}.png", 100 * k + i + (50 if part == "test" else 0))
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    tree(root / "data")
    noise = np.random.default_rng(1)
    kinds = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
    for part, stems in (("train", ["Training"]), ("test", ["PublicTest", "PrivateTest"])):
        for k, kind in enumerate(kinds):
            for j, stem in enumerate(stems * 2):
                file = root / "fer2013" / part / kind.lower() / f"{stem}_{1000 * (part == 'test') + 10 * k + j}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(noise.integers(0, 256, (48, 48), dtype=np.uint8)).save(file)
    return root


def call(place, *args):
    done = CliRunner().invoke(cli, [str(one) for one in (*args, "--results", place / "results")])
    assert done.exit_code == 0, done.output
    return done


def train(place, name, *sets, dataset="folder", data=("data",)):
    args = ["run", "--dataset", dataset, "--model", "linear", "--set", "training.epochs=1", "--no-report", "--quiet"]
    args += [word for one in data for word in ("--data", one.replace("@", f"{place}/") if "@" in one else place / one)]
    for one in (*sets, "data.image_size=16", "training.batch_size=4", "augmentation.name=none"):
        args += ["--set", one]
    call(place, *args, "--name", name, "--cache", place / "cache")
    return find_run(place / "results", name)


def recorded(directory, evaluation=None):
    """Probabilities of the test by sample id."""
    record = read_record(directory)
    key = evaluation or next(key for key, one in record["evaluations"].items() if one["split"] == "test")
    found = directory.predictions(key)
    return dict(zip(found.ids.tolist(), found.probabilities, strict=True))


def predicted(place, name, *paths):
    told = json.loads(call(place, "predict", name, *paths, "--format", "json").stdout)
    return {one["image"]: np.array(list(one["probabilities"].values())) for one in told}


@pytest.mark.parametrize(
    "sets",
    [
        ("dataset.size=24", "dataset.fit=stretch", "dataset.color=gray"),
        ("dataset.size=24", "dataset.fit=pad", "dataset.color=rgb", "data.channels=3"),
        ("dataset.size=24", "dataset.fit=crop", "dataset.color=gray", "data.channels=3"),
        ("dataset.size=64", "dataset.fit=crop", "dataset.color=rgb", "data.channels=1"),
        ("dataset.size=16", "dataset.fit=pad", "dataset.color=gray", "evaluation.tta=flip"),
    ],
)
def test_predict_gives_the_probabilities_that_the_test_gave(place, sets):
    name = "-".join(one.partition("=")[2] for one in sets)
    wanted = recorded(train(place, name, *sets))
    found = predicted(place, name, place / "data" / "test")
    assert len(found) == len(wanted) == 12
    for image, probabilities in found.items():
        key = "test/" + "/".join(image.split("/")[-2:])
        np.testing.assert_allclose(probabilities, wanted[key], atol=1e-6)


def test_predict_prepares_as_a_union_did_the_pictures_of_every_member(place):
    sets = ("data.protocol=official-all",)
    data = ("fer2013=@fer2013", "folder=@data")
    directory = train(place, "union", *sets, dataset="fer2013+folder", data=data)
    wanted = recorded(directory)
    assert read_record(directory)["data"]["stored"] == {"size": [48, 48], "fit": "stretch"}
    found = predicted(place, "union", place / "fer2013" / "test", place / "data" / "test")
    for sample, probabilities in wanted.items():
        member, _, rest = sample.rpartition(":")
        where = place / "data" / rest if member else next(place.glob(f"fer2013/test/*/{sample}.png"))
        np.testing.assert_allclose(found[str(where)], probabilities, atol=1e-6)
    places = [word for one in data for word in ("--data", one.replace("@", f"{place}/"))]
    args = ("evaluate", "union", "--dataset", "fer2013+folder", *places, "--set", *sets, "--cache", place / "cache")
    assert json.loads(call(place, *args, "--json").stdout)["reused"]


def test_a_run_on_gray_images_sees_a_colour_photo_in_gray(place, tmp_path):
    train(place, "fer", "data.channels=3", dataset="fer2013", data=("fer2013",))
    colour = np.random.default_rng(3).integers(0, 256, (90, 60, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    Image.fromarray(colour).convert("L").save(tmp_path / "gray.png")
    in_colour, in_gray = predicted(place, "fer", tmp_path).values()
    np.testing.assert_allclose(in_colour, in_gray, atol=1e-6)


def test_timeline_prepares_the_part_in_a_box_as_the_training_did(place, tmp_path):
    sets = ("dataset.size=24", "dataset.fit=crop", "dataset.color=gray", "training.seed=3")
    wanted = recorded(train(place, "boxed", *sets))["test/angry/3.png"]
    tested = Image.open(place / "data" / "test" / "angry" / "3.png")
    frame = Image.new("RGB", (120, 90), (200, 30, 60))
    frame.paste(tested, (20, 10))
    frame.save(tmp_path / "frame.png")
    box = f"20,10,{tested.width},{tested.height}"
    told = json.loads(call(place, "timeline", "boxed", tmp_path, "--box", box, "--format", "json").stdout)
    np.testing.assert_allclose(list(told["frames"][0]["probabilities"].values()), wanted, atol=1e-6)


def test_evaluate_prepares_another_dataset_as_the_training_did(place):
    directory = train(place, "home", "dataset.size=24", "dataset.fit=crop", "dataset.color=gray", "data.channels=3")
    with (place / "faces.csv").open("w") as table:
        print("path,label,split", file=table)
        for file in sorted((place / "data" / "test").rglob("*.png")):
            print(f"{file.relative_to(place)},{file.parent.name},test", file=table)
    args = ("evaluate", "home", "--dataset", "csv", "--data", place / "faces.csv", "--cache", place / "cache", "--json")
    told = json.loads(call(place, *args).stdout)
    wanted = recorded(directory)
    for sample, probabilities in recorded(directory, told["evaluation"]).items():
        np.testing.assert_allclose(probabilities, wanted[sample.removeprefix("data/")], atol=1e-6)
    assert told["data"]["stored"] == {"size": [24, 24], "fit": "crop"}
    asked = json.loads(call(place, *args, "--set", "dataset.size=30", "--set", "dataset.color=rgb").stdout)
    assert (asked["data"]["color"], asked["data"]["stored"]) == ("rgb", {"size": [30, 30], "fit": "crop"})


def test_an_older_record_tells_by_its_options_and_what_it_does_not_tell_is_said(place):
    sets = ("dataset.size=24", "dataset.fit=pad", "dataset.color=gray", "data.channels=3", "training.seed=7")
    directory = train(place, "older", *sets)
    wanted = recorded(directory)
    record = read_record(directory)
    for key in ("color", "stored"):
        del record["data"][key]
    write_record(directory, record)
    image = place / "data" / "test" / "happy" / "0.png"
    done = call(place, "predict", "older", image, "--format", "json")
    (told,) = json.loads(done.stdout)
    np.testing.assert_allclose(list(told["probabilities"].values()), wanted["test/happy/0.png"], atol=1e-6)
    assert "the record does not say" not in done.stderr
    record["components"]["dataset"] |= {"distribution": "elsewhere", "options": {}}
    write_record(directory, record)
    said = call(place, "predict", "older", image, "--format", "json").stderr
    assert "the record does not say how images were stored (gray or colour, the size" in said
