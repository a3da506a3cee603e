"""Decoding: what is accepted, what the pixels are, and what is refused before it can do harm."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from ferbench import Crop, PixelText
from ferbench.data.decode import FORMAT_LIST, DecodeError, decode, image_format

GRAY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)


def encoded(image: Image.Image | np.ndarray, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG that is nothing but a header: there are no pixels to decode."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def refusal(source: Path | bytes | PixelText | np.ndarray, channels: int = 1) -> str:
    with pytest.raises(DecodeError) as caught:
        decode(source, channels)
    return caught.value.reason


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_lossless_gray_comes_back_exactly(format: str) -> None:
    pixels = decode(encoded(GRAY, format), 1)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    np.testing.assert_array_equal(pixels, GRAY[None])


def test_lossless_colour_comes_back_as_planes() -> None:
    np.testing.assert_array_equal(decode(encoded(COLOUR), 3), COLOUR.transpose(2, 0, 1))


def test_lossless_webp_comes_back_exactly() -> None:
    np.testing.assert_array_equal(decode(encoded(COLOUR, "WEBP", lossless=True), 3), COLOUR.transpose(2, 0, 1))


def test_jpeg_decodes_to_about_what_was_saved() -> None:
    smooth = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (48, 1))
    pixels = decode(encoded(smooth, "JPEG", quality=95), 1)
    assert np.abs(pixels[0].astype(int) - smooth).max() <= 6


def test_gray_becomes_colour_by_repetition() -> None:
    np.testing.assert_array_equal(decode(encoded(GRAY), 3), np.stack([GRAY] * 3))


def test_colour_becomes_gray_by_luma() -> None:
    red_green_blue = np.eye(3, dtype=np.uint8)[None] * 255
    assert decode(encoded(red_green_blue), 1).ravel().tolist() == [76, 150, 29]  # 0.299, 0.587, 0.114 of 255


def test_array_and_file_of_the_same_image_agree() -> None:
    for channels in (1, 3):
        np.testing.assert_array_equal(decode(COLOUR, channels), decode(encoded(COLOUR), channels))


def test_sixteen_bit_gray_is_scaled_not_cut() -> None:
    wide = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    for format in ("PNG", "TIFF"):
        assert decode(encoded(wide, format), 1).ravel().tolist() == [0, 1, 128, 255]


def test_floating_point_pixels_are_refused() -> None:
    assert refusal(encoded(GRAY.astype(np.float32), "TIFF")) == "32-bit pixels, expected 8 or 16 bits"


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    for format in ("PNG", "TIFF"):
        turned = decode(encoded(GRAY, format, exif=exif), 1)
        np.testing.assert_array_equal(turned[0], np.rot90(GRAY, -1))


def test_palette_is_resolved() -> None:
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    assert decode(encoded(image), 3)[:, 0].T.tolist() == [[10, 20, 30], [200, 100, 50]]


def test_transparency_is_laid_over_black() -> None:
    rgba = np.array([[[200, 100, 50, 0], [200, 100, 50, 255]]], dtype=np.uint8)
    assert decode(encoded(rgba), 3)[:, 0].T.tolist() == [[0, 0, 0], [200, 100, 50]]


def test_transparent_gray_value_is_laid_over_black() -> None:
    pixels = decode(encoded(np.array([[5, 9]], dtype=np.uint8), transparency=9), 1)
    assert pixels.ravel().tolist() == [5, 0]


def test_cmyk_jpeg_becomes_rgb() -> None:
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    assert decode(encoded(white, "JPEG"), 3).min() >= 250


def test_one_bit_image_is_black_and_white() -> None:
    image = Image.fromarray(GRAY).point(lambda value: 255 if value > 100 else 0).convert("1")
    assert set(decode(encoded(image), 1).ravel().tolist()) == {0, 255}


def test_path_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(encoded(GRAY))
    np.testing.assert_array_equal(decode(file, 1)[0], GRAY)


def test_what_a_file_is_called_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(encoded(GRAY, "GIF"))
    np.testing.assert_array_equal(decode(file, 1)[0], GRAY)


def test_first_frame_of_an_animation_counts() -> None:
    frames = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(data, 1)[0], GRAY)


def test_avif_decodes_to_about_what_was_saved() -> None:
    smooth = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (48, 1))
    if "AVIF" not in FORMAT_LIST:
        pytest.skip("this Pillow has no AVIF")
    pixels = decode(encoded(smooth, "AVIF", quality=95), 1)
    assert np.abs(pixels[0].astype(int) - smooth).max() <= 8


HEIC = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(40)


def test_image_of_a_format_that_is_not_decoded_is_named() -> None:
    assert refusal(HEIC).startswith("HEIC images are not decoded")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "PPM", "AVIF"])
def test_what_a_file_is_is_told_by_how_it_begins(format: str) -> None:
    """What Pillow writes is what is found."""
    if format == "AVIF" and "AVIF" not in FORMAT_LIST:
        pytest.skip("this Pillow has no AVIF")
    names = {"WEBP": "WebP", "JPEG2000": "JPEG 2000", "PPM": "PNM"}
    assert image_format(encoded(np.repeat(GRAY, 8, axis=0), format)) == names.get(format, format)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BM is how this text begins, and it is no bitmap",
        b"P1 spoke first, and then P2",
        b"GIF89",
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\xff\xfeU\0T\0F\0",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"path,label\n",
    ],
)
def test_what_is_no_image_is_not_taken_for_one(data: bytes) -> None:
    assert image_format(data) is None


@pytest.mark.parametrize("data", [b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"%PDF-1.4"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert "decoded" in refusal(data) or "not a readable" in refusal(data)


def test_empty_file_is_named_so() -> None:
    assert refusal(b"") == "empty file"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_truncated_file_is_refused(format: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(noise, format)
    assert "decoded" in refusal(data[: len(data) * 2 // 3], 3) or "readable" in refusal(data[: len(data) // 2], 3)


@pytest.mark.parametrize(("width", "height"), [(5001, 5000), (10_000, 12_000), (60_000, 60_000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_more_than_25_megapixels_are_refused_by_the_header(width: int, height: int) -> None:
    assert refusal(png_claiming(width, height)) == "more than 25 megapixels"


def test_25_megapixels_are_not_refused_for_their_size() -> None:
    assert "25 megapixels" not in refusal(png_claiming(5000, 5000))


def test_missing_file_is_a_reason(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.png").startswith("cannot be read: No such file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the platform has no named pipes")
def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(tmp_path / "pipe.png") == "not a regular file"


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 2), np.float32), "array of float32, expected uint8"),
        (
            np.zeros((2, 2, 4), np.uint8),
            "array of shape (2, 2, 4), expected (height, width) or (height, width, 3)",
        ),
        (np.zeros((0, 2), np.uint8), "array without pixels"),
    ],
)
def test_foreign_array_is_refused(array: np.ndarray, reason: str) -> None:
    assert refusal(array) == reason


def test_array_is_copied() -> None:
    source = GRAY.copy()
    pixels = decode(source, 1)
    source[:] = 0
    np.testing.assert_array_equal(pixels[0], GRAY)


images = st.integers(1, 6).flatmap(
    lambda height: st.integers(1, 6).flatmap(
        lambda width: st.lists(st.integers(0, 255), min_size=height * width, max_size=height * width).map(
            lambda values: np.array(values, dtype=np.uint8).reshape(height, width)
        )
    )
)


def row_of(pixels: np.ndarray) -> PixelText:
    return PixelText(" ".join(str(value) for value in pixels.ravel().tolist()), *pixels.shape)


@given(images)
def test_pixel_text_round_trip(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(decode(row_of(pixels), 1)[0], pixels)


@settings(max_examples=400)
@given(images, st.data())
def test_corrupted_pixel_text_is_refused_or_read_as_it_stands(pixels: np.ndarray, data: st.DataObject) -> None:
    """The reading it is held against is Python's own: split at blanks, ASCII digits only, at most 255."""
    row = row_of(pixels)
    place = data.draw(st.integers(0, len(row.text)))
    cut = data.draw(st.integers(0, 3))
    inserted = data.draw(st.text(st.sampled_from("0123456789 \t\n.,-+eEx_\0٣５é\udc80'\""), max_size=4))
    text = row.text[:place] + inserted + row.text[place + cut :]
    try:
        found = decode(PixelText(text, row.height, row.width), 1)
    except DecodeError:
        return
    tokens = [token for token in text.replace("\t", " ").split(" ") if token]
    assert all(token.isascii() and token.isdigit() for token in tokens)
    assert found.ravel().tolist() == [int(token) for token in tokens]


@given(st.text(max_size=40))
@example("99999999999999999999999999999999 1 2 3")
@example("18446744073709551617 1 2 3")
@example("1e2 0 0 0")
@example("0x10 0 0 0")
@example("1_0 0 0 0")
@example("nan 0 0 0")
def test_any_text_is_refused_or_read_as_it_stands(text: str) -> None:
    try:
        pixels = decode(PixelText(text, 2, 2), 1)
    except DecodeError:
        return
    assert pixels.ravel().tolist() == [int(token) for token in text.split()]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3", "short pixel row: 3 of 4 values"),
        ("", "short pixel row: 0 of 4 values"),
        ("1 2 3 4 5", "long pixel row: 5 of 4 values"),
        ("1 2 abc 4", "non-numeric value 'abc'"),
        ("1 2 12.0 4", "non-numeric value '12.0'"),
        ("1 2 300 4", "value 300 outside 0..255"),
        ("1 2 -5 4", "value -5 outside 0..255"),
        ("1 2 ٣ 4", "non-numeric value '\\u0663'"),
        ("1,2,3,4", "non-numeric value '1,2,3,4'"),
    ],
)
def test_malformed_pixel_text_has_its_reason(text: str, reason: str) -> None:
    assert refusal(PixelText(text, 2, 2)) == reason


def test_other_channel_counts_are_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="channels"):
        decode(GRAY, 2)


# Parts of an image


def saved(path: Path) -> Path:
    Image.fromarray(GRAY).save(path)
    return path


def test_crop_is_the_box_without_its_right_and_bottom_edge(tmp_path: Path) -> None:
    crop = Crop(saved(tmp_path / "a.png"), left=1, top=0, right=3, bottom=2)
    np.testing.assert_array_equal(decode(crop, 1), GRAY[None, 0:2, 1:3])


def test_crop_beyond_the_edges_ends_at_them(tmp_path: Path) -> None:
    crop = Crop(saved(tmp_path / "a.png"), left=-5, top=1, right=2, bottom=99)
    np.testing.assert_array_equal(decode(crop, 1), GRAY[None, 1:3, 0:2])


@pytest.mark.parametrize("box", [(2, 1, 2, 3), (3, 1, 2, 3), (4, 0, 9, 2), (-9, 0, 0, 3), (0, -4, 3, -1)])
def test_crop_without_a_pixel_is_refused(tmp_path: Path, box: tuple[int, int, int, int]) -> None:
    assert "holds no pixel of an image of 3×4" in refusal(Crop(saved(tmp_path / "a.png"), *box))


def test_crop_of_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(Crop(tmp_path / "none.png", 0, 0, 2, 2))
