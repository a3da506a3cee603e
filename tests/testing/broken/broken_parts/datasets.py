import itertools
import time
from dataclasses import replace

import numpy as np

import ferbench

NUMBERS = itertools.count()


class Faces(ferbench.Dataset):
    """A sound dataset of forty random images, which the others are made of."""

    class_names = ("happy", "sad")
    channels = 1
    native_size = (8, 8)

    def source(self):
        return {"made": "here"}

    def samples(self):
        pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        for row in range(40):
            part = "test" if row >= 30 else "train"
            yield self.changed(row, ferbench.Sample(f"{part}-{row}", part, self.class_names[row % 2], pixels[row]))

    def changed(self, row, sample):
        return sample


def empty_directory(path):
    next(path.iterdir())
    return Faces()


def builds(path):
    return []


class StableIds(Faces):
    def changed(self, row, sample):
        return replace(sample, id=f"{sample.part}-{next(NUMBERS)}")


class LabelsInRange(Faces):
    def changed(self, row, sample):
        return replace(sample, valence=3.0) if row == 7 else sample


class Stamp(Faces):
    def source(self):
        return {"read": time.time_ns()}


class Faults(Faces):
    def changed(self, row, sample):
        return replace(sample, image=b"no image") if row % 10 < 6 else sample


class SameDigest(Faces):
    def changed(self, row, sample):
        return replace(sample, image=np.random.default_rng().integers(0, 256, (8, 8), dtype=np.uint8))


def builder(kind):
    return lambda path: kind()


stable_ids, labels_in_range, stamp = builder(StableIds), builder(LabelsInRange), builder(Stamp)
faults, same_digest, disjoint_splits = builder(Faults), builder(SameDigest), builder(Faces)
