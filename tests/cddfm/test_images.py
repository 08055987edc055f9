from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cddfm.errors import UserError
from cddfm.images import MIN_SIDE, check_writable, picture_files, read_image, read_picture, to_picture, to_tensor, write_image

SIDE = 40


def gradient(mode: str) -> Image.Image:
    ramp = np.linspace(0, 255, SIDE).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(ramp, (SIDE, SIDE)).copy(), "L").convert(mode)


def test_pixels_survive_the_way_to_tensors_and_back() -> None:
    pixels = torch.arange(256).repeat(3 * MIN_SIDE).view(3, MIN_SIDE, 256).to(torch.uint8)
    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    image = to_tensor(picture)
    assert image.shape == (1, 3, MIN_SIDE, 256)
    assert image.min() == -1
    assert image.max() == 1
    assert np.array_equal(np.asarray(to_picture(image)), np.asarray(picture))


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "CMYK", "LA", "RGBA", "I", "F"])
def test_every_mode_reads_as_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "picture.tif"
    if mode in ("L", "1", "RGB", "RGBA", "LA", "P"):
        path = path.with_suffix(".png")
    gradient(mode).save(path)
    picture = read_picture(path)
    assert picture.mode == "RGB"
    middle = np.asarray(picture)[SIDE // 2, :, 0].astype(int)
    assert middle[0] < 30
    assert middle[-1] > 220


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path) -> None:
    values = np.broadcast_to(np.linspace(0, 65535, SIDE).astype(np.uint16), (SIDE, SIDE)).copy()
    Image.fromarray(values).save(tmp_path / "deep.png")
    row = np.asarray(read_picture(tmp_path / "deep.png"))[0, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 255
    assert abs(row[SIDE // 2] - 130) < 4


def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    Image.new("RGBA", (SIDE, SIDE), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png").min() == 1


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (SIDE, 2 * SIDE)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").size == (2 * SIDE, SIDE)


def test_bad_input_is_named_in_one_sentence(tmp_path: Path) -> None:
    gradient("RGB").save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    expected = {
        "cut.png": "damaged",
        "text.png": "no picture",
        "empty.jpg": "no picture",
        "dot.png": "1×1",
        "none.png": "no file",
        ".": "folder",
    }
    for name, part in expected.items():
        with pytest.raises(UserError, match=part) as caught:
            read_picture(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_written_pictures_read_back(tmp_path: Path, suffix: str) -> None:
    image = to_tensor(gradient("RGB"))
    write_image(tmp_path / "new" / f"out{suffix}", image)
    assert (read_image(tmp_path / "new" / f"out{suffix}") - image).abs().max() < (1e-6 if suffix == ".png" else 0.15)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"out{suffix}"]


def test_unwritable_places_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_writable(tmp_path / "not" / "yet" / "there.png")
    assert not (tmp_path / "not").exists()
    with pytest.raises(UserError, match="is a file"):
        check_writable(tmp_path / "file" / "out.png")
    with pytest.raises(UserError, match=r"\.bmp"):
        check_writable(tmp_path / "out.bmp")
    with pytest.raises(UserError, match="no suffix"):
        check_writable(tmp_path / "out")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(UserError, match="folder"):
        check_writable(tmp_path / "taken.png")


def test_folders_list_their_pictures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no picture in the folder"):
        picture_files(tmp_path)
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in picture_files(tmp_path)] == ["a.jpg", "b.PNG"]
