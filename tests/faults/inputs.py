"""Datasets, recipes and images that somebody has damaged, and what they state read another way.

Each kind of input is mutated again and again. It must be refused as a user's mistake (the whole file, or single rows as
faults), or accepted; then each row has the label that its bytes state. What they state is read here with Python's csv
module in its strict mode, numpy and tomllib.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from mutations import TOKENS, mutated
from PIL import Image

from ferbench import Sample, UserError
from ferbench.data.decode import FORMATS, DecodeError, decode
from ferbench.data.fit import StoredForm
from ferbench.data.packing import _decode_sample
from ferbench.data.sample import Dataset

#: Names of expressions as the rows here have them, and the class they stand for.
_CLASSES = {"anger": "angry", "happiness": "happy", "sadness": "sad"}
_FER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_AFFECTNET = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")

CSV = b"""path,label,split,valence
a.png,happy,train,0.5
b.png,sad,train,
"a.png",Anger,test,-1
b.png,"happy, or so",validation,0.25
a.png, sad ,val,1e-1
"""
QUOTED = b'"Label","PATH",subject\r\n"happy","a.png",7\r\n"say ""no""",b.png,8\r\nangry,a.png,9\r\n'
FER = b"emotion,pixels,Usage\n0,@,Training\n3,@,PublicTest\n6,@,PrivateTest\n4,@,Training\n"
SPACED = b" Usage, emotion, pixels\r\nTraining,0,@\r\nPublicTest,5,@\r\nPrivateTest,2,@\r\n"
AFFECTNET = b"""subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal
1/a.png,0,0,8,8,1;2;3,1,0.5,-0.25
1/a.png,2,2,4,4,1;2;3,6,-2,-2
1/b.png,0,0,8,8,,9,0,0
1/b.png,1,1,5,5,,7,-0.125,1
"""


@dataclass
class Kind:
    """One kind of input.

    Attributes:
        what: it is.
        made: mutations of it.
        check: of one; gives what is wrong, None when nothing is. Counts into ``accepted``.
        accepted: rows, recipes or images that were not refused.
    """

    what: str
    made: st.SearchStrategy[bytes]
    check: Callable[[bytes], str | None]
    accepted: Counter[str] = field(default_factory=Counter)


@dataclass
class Tried:
    """What came of many mutations.

    Attributes:
        count: how many there were.
        wrong: what was not as it should be.
        accepted: what was not refused.
    """

    count: int
    wrong: list[str]
    accepted: int


def tried(kind: Kind, count: int, number: int = 0) -> Tried:
    """Check that many mutations of a kind; ``number`` draws other ones."""
    result = Tried(0, [], 0)

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.made)
    def one(content: bytes) -> None:
        result.count += 1
        try:
            wrong = kind.check(content)
        except Exception:
            wrong = f"{content[:2000]!r}: {''.join(traceback.format_exc().splitlines(keepends=True)[-5:])}"
        if wrong is not None:
            result.wrong.append(wrong)

    before = kind.accepted.total()
    one()
    result.accepted = kind.accepted.total() - before
    return result


def kinds(directory: Path) -> Iterator[Kind]:
    """Every kind; their files are written below ``directory``."""
    yield _csv(directory / "csv")
    yield _fer(directory / "fer2013")
    yield _affectnet(directory / "affectnet")
    yield _annotations(directory / "annotations")
    yield _recipes(directory / "recipe.toml")
    yield _images()


def _csv(directory: Path) -> Kind:
    from ferbench_builtin.datasets.csv_faces import csv_faces

    _pictures(directory)
    path = directory / "faces.csv"

    def states(fields: dict[str, str]) -> tuple[str, ...]:
        label = fields["label"].strip()
        # Whatever cannot be seen is no part of a class's name.
        plain = re.sub("[\u200b\u202e\ufeff]", "", label).strip().lower()
        known = _CLASSES.get(plain, plain)
        return (known if known in _AFFECTNET else label,)

    def check(content: bytes) -> str | None:
        path.write_bytes(content)
        return _checked(kind, lambda: csv_faces(directory, size=8), content, states, ("path", "label"))

    kind = Kind("CSV lists of images", mutated([CSV, QUOTED]), check)
    return kind


def _fer(directory: Path) -> Kind:
    from ferbench_builtin.datasets.fer2013 import fer2013

    directory.mkdir(parents=True)
    path = directory / "fer2013.csv"
    pixels = " ".join(str(i % 256) for i in range(48 * 48)).encode()

    def states(fields: dict[str, str]) -> tuple[str, ...]:
        return (_FER[int(fields["emotion"].strip())],)

    def check(content: bytes) -> str | None:
        path.write_bytes(content)
        return _checked(kind, lambda: fer2013(directory), content, states, ("emotion", "pixels", "usage"))

    # Rows are mostly pixels: half of the changes are made while a mark still stands for them.
    short = mutated([FER, SPACED]).map(lambda content: content.replace(b"@", pixels))
    whole = mutated([FER.replace(b"@", pixels), SPACED.replace(b"@", pixels)])
    kind = Kind("fer2013.csv", st.one_of(short, whole), check)
    return kind


def _affectnet(directory: Path) -> Kind:
    from ferbench_builtin.datasets.affectnet import affectnet

    _pictures(directory / "Manually_Annotated_Images" / "1")
    path = directory / "training.csv"

    def states(fields: dict[str, str]) -> tuple[str, ...]:
        return (_AFFECTNET[int(float(fields["expression"].strip()))],)

    def check(content: bytes) -> str | None:
        path.write_bytes(content)
        columns = AFFECTNET.splitlines()[0].decode().lower().split(",")
        needed = [name for name in columns if name != "facial_landmarks"]
        return _checked(kind, lambda: affectnet(directory, size=8), content, states, needed, headless=columns)

    headless = AFFECTNET.split(b"\n", 1)[1]
    kind = Kind("AffectNet's CSV lists", mutated([AFFECTNET, AFFECTNET, headless]), check)
    return kind


def _annotations(directory: Path) -> Kind:
    from ferbench_builtin.datasets.affectnet import affectnet

    part = directory / "train_set"
    _pictures(part / "images", ("7.png",))
    (part / "annotations").mkdir()
    files = {name: part / "annotations" / f"7_{name}.npy" for name in ("exp", "val", "aro")}
    for path in files.values():
        path.write_bytes(_npy(np.array("0.5")))

    def check(content: bytes) -> str | None:
        files["exp"].write_bytes(content)
        try:
            items = list(affectnet(directory, size=8).samples())
        except UserError:
            return None
        for item in items:
            if isinstance(item, Sample):
                kind.accepted["annotation"] += 1
                stated = np.load(io.BytesIO(content), allow_pickle=False)
                if stated.size != 1 or item.label != _AFFECTNET[int(float(stated.reshape(-1)[0]))]:
                    return f"{content!r} was taken for {item.label}"
        return None

    arrays = [np.array(value) for value in ("3", "10", "-2", 3, 6.0, np.float32(1), np.int16(7), np.array([2]))]
    tokens = (
        *TOKENS,
        b"\x80\x04",
        b"cos\nsystem\n(S'x'\ntR.",
        b"'|O'",
        b"'<U1'",
        b"(1,)",
        b"'>i8'",
        b"__import__('os')",
    )
    kind = Kind("AffectNet's npy annotations", mutated([_npy(array) for array in arrays], tokens), check)
    return kind


def _recipes(path: Path) -> Kind:
    from ferbench.experiment.prepare import Preparer, pack_in, resolve_all
    from ferbench.experiment.run_names import name_runs
    from ferbench.experiment.settings import FIELDS, grid, read_recipe
    from ferbench.plugin.discovery import load_registry

    registry = load_registry(())
    benchmarks = sorted((Path(__file__).parents[2] / "benchmarks" / "recipes").glob("*.toml"))
    originals = [file.read_bytes() for file in benchmarks if b"hf-image-classifier" not in file.read_bytes()]

    def check(content: bytes) -> str | None:
        path.write_bytes(content)
        try:
            cells = grid(read_recipe(path))[:2]  # the other cells of a grid are checked in the same way
            name_runs(cells, None)
            combinations = resolve_all(cells, Preparer(registry, pack_in(path)))
        except UserError:
            return None
        kind.accepted["recipe"] += 1
        stated = tomllib.loads(content.decode())
        if "grid" in stated:
            return None
        recipe = combinations[0].resolved.recipe  # type: ignore[union-attr]
        for section in FIELDS:
            for key, value in stated.get(section, {}).items():
                got = getattr(getattr(recipe, section), key)
                if (list(got) if isinstance(got, tuple) else got) != value:
                    return f"{section}.{key} = {value!r} was taken for {got!r}"
        return None

    assert len(originals) > 2
    words = (
        b"[training]\n",
        b"[grid]\n",
        b"epochs = ",
        b"seed",
        b"[[trackers]]\n",
        b'name = "',
        b"2026-11-23",
        b"1979-05-27T07:32:00Z",
    )
    kind = Kind("recipes", mutated(originals, (*TOKENS, *words)), check)
    return kind


def _images() -> Kind:
    def check(content: bytes) -> str | None:
        for channels in (1, 3):
            try:
                pixels = decode(content, channels)
            except DecodeError:
                continue
            kind.accepted["image"] += 1
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[0] != channels or pixels.size == 0:
                return f"{content!r} became {pixels.dtype}{pixels.shape}"
        return None

    tokens = (
        *TOKENS,
        b"IHDR",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"PLTE",
        b"\xff\xd8",
        b"\xff\xda",
        b"\xff\xc0",
        b"\xff\xe1\x00\x10Exif\0\0",
        b"\0\0\0\0",
        b"\x7f\xff\xff\xff",
    )
    kind = Kind("image files", mutated(list(_encoded()), tokens), check)
    return kind


def _encoded() -> Iterator[bytes]:
    draw = np.random.default_rng(1)
    gray = Image.fromarray(draw.integers(0, 256, (24, 20), dtype=np.uint8))
    color = Image.fromarray(draw.integers(0, 256, (24, 20, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(draw.integers(0, 65536, (24, 20), dtype=np.uint16))
    for image, options in (
        (gray, {"format": "JPEG"}),
        (color, {"format": "JPEG", "exif": exif, "quality": 90}),
        (color.convert("CMYK"), {"format": "JPEG"}),
        (color, {"format": "JPEG", "progressive": True}),
        (gray, {"format": "PNG"}),
        (color, {"format": "PNG", "exif": exif}),
        (color.convert("P"), {"format": "PNG", "transparency": 3}),
        (color.convert("RGBA"), {"format": "PNG"}),
        (deep, {"format": "PNG"}),
        (gray.convert("1"), {"format": "PNG"}),
        (color.quantize(32), {"format": "GIF", "save_all": True, "append_images": [gray], "transparency": 3}),
        *([(color, {"format": "AVIF", "exif": exif})] if "AVIF" in FORMATS else []),
    ):
        file = io.BytesIO()
        image.save(file, **options)
        yield file.getvalue()


def _checked(
    kind: Kind,
    build: Callable[[], Dataset],
    content: bytes,
    states: Callable[[dict[str, str]], tuple[str, ...]],
    needed: Sequence[str],
    headless: Sequence[str] | None = None,
) -> str | None:
    """Read a dataset whose table is ``content``; what is wrong with it, None when nothing is."""
    try:
        dataset = build()
        dataset.source()
        items = list(dataset.samples())
    except UserError:
        return None
    lines = re.split("\r\n|\r|\n", content.decode("utf-8-sig", "surrogateescape"))
    names = [name.strip().lower() for name in _fields(lines[0])]
    if headless is not None and not set(needed) & set(names):
        names = list(headless)
    for item in items:
        if (
            not isinstance(item, Sample)
            or _decode_sample(dataset, StoredForm.of(dataset), item, None).fault is not None
        ):
            continue
        kind.accepted["row"] += 1
        number = int(item.location.rpartition(", row ")[2])
        fields = dict(zip(names, _fields(lines[number - 1]), strict=True))
        if (item.label,) != states(fields) or item.label not in dataset.class_names:
            return f"row {number} of {content!r} was taken for {item.label}"
    return None


def _fields(line: str) -> list[str]:
    """The fields of a line; none of a malformed one."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _pictures(directory: Path, names: Sequence[str] = ("a.png", "b.png")) -> None:
    directory.mkdir(parents=True)
    for place, name in enumerate(names):
        Image.new("L", (8, 8), 90 + place).save(directory / name)


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
