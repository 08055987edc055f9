"""Files as the original projects write them, made from our generator: same names, same structure, other people's layouts.

The classes that those files mention exist only while a file is written.
"""

import math
import pickle
import sys
import types
from collections import OrderedDict
from contextlib import contextmanager

import numpy as np
import torch

from stylespace.generator import Generator

SMALL = {"z_dim": 12, "w_dim": 12, "channel_base": 64, "channel_max": 8, "mapping_layers": 2}


def small_generator(resolution: int = 16, **changes) -> Generator:
    """A generator in which every tensor matters."""
    torch.manual_seed(0)
    network = Generator(resolution, **{**SMALL, **changes})
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(("bias", "w_avg", "noise_strength")):
                tensor.add_(0.3 * torch.randn(tensor.shape))
    return network.eval().requires_grad_(False)


@torch.no_grad()
def pictures(network: Generator) -> torch.Tensor:
    """Truncated (so that the average w matters), with noise."""
    z = torch.randn(2, network.z_dim, generator=torch.Generator().manual_seed(1))
    label = torch.eye(network.label_dim)[:2] if network.label_dim else None
    return network(z, psi=0.7, label=label)


@contextmanager
def names_of(**objects):
    """Make `module__name` importable as module.name for a moment, as pickle demands of whatever it writes."""
    before = dict(sys.modules)
    try:
        for key, value in objects.items():
            module, _, name = key.replace("__", ".").rpartition(".")
            parts = module.split(".")
            for depth in range(1, len(parts) + 1):
                sys.modules.setdefault(".".join(parts[:depth]), types.ModuleType(".".join(parts[:depth])))
            value.__module__, value.__qualname__, value.__name__ = module, name, name
            setattr(sys.modules[module], name, value)
        yield
    finally:
        for name in sys.modules.keys() - before.keys():
            del sys.modules[name]


def nvidia_bytes(network: Generator, variant: str = "ada", module_src: str = "", change=None, protocol: int = 4, keys=("G", "D", "G_ema")):
    """A snapshot of stylegan2-ada-pytorch ("ada") or stylegan3 ("stylegan3"). change(path, state) may alter a module's attributes."""

    class EasyDict(dict):
        pass

    def rebuild(meta):
        raise AssertionError("only a name in the file")

    class Persistent:
        def __init__(self, class_name, state):
            self.class_name, self.state = class_name, state

        def __reduce__(self):
            meta = {"type": "class", "version": 6, "module_src": module_src, "class_name": self.class_name, "state": self.state}
            return rebuild, (meta,), None

    def persistent(path, module):
        state = {
            "_init_args": (), "_init_kwargs": EasyDict(w_dim=network.w_dim), "training": False, "_parameters": OrderedDict(),
            "_buffers": OrderedDict(), "_non_persistent_buffers_set": set(), "_forward_hooks": OrderedDict(), "_modules": OrderedDict(),
        }  # fmt: skip
        for name, parameter in module.named_parameters(recurse=False):
            state["_parameters"][name] = torch.nn.Parameter(parameter.detach().clone())
        for name, buffer in module.named_buffers(recurse=False):
            state["_buffers"][name] = buffer.clone()
        state.update(nvidia_attributes(network, path, module, variant))
        taps = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64
        if type(module).__name__ in ("SynthesisBlock", "SynthesisConv", "Skip"):
            state["_buffers"]["resample_filter"] = taps
        for name, child in module.named_children():
            state["_modules"][name] = persistent(f"{path}.{name}" if path else name, child)
        if change is not None:
            change(path, state)
        return Persistent(type(module).__name__, state)

    with names_of(dnnlib__util__EasyDict=EasyDict, torch_utils__persistence___reconstruct_persistent_obj=rebuild):
        snapshot = {key: persistent("", network) for key in keys}
        snapshot.update(augment_pipe=None, training_set_kwargs=EasyDict(path="faces.zip", use_labels=False))
        return pickle.dumps(snapshot, protocol=protocol)


def nvidia_attributes(network: Generator, path: str, module: torch.nn.Module, variant: str) -> dict:
    """The plain attributes of one module; numpy scalars where the originals have them."""
    kind, clamp = type(module).__name__, network.arguments["conv_clamp"]
    if kind == "Generator":
        return {"z_dim": network.z_dim, "c_dim": network.label_dim, "w_dim": network.w_dim, "img_resolution": network.resolution}
    if kind == "Linear":
        gains = {"weight_gain": module.rate / np.sqrt(module.weight.shape[1]), "bias_gain": module.rate}
        return {"activation": module.activation, **gains}
    if kind == "SynthesisBlock":
        return {"architecture": network.arguments["architecture"], "resolution": int(path.rpartition("b")[2]), "use_fp16": False}
    more = {"in_channels": module.weight.shape[1], "w_dim": network.w_dim} if variant == "stylegan3" and hasattr(module, "weight") else {}
    if kind == "SynthesisConv":
        return {"activation": "lrelu", "up": module.up, "conv_clamp": clamp, "padding": 1, "act_gain": np.sqrt(2), **more}
    if kind == "ToRGB":
        return {"conv_clamp": clamp, "weight_gain": 1 / np.sqrt(module.weight.shape[1]), **more}
    if kind == "Skip":
        gain = 1 / np.sqrt(module.weight.shape[1])
        return {"activation": "linear", "up": 2, "down": 1, "conv_clamp": None, "act_gain": 1, "weight_gain": gain, **more}
    return {"num_ws": network.num_ws, "w_avg_beta": 0.995} if kind == "Mapping" else {}


def tensorflow_arrays(network: Generator, numbered: bool = False) -> dict[str, np.ndarray]:
    """The variables by full name. numbered: toRGB counted from the last resolution down, with the unused ones that growing leaves."""
    arrays = {"dlatent_avg": network.w_avg.numpy(), "synthesis/4x4/Const/const": network.synthesis.b4.const.numpy()[None]}

    def dense(place, layer):
        arrays[f"{place}/weight"], arrays[f"{place}/bias"] = layer.weight.numpy().T, layer.bias.numpy()

    if network.label_dim:
        dense("mapping/LabelEmbed", network.mapping.embed)
    for index in range(network.mapping.layers):
        dense(f"mapping/Dense{index}", getattr(network.mapping, f"fc{index}"))
    noises = 0
    for size in network.synthesis.resolutions:
        block, place = getattr(network.synthesis, f"b{size}"), f"synthesis/{size}x{size}"
        layers = {"Conv0_up": "conv0", "Conv1": "conv1"} if size > 4 else {"Conv": "conv1"}
        lod = int(math.log2(network.resolution // size))
        torgb = f"synthesis/ToRGB_lod{lod}" if numbered else f"{place}/ToRGB"
        for own, name in layers.items():
            layer = getattr(block, name)
            weight = layer.weight.numpy().transpose(2, 3, 1, 0)
            arrays[f"{place}/{own}/weight"] = weight[::-1, ::-1] if name == "conv0" else weight
            arrays[f"{place}/{own}/bias"] = layer.bias.numpy()
            arrays[f"{place}/{own}/noise_strength"] = layer.noise_strength.numpy()
            arrays[f"synthesis/noise{noises}"] = layer.noise_const.numpy()[None, None]
            arrays[f"{place}/{own}/mod_weight"] = layer.affine.weight.numpy().T
            arrays[f"{place}/{own}/mod_bias"] = layer.affine.bias.numpy() - 1
            noises += 1
        if hasattr(block, "torgb"):
            arrays[f"{torgb}/weight"] = block.torgb.weight.numpy().transpose(2, 3, 1, 0)
            arrays[f"{torgb}/bias"] = block.torgb.bias.numpy()
            arrays[f"{torgb}/mod_weight"] = block.torgb.affine.weight.numpy().T
            arrays[f"{torgb}/mod_bias"] = block.torgb.affine.bias.numpy() - 1
        elif numbered:
            arrays[f"{torgb}/weight"] = np.zeros((1, 1, 3, 3), np.float32)
        if hasattr(block, "skip"):
            arrays[f"{place}/Skip/weight"] = block.skip.weight.numpy().transpose(2, 3, 1, 0)
    if numbered:
        arrays["synthesis/lod"] = np.zeros((), np.float32)
    return arrays


def tensorflow_bytes(arrays: dict, kwargs: dict | None = None, version: int = 4, protocol: int = 4, networks: int = 3) -> bytes:
    """A pickled tuple (G, D, Gs) of networks with components mapping and synthesis."""

    class EasyDict(dict):
        pass

    class Network:
        def __init__(self, name, prefix, components):
            own = [(key[len(prefix) :], np.array(value)) for key, value in arrays.items() if key.startswith(prefix)]
            self.record = {
                "version": version, "name": name, "static_kwargs": EasyDict(kwargs or {}), "components": EasyDict(components),
                "build_module_src": "raise SystemExit", "build_func_name": "G_main",
                "variables": own if prefix else [pair for pair in own if "/" not in pair[0]],
            }  # fmt: skip

        def __getstate__(self):
            return self.record

    with names_of(dnnlib__util__EasyDict=EasyDict, dnnlib__tflib__network__Network=Network):
        parts = {name: Network(f"G_{name}", f"{name}/", {}) for name in ("mapping", "synthesis")}
        return pickle.dumps((Network("Gs", "", parts),) * networks, protocol=protocol)


def rosinality_state(network: Generator) -> dict[str, torch.Tensor]:
    """g_ema of a 16 px generator, key by key as `state_dict()` of that project's Generator lists them."""
    ours, state = network.state_dict(), {}
    taps = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 16

    def styled(place, name, noise, up=False):
        state[f"{place}.conv.weight"] = ours[f"synthesis.{name}.weight"][None]
        if up:
            state[f"{place}.conv.blur.kernel"] = taps
        state[f"{place}.conv.modulation.weight"] = ours[f"synthesis.{name}.affine.weight"]
        state[f"{place}.conv.modulation.bias"] = ours[f"synthesis.{name}.affine.bias"]
        state[f"{place}.noise.weight"] = ours[f"synthesis.{name}.noise_strength"][None]
        state[f"{place}.activate.bias"] = ours[f"synthesis.{name}.bias"]
        state[f"noises.noise_{noise}"] = ours[f"synthesis.{name}.noise_const"][None, None]

    def colours(place, name, up=True):
        state[f"{place}.bias"] = ours[f"synthesis.{name}.bias"][None, :, None, None]
        if up:
            state[f"{place}.upsample.kernel"] = taps
        state[f"{place}.conv.weight"] = ours[f"synthesis.{name}.weight"][None]
        state[f"{place}.conv.modulation.weight"] = ours[f"synthesis.{name}.affine.weight"]
        state[f"{place}.conv.modulation.bias"] = ours[f"synthesis.{name}.affine.bias"]

    for index in range(network.mapping.layers):
        state[f"style.{index + 1}.weight"] = ours[f"mapping.fc{index}.weight"]
        state[f"style.{index + 1}.bias"] = ours[f"mapping.fc{index}.bias"]
    state["input.input"] = ours["synthesis.b4.const"][None]
    styled("conv1", "b4.conv1", 0)
    colours("to_rgb1", "b4.torgb", up=False)
    styled("convs.0", "b8.conv0", 1, up=True)
    styled("convs.1", "b8.conv1", 2)
    styled("convs.2", "b16.conv0", 3, up=True)
    styled("convs.3", "b16.conv1", 4)
    colours("to_rgbs.0", "b8.torgb")
    colours("to_rgbs.1", "b16.torgb")
    return state
