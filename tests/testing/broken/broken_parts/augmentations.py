import torch

from ferbench.data.augment import resample


def builds(task):
    return None


def range_and_dtype(task):
    return lambda images, size, draws: 255 * resample(images, size)


def determinism(task):
    return lambda images, size, draws: (resample(images, size) * torch.rand(len(images), 1, 1, 1)).clamp(0, 1)


def draws_per_sample(task):
    return lambda images, size, draws: resample(images, size) * draws.uniform("light", 0.5, 1.0)[0]


def input_unchanged(task):
    return lambda images, size, draws: resample(images.bitwise_right_shift_(1), size)
