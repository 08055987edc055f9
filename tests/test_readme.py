"""The README's Python runs as it stands, and its commands exist."""

import re
from pathlib import Path

from PIL import Image
from skimage import data
from typer.main import get_command

from cddfm.cli import app

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_python_example_runs(tmp_path, monkeypatch):
    Image.fromarray(data.astronaut()).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "turned.png").is_file()
    assert (tmp_path / "toon.png").is_file()


def test_every_command_that_it_names_exists():
    commands = set(get_command(app).commands)
    named = set(re.findall(r"cddfm ([a-z]+(?:-[a-z]+)*)", README))
    assert named <= commands, named - commands
    assert {"edit", "controls", "evaluate", "train-base", "select-layers"} <= named


def test_its_pictures_are_there():
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (Path(__file__).parent.parent / path).is_file(), path
