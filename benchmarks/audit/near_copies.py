"""How many changed copies ``ferbench audit data`` finds, how many other pairs it takes for copies, and what it costs.

    python benchmarks/audit/near_copies.py                      among rendered faces, each of another person
    python benchmarks/audit/near_copies.py --data DIR           among those of FER2013
    python benchmarks/audit/near_copies.py --growth 30000 100000 300000

Copies are planted: so many pictures, changed in each way and in random pairs of two ways, are put beside all pictures.
A copy is found where it is in one group with what it was made of. Of rendered faces every further pair is false; those
of FER2013 have to be looked at (``ferbench audit data --show-pairs FILE``). Seconds are processor time.
"""

from __future__ import annotations

import argparse
import io
import resource
import tempfile
import time
from collections.abc import Callable
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from ferbench.audit.duplicates import constant_images, joined
from ferbench.audit.near_copies import near_copies
from ferbench.audit.neighbours import nearest
from ferbench.data.pack_cache import pack_dataset
from ferbench_builtin.datasets.fer2013 import fer2013
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces

Face = Image.Image
Change = Callable[[Face, np.random.Generator], Face]


def affine(
    face: Face, rng: np.random.Generator, degrees: float = 0, zoom: float = 1, right: int = 0, down: int = 0
) -> Face:
    """Turned and enlarged about the centre, and shifted; from outside comes black, or the pixel at the edge."""
    side = face.width
    around = np.pad(np.asarray(face), side, mode="edge") if rng.random() < 0.5 else np.pad(np.asarray(face), side)
    angle, middle = np.deg2rad(degrees), side / 2
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / zoom
    start = middle + side - turn @ (np.array([right, down]) + middle)
    matrix = (*turn[0], start[0], *turn[1], start[1])
    return Image.fromarray(around).transform(face.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def sign(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def cropped(face: Face, rng: np.random.Generator) -> Face:
    left, top, right, bottom = rng.integers(2, 5, 4).tolist()
    inner = face.crop((left, top, face.width - right, face.height - bottom))
    return inner.resize(face.size, Image.Resampling.BICUBIC)


def compressed(face: Face, rng: np.random.Generator) -> Face:
    buffer = io.BytesIO()
    face.save(buffer, "JPEG", quality=50)
    return Image.open(buffer).convert("L")


CHANGES: dict[str, Change] = {
    "mirrored": lambda face, rng: ImageOps.mirror(face),
    "turned by 5 degrees": lambda face, rng: affine(face, rng, degrees=5 * sign(rng)),
    "turned by 15 degrees": lambda face, rng: affine(face, rng, degrees=15 * sign(rng)),
    "enlarged by 10 %": lambda face, rng: affine(face, rng, zoom=1.1),
    "reduced by 10 %": lambda face, rng: affine(face, rng, zoom=0.9),
    "shifted by (3, 2)": lambda face, rng: affine(face, rng, right=3, down=2),
    "shifted by up to 4, and 4": lambda face, rng: affine(
        face, rng, right=int(rng.integers(-4, 5)), down=4 * sign(rng)
    ),
    "cut by 2 to 4 a side": cropped,
    "brighter or darker by 30 %": lambda face, rng: ImageEnhance.Brightness(face).enhance(1 + 0.3 * sign(rng)),
    "contrast × 0.5 or 1.5": lambda face, rng: ImageEnhance.Contrast(face).enhance(1 + 0.5 * sign(rng)),
    "equalised": lambda face, rng: ImageOps.equalize(face),
    "JPEG 50": compressed,
}


def two(face: Face, rng: np.random.Generator) -> Face:
    for name in rng.choice(list(CHANGES), 2, replace=False).tolist():
        face = CHANGES[name](face, rng)
    return face


def recall(faces: NDArray[np.uint8], copies: int, known: bool) -> None:
    """Print a line for each change; of ``known`` faces no two are one picture."""
    rng = np.random.default_rng(0)
    plans = {**CHANGES, "two of these": two}
    source, planted, kind = [], [], []
    for name, change in plans.items():
        for row in rng.choice(len(faces), copies, replace=False).tolist():
            source.append(row)
            planted.append(np.asarray(change(Image.fromarray(faces[row, 0]), rng)))
            kind.append(name)
    images = np.concatenate([faces, np.stack(planted)[:, None]])
    start = time.process_time()
    pairs = near_copies(images, np.arange(len(images)))
    taken = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(images):,} images, {taken:.1f} s, {memory:.2f} GiB")
    groups = joined(len(images), np.stack([pairs.first, pairs.second], axis=1))
    found = groups[source] == groups[len(faces) :]
    for name in plans:
        chosen = found[np.array(kind) == name]
        print(f"{name:28} {chosen.mean():7.1%} of {len(chosen)}")
    own = np.concatenate([np.arange(len(faces)), source])
    others = int((own[pairs.first] != own[pairs.second]).sum())
    every = len(images) * (len(images) - 1) / 2
    print(
        f"{'pairs of other pictures':28} {others:7,} of {every:.2g}"
        + (f", {1e7 * others / every:.2f} in 10⁷" if known else "")
    )


def growth(counts: list[int]) -> None:
    """Print how long the search takes that alone grows faster than the number of images: of their descriptions."""
    print(f"{'vectors':>9} {'search':>10} {'growth':>7} {'found':>7}")
    before: tuple[int, float] | None = None
    rng = np.random.default_rng(0)
    falling = (np.arange(1, 65) ** -0.35).astype(np.float32)
    for count in counts:
        vectors = rng.normal(size=(count, 64)).astype(np.float32) * falling
        vectors[count // 2 :] = (
            vectors[: count - count // 2] + 0.35 * rng.normal(size=(count - count // 2, 64)) * falling
        )
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        start = time.process_time()
        found = nearest(vectors, vectors, 10, 0.45)
        taken = time.process_time() - start
        twins = int((found.vector - found.query == count // 2).sum()) / (count - count // 2)
        power = f"{log(taken / before[1], count / before[0]):7.2f}" if before else " " * 7
        before = count, taken
        print(f"{count:9,} {taken:8.1f} s {power} {twins:7.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="FER2013, as --dataset fer2013 reads it")
    parser.add_argument("--rendered", type=int, default=4000, help="rendered faces, where there is no --data")
    parser.add_argument("--copies", type=int, default=180, help="of each change")
    parser.add_argument("--growth", type=int, nargs="+", metavar="VECTORS", help="measure the search alone")
    options = parser.parse_args()
    if options.growth:
        growth(options.growth)
    elif options.data:
        with tempfile.TemporaryDirectory() as cache:
            images = np.array(pack_dataset(fer2013(options.data), name="fer2013", cache=Path(cache)).images[:])
        recall(np.delete(images, constant_images(images), axis=0), options.copies, known=False)
    else:
        made = synthetic_faces(None, train=options.rendered, test=7, images_per_subject=1)
        faces = [sample.image for sample in made.samples()][: options.rendered]
        recall(np.stack(faces).reshape(len(faces), 1, 48, 48), options.copies, known=True)


if __name__ == "__main__":
    main()
