"""FER+: its labellings by hand, every layout that it goes around in, and what can be wrong with a copy."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_rules import broken_rules
from PIL import Image

from ferbench import Fault, Sample, UserError
from ferbench.data.image_tree import named_twice_line
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset
from ferbench_builtin.datasets.fer_plus import fer_plus
from ferbench_builtin.datasets.fer_plus_labels import LABELLINGS, NO_FACE, NO_WINNER, UNKNOWN, VOTES, labelled

#: Written out again, so that a slip in the code shows.
NAMES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
CLASSES = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
WINNERS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")


def votes(**given: int) -> list[float]:
    return [float(given.get(name, 0)) for name in NAMES]


def shares(label: str | None = None, **given: float) -> tuple[float, ...]:
    """Shares of FER+'s first eight, in its order."""
    return tuple(given.get(name, 0.0) for name in NAMES[:8])


@pytest.mark.parametrize(
    ("cast", "label", "reason"),
    [
        (votes(neutral=6, sadness=4), "neutral", ""),
        (votes(neutral=5, sadness=5), None, NO_WINNER),  # half is not more than half
        (votes(happiness=5, neutral=4, sadness=1), "happy", ""),  # a single vote does not count among all
        (votes(happiness=5, neutral=2, unknown=3), None, NO_WINNER),  # unknown stays among all
        (votes(unknown=6, neutral=4), None, UNKNOWN),
        (votes(NF=9, neutral=1), None, NO_FACE),
        (votes(neutral=1, happiness=1, surprise=1), None, NO_WINNER),  # nothing is left
        (votes(contempt=10), "contempt", ""),
    ],
)
def test_the_majority(cast, label, reason):
    found = labelled(cast, "majority")
    assert (found.label, found.shares, found.reason) == (label, None, reason)


@pytest.mark.parametrize("labelling", ["crossentropy", "probability"])
@pytest.mark.parametrize(
    ("cast", "label", "kept"),
    [
        # Three quarters are reached by two labels; the third is dropped, and so are single votes.
        (votes(anger=5, disgust=3, fear=2), "angry", shares(anger=5 / 8, disgust=3 / 8)),
        (votes(anger=4, disgust=2, fear=2, sadness=1, neutral=1), "angry", shares(anger=0.5, disgust=0.25, fear=0.25)),
        # Labels that tie come together; the first in FER+'s order is the class.
        (votes(sadness=5, anger=5), "sad", shares(sadness=0.5, anger=0.5)),
        # Four labels, each with a quarter: too many.
        (votes(neutral=2, sadness=2, anger=2, fear=2), None, None),
        # Those ahead of 'unknown' count, and what is behind it does not; they need more than half.
        (votes(neutral=6, unknown=4), "neutral", shares(neutral=1.0)),
        (votes(neutral=3, unknown=4, anger=3), None, None),
        (votes(neutral=4, unknown=3, anger=3), "neutral", shares(neutral=4 / 7, anger=3 / 7)),
        (votes(neutral=5, unknown=5), None, None),
        (votes(unknown=8, neutral=2), None, None),
    ],
)
def test_the_most_voted(cast, label, kept, labelling):
    found = labelled(cast, labelling)
    assert found.label == label
    if kept is None:
        assert found.shares is None
    else:
        assert found.shares == pytest.approx(kept)


@pytest.mark.parametrize(
    ("cast", "label", "kept"),
    [
        (votes(anger=7, disgust=3), "angry", shares(anger=0.5, disgust=0.5)),  # 30 % is enough, and all count the same
        (votes(anger=8, disgust=2), "angry", shares(anger=1.0)),
        (votes(anger=3, disgust=3, unknown=4), None, None),  # 'unknown' has most
        (votes(anger=4, disgust=2, fear=2, neutral=2), None, None),  # 40 % together
    ],
)
def test_several_targets(cast, label, kept):
    found = labelled(cast, "multi_target")
    assert (found.label, found.shares) == (label, None if kept is None else pytest.approx(kept))


@settings(deadline=None)
@given(st.lists(st.integers(0, 10), min_size=10, max_size=10), st.sampled_from(LABELLINGS))
def test_whatever_the_votes_a_picture_has_a_class_with_votes_or_a_reason(cast, labelling):
    found = labelled(cast, labelling)
    if found.label is None:
        assert found.reason
        assert found.shares is None
        return
    assert cast[WINNERS.index(found.label)] == max(vote for vote in cast[:8] if vote > 1)
    if found.shares is not None:
        assert sum(found.shares) == pytest.approx(1)
        assert len(found.shares) == 8
        assert all(vote > 1 for vote, share in zip(cast, found.shares, strict=False) if share)


def face(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


#: Part, emotion of FER2013, votes: a picture of each class that a majority has, one that none has, one without a face.
PICTURES = [
    (part, 0, [7 if place == k else (3 if place == (k + 1) % 8 else 0) for place in range(8)] + [0, 0])
    for part in ("Training", "PublicTest", "PrivateTest")
    for k in range(8)
] + [("Training", 3, votes(neutral=5, anger=5)), ("PublicTest", 3, votes(NF=10))]


def name_of(index: int) -> str:
    return "" if PICTURES[index][2][9] else f"fer{index:07d}.png"


def write_tables(root: Path, header: Sequence[str] = NAMES) -> Path:
    root.mkdir(exist_ok=True)
    with (root / "fer2013.csv").open("w") as table, (root / "fer2013new.csv").open("w") as voted:
        table.write("emotion,pixels,Usage\n")
        voted.write(f"Usage,Image name,{','.join(header)}\n")
        for index, (part, emotion, cast) in enumerate(PICTURES):
            table.write(f"{emotion},{' '.join(map(str, face(index).ravel()))},{part}\n")
            by_name = dict(zip(NAMES, cast, strict=True))
            voted.write(f"{part},{name_of(index)},{','.join(str(int(by_name[name])) for name in header)}\n")
    return root


def write_folders(root: Path, *, box: bool = True, labels: bool = True) -> Path:
    folders = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
    for part, folder in folders.items():
        (root / folder).mkdir(parents=True)
        lines = []
        for index, (mine, _, cast) in enumerate(PICTURES):
            if mine == part and name_of(index):
                Image.fromarray(face(index)).save(root / folder / name_of(index))
                lines.append([name_of(index), *(["(0, 0, 48, 48)"] if box else []), *(int(vote) for vote in cast)])
        if labels:
            with (root / folder / "label.csv").open("w", newline="") as file:
                csv.writer(file).writerows(lines)
    return root


def write_fer2013_copy(root: Path) -> tuple[Path, Path]:
    lines = ["file," + ",".join(NAMES)]
    for index, (part, emotion, cast) in enumerate(PICTURES):
        folder = f"{'train' if part == 'Training' else 'test'}/{('angry', '', '', 'happy')[emotion]}"
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(face(index)).save(root / folder / f"{part}_{index}.png")
        # By the path, or by the name alone, with another suffix.
        name = f"{folder}/{part}_{index}.png" if index % 2 else f"{part}_{index}.jpg"
        lines.append(f"{name},{','.join(str(int(vote)) for vote in cast)}")
    (root / "votes.csv").write_text("\n".join(lines) + "\n")
    return root, root / "votes.csv"


def read(path: Path, **options) -> tuple[list[Sample], list[Fault], dict]:
    dataset = fer_plus(path, **options)
    items = list(dataset.samples())
    faults = [item for item in items if isinstance(item, Fault)]
    return [item for item in items if isinstance(item, Sample)], faults, dict(dataset.notes)


def packed(path: Path, cache: Path, **options):
    return pack_dataset(fer_plus(path, **options), name="fer-plus", cache=cache)


def test_every_layout_has_the_same_pictures_classes_and_votes(tmp_path):
    tables = packed(write_tables(tmp_path / "tables"), tmp_path / "cache")
    folders = packed(write_folders(tmp_path / "folders"), tmp_path / "cache")
    plain = packed(write_folders(tmp_path / "plain", box=False), tmp_path / "cache")
    assert tables.class_names == CLASSES
    assert tables.vote_names == NAMES
    expected = [(name_of(index)[:-4], part, WINNERS[index % 8]) for index, (part, *_) in enumerate(PICTURES[:24])]
    for pack in (tables, folders, plain):
        rows = np.argsort(pack.ids)
        found = zip(pack.ids, np.array(pack.parts)[pack.part], np.array(CLASSES)[pack.labels], strict=True)
        assert sorted((str(a), str(b), str(c)) for a, b, c in found) == expected
        assert np.array_equal(pack.pixel_hashes[rows], tables.pixel_hashes)
        assert pack.votes is None  # labels are all that a majority leaves
        assert np.array_equal(pack.cast_votes[rows], np.array([cast for *_, cast in PICTURES[:24]], dtype=np.float32))
    assert plain.digest == folders.digest


def test_a_copy_of_fer2013_takes_votes_by_the_names_of_its_files(tmp_path):
    copy, table = write_fer2013_copy(tmp_path / "copy")
    samples, faults, notes = read(copy, votes=table)
    assert not faults
    assert {(sample.id, sample.label) for sample in samples} == {
        (f"{part}_{index}", WINNERS[index % 8]) for index, (part, *_) in enumerate(PICTURES[:24])
    }
    assert notes["left_out"] == {NO_WINNER: 1, NO_FACE: 1}


def test_folders_may_have_their_votes_in_one_table_beside_them(tmp_path):
    write_folders(tmp_path, labels=False)
    write_tables(tmp_path / "tables")
    (tmp_path / "tables" / "fer2013new.csv").rename(tmp_path / "fer2013new.csv")
    samples, faults, _ = read(tmp_path)
    assert not faults
    assert len(samples) == 24


def test_columns_of_votes_are_found_by_their_names(tmp_path):
    mixed, plain = (
        [replace(sample, location="") for sample in read(write_tables(tmp_path / name, header))[0]]
        for name, header in (("mixed", NAMES[::-1]), ("plain", NAMES))
    )
    assert mixed == plain
    assert len(mixed) == 24


def test_what_is_left_out_is_counted(tmp_path):
    _, faults, notes = read(write_tables(tmp_path))
    assert not faults
    assert notes["left_out"] == {NO_WINNER: 1, NO_FACE: 1}
    assert notes["images"] == {"Training": 8, "PublicTest": 8, "PrivateTest": 8}


@pytest.mark.parametrize("labels", ["crossentropy", "probability", "multi_target"])
def test_another_labelling_is_learnt_and_the_tests_stay_those_of_the_majority(tmp_path, labels):
    samples, _, _ = read(write_tables(tmp_path), labels=labels)
    counts = Counter(sample.part for sample in samples)
    # The picture that two labels share is one to learn from; a test picture needs a majority.
    assert counts == {"Training": 9, "PublicTest": 8, "PrivateTest": 8}
    assert all((sample.votes is not None) == (sample.part == "Training") for sample in samples)
    first = samples[0]
    assert first.label == "neutral"
    assert dict(zip(CLASSES, first.votes, strict=True)) == pytest.approx(
        dict.fromkeys(CLASSES, 0.0) | ({"neutral": 0.7, "happy": 0.3} if labels != "multi_target" else
                                       {"neutral": 0.5, "happy": 0.5})
    )  # fmt: skip


def test_a_drawn_labelling_says_so_to_the_harness(tmp_path):
    write_tables(tmp_path / "data")
    digests = set()
    for labels in ("crossentropy", "probability"):
        pack = packed(tmp_path / "data", tmp_path / "cache", labels=labels)
        assert pack.draws_labels == (labels == "probability")
        digests.add(pack.digest)
    assert len(digests) == 2


def test_a_name_that_a_table_gives_twice_goes_to_the_first(tmp_path):
    write_tables(tmp_path)
    table = tmp_path / "fer2013new.csv"
    table.write_text(table.read_text().replace("fer0000005.png", "fer0000004.png"))
    samples, _, notes = read(tmp_path)
    ids = [sample.id for sample in samples]
    assert notes["named_twice"] == 1
    assert named_twice_line(notes).startswith("1 sample has the name of another one in its table")
    assert "fer0000004" in ids
    assert "Training-00005" in ids
    assert len(set(ids)) == 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(",7,3,", ",7,x,", 1), "'x' is no number of votes"),
        (lambda text: text.replace("fer0000001.png", "fer0000099.png"), "label.csv has no votes for it"),
        (lambda text: text.replace("fer0000001.png", "fer0000099.png"), "there is no image 'fer0000099'"),
        (lambda text: text.replace("1.png,", "1.png,0,"), "13 fields, expected 12"),
    ],
)
def test_a_wrong_line_is_a_fault_with_its_place(tmp_path, change, message):
    label = write_folders(tmp_path) / "FER2013Train" / "label.csv"
    label.write_text(change(label.read_text()))
    assert any(message in fault.reason for fault in read(tmp_path)[1])


def test_a_file_with_two_opinions_is_refused(tmp_path):
    label = write_folders(tmp_path) / "FER2013Train" / "label.csv"
    again = label.read_text().splitlines()[1].replace(",7,3,", ",3,7,")
    label.write_text(label.read_text() + again + "\n")
    with pytest.raises(UserError, match="is there twice, with other votes"):
        read(tmp_path)


def test_rows_that_do_not_belong_together_are_refused(tmp_path):
    table = write_tables(tmp_path) / "fer2013new.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:-1]]) + "\n")
    with pytest.raises(UserError, match="does not belong to"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([], "no FER\\+ in"),
        (["fer2013.csv"], "fer2013new.csv does not exist"),
        (["FER2013Valid/a.png"], "no FER2013Train"),
        (["FER2013Train/a.png"], "has no label.csv"),
        (["train/happy/a.png", "test/happy/a.png"], "folder copy of FER2013, which has no votes"),
    ],
)
def test_what_is_no_copy_is_refused_with_what_is_missing(tmp_path, made, message):
    for name in made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=message):
        fer_plus(tmp_path)


def test_no_path_and_a_path_to_nowhere_are_refused(tmp_path):
    for path in (None, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"needs its files|does not exist"):
            fer_plus(path)


def test_a_picture_of_another_size_is_a_fault(tmp_path):
    write_folders(tmp_path)
    Image.fromarray(np.zeros((50, 48), np.uint8)).save(tmp_path / "FER2013Train" / "fer0000000.png")
    with pytest.raises(FaultyDataset, match="wrong shape"):
        packed(tmp_path, tmp_path / "cache")


@pytest.mark.parametrize("labels", LABELLINGS)
def test_it_keeps_the_rules_of_datasets(tmp_path, labels):
    assert not broken_rules("dataset", "fer-plus", data=write_folders(tmp_path), labels=labels)


def test_the_columns_are_those_of_ferplus():
    assert VOTES == NAMES
