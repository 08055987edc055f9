"""Picture files ↔ tensors: reads whatever people have, writes whole files or none."""

from __future__ import annotations

import io
import struct
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from cddfm.errors import UserError
from stylespace.weights import write_atomically

READABLE = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
"""Suffixes that a folder is searched for; a file that is named outright may have any."""

WRITABLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in brightness (Rec. 601)."""

MIN_SIDE = 32
"""Pixels; nothing smaller can show a face that anything here would find."""


def read_image(path: Path) -> Float[Tensor, "1 3 height width"]:
    """Any picture file as sRGB in [−1, 1], upright; raises UserError with the reason when that cannot be."""
    return to_tensor(read_picture(path))


def read_picture(path: Path) -> Image.Image:
    """Any picture file as an upright 8-bit RGB picture: first frame, EXIF orientation applied, colours in sRGB, alpha over white."""
    if path.is_dir():
        raise UserError(f"{path} is a folder where a picture file is needed")
    if not path.exists():
        raise UserError(f"there is no file {path}; check the name")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as opened:
                opened.load()
                picture = _to_rgb(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is no picture that can be read; give a PNG, JPEG, WebP, TIFF, BMP or GIF file") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large to open safely ({error}); scale it down first") from error
    except (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error) as error:
        raise UserError(f"the picture {path} is damaged or cannot be read ({error}); open and save it again, or give another") from error
    if min(picture.size) < MIN_SIDE:
        width, height = picture.size
        raise UserError(f"the picture {path} has only {width}×{height} pixels; each side needs at least {MIN_SIDE}")
    return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _eight_bits(picture)
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            return picture.convert("RGB")
    return picture.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating grey pictures; integers above 255 count as 16-bit, floats up to 1 as fractions."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float64))
    if picture.mode == "F":
        values = values * 255.0 if values.max(initial=0.0) <= 1.0 else values
    elif picture.mode.startswith("I;16") or values.max(initial=0.0) > 255:
        values = values / 257.0
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8), "L")


def to_tensor(picture: Image.Image) -> Float[Tensor, "1 3 height width"]:
    """8-bit RGB picture → sRGB in [−1, 1]."""
    pixels = torch.from_numpy(np.array(picture.convert("RGB")))
    return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1.0


def eight_bit(images: Float[Tensor, "*batch 3 height width"]) -> UInt8[Tensor, "*batch 3 height width"]:
    """[−1, 1] → 0 to 255; what lies beyond is cut off."""
    return ((images + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)


def brightness(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1 height width"]:
    """Of sRGB pictures in [−1, 1], what lies beyond cut off: 0 to 1, in the sRGB curve (Rec. 601)."""
    return ((images.clamp(-1, 1) + 1) / 2 * images.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def to_picture(image: Float[Tensor, "1 3 height width"] | Float[Tensor, "3 height width"]) -> Image.Image:
    """One image in [−1, 1] → 8-bit RGB picture; values outside are clamped."""
    flat = image[0] if image.ndim == 4 else image
    pixels = eight_bit(flat.detach().float())
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


def check_writable(path: Path) -> None:
    """Raise UserError now if a picture could not be written to this path later: before the long work, not after it."""
    if path.suffix.lower() not in WRITABLE:
        named = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise UserError(f"the output {path} has {named}, which is no kind of picture to write; use {', '.join(WRITABLE)}")
    if path.is_dir():
        raise UserError(f"the output {path} is a folder; name a picture file in it, such as {path / 'out.png'}")
    check_folder_writable(path.parent)


def check_folder_writable(folder: Path) -> None:
    """Raise UserError if files cannot be made in this folder, or the folder cannot be made; leaves nothing behind."""
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UserError(f"the output folder {folder} cannot be written: {nearest} is a file; choose another folder")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(f"the output folder {folder} cannot be written ({error.strerror}); choose another folder") from error


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a PNG, JPEG or WebP by suffix, atomically; raises UserError when that cannot be."""
    check_writable(path)
    buffer = io.BytesIO()
    picture.save(buffer, WRITABLE[path.suffix.lower()], quality=95)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); choose another place") from error


def write_image(path: Path, image: Float[Tensor, "1 3 height width"]) -> None:
    """`write_picture` for a tensor in [−1, 1]."""
    write_picture(path, to_picture(image))


def picture_files(folder: Path) -> list[Path]:
    """The picture files of a folder (not of its subfolders) by name; raises UserError when there is none."""
    found = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in READABLE)
    if not found:
        raise UserError(f"there is no picture in the folder {folder}; looked for {', '.join(READABLE)}")
    return found
