"""From a file, its bytes, decimal text or an array to pixels: strictly, and safely on hostile input."""

from __future__ import annotations

import importlib.util
import io
import re
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from ferbench.bounded import Damaged, TooLarge, opened, read_file
from ferbench.data.sample import Crop, ImageSource, PixelText

_AVIF = importlib.util.find_spec("PIL._avif") is not None  # older and smaller builds of Pillow lack it

#: The only formats that are decoded, as Pillow names them; what a file is called does not matter.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", *(["AVIF"] if _AVIF else []))

#: What such files are usually called. Files with other names are looked into, to find images among them.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"),
    *([".avif"] if _AVIF else []),
)

#: ``FORMATS`` for people.
FORMAT_LIST = "JPEG, PNG, BMP, WebP, TIFF, GIF or AVIF" if _AVIF else "JPEG, PNG, BMP, WebP, TIFF or GIF"

#: Images with more pixels than this are refused by their header, before anything is decoded.
MAX_PIXELS = 25_000_000

#: Larger files are refused unread: 25 megapixels of uncompressed 16-bit RGBA take 200 MB.
MAX_FILE_BYTES = 256 * 2**20

_TOO_LARGE = "more than 25 megapixels"
#: Where Pillow may find an orientation; without one of them (and outside TIFF) there is nothing to look for.
_ORIENTATION_KEYS = {"exif", "xmp", "Raw profile type exif", "XML:com.adobe.xmp"}
#: How image files begin, by what people call them; of ISO media files (``ftyp``) the first dozen brands count.
_BEGINNINGS = {
    name: re.compile(pattern, re.DOTALL)
    for name, pattern in {
        "JPEG": rb"\xff\xd8\xff",
        "PNG": rb"\x89PNG\r\n\x1a\n",
        "GIF": rb"GIF8[79]a",
        "WebP": rb"RIFF....WEBP",
        "TIFF": rb"II[*+]\0|MM\0[*+]",
        "BMP": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
        "AVIF": rb"....ftyp(?:....){0,12}?avi[fs]",
        "HEIC": rb"....ftyp(?:....){0,12}?(?:hei[cmsx]|hev[cmsx]|mif1|msf1)",
        "JPEG 2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
        "JPEG XL": rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a[^\0]",
        "PNM": rb"P[1-6]\s+(?:#[^\n]*\n\s*)*[0-9]+\s+[0-9]+\s",
        "Photoshop": rb"8BPS\0[\x01\x02]",
    }.items()
}
#: How much of a file says what it is.
_BEGINNING_BYTES = 64
_ALLOWED_IN_ROWS = b"0123456789 \t"
_INTEGER = re.compile(r"[+-]?[0-9]+")


class DecodeError(Exception):
    """An image source that cannot become pixels.

    Args:
        reason: what is wrong, in a few words that fit behind a file name.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode(source: ImageSource, channels: int) -> np.ndarray:
    """Pixels of one image at its own size, upright.

    Colour becomes gray by ITU-R 601-2 luma and gray becomes colour by repetition; palettes and CMYK are
    converted; transparent pixels are laid over black; 16-bit gray is scaled to 8 bits; the EXIF orientation
    is applied. Of several frames the first counts.

    Args:
        source: path, ``Crop``, encoded bytes, ``PixelText``, or uint8[H, W] / uint8[H, W, 3].
        channels: 1 for gray, 3 for RGB.

    Returns:
        uint8[channels, H, W], contiguous, owned by the caller.

    Raises:
        DecodeError: unreadable, truncated or foreign file, more than 25 megapixels, malformed pixel text, a box
            without pixels.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, not {channels}")
    if isinstance(source, PixelText):
        return _to_planes(parse_pixels(source), channels)
    if isinstance(source, np.ndarray):
        return _to_planes(_checked_array(source), channels)
    if isinstance(source, Crop):
        return _to_planes(_cropped(_decode_file(_read(source.path)), source), channels)
    return _to_planes(_decode_file(source if isinstance(source, bytes) else _read(source)), channels)


def image_format(beginning: bytes) -> str | None:
    """What people call the image format that a file begins as, decodable or not; None for what is no image."""
    head = beginning[:_BEGINNING_BYTES]
    return next((name for name, pattern in _BEGINNINGS.items() if pattern.match(head)), None)


def is_decodable(format_name: str) -> bool:
    """Whether images of a format, as ``image_format`` names it, are decoded."""
    return format_name.upper() in FORMATS


def format_of(path: Path | str) -> str | None:
    """The image format of a regular file by its first bytes; None for what is no image or cannot be read."""
    try:
        with opened(Path(path), links=True) as file:
            return image_format(file.read(_BEGINNING_BYTES))
    except (OSError, Damaged):
        return None


def parse_pixels(source: PixelText) -> np.ndarray:
    """The gray values that a pixel row states.

    A valid row is exactly height × width decimal integers in 0..255, written with ASCII digits and separated
    by spaces or tabs. Signs, decimal points, exponents and other digits are refused.

    Returns:
        uint8[height, width].

    Raises:
        DecodeError: another number of values, a value that is no such integer, or one outside 0..255.
    """
    expected = source.height * source.width
    if not source.text.isascii() or source.text.encode("ascii").translate(None, _ALLOWED_IN_ROWS):
        raise DecodeError(_complaint(source.text))
    # Digits and blanks only: nothing is left that numpy could read otherwise than it is written. What does
    # not fit int64 saturates and falls to the range check.
    values = np.fromstring(source.text, dtype=np.int64, sep=" ") if source.text.strip() else np.empty(0, np.int64)
    if values.size != expected:
        kind = "short" if values.size < expected else "long"
        raise DecodeError(f"{kind} pixel row: {values.size} of {expected} values")
    if values.size and values.max() > 255:
        raise DecodeError(_complaint(source.text))
    return values.astype(np.uint8).reshape(source.height, source.width)


def _complaint(text: str) -> str:
    """Why a pixel row that is known to be malformed is refused: its first bad value."""
    for token in re.split(r"[ \t]+", text.strip(" \t")):
        if not _INTEGER.fullmatch(token):
            return f"non-numeric value {_shown(token)}"
        if not token.isdecimal() or len(token.lstrip("0")) > 3 or int(token) > 255:
            return f"value {token[:24]} outside 0..255"
    return "malformed pixel row"


def _shown(token: str) -> str:
    return ascii(token if len(token) <= 24 else token[:24] + "…")


def _checked_array(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8:
        raise DecodeError(f"array of {array.dtype}, expected uint8")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise DecodeError(f"array of shape {array.shape}, expected (height, width) or (height, width, 3)")
    if array.size == 0:
        raise DecodeError("array without pixels")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise DecodeError(_TOO_LARGE)
    return array


def _cropped(pixels: np.ndarray, crop: Crop) -> np.ndarray:
    height, width = pixels.shape[:2]
    part = pixels[max(crop.top, 0) : max(crop.bottom, 0), max(crop.left, 0) : max(crop.right, 0)]
    if part.size == 0:
        box = f"left {crop.left}, top {crop.top}, right {crop.right}, bottom {crop.bottom}"
        raise DecodeError(f"the box ({box}) holds no pixel of an image of {height}×{width}")
    return part


def _read(path: Path) -> bytes:
    try:
        return read_file(path, largest=MAX_FILE_BYTES, links=True)
    except TooLarge as error:
        raise DecodeError("file of more than 256 MiB") from error
    except (Damaged, IsADirectoryError) as error:
        raise DecodeError("not a regular file") from error
    except OSError as error:
        raise DecodeError(f"cannot be read: {error.strerror or error}") from error


def _decode_file(data: bytes) -> np.ndarray:
    """uint8[H, W] or uint8[H, W, 3] of an encoded image."""
    if not data:
        raise DecodeError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DecodeError(_TOO_LARGE)
            image.load()
            return _to_array(_upright(image))
    except DecodeError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError(_TOO_LARGE) from error
    except Image.UnidentifiedImageError as error:
        kind = image_format(data)
        if kind is not None and not is_decodable(kind):
            raise DecodeError(f"{kind} images are not decoded, only {FORMAT_LIST}") from error
        raise DecodeError(f"not a readable {FORMAT_LIST} image") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders answer damaged files with a dozen kinds of exception.
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DecodeError(f"cannot be decoded: {reason}") from error


def _upright(image: Image.Image) -> Image.Image:
    if image.format != "TIFF" and not _ORIENTATION_KEYS & image.info.keys():
        return image
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Damaged metadata says nothing about the pixels.
        return image
    return ImageOps.exif_transpose(image) if orientation in range(2, 9) else image


def _to_array(image: Image.Image) -> np.ndarray:
    mode = image.mode
    clear = "transparency" in image.info
    if mode in ("L", "RGB") and not clear:
        return np.asarray(image)
    if mode.startswith("I;16"):
        return _eight_bits(np.asarray(image))
    if mode == "I" and image.format == "PNG":
        return _eight_bits(np.asarray(image))
    if mode in ("I", "F"):
        raise DecodeError("32-bit pixels, expected 8 or 16 bits")
    if mode == "1":
        return np.asarray(image.convert("L"))
    if clear or mode in ("LA", "La", "RGBA", "RGBa", "PA"):
        colour = image.convert("RGBA")
        ground = Image.new("RGBA", colour.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(ground, colour).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _eight_bits(values: np.ndarray) -> np.ndarray:
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise DecodeError("pixels outside 16 bits")
    return ((wide + 128) // 257).astype(np.uint8)


def _to_planes(pixels: np.ndarray, channels: int) -> np.ndarray:
    """uint8[H, W] or uint8[H, W, 3] as a contiguous uint8[channels, H, W] of its own."""
    if channels == 1:
        gray = pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))
        return np.array(gray, dtype=np.uint8, order="C")[None]
    if pixels.ndim == 2:
        return np.repeat(pixels[None], 3, axis=0)
    return np.array(pixels.transpose(2, 0, 1), dtype=np.uint8, order="C")
