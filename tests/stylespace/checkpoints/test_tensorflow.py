"""TensorFlow pickles: read to identical pictures, and to the picture that the arrays' own definitions give."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from stylespace.checkpoints import read_checkpoint
from stylespace.weights import WeightsError
from tests.stylespace.checkpoints.writers import pictures, small_generator, tensorflow_arrays, tensorflow_bytes


def read_back(tmp_path, arrays, kwargs=None, **more):
    path = tmp_path / "network.bin"
    path.write_bytes(tensorflow_bytes(arrays, kwargs, **more))
    return read_checkpoint(path)


@pytest.mark.parametrize(
    "graph, kwargs, numbered",
    [
        ({}, {}, False),
        ({"architecture": "resnet", "resolution": 32}, {"architecture": "resnet"}, False),
        ({"architecture": "orig"}, {"architecture": "orig"}, False),
        ({"architecture": "orig"}, {}, True),
        ({"conv_clamp": 0.6, "mapping_rate": 0.1}, {"conv_clamp": 0.6, "mapping_lrmul": 0.1, "fmap_base": 32}, False),
        ({"label_dim": 3, "mapping_width": 9}, {"label_size": 3, "resample_kernel": [1, 3, 3, 1], "nonlinearity": "lrelu"}, False),
        ({"resolution": 4}, {}, False),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_every_graph_comes_back(tmp_path, graph, kwargs, numbered, protocol):
    network = small_generator(**graph)
    checkpoint = read_back(tmp_path, tensorflow_arrays(network, numbered), kwargs, protocol=protocol, version=5)
    assert checkpoint.format == "NVIDIA TensorFlow pickle"
    assert checkpoint.generator.arguments["architecture"] == network.arguments["architecture"]
    # bias − 1 + 1 is rounded, so the pictures can differ in the last digits
    assert torch.allclose(pictures(checkpoint.generator), pictures(network), atol=1e-6)
    for name, tensor in network.state_dict().items():
        assert torch.allclose(checkpoint.generator.state_dict()[name], tensor, atol=1e-7), name


class Published:
    """The skip graph computed from TensorFlow's arrays by the definitions of its operators, in float64.

    Up-convolution: zeros between the pixels, FIR with gain 4, then `tf.nn.conv2d` (a correlation with [height, width, in, out] kernels),
    without cutting the plane in between. Weights are scaled by 1 / √fan_in at run time, modulated, and demodulated, for each sample.
    """

    LINE = np.array([1.0, 3.0, 3.0, 1.0]) / 4

    def __init__(self, arrays):
        self.arrays = {name: torch.tensor(np.array(value, np.float64)) for name, value in arrays.items()}

    def dense(self, x, place, rate):
        weight = self.arrays[f"{place}/weight"]
        x = x @ (weight * rate / math.sqrt(weight.shape[0])) + self.arrays[f"{place}/bias"] * rate
        return functional.leaky_relu(x, 0.2) * math.sqrt(2)

    def stuffed(self, x):
        """[height, width, channels] with a zero after each pixel, and three around."""
        large = torch.zeros(2 * x.shape[0], 2 * x.shape[1], x.shape[2], dtype=x.dtype)
        large[::2, ::2] = x
        return functional.pad(large, (0, 0, 3, 3, 3, 3))

    def correlate(self, x, kernel):
        """y[m, n, o] = Σ x[m + a, n + b, c] kernel[a, b, c, o]"""
        height, width = x.shape[0] - kernel.shape[0] + 1, x.shape[1] - kernel.shape[1] + 1
        taps = [(a, b) for a in range(kernel.shape[0]) for b in range(kernel.shape[1])]
        return sum(x[a : a + height, b : b + width] @ kernel[a, b] for a, b in taps)

    def with_fir(self, kernel):
        """FIR, then kernel, as one correlation."""
        height, width = kernel.shape[:2]
        both = torch.zeros(height + 3, width + 3, *kernel.shape[2:], dtype=kernel.dtype)
        for a in range(4):
            for b in range(4):
                both[a : a + height, b : b + width] += kernel * self.LINE[a] * self.LINE[b]
        return both

    def modulated(self, x, w, place, up, demodulate):
        weight = self.arrays[f"{place}/weight"]
        affine = self.arrays[f"{place}/mod_weight"]
        style = w @ (affine / math.sqrt(affine.shape[0])) + self.arrays[f"{place}/mod_bias"] + 1
        weight = weight / math.sqrt(math.prod(weight.shape[:3])) * style[None, None, :, None]
        if demodulate:
            weight = weight / torch.sqrt(weight.square().sum(dim=(0, 1, 2)) + 1e-8)
        if up:
            return self.correlate(self.stuffed(x), self.with_fir(weight))[: 2 * x.shape[0], : 2 * x.shape[1]]
        around = weight.shape[0] // 2
        return self.correlate(functional.pad(x, (0, 0, around, around, around, around)), weight)

    def layer(self, x, w, place, noise, up=False):
        x = self.modulated(x, w, place, up, True)
        x = x + self.arrays[f"synthesis/noise{noise}"][0, 0, :, :, None] * self.arrays[f"{place}/noise_strength"]
        return functional.leaky_relu(x + self.arrays[f"{place}/bias"], 0.2) * math.sqrt(2)

    def upsample(self, image):
        both = self.with_fir(torch.eye(3, dtype=image.dtype)[None, None])
        large = self.correlate(self.stuffed(image), both)
        return large[1 : 1 + 2 * image.shape[0], 1 : 1 + 2 * image.shape[1]]  # one of the three zeros in front is not needed here

    def picture(self, z, psi, resolution):
        x = z / torch.sqrt(z.square().mean() + 1e-8)
        for index in range(2):
            x = self.dense(x, f"mapping/Dense{index}", 0.01)
        w = self.arrays["dlatent_avg"] + psi * (x - self.arrays["dlatent_avg"])
        x = self.arrays["synthesis/4x4/Const/const"][0].permute(1, 2, 0)
        x = self.layer(x, w, "synthesis/4x4/Conv", 0)
        image = self.modulated(x, w, "synthesis/4x4/ToRGB", False, False) + self.arrays["synthesis/4x4/ToRGB/bias"]
        size, noise = 8, 1
        while size <= resolution:
            place = f"synthesis/{size}x{size}"
            x = self.layer(x, w, f"{place}/Conv0_up", noise, up=True)
            x = self.layer(x, w, f"{place}/Conv1", noise + 1)
            colours = self.modulated(x, w, f"{place}/ToRGB", False, False) + self.arrays[f"{place}/ToRGB/bias"]
            image = self.upsample(image) + colours
            size, noise = 2 * size, noise + 2
        return image.permute(2, 0, 1)


def random_arrays(names_from):
    """Arrays that never were our generator's."""
    random = np.random.default_rng(0)
    return {
        name: (0.3 if name.endswith(("bias", "strength", "avg")) else 1.0) * random.standard_normal(np.shape(value)).astype(np.float32)
        for name, value in names_from.items()
    }


def test_arrays_mean_what_their_definitions_say(tmp_path):
    """Transposes and mirrors against the published operators, on arrays drawn in TensorFlow's own layout."""
    arrays = random_arrays(tensorflow_arrays(small_generator(16)))
    generator = read_back(tmp_path, arrays).generator
    z = torch.randn(1, 12, generator=torch.Generator().manual_seed(3))
    expected = Published(arrays).picture(z[0].double(), 0.6, 16).float()
    found = generator(z, psi=0.6)[0]
    assert expected.std() > 0.3
    assert torch.allclose(found, expected, atol=3e-5)
    for name in ("synthesis/8x8/Conv0_up/weight", "synthesis/8x8/Conv1/weight"):  # the test would see a mirrored kernel
        mirrored = {**arrays, name: arrays[name][::-1, ::-1]}
        assert not torch.allclose(found, Published(mirrored).picture(z[0].double(), 0.6, 16).float(), atol=1e-2)


@pytest.mark.parametrize(
    "alter, kwargs, more, said",
    [
        ({}, {}, {"version": 3}, "record version 3; StyleGAN2 wrote 4 and later"),
        ({"synthesis/4x4/AdaIN/StyleMod/weight": np.zeros(3)}, {}, {}, "'Gs' is a StyleGAN \\(first version\\) generator"),
        ({"synthesis/8x8/Conv1/extra": np.zeros(3)}, {}, {}, "unknown: synthesis/8x8/Conv1/extra"),
        ({"synthesis/8x8/Conv1/bias": np.zeros(3)}, {}, {}, "synthesis/8x8/Conv1/bias 3 instead of 8"),
        ({"synthesis/8x8/Conv1/bias": None}, {}, {}, "missing: synthesis/8x8/Conv1/bias"),
        ({"synthesis/4x4/Conv/weight": None}, {}, {}, "no StyleGAN2 generator; its variables begin with dlatent_avg, mapping/D"),
        ({"synthesis/lod": np.float32(1.5)}, {}, {}, "lod is not 0"),
        ({}, {"nonlinearity": "relu"}, {}, "argument nonlinearity is 'relu' where StyleGAN2 has 'lrelu'"),
        ({}, {"resample_kernel": [1, 2, 1]}, {}, r"resample_kernel is \[1, 2, 1\]"),
        ({}, {"architecture": "resnet"}, {}, "architecture is 'resnet' while its tensors are those of 'skip'"),
        ({}, {}, {"networks": 0}, "holds NoneType where TensorFlow networks"),
    ],
)
def test_other_networks_are_refused(tmp_path, alter, kwargs, more, said):
    arrays = {**tensorflow_arrays(small_generator(8)), **alter}
    with pytest.raises(WeightsError, match=said):
        read_back(tmp_path, {name: value for name, value in arrays.items() if value is not None}, kwargs, **more)


def test_noise_that_no_layer_weighs_is_left_out(tmp_path):
    network = small_generator(8)
    arrays = {name: value for name, value in tensorflow_arrays(network).items() if not name.endswith("noise_strength")}
    generator = read_back(tmp_path, arrays, {"use_noise": False}).generator
    assert generator.arguments["use_noise"] is False
    s = torch.randn(1, generator.style_layout.style_dim)
    assert torch.allclose(generator.synthesise(s), network.synthesise(s, noise="none"), atol=1e-6)
