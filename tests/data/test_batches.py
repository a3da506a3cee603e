"""From rows of a pack to what a model sees."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from ferbench.data.augment import resample
from ferbench.data.batches import Batches, InputShape, Truth, drawn_labels
from ferbench.data.draws import Draws
from ferbench.data.images import IMAGES_FILE, StoredImages, pixel_hash
from ferbench.data.shards import Shards
from ferbench.errors import UserError
from ferbench.training.mixing import Mixing, mix_images

CPU = torch.device("cpu")
PLAIN = InputShape(1, (4, 4), (0.0,), (1.0,))


def batches(shape: InputShape = PLAIN, channels: int = 1) -> Batches:
    images = np.random.default_rng(0).integers(0, 256, (20, channels, 4, 4), dtype=np.uint8)
    rows = np.array([3, 5, 7, 11, 13, 17], dtype=np.int64)
    soft = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    affect = np.linspace(-1, 1, 12, dtype=np.float32).reshape(6, 2)
    return Batches(images, rows, Truth(np.array([0, 1, 2, 0, 1, 2]), soft, affect), shape, CPU)


def augment(images, size, draws):
    return resample(images, size)


def test_evaluation_gives_the_rows_in_order_scaled_to_one():
    made = batches()
    first, second = made.images(np.arange(4)), made.images(np.arange(4, 6))
    targets = made.targets(np.arange(4))
    assert first.shape == (4, 1, 4, 4)
    assert second.shape == (2, 1, 4, 4)
    expected = made._images[[3, 5, 7, 11]].astype(np.float32) / 255
    np.testing.assert_allclose(first.numpy(), expected, atol=1e-7)
    assert targets.labels.tolist() == [0, 1, 2, 0]
    assert targets.soft is not None
    assert targets.soft.argmax(1).tolist() == [0, 1, 2, 0]
    assert targets.affect is not None
    assert targets.affect.shape == (4, 2)


def test_training_follows_the_sampler_with_repeats():
    made = batches()
    order = np.array([5, 0, 5, 2, 2], dtype=np.int64)
    (first, targets), (second, _) = made.training(order, 3, augment, seed=0, epoch=1)
    assert targets.labels.tolist() == [2, 0, 2]
    assert targets.soft.argmax(1).tolist() == [2, 0, 2]
    np.testing.assert_array_equal(targets.affect, made.truth.affect[[5, 0, 5]])
    np.testing.assert_allclose(second[0].numpy(), made._images[7] / 255.0, atol=1e-6)
    torch.testing.assert_close(first[0], first[2])


def test_what_is_learnt_says_where_the_samples_are_which_epoch_it_is_and_how_many_there_are_of_each_class():
    made = batches()
    (first, second) = (targets for _, targets in made.training(np.array([5, 0, 5, 2]), 2, augment, seed=0, epoch=3))
    assert [targets.positions.tolist() for targets in (first, second)] == [[5, 0], [5, 2]]
    assert (first.epoch, first.class_counts.tolist()) == (3, [2, 2, 2])
    assert first.slice(1, 2).positions.tolist() == [0]
    evaluated = made.targets(np.arange(4))
    assert (evaluated.positions, evaluated.epoch, evaluated.class_counts) == (None, 0, None)


def voted(shares: list[float], n: int, *, drawn: bool) -> Batches:
    images = np.zeros((n, 1, 4, 4), dtype=np.uint8)
    soft = np.tile(np.array(shares, dtype=np.float32), (n, 1))
    labels = np.full(n, int(np.argmax(shares)))
    return Batches(images, np.arange(n), Truth(labels, soft, None, drawn=drawn), PLAIN, CPU)


def test_drawn_labels_follow_the_shares_and_are_others_in_each_epoch():
    made, order = voted([0.6, 0.0, 0.3, 0.1], 2000, drawn=True), np.arange(2000)

    def learnt(epoch: int, seed: int = 0, batch: int = 500) -> list[int]:
        targets = [targets for _, targets in made.training(order, batch, augment, seed=seed, epoch=epoch)]
        assert all(each.soft is None for each in targets)
        return torch.cat([each.labels for each in targets]).tolist()

    first = learnt(1)
    shares = np.bincount(first, minlength=4) / 2000
    # 5 standard deviations of a share of 0.6
    np.testing.assert_allclose(shares, [0.6, 0, 0.3, 0.1], atol=5 * np.sqrt(0.24 / 2000))
    assert first == learnt(1, batch=300)
    assert first != learnt(2)
    assert first != learnt(1, seed=1)
    evaluated = made.targets(order)
    assert evaluated.labels.tolist() == [0] * 2000
    assert evaluated.soft is not None


def test_labels_are_not_drawn_unless_the_dataset_says_so():
    _, targets = next(iter(voted([0.6, 0.4], 50, drawn=False).training(np.arange(50), 50, augment, seed=0, epoch=1)))
    assert targets.labels.tolist() == [0] * 50
    assert targets.soft is not None


def test_a_drawn_label_has_a_share_at_the_ends_of_the_numbers():
    shares = torch.tensor([[0.0, 0.3, 0.7, 0.0], [0.5, 0.0, 0.0, 0.5], [0.0, 0.0, 1.0, 0.0]])
    assert drawn_labels(shares, torch.zeros(3)).tolist() == [1, 0, 2]
    assert drawn_labels(shares, torch.full((3,), 1 - 2.0**-24)).tolist() == [2, 3, 2]
    assert drawn_labels(shares, torch.tensor([0.31, 0.49, 0.5])).tolist() == [2, 0, 2]


def test_copies_of_a_sample_get_draws_of_their_own():
    seen = []

    def record(images, size, draws):
        seen.append(draws.uniform("x"))
        return resample(images, size)

    list(batches().training(np.array([5, 5, 0, 1]), 2, record, seed=0, epoch=1))
    list(batches().training(np.array([5, 5, 0, 1]), 4, record, seed=0, epoch=1))
    first, second, together = seen
    assert first[0] != first[1]
    torch.testing.assert_close(torch.cat([first, second]), together, rtol=0, atol=0)


@pytest.mark.parametrize("first", [0, 1])
def test_a_last_sample_joins_the_batch_before_it_also_when_going_on(first):
    order = np.arange(5, dtype=np.int64)
    rest = batches().training(order, 2, augment, seed=0, epoch=1, first=first)
    found = [targets.labels.tolist() for _, targets in rest]
    assert found == [[0, 1], [2, 0, 1]][first:]


@pytest.mark.parametrize("paired", [False, True])
def test_of_a_batch_that_a_last_sample_joined_each_device_has_its_part(paired):
    order = np.arange(5, dtype=np.int64)
    shards = [Shards(2, index, paired) for index in range(2)]
    parts = [list(batches().training(order, 4, augment, seed=0, epoch=1, shards=one)) for one in shards]
    assert [[len(images) for images, _ in one] for one in parts] == [[2], [3]]
    assert {len(targets) for one in parts for _, targets in one} == {5}


def test_draws_are_others_in_another_epoch_and_with_another_seed():
    seen = []

    def record(images, size, draws):
        seen.append(draws.uniform("x").tolist())
        return resample(images, size)

    for seed, epoch in ((0, 1), (0, 2), (1, 1), (0, 1)):
        list(batches().training(np.array([5, 4, 0]), 3, record, seed=seed, epoch=epoch))
    first, later, elsewhere, again = seen
    assert first == again
    assert len({*first, *later, *elsewhere}) == 9


def noisy(images, size, draws):
    return resample(images, size) * draws.uniform("light", 0.5, 1.0)[:, None, None, None]


def of_views(*views, **given):
    ((images, targets),) = batches().training(np.array([5, 0, 5, 2]), 4, noisy, seed=1, epoch=2, views=views, **given)
    return images, targets


def test_the_first_view_is_what_a_single_one_is_and_the_others_have_draws_of_their_own():
    (alone, _), (images, targets) = of_views("drawn"), of_views("drawn", "mirrored", "drawn", "drawn")
    assert images.shape == (4, 4, 1, 4, 4)
    assert len(targets) == 4
    first, mirrored, second, third = images.unbind(1)
    assert torch.equal(first, alone)
    assert torch.equal(mirrored, alone.flip(-1))
    for one, other in ((first, second), (first, third), (second, third)):
        factors = (one / other).flatten(1)
        torch.testing.assert_close(factors, factors[:, :1].expand(-1, 16))  # the same images in another light
        assert not torch.isclose(factors[:, 0], torch.ones(4)).any()


def test_every_view_is_mixed_with_the_same_partners_by_the_same_shares():
    mixing = Mixing(1.0, 1.0, 1.0, 3)
    (one, expected), (images, targets) = (
        of_views("drawn", mix=mixing),
        of_views("drawn", "drawn", "mirrored", mix=mixing),
    )
    assert torch.equal(targets.soft, expected.soft)
    first, second, mirrored = images.unbind(1)
    assert torch.equal(first, one)
    assert torch.equal(mirrored, one.flip(-1))
    (plain,) = (images for images, _ in batches().training(np.array([5, 0, 5, 2]), 4, augment, seed=1, epoch=2))
    for view, number in ((first, 0), (second, 2)):  # by hand: lights of the view, shares and boxes of the batch
        draws = Draws(1, 2, np.array([5, 0, 5, 2]), np.arange(4), view=0 if number == 0 else 1)
        lit = plain * draws.uniform("light", 0.5, 1.0)[:, None, None, None]
        share, boxes = mixing.parameters(lit.shape[-2:], Draws(1, 2, np.array([5, 0, 5, 2]), np.arange(4)))
        torch.testing.assert_close(view, mix_images(lit, share, boxes))


def test_each_device_has_every_view_of_its_samples():
    whole, _ = of_views("drawn", "drawn", "mirrored")
    for index in range(2):
        own, targets = of_views("drawn", "drawn", "mirrored", shards=Shards(2, index))
        assert torch.equal(own, whole[Shards(2, index).own(4)])
        assert len(targets) == 4


def test_gray_is_repeated_and_normalised_for_an_rgb_model():
    shape = InputShape(3, (4, 4), (0.1, 0.2, 0.3), (0.5, 0.5, 0.25))
    plain, images = batches().images(np.arange(6)), batches(shape).images(np.arange(6))
    assert images.shape == (6, 3, 4, 4)
    assert images.is_contiguous(memory_format=torch.channels_last)
    for channel, (mean, std) in enumerate(zip(shape.mean, shape.std, strict=True)):
        torch.testing.assert_close(images[:, channel], (plain[:, 0] - mean) / std)


def test_rgb_becomes_luma_for_a_gray_model():
    made = batches(channels=3)
    images = made.images(np.arange(6))
    red, green, blue = made._images[3].astype(np.float64) / 255
    np.testing.assert_allclose(images[0, 0].numpy(), 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-6)


def test_images_of_a_pack_that_is_cut_short_end_in_two_lines(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 4, 4), dtype=np.uint8)
    images.tofile(tmp_path / IMAGES_FILE)
    hashes = np.frombuffer(b"".join(map(pixel_hash, images)), dtype=np.uint8).reshape(-1, 16)
    stored = StoredImages(tmp_path, images.shape, hashes)
    made = Batches(stored, np.arange(20), Truth(np.zeros(20, np.int64)), PLAIN, CPU)
    several = made.training(np.arange(20), 5, augment, seed=0, epoch=1)
    next(several)
    os.truncate(tmp_path / IMAGES_FILE, 64)
    with pytest.raises(UserError, match="cut short while it was in use"):
        next(several)
