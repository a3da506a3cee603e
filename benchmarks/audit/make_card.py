"""Writes the sketch of FER2013's reference card from the original: numbers of some pictures, none of which it holds.

    python benchmarks/audit/make_card.py DIR

DIR is a copy as ``--dataset fer2013`` reads it, whose pixels are the original ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from ferbench.audit.reference.sketch import CROPS, gray, layout_hashes, measured, mirrored
from ferbench.data.gray import gray_hashes
from ferbench.data.pack_cache import pack_dataset
from ferbench_builtin.datasets.fer2013 import fer2013

CARD = Path(__file__).parents[2] / "ferbench" / "audit" / "reference" / "cards" / "fer2013.json"
SAMPLES = {"Training": 300, "PublicTest": 100}
APART = 14  # bits that a picture differs in from every other one


def main(directory: str) -> None:
    pack = pack_dataset(fer2013(Path(directory)), name="fer2013", cache=Path(directory) / "cache")
    images = gray(np.asarray(pack.images[:]))
    hashes = layout_hashes(images)
    parts, names = np.asarray(pack.parts)[pack.part], np.asarray(pack.class_names)[pack.labels]
    rng = np.random.default_rng(2013)
    table = json.loads(CARD.read_text("utf-8")) if CARD.exists() else {}
    table["sketch"] = []
    for part, wanted in SAMPLES.items():
        taken = 0
        for row in rng.permutation(np.flatnonzero(parts == part)).tolist():
            others = np.stack([hashes, mirrored(hashes), ~hashes, ~mirrored(hashes)])
            bits = np.bitwise_count(others ^ hashes[row])
            bits[:, row] = 64
            if bits.min() < APART or images[row].std() < 20:
                continue
            one = images[row : row + 1]
            cuts = [hashes[row], *(layout_hashes(one, cut)[0] for cut in CROPS)]
            pixels = bytes(gray_hashes(pack, np.array([row]))[0][:4]).hex()
            measures = (measured(one)[0] * 1000).round().astype(int).tolist()
            table["sketch"].append([part, str(names[row]), [f"{cut:016x}" for cut in cuts], pixels, measures])
            taken += 1
            if taken == wanted:
                break
    lines = ",\n  ".join(json.dumps(sample) for sample in table.pop("sketch"))
    head = json.dumps(table, indent=1, ensure_ascii=False)[: -len("\n}")]
    CARD.write_text(f'{head},\n "sketch": [\n  {lines}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
