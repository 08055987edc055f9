"""`cddfm import-generator` and `cddfm export-generator` from the command line."""

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from cddfm.cli import main
from stylespace.checkpoints import load_generator
from stylespace.generator import Generator
from stylespace.weights import load_network, read_notes, save_network
from tests.stylespace.checkpoints.writers import nvidia_bytes, pictures, small_generator


@pytest.fixture
def cddfm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command; returns exit code and what it said."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["cddfm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, capsys.readouterr().err

    return run


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "network-snapshot.pkl"
    path.write_bytes(nvidia_bytes(small_generator(label_dim=3, conv_clamp=256.0)))
    return path


def test_a_generator_is_imported_with_its_origin(cddfm, snapshot: Path, tmp_path: Path) -> None:
    code, said = cddfm("import-generator", snapshot, "-o", tmp_path / "own", "--sample", tmp_path / "sheet.png")
    assert code == 0
    assert "NVIDIA PyTorch pickle: StyleGAN2, 16 px, skip architecture, clamp ±256, labels of 3 numbers" in said
    assert "feature maps min(64 / resolution, 8), mapping of 2 layers, z 12, w 12" in said
    assert "style space: 56 numbers in 8 layers, w+ of 6 vectors" in said
    target = tmp_path / "own" / "generator.safetensors"
    assert torch.equal(pictures(load_network(target, Generator)), pictures(load_generator(snapshot)))
    source = read_notes(target)["source"]
    assert (source["file"], source["format"], len(source["sha256"])) == (snapshot.name, "NVIDIA PyTorch pickle", 64)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 4 * 192


def test_another_generator_is_replaced_by_force_only(cddfm, snapshot: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pkl"
    other.write_bytes(nvidia_bytes(small_generator(8)))
    target = tmp_path / "own" / "generator.safetensors"
    assert cddfm("import-generator", snapshot, "-o", target.parent)[0] == 0
    assert cddfm("import-generator", snapshot, "-o", target.parent)[0] == 0  # the same again
    before = target.read_bytes()
    code, said = cddfm("import-generator", other, "-o", target.parent)
    assert code == 1
    assert "holds another generator" in said
    assert target.read_bytes() == before
    assert cddfm("import-generator", other, "-o", target.parent, "--force")[0] == 0
    assert load_generator(target).resolution == 8


def test_a_refused_file_leaves_nothing_behind(cddfm, tmp_path: Path) -> None:
    file = tmp_path / "hostile.pkl"
    file.write_bytes(f"cposix\nsystem\n(Vtouch '{tmp_path / 'executed'}'\ntR.".encode())
    code, said = cddfm("import-generator", file, "-o", tmp_path / "own")
    assert code == 1
    assert "asks to call posix.system" in said
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_an_export_of_a_folder_comes_back_by_import(cddfm, tmp_path: Path) -> None:
    network = small_generator()
    save_network(tmp_path / "stack" / "generator.safetensors", network)
    code, said = cddfm("export-generator", tmp_path / "stack", "-o", tmp_path / "out.pt")
    assert code == 0
    assert "note: its widths are min(64 / resolution, 8)" in said
    assert cddfm("import-generator", tmp_path / "out.pt", "-o", tmp_path / "own")[0] == 0
    assert torch.equal(pictures(load_generator(tmp_path / "own" / "generator.safetensors")), pictures(network))


def test_exports_say_what_they_cannot_do(cddfm, snapshot: Path, tmp_path: Path) -> None:
    code, said = cddfm("export-generator", snapshot, "-o", tmp_path / "out.pt")
    assert code == 1
    assert "has no place for labels (3 numbers)" in said
    code, said = cddfm("export-generator", snapshot, "-o", tmp_path)
    assert code == 1
    assert "is a folder; name a file in it" in said
    code, said = cddfm("export-generator", tmp_path, "-o", tmp_path / "out.pt")
    assert code == 1
    assert "generator.safetensors" in said
