import io
import json
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from cddfm.errors import UserError
from cddfm.world import draw, sample_codes, scene
from cddfm.world.export import Order, export

ORDER = Order(count=3, resolution=16, styles=("portrait",), seed=5, shard=2)


def read(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive.getmembers()}


def test_shards_hold_pictures_masks_and_exact_parameters(tmp_path):
    told: list[int] = []
    assert export(ORDER, tmp_path, "cpu", told.append) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.json", "portrait-000000.tar", "portrait-000001.tar"]
    assert told[0] == 0 and told[-1] == 3
    files = read(tmp_path / "portrait-000000.tar")
    assert list(files) == [f"00000000{seed}.{suffix}" for seed in (5, 6) for suffix in ("webp", "mask.png", "json")]
    facts = json.loads(files["000000006.json"])
    one = scene(sample_codes([6]))
    torch.testing.assert_close(torch.tensor(facts["params"]["pose"]), one.params.pose[0])
    assert facts["seed"] == 6 and len(facts["landmarks"]) == 68
    picture = torch.tensor(list(Image.open(io.BytesIO(files["000000006.webp"])).convert("RGB").tobytes())).view(16, 16, 3)
    drawn = ((draw(one, 16).image[0].permute(1, 2, 0) + 1) * 127.5).round()
    assert (picture - drawn).abs().max() <= 1


def test_the_same_order_goes_on_where_it_stopped_and_another_is_refused(tmp_path):
    export(ORDER, tmp_path, "cpu", lambda _: None)
    first = (tmp_path / "portrait-000000.tar").read_bytes()
    (tmp_path / "portrait-000000.tar").unlink()
    assert export(ORDER, tmp_path, "cpu", lambda _: None) == 1
    assert (tmp_path / "portrait-000000.tar").read_bytes() == first
    with pytest.raises(UserError, match="another resolution"):
        export(Order(3, 32, ("portrait",), 5, 2), tmp_path, "cpu", lambda _: None)


def test_interrupted_shards_leave_nothing_behind(tmp_path):
    def stop(finished: int) -> None:
        if finished:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(ORDER, tmp_path, "cpu", stop)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]
