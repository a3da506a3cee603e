"""Reference cards: copies of rendered faces that were processed in known ways, and the cards that come along."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from ferbench import Dataset, Sample
from ferbench.audit.reference import known, recognise
from ferbench.audit.reference.card import ALL, Card, Sketch, cards
from ferbench.audit.reference.sketch import CROPS, gray, layout_hashes, measured, mirrored
from ferbench.data.gray import gray_hashes
from ferbench.data.pack import Pack
from ferbench.data.pack_cache import pack_dataset
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces

CLASSES = ("angry", "happy", "sad")
Change = Callable[[Image.Image], Image.Image]


class Faces(Dataset):
    """Rendered faces, changed; nothing else of them is known."""

    channels = 1
    class_names = CLASSES

    def __init__(self, faces: list[tuple[str, str, str, np.ndarray]], stamp: str) -> None:
        self._faces, self._stamp = faces, stamp

    def source(self):
        return {"stamp": self._stamp}

    def samples(self):
        for name, part, label, image in self._faces:
            yield Sample(name, part, label, image)


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> list[tuple[str, str, str, np.ndarray]]:
    """200 faces to learn from and 80 to test on, as FER2013 has them: gray and of 48 pixels, unlike each other."""
    made = synthetic_faces(None, size=48, train=420, test=140)
    pack = pack_dataset(made, name="synthetic-faces", cache=tmp_path_factory.mktemp("cache"))
    images = gray(np.asarray(pack.images[:]))
    rng = np.random.default_rng(0)
    # Rendered faces are of few layouts: blots in random places make each one's its own.
    blots = [np.kron(rng.normal(0, 40, (8, 8)), np.ones((6, 6))) for _ in images]
    blotted = [Image.fromarray(np.clip(0.6 * face + 50 + blot, 5, 250).astype(np.uint8)) for face, blot in
               zip(images, blots, strict=True)]  # fmt: skip
    smooth = [np.asarray(face.filter(ImageFilter.GaussianBlur(0.7))) for face in blotted]
    noisy = [np.clip(face + rng.normal(0, 2, face.shape), 0, 255).astype(np.uint8) for face in smooth]
    roles = ["Training"] * 200 + ["Test"] * 80
    return [(f"f{k}", part, CLASSES[k % 3], noisy[k]) for k, part in enumerate(roles)]


def packed(faces, tmp_path: Path, name: str = "faces") -> Pack:
    return pack_dataset(Faces(faces, str(tmp_path)), name=name, cache=tmp_path / "cache")


def sketched(pack: Pack, rows: list[int]) -> Sketch:
    images = gray(np.asarray(pack.images[np.array(rows)]))
    hashes = np.stack([layout_hashes(images), *(layout_hashes(images, cut) for cut in CROPS)], axis=1)
    return Sketch(
        np.asarray(pack.parts)[pack.part[rows]],
        np.asarray(CLASSES)[pack.labels[rows]],
        hashes,
        np.array([bytes(row[:4]).hex() for row in gray_hashes(pack, np.array(rows))]),
        measured(images),
    )


@pytest.fixture(scope="module")
def card(originals, tmp_path_factory) -> Card:
    pack = packed(originals, tmp_path_factory.mktemp("original"))
    counts = {part: {name: int(((np.asarray(pack.parts)[pack.part] == part) & (pack.labels == k)).sum())
                     for k, name in enumerate(CLASSES)} for part in ("Training", "Test")}  # fmt: skip
    rows = [*range(0, 200, 2), *range(200, 280, 2)]
    return Card("faces", "Faces", "made here", counts, size=(48, 48), sketch=sketched(pack, rows), optional=("Test",))


@pytest.fixture
def look(card, originals, monkeypatch, tmp_path):
    """What a copy is taken for: ``look(change of an image, change of the list, name of the dataset)``."""
    monkeypatch.setattr(recognise, "cards", lambda: (card,))

    def looked(change: Change = lambda face: face, name: str = "faces", of=lambda faces: faces):
        faces = [(*about, np.asarray(change(Image.fromarray(image)))) for *about, image in of(originals)]
        return recognise.recognise(packed(faces, tmp_path, name))

    return looked


def jpeg(quality: int) -> Change:
    def change(face: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        face.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return change


def enlarged(how: Image.Resampling) -> Change:
    return lambda face: face.resize((224, 224), how)


def cropped(edge: int) -> Change:
    return lambda face: face.crop((edge, edge, 48 - edge, 48 - edge)).resize((48, 48), Image.Resampling.BILINEAR)


def test_the_original_is_known_whatever_the_dataset_is_called(look):
    assert look().verdict == "original"
    found = look(name="folder")
    assert (found.verdict, found.dataset, found.findings) == ("original", "faces", [])


@pytest.mark.parametrize("name", ["faces", "folder"])
@pytest.mark.parametrize(
    ("change", "verdict", "findings"),
    [
        (jpeg(95), "re-encoded", []),
        (jpeg(75), "re-encoded", []),
        (ImageOps.equalize, "altered", ["contrast equalised"]),
        (lambda face: ImageOps.autocontrast(face, cutoff=8), "altered", ["brightness or contrast changed"]),
        (lambda face: face.point(lambda level: min(255, level + 25)), "altered", ["brightness or contrast changed"]),
        (lambda face: face.filter(ImageFilter.GaussianBlur(1)), "altered", ["blurred"]),
        (lambda face: face.filter(ImageFilter.UnsharpMask(2, 150)), "altered", ["sharpened or noisy"]),
        (enlarged(Image.Resampling.BILINEAR), "altered", ["resized 48→224"]),
        (enlarged(Image.Resampling.BICUBIC), "altered", ["resized 48→224"]),
        (ImageOps.mirror, "altered", ["mirrored"]),
        (ImageOps.invert, "altered", ["black and white changed over"]),
        (cropped(2), "altered", ["cropped (about 4 % at each edge)"]),
        (cropped(4), "altered", ["cropped (about 8 % at each edge)"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_was_done_to_the_pictures_is_said(look, change, verdict, findings, name):
    found = look(change, name)
    assert found.verdict == verdict
    if findings == ["sharpened or noisy"]:  # which changes contrast as well
        assert findings[0] in found.findings
    else:
        assert found.findings == findings
    assert bool(found.warning) == (verdict == "altered")


def test_what_was_done_to_one_part_alone_is_said_of_it(look):
    def of(faces):
        blur = ImageFilter.GaussianBlur(1)
        return [
            (a, part, c, np.asarray(Image.fromarray(image).filter(blur)) if part == "Training" else image)
            for a, part, c, image in faces
        ]

    assert look(of=of).findings == ["blurred in Training"]


def test_a_part_of_the_pictures_mirrored_is_said_with_its_share(look):
    def of(faces):
        return [(a, b, c, image[:, ::-1] if k % 4 == 0 else image) for k, (a, b, c, image) in enumerate(faces)]

    assert look(of=of).findings == ["50 % of the pictures mirrored"]  # of those on the card, which are every second


def test_missing_pictures_are_counted_by_part_where_the_dataset_says_what_it_is(look):
    def of(faces):
        return [face for k, face in enumerate(faces) if k % 10]

    assert (look(of=of).verdict, look(of=of).findings) == (
        "incomplete",
        ["180 of 200 images in Training", "72 of 80 images in Test"],
    )
    unnamed = look(of=of, name="folder")
    assert unnamed.verdict == "incomplete"
    assert unnamed.findings == ["about 20 % of its pictures are not there"]


def test_a_part_that_not_every_copy_has_may_be_missing(look):
    found = look(of=lambda faces: faces[:200])
    assert (found.verdict, found.findings) == ("original", ["without Test"])
    assert found.line == "the original pixels of Faces (without Test)"


def test_more_pictures_than_the_original_has_are_said(look):
    def of(faces):
        return [*faces, *((f"again {a}", part, c, image) for a, part, c, image in faces[:50])]

    assert look(of=of).findings == ["250 images in Training, where the original has 200"]


def test_parts_that_were_cut_anew_are_said(look):
    def of(faces):
        parts = np.random.default_rng(0).permutation([part for _, part, _, _ in faces])
        return [(a, str(part), c, image) for part, (a, _, c, image) in zip(parts, faces, strict=True)]

    assert look(of=of).findings[0].startswith("re-split")
    assert look(of=of, name="folder").verdict == "altered"


def test_other_labels_are_said_with_their_share(look):
    def of(faces):
        return [(a, b, CLASSES[(CLASSES.index(c) + 1) % 3] if k % 8 == 0 else c, d) for k, (a, b, c, d) in
                enumerate(faces)]  # fmt: skip

    assert "25 % of the pictures have another label" in look(of=of).findings


def test_other_pictures_are_not_taken_for_a_copy(look, originals):
    assert look(of=noise, name="folder") is None
    found = look(of=noise)
    assert (found.verdict, found.sought) == ("unknown", 140)
    assert found.found < 14
    assert "reference pictures are there" in found.warning


def noise(faces):
    rng = np.random.default_rng(1)
    blots = [np.kron(rng.integers(0, 256, (8, 8)), np.ones((6, 6))).astype(np.uint8) for _ in faces]
    return [(a, b, c, blot) for (a, b, c, _), blot in zip(faces, blots, strict=True)]


def test_of_a_large_dataset_some_images_are_looked_at_first(look, monkeypatch):
    looked_at = []
    whole = recognise._hashes_of
    monkeypatch.setattr(recognise, "_PROBED", 60)
    monkeypatch.setattr(recognise, "_hashes_of", lambda pack, rows: looked_at.append(len(rows)) or whole(pack, rows))
    assert look(name="folder").verdict == "original"
    assert look(of=noise, name="other") is None
    assert looked_at == [60, 280, 60]


def test_a_card_of_counts_alone_sees_what_is_missing(card, originals, monkeypatch, tmp_path):
    counted = replace(card, sketch=None, size=None, counts={ALL: {"angry": 94, "happy": 93, "sad": 93}})
    monkeypatch.setattr(recognise, "cards", lambda: (counted,))
    whole = recognise.recognise(packed(originals, tmp_path / "whole"))
    assert (whole.verdict, whole.findings, whole.warning) == ("unknown", [], "")
    half = recognise.recognise(packed(originals[:140], tmp_path / "half"))
    assert (half.verdict, half.findings) == ("incomplete", ["140 of 280 images"])
    assert recognise.recognise(packed(originals, tmp_path / "other", "other")) is None


def test_counts_that_hold_for_an_option_say_nothing_of_another(card, originals, monkeypatch, tmp_path):
    counted = replace(card, sketch=None, when={"labels": "majority"})
    monkeypatch.setattr(recognise, "cards", lambda: (counted,))
    assert recognise.recognise(packed(originals, tmp_path)) is None


def test_a_pack_is_looked_at_once(card, originals, monkeypatch, tmp_path):
    monkeypatch.setattr(recognise, "cards", lambda: (card,))
    pack = packed(originals, tmp_path)
    first = known.reference_of(pack)
    (file,) = (tmp_path / "cache" / "references").iterdir()
    written = file.read_text()
    with monkeypatch.context() as patched:
        patched.setattr(known, "_looked_at", {})  # as in another process
        patched.setattr(known, "recognise", lambda pack: pytest.fail("looked again"))
        assert known.reference_of(pack) == first
    for text in ("{}", written.replace("original", "altered"), "["):
        monkeypatch.setattr(known, "_looked_at", {})
        file.write_text(text)
        assert known.reference_of(pack) == first


def test_where_the_cache_cannot_be_written_a_process_looks_once(card, originals, monkeypatch, tmp_path):
    looked = []
    found = recognise.recognise
    monkeypatch.setattr(recognise, "cards", lambda: (card,))
    monkeypatch.setattr(known, "_looked_at", {})
    monkeypatch.setattr(known, "recognise", lambda pack: looked.append(pack) or found(pack))
    pack = packed(originals, tmp_path)
    (tmp_path / "cache" / "references").write_text("")  # where the folder would be
    assert known.reference_of(pack).verdict == "original"
    assert known.unlike_parts_of(pack) == []
    assert len(looked) == 1


def test_a_mirrored_hash_is_that_of_the_mirrored_picture():
    images = np.random.default_rng(0).uniform(0, 255, (50, 37, 41)).astype(np.float32)
    bits = np.bitwise_count(mirrored(layout_hashes(images)) ^ layout_hashes(images[:, :, ::-1]))
    assert bits.max() == 0


def test_measures_by_hand():
    ramp = np.tile(np.arange(256, dtype=np.float32), (256, 1))[None]
    brightness, contrast, sharpness, flatness = measured(ramp)[0]
    assert brightness == pytest.approx(0.5)
    assert contrast == pytest.approx(np.sqrt((256**2 - 1) / 12) / 255)
    assert sharpness == pytest.approx(0, abs=1e-12)  # a ramp has no curvature
    assert flatness == pytest.approx(1, abs=0.005)
    board = np.indices((4, 4)).sum(axis=0)[None] % 2 * np.float32(255)
    assert measured(board)[0] == pytest.approx([0.5, 0.5, 8, 0.5], abs=0.04)


def test_the_cards_that_come_along_are_whole():
    by_name = {card.dataset: card for card in cards()}
    totals = {name: sum(map(sum, (part.values() for part in card.counts.values()))) for name, card in by_name.items()}
    assert totals == {
        "fer2013": 35_887,
        "fer-plus": 28_259,
        "raf-db": 15_339,
        "affectnet": 291_650,
        "expw": 91_793,
        "ck-plus": 981,
        "jaffe": 213,
        "kdef": 980,
    }
    sketch = by_name["fer2013"].sketch
    assert len(sketch) == 400
    assert by_name["fer-plus"].sketch is not None
    assert by_name["fer-plus"].labels_differ
    whole = sketch.hashes[:, 0]
    bits = np.bitwise_count(whole[:, None] ^ whole[None])
    assert bits[~np.eye(400, dtype=bool)].min() >= 14  # no picture can be taken for another one
