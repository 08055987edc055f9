"""What tests share: a morphable model of a few vertices, a stack of random networks, a photograph."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from skimage import data

from cddfm.morphable import MorphableModel

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def tiny_model() -> MorphableModel:
    """A morphable model with few coefficients; only names and sizes mean something."""
    random = torch.Generator().manual_seed(0)
    identity, expression, albedo = ("width", "length"), ("jawOpen", "mouthSmile_L", "mouthSmile_R"), ("tone", "blush")
    return MorphableModel(
        name="tiny",
        mean=torch.randn(68, 3, generator=random),
        identity_basis=torch.randn(len(identity), 68, 3, generator=random),
        expression_basis=torch.randn(len(expression), 68, 3, generator=random),
        albedo_mean=torch.rand(68, 3, generator=random),
        albedo_basis=torch.randn(len(albedo), 68, 3, generator=random),
        triangles=torch.tensor([[0, 1, 2]]),
        landmarks=torch.arange(68),
        skin=torch.ones(68, dtype=torch.bool),
        pivot=torch.tensor([0.0, -3.0, -7.0]),
        identity_names=identity,
        expression_names=expression,
        albedo_names=albedo,
    )


@pytest.fixture(scope="session")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut's head and shoulders, as a file."""
    path = tmp_path_factory.mktemp("photograph") / "astronaut.png"
    Image.fromarray(np.ascontiguousarray(data.astronaut()[:300, 60:400])).save(path)
    return path


@pytest.fixture(scope="session")
def tiny_stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack folder of tiny random networks that fit each other and the built-in head. Copy it before changing it."""
    from cddfm.blocks import layout_sizes, style_layers
    from cddfm.head import build_head
    from cddfm.landmarks import Landmarker
    from cddfm.linear import LinearRig
    from cddfm.manipulator import EditorNetworks
    from cddfm.params import ATTRIBUTES
    from cddfm.reconstruct import Reconstructor
    from cddfm.rig import StyleRig
    from cddfm.w_plus import vector_layers
    from stylespace.encoder import Encoder
    from stylespace.generator import Generator
    from stylespace.weights import save_network

    folder = tmp_path_factory.mktemp("stack")
    sizes = layout_sizes(build_head().model.layout)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = {"w_dim": 16, "channel_base": 128, "channel_max": 16}
        generator, toon = (Generator(16, z_dim=16, mapping_layers=2, **small) for _ in range(2))
        layers = style_layers(generator.style_layout)
        selection = {attribute: [name for name, _ in layers if not name.endswith("torgb")] for attribute in ATTRIBUTES}
        editor = EditorNetworks(
            {"style_dim": generator.style_layout.style_dim, "sizes": sizes, "hidden": [16]},
            {"layers": layers, "selection": selection, "sizes": sizes, "hidden": 16},
        )
        linear = LinearRig(generator.style_layout.style_dim, sizes)
        torch.nn.init.normal_(linear.write, std=0.1)
        torch.nn.init.normal_(linear.read, std=0.1)
        networks = {
            "generator": generator,
            "encoder": Encoder(16, w_dim=16, width=8, hidden=16, facts=build_head().model.layout.total),
            "estimator": Reconstructor("residual", 16, sizes, width=8, hidden=16, close_hidden=16),
            "landmarker": Landmarker(16, widths=(8, 8), top=8),
            "judge": Reconstructor("plain", 16, sizes, width=8, hidden=16, close_hidden=16),
            "base": StyleRig(layers, sizes, hidden=16),
            "stylerig": StyleRig(vector_layers(generator.style_layout), sizes, hidden=16),
            "linear": linear,
            "editor": editor,
            "domains/toon": toon,
        }
    for name, network in networks.items():
        save_network(folder / f"{name}.safetensors", network)
    return folder
