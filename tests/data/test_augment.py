from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from ferbench.data.augment import affine_matrices, erase, mirror, recolor, relight, resample, with_perspective


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def bytes_(*shape: int) -> Tensor:
    return (noise(*shape) * 256).to(torch.uint8)


def plane(height: int, width: int) -> Tensor:
    """A slanted plane: bilinear interpolation of it is exact, so steps in a row equal one step."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return (0.1 + 0.3 * y + 0.5 * x)[None, None]


def identity(count: int) -> Tensor:
    return torch.eye(2, 3).repeat(count, 1, 1)


def vector(*values: float) -> Tensor:
    return torch.tensor(values)


class TestEvaluationPath:
    def test_same_size_is_exactly_division_by_255(self) -> None:
        images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
        assert torch.equal(resample(images, (16, 16)), images / 255)

    @pytest.mark.parametrize("size", [(64, 64), (48, 90), (61, 60)])
    def test_enlarging_is_plain_bilinear_interpolation(self, size: tuple[int, int]) -> None:
        images = bytes_(2, 3, 48, 60)
        expected = F.interpolate(images / 255, size, mode="bilinear", align_corners=False)
        torch.testing.assert_close(resample(images, size), expected, atol=5e-6, rtol=0)

    def test_whole_factors_reduce_by_block_means(self) -> None:
        images = bytes_(2, 1, 96, 60)
        expected = (images / 255).view(2, 1, 48, 2, 20, 3).mean((3, 5))
        torch.testing.assert_close(resample(images, (48, 20)), expected, atol=1e-6, rtol=0)

    def test_reduction_misses_no_pixel_up_to_factor_ten(self) -> None:
        """One bright pixel anywhere must show in the result."""
        for factor in range(2, 11):
            images = torch.eye((8 * factor) ** 2).view(-1, 1, 8 * factor, 8 * factor)[:: 8 * factor + 1]
            assert (resample(images, (8, 8)).sum((1, 2, 3)) > 0.5 / factor**2).all()

    def test_float_images_pass_unscaled_and_uncopied_memory_is_not_shared(self) -> None:
        images = noise(2, 1, 8, 8)
        result = resample(images, (8, 8))
        assert torch.equal(result, images)
        assert result.data_ptr() != images.data_ptr()


@settings(deadline=None, max_examples=60)
@example(native=(2, 1), size=(3, 1), channels=1)
@example(native=(1, 2), size=(1, 3), channels=3)
@given(
    native=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.sampled_from([1, 3]),
)
def test_identity_matrices_equal_the_evaluation_path(
    native: tuple[int, int], size: tuple[int, int], channels: int
) -> None:
    images = bytes_(2, channels, *native)
    moved = resample(images, size, identity(2))
    torch.testing.assert_close(moved, resample(images, size), atol=3e-5, rtol=0)


class TestMovement:
    @pytest.mark.parametrize("shape", [(48, 48), (40, 64)])
    @pytest.mark.parametrize(
        ("degrees", "zoom", "right", "down"),
        [(30, 1, 0, 0), (-12, 1, 0, 0), (0, 1.3, 0, 0), (0, 0.8, 0, 0), (0, 1, 5, -3), (20, 0.9, -4, 6)],
    )
    def test_agrees_with_torchvision_affine(
        self, shape: tuple[int, int], degrees: float, zoom: float, right: int, down: int
    ) -> None:
        height, width = shape
        images = tv.gaussian_blur(noise(1, 3, *shape), [5, 5])
        expected = tv.affine(images, degrees, [right, down], zoom, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR)
        matrices = affine_matrices(
            rotation=vector(degrees),
            zoom=vector(zoom),
            shift=vector(right / width, down / height)[None],
            aspect=width / height,
        )
        moved = resample(images, shape, matrices, padding="zeros")
        torch.testing.assert_close(moved[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=2e-4, rtol=0)

    def test_flip_agrees_with_torchvision(self) -> None:
        images = bytes_(2, 1, 20, 30)
        moved = resample(images, (20, 30), affine_matrices(flip=torch.tensor([True, False])))
        expected = torch.stack([tv.horizontal_flip(images[0]), images[1]]) / 255
        torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)

    @pytest.mark.parametrize(
        ("place", "top", "left"), [((-1, -1), 0, 0), ((1, 1), 20, 32), ((0, 0), 10, 16), ((0.5, -0.5), 5, 24)]
    )
    def test_crop_agrees_with_torchvision(self, place: tuple[float, float], top: int, left: int) -> None:
        images = noise(1, 1, 40, 64)
        expected = tv.resized_crop(images, top, left, 20, 32, [40, 64], antialias=False)
        moved = resample(images, (40, 64), affine_matrices(crop=(vector(0.5), vector(*place)[None])))
        torch.testing.assert_close(moved[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-4, rtol=0)

    def test_order_is_flip_rotate_zoom_shift_crop_resize(self) -> None:
        images = plane(80, 120)
        steps = tv.affine(
            tv.horizontal_flip(images), 15, [6, -4], 1.4, [0, 0], interpolation=InterpolationMode.BILINEAR
        )
        expected = tv.resized_crop(steps, 18, 30, 40, 60, [64, 64], antialias=False)
        matrices = affine_matrices(
            flip=torch.tensor([True]),
            rotation=vector(15),
            zoom=vector(1.4),
            shift=vector(6 / 120, -4 / 80)[None],
            crop=(vector(0.5), vector(0.0, -0.1)[None]),
            aspect=120 / 80,
        )
        moved = resample(images, (64, 64), matrices)
        torch.testing.assert_close(moved[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-4, rtol=0)

    def test_quarter_turn_moves_the_top_left_corner_to_the_top_right(self) -> None:
        images = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None] / 4
        turned = resample(images, (2, 2), affine_matrices(rotation=vector(90)))
        torch.testing.assert_close(turned[0, 0] * 4, torch.tensor([[3.0, 1.0], [4.0, 2.0]]), atol=1e-5, rtol=0)

    def test_each_image_has_its_own_parameters(self) -> None:
        one = bytes_(1, 1, 32, 32)
        degrees = torch.linspace(-40, 40, 9)
        together = resample(one.expand(9, 1, 32, 32), (32, 32), affine_matrices(rotation=degrees))
        alone = [resample(one, (32, 32), affine_matrices(rotation=angle[None])) for angle in degrees]
        assert torch.equal(together, torch.cat(alone))
        assert len(torch.unique(together.flatten(1), dim=0)) == 9

    def test_what_lies_outside_is_the_reflection(self) -> None:
        images = (torch.arange(8.0) / 8).expand(1, 1, 8, 8)
        moved = resample(images, (8, 8), affine_matrices(shift=vector(0.25, 0)[None]))
        expected = vector(1, 0, 0, 1, 2, 3, 4, 5) / 8
        torch.testing.assert_close(moved[0, 0, 0], expected, atol=1e-5, rtol=0)

    def test_mirror_flips_the_chosen_images_exactly(self) -> None:
        images = bytes_(3, 2, 4, 5)
        mirrored = mirror(images, torch.tensor([True, False, True]))
        assert torch.equal(mirrored, torch.stack([images[0].flip(-1), images[1], images[2].flip(-1)]))

    def test_no_parameter_at_all_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            affine_matrices()


class TestLight:
    def test_agrees_with_torchvision_on_gray(self) -> None:
        images = 0.3 + 0.2 * noise(3, 1, 16, 12)
        brightness, contrast = vector(0.8, 1.0, 1.3), vector(1.4, 0.5, 1.1)
        expected = [
            tv.adjust_contrast(tv.adjust_brightness(image, b.item()), c.item())
            for image, b, c in zip(images, brightness, contrast, strict=True)
        ]
        torch.testing.assert_close(relight(images, brightness, contrast), torch.stack(expected))

    def test_zero_contrast_leaves_the_mean(self) -> None:
        images = noise(2, 3, 8, 8)
        expected = images.mean((1, 2, 3), keepdim=True).expand_as(images)
        torch.testing.assert_close(relight(images, contrast=vector(0, 0)), expected)

    def test_is_clamped_and_leaves_the_input_alone(self) -> None:
        images = noise(2, 1, 8, 8)
        before = images.clone()
        bright = relight(images, vector(3, 3), vector(2, 2))
        assert (bright.min(), bright.max()) == (0, 1)
        assert torch.equal(images, before)

    def test_factors_of_one_change_nothing(self) -> None:
        images = noise(2, 1, 8, 8)
        assert torch.equal(relight(images, vector(1, 1), vector(1, 1)), images)


CORNERS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


class TestPerspective:
    def test_corners_that_stay_change_nothing(self) -> None:
        images = bytes_(2, 1, 20, 20)
        moved = resample(images, (20, 20), with_perspective(CORNERS.expand(2, 4, 2)))
        torch.testing.assert_close(moved, images / 255, atol=1e-5, rtol=0)

    def test_agrees_with_torchvision(self) -> None:
        height, width = 40, 60
        images = tv.gaussian_blur(noise(1, 3, height, width), [7, 7])
        start = [[0, 0], [width, 0], [width, height], [0, height]]
        end = [[6, 3], [55, 0], [60, 36], [2, 40]]
        expected = tv.perspective(images, start, end, interpolation=InterpolationMode.BILINEAR)
        corners = torch.tensor([[2 * x / width - 1, 2 * y / height - 1] for x, y in end])
        moved = resample(images, (height, width), with_perspective(corners[None]), padding="zeros")
        inside = (slice(None), slice(None), slice(5, 34), slice(8, 53))
        torch.testing.assert_close(moved[inside], expected[inside], atol=2e-3, rtol=0)

    def test_it_comes_after_the_movement(self) -> None:
        images = plane(64, 64)
        matrices, corners = affine_matrices(rotation=vector(10), zoom=vector(1.2)), (CORNERS * 0.8)[None]
        together = resample(images, (64, 64), with_perspective(corners, matrices))
        in_turn = resample(resample(images, (64, 64), matrices), (64, 64), with_perspective(corners))
        torch.testing.assert_close(together[..., 12:-12, 12:-12], in_turn[..., 12:-12, 12:-12], atol=1e-3, rtol=0)

    def test_each_image_has_its_own(self) -> None:
        one = bytes_(1, 1, 16, 16)
        corners = CORNERS * torch.linspace(0.5, 1, 4)[:, None, None]
        together = resample(one.expand(4, 1, 16, 16), (16, 16), with_perspective(corners))
        alone = [resample(one, (16, 16), with_perspective(c[None])) for c in corners]
        torch.testing.assert_close(together, torch.cat(alone), atol=1e-6, rtol=0)


class TestColour:
    def test_saturation_is_torchvisions(self) -> None:
        images, factors = noise(3, 3, 8, 8), vector(0.0, 0.6, 1.7)
        expected = [tv.adjust_saturation(image, f.item()) for image, f in zip(images, factors, strict=True)]
        torch.testing.assert_close(recolor(images, saturation=factors), torch.stack(expected), atol=3e-4, rtol=0)

    def test_hue_is_torchvisions(self) -> None:
        images, turns = noise(4, 3, 8, 8), vector(-0.5, -0.1, 0.05, 0.4)
        expected = [tv.adjust_hue(image, t.item()) for image, t in zip(images, turns, strict=True)]
        torch.testing.assert_close(recolor(images, hue=turns), torch.stack(expected), atol=1e-5, rtol=0)

    def test_a_third_of_a_turn_swaps_the_channels(self) -> None:
        images = noise(1, 3, 8, 8)
        turned = recolor(images, hue=vector(1 / 3))
        torch.testing.assert_close(turned, images[:, [2, 0, 1]], atol=1e-5, rtol=0)

    def test_gray_has_no_colour_to_change(self) -> None:
        gray = noise(2, 1, 8, 8)
        assert torch.equal(recolor(gray, vector(0.0, 2.0), vector(0.3, 0.4)), gray)
        repeated = gray.expand(2, 3, 8, 8)
        torch.testing.assert_close(recolor(repeated, vector(0.0, 2.0), vector(0.3, 0.4)), repeated.clone())

    def test_the_input_is_left_alone(self) -> None:
        images = noise(2, 3, 8, 8)
        before = images.clone()
        recolor(images, vector(2.0, 2.0), vector(0.2, 0.2))
        assert torch.equal(images, before)


def erased_of(count: int, size: tuple[int, int], area: Tensor, aspect: Tensor, place: Tensor) -> Tensor:
    ones = torch.ones(count, 1, *size)
    return erase(ones, torch.ones(count, dtype=torch.bool), area, aspect, place, torch.zeros(()))[:, 0] == 0


class TestErasing:
    @pytest.mark.parametrize("size", [(64, 64), (48, 80)])
    def test_covers_the_asked_area_with_the_asked_aspect(self, size: tuple[int, int]) -> None:
        area, aspect = torch.linspace(0.05, 0.3, 50), torch.linspace(0.6, 1.8, 50)
        erased = erased_of(50, size, area, aspect, noise(50, 2))
        rows, columns = erased.any(2).sum(1).float(), erased.any(1).sum(1).float()
        pixels = size[0] * size[1]
        assert torch.equal(erased.sum((1, 2)).float(), rows * columns), "not a rectangle"
        # Each side is rounded by half a pixel at most.
        assert ((rows - (area * aspect * pixels).sqrt()).abs() <= 0.501).all()
        assert ((columns - (area / aspect * pixels).sqrt()).abs() <= 0.501).all()

    def test_area_stays_where_the_aspect_does_not_fit(self) -> None:
        erased = erased_of(2, (40, 60), vector(0.5, 0.5), vector(100, 0.01), torch.zeros(2, 2))
        assert erased.sum((1, 2)).tolist() == [40 * 30, 20 * 60]

    def test_whole_image_can_be_erased(self) -> None:
        assert erased_of(1, (9, 7), vector(1.0), vector(1.0), noise(1, 2)).all()

    def test_places_reach_every_edge(self) -> None:
        place = torch.tensor([[0.0, 0.0], [1 - 2**-24, 1 - 2**-24]])
        erased = erased_of(2, (16, 16), vector(0.1, 0.1), vector(1.0, 1.0), place)
        assert erased[0, 0, 0]
        assert erased[1, 15, 15]

    def test_only_chosen_images_change_and_become_their_mean(self) -> None:
        images = noise(2, 3, 16, 16)
        chosen = torch.tensor([True, False])
        result = erase(images, chosen, vector(0.25, 0.25), vector(1, 1), torch.full((2, 2), 0.5))
        changed = (result != images).any(1)
        assert changed.sum((1, 2)).tolist() == [64, 0]
        torch.testing.assert_close(result[0, :, changed[0]], images[0].mean().expand(3, 64))


def test_nothing_is_recorded_for_gradients_and_training_can_use_the_result() -> None:
    images = noise(2, 1, 8, 8).requires_grad_()
    moved = relight(resample(images, (12, 12), identity(2)), vector(1, 1))
    assert not moved.requires_grad
    weight = torch.ones(1, 1, 3, 3, requires_grad=True)
    F.conv2d(moved, weight).sum().backward()
    assert weight.grad is not None


def test_nothing_waits_for_the_device() -> None:
    """Tensors on ``meta`` have no values: whatever must read one (``.item()``, a mask index) fails here."""
    images = torch.empty(4, 3, 100, 100, dtype=torch.uint8, device="meta")
    quarter = torch.full((4,), 0.25)
    matrices = affine_matrices(flip=quarter > 0, rotation=quarter, zoom=quarter, shift=torch.zeros(4, 2))
    moved = resample(mirror(images, quarter > 0), (32, 32), matrices)
    moved = resample(moved, (32, 32), with_perspective(CORNERS.expand(4, 4, 2), matrices))
    moved = recolor(moved, quarter, quarter)
    result = erase(relight(moved, quarter, quarter), quarter > 0, quarter, quarter, torch.zeros(4, 2))
    assert (result.shape, result.device.type) == ((4, 3, 32, 32), "meta")
