"""Every command of this part from the command line, and every mistake: one sentence, a non-zero exit, nothing half-written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cddfm.cli import main
from cddfm.images import read_picture


@pytest.fixture
def cddfm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command; returns exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cddfm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


def test_a_photograph_is_edited(cddfm, photograph: Path, tiny_stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    code, printed, _ = cddfm(
        "edit", photograph, "--pose", "yaw=20,pitch=-5", "--expression", "jawOpen=0.5", "--light", "azimuth=40", "--domain", "toon",
        "--stack", tiny_stack, "--steps", 2, "--device", "cpu", "--json", "-o", out,
    )  # fmt: skip
    assert code == 0
    assert read_image_size(out) == (16, 16)
    assert json.loads(printed)[0]["status"] == "done"


def read_image_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_an_edit_of_nothing_writes_the_inversion(cddfm, tiny_stack: Path, tmp_path: Path) -> None:
    for name, extra in (("one", []), ("two", ["--pose", "yaw=0"])):
        assert cddfm("edit", "--seed", 3, *extra, "--stack", tiny_stack, "-o", tmp_path / f"{name}.png")[0] == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_whole_photograph_is_written_with_the_face_edited(cddfm, photograph: Path, tiny_stack: Path, tmp_path: Path) -> None:
    common = ("edit", photograph, "--stack", tiny_stack, "--steps", 2, "--whole", "--device", "cpu")
    assert cddfm(*common, "--pose", "yaw=20", "-o", tmp_path / "turned.png")[0] == 0
    before, after = (np.asarray(read_picture(path)) for path in (photograph, tmp_path / "turned.png"))
    assert before.shape == after.shape
    assert (before != after).any()
    assert (before[:, -5:] == after[:, -5:]).all()
    assert cddfm(*common, "-o", tmp_path / "same.png")[0] == 0
    assert (np.asarray(read_picture(tmp_path / "same.png")) == before).all()
    for wrong in (("--domain", "toon"), ("--grid",), ("--sweep", "yaw=0:10:2")):
        code, _, messages = cddfm(*common, *wrong, "-o", tmp_path / "wrong.png")
        assert code == 1
        assert "--whole is one photograph" in messages
    assert not (tmp_path / "wrong.png").exists()


def test_grids_and_sweeps_are_sheets(cddfm, tiny_stack: Path, photograph: Path, tmp_path: Path) -> None:
    common = ("--stack", tiny_stack, "--steps", 1, "--domain", "toon")
    assert cddfm("edit", photograph, *common, "--grid", "-o", tmp_path / "grid.png")[0] == 0
    assert cddfm("edit", "--seed", 1, *common, "--sweep", "yaw=-30:30:5", "-o", tmp_path / "sweep.webp")[0] == 0
    assert read_image_size(tmp_path / "grid.png")[0] > 5 * 192
    assert read_image_size(tmp_path / "sweep.webp")[0] > 5 * 192


def test_a_face_is_edited_to_be_like_another(cddfm, photograph: Path, tiny_stack: Path, tmp_path: Path) -> None:
    common = ("edit", "--seed", 3, "--stack", tiny_stack, "--steps", 1)
    assert cddfm(*common, "--like", photograph, "--take", "pose", "--grid", "-o", tmp_path / "grid.png")[0] == 0
    assert read_image_size(tmp_path / "grid.png")[0] > 3 * 192
    assert cddfm(*common, "--like", photograph, "--method", "linear", "-o", tmp_path / "like.png")[0] == 0
    assert cddfm(*common, "-o", tmp_path / "plain.png")[0] == 0
    assert (tmp_path / "like.png").read_bytes() != (tmp_path / "plain.png").read_bytes()
    code, _, messages = cddfm(*common, "--like", photograph, "-o", photograph)
    assert code == 1
    assert "the picture itself" in messages


def test_a_folder_goes_on_after_a_bad_picture(cddfm, tiny_stack: Path, photograph: Path, tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    pictures.mkdir()
    shutil.copy(photograph, pictures / "good.png")
    (pictures / "bad.png").write_bytes(b"no")
    code, _, messages = cddfm("edit", pictures, "--stack", tiny_stack, "--steps", 1, "-o", out)
    assert code == 1
    assert "bad.png" in messages
    assert "1 of 2 pictures failed" in messages
    assert [path.name for path in out.iterdir()] == ["good.png"]
    (pictures / "bad.png").unlink()
    before = (out / "good.png").stat().st_mtime_ns
    code, _, messages = cddfm("edit", pictures, "--stack", tiny_stack, "--skip-existing", "-o", out)
    assert code == 0
    assert "kept" in messages
    assert (out / "good.png").stat().st_mtime_ns == before


def test_controls_are_listed(cddfm) -> None:
    code, table, _ = cddfm("controls")
    assert code == 0
    assert "jawOpen" in table
    assert "-45 to 45 °" in table
    listed = json.loads(cddfm("controls", "pose", "--json")[1])
    assert {entry["name"] for entry in listed} == {"yaw", "pitch", "roll"}


def test_evaluation_writes_its_three_forms(cddfm, tiny_stack: Path, tmp_path: Path) -> None:
    code, table, _ = cddfm("evaluate", "--stack", tiny_stack, "--faces", 4, "--domains", "toon", "--no-world", "--every", "-o", tmp_path)
    assert code == 0
    assert "jawOpen" in table
    assert json.loads((tmp_path / "evaluation.json").read_text())["scores"]
    assert min(read_image_size(tmp_path / "evaluation.png")) > 500


def test_the_demo_runs(cddfm, tiny_stack: Path, tmp_path: Path) -> None:
    assert cddfm("demo", "--stack", tiny_stack, "--steps", 1, "--device", "cpu", "-o", tmp_path / "demo.png")[0] == 0
    assert read_picture(tmp_path / "demo.png").height > 1000


def test_the_world_is_drawn(cddfm, tmp_path: Path) -> None:
    out = tmp_path / "world.png"
    assert cddfm("world", "draw", "-n", 2, "--resolution", 32, "--style", "toon", "--device", "cpu", "-o", out)[0] == 0
    assert out.exists()
    code, _, messages = cddfm("world", "draw", "--style", "tone", "-o", tmp_path / "other.png")
    assert code == 1
    assert "'toon'" in messages


@pytest.fixture
def pictures(tmp_path: Path, photograph: Path) -> dict[str, Path]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)).save(folder / "noise.png")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "corrupt.png").write_bytes(photograph.read_bytes()[:5000])
    return {path.stem: path for path in folder.iterdir()} | {"photo": photograph, "missing": folder / "missing.png"}


@pytest.mark.parametrize(
    ("picture", "extra", "part"),
    [
        ("noise", [], "no face found"),
        ("corrupt", [], "damaged"),
        ("dot", [], "1×1"),
        ("missing", [], "no file"),
        ("photo", ["--expression", "jawOpn=1"], "'jawOpen'"),
        ("photo", ["--pose", "yaw=200"], "-45 to 45"),
        ("photo", ["--domain", "tonn"], "'toon'"),
        ("photo", ["--method", "stylerag"], "'stylerig'"),
        ("photo", ["--stack", "nowhere"], "nowhere"),
        ("photo", ["--device", "abacus"], "abacus"),
        ("photo", ["--sweep", "yaw=1"], "yaw=-30:30:7"),
        ("photo", ["--face", "7"], "face 7"),
        ("photo", ["--take", "pose"], "--like"),
        ("photo", ["--like", "nobody.jpg"], "nobody.jpg"),
        ("photo", ["--like", "nobody.jpg", "--take", "poes"], "'pose'"),
    ],
)
def test_mistakes_are_one_sentence(cddfm, pictures, tiny_stack: Path, tmp_path: Path, picture: str, extra: list[str], part: str) -> None:
    out = tmp_path / "made" / "out.png"
    code, printed, messages = cddfm("edit", pictures[picture], "--stack", tiny_stack, "--steps", 1, "-o", out, *extra)
    assert code == 1
    assert part in messages
    assert messages.count("error:") == 1
    assert messages.strip().splitlines()[-1].startswith("error:")
    assert "Traceback" not in messages
    assert not printed
    assert not out.parent.exists()


@pytest.mark.parametrize("name", ["generator", "encoder", "estimator", "landmarker", "editor", "domains/toon"])
@pytest.mark.parametrize("damage", ["missing", "cut", "rubbish"])
def test_missing_and_damaged_weights_are_one_sentence(
    cddfm, photograph: Path, tiny_stack: Path, tmp_path: Path, name: str, damage: str
) -> None:
    stack = tmp_path / "stack"
    shutil.copytree(tiny_stack, stack)
    file = stack / f"{name}.safetensors"
    whole = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"rubbish" * 100)
    out = tmp_path / "made" / "out.png"
    code, _, messages = cddfm("edit", photograph, "--domain", "toon", "--stack", stack, "--steps", 1, "-o", out)
    assert code == 1
    assert messages.strip().splitlines()[-1].startswith("error:")
    assert messages.count("error:") == 1
    assert Path(name).name in messages
    assert not out.parent.exists()


def test_unwritable_outputs_are_refused_at_once(cddfm, photograph: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, part in (
        (tmp_path / "file" / "out.png", "cannot be written"),
        (tmp_path / "out.xyz", ".xyz"),
        (photograph, "the picture itself"),
    ):
        code, _, messages = cddfm("edit", photograph, "--stack", tmp_path / "not looked at", "-o", out)
        assert code == 1
        assert part in messages
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_bad_usage_is_exit_code_two(cddfm) -> None:
    code, _, messages = cddfm("edit", "--yaw", "20")
    assert code == 2
    assert "--yaw" in messages


def test_an_interrupt_is_exit_code_130(cddfm, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cddfm.controls.Controls.__init__", interrupted)
    code, _, messages = cddfm("controls")
    assert code == 130
    assert messages.strip() == "interrupted"


def test_help_does_not_load_torch() -> None:
    script = "import sys, cddfm.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("said", "wait"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "30000000000")],
    ids=["alone", "turns", "policy"],
)
def test_threads_do_not_hold_cores_unless_the_user_wants_it(said: dict[str, str], wait: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command, environment = [sys.executable, "-m", "cddfm", "controls"], kept | said | {"OMP_DISPLAY_ENV": "verbose"}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    if "GOMP_SPINCOUNT" not in told:
        pytest.skip("PyTorch computes by another OpenMP than GNU's here")
    assert f"GOMP_SPINCOUNT = '{wait}'" in told
