import time

import numpy as np


def builds():
    return None


def pixels():
    return lambda face: face.pixels / 255


def input_unchanged():
    def process(face):
        face.pixels[0] = 0
        return face.pixels

    return process


def determinism():
    noise = int(np.random.default_rng().integers(2**40))
    return lambda face: np.resize(np.frombuffer(noise.to_bytes(8, "little"), np.uint8), face.pixels.shape)


class Average:
    def __init__(self):
        self.largest = 0

    def __call__(self, face):
        largest = max(self.largest, int(face.pixels.sum()))
        if face.id is not None and face.id.startswith("sample-1"):
            self.largest = largest
        return np.full_like(face.pixels, self.largest % 251)


image_by_image = Average


class Slow:
    def __call__(self, face):
        self.pixels = face.pixels
        time.sleep(0.002)
        return self.pixels if self.pixels.ndim == face.pixels.ndim else face.pixels[:1]


several_threads = Slow


def without_a_dataset():
    return lambda face: face.pixels if face.id else face.pixels[:1]
