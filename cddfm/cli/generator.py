"""`cddfm import-generator` and `cddfm export-generator`: StyleGAN2 checkpoints of other projects in, and out again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PIL import Image

    from stylespace.checkpoints import Checkpoint
    from stylespace.generator import Generator

SAMPLES = 8


def import_generator(
    file: Annotated[Path, typer.Argument(help="NVIDIA's .pkl (PyTorch or TensorFlow), rosinality's .pt, or a generator.safetensors.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for generator.safetensors.")],
    sample: Annotated[Path | None, typer.Option(help="Also draw seeds 0 to 7 on a sheet: .png, .jpg or .webp.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace another generator in that folder.")] = False,
) -> None:
    """Read a StyleGAN2 checkpoint, executing nothing in it, and keep its generator as safetensors."""
    from cddfm.errors import UserError
    from cddfm.images import check_folder_writable, check_writable, write_picture
    from cddfm.report import say
    from stylespace.checkpoints import read_checkpoint
    from stylespace.weights import save_network

    target = out / "generator.safetensors"
    check_folder_writable(out)
    if sample is not None:
        check_writable(sample)
    checkpoint = read_checkpoint(file)
    if target.exists() and not force and not _same_origin(target, checkpoint.digest):
        raise UserError(f"{target} holds another generator; choose another folder, or replace it with --force")
    source = {"file": file.name, "format": checkpoint.format, "sha256": checkpoint.digest}
    save_network(target, checkpoint.generator, {"source": source, "remarks": list(checkpoint.remarks)})
    say(_description(checkpoint))
    say(f"wrote {target}")
    if sample is not None:
        write_picture(sample, draw_samples(checkpoint.generator, file.name))
        say(f"wrote {sample}")


def export_generator(
    source: Annotated[Path, typer.Argument(metavar="STACK_OR_FILE", help="A folder with generator.safetensors, or a checkpoint file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file in rosinality's layout, usually .pt.")],
) -> None:
    """Write a generator in the layout of rosinality's stylegan2-pytorch (g_ema and latent_avg), for other tools."""
    from cddfm.errors import UserError
    from cddfm.images import check_folder_writable
    from cddfm.report import say
    from stylespace.checkpoints import load_generator, write_rosinality

    if out.is_dir():
        raise UserError(f"the output {out} is a folder; name a file in it, such as {out / 'generator.pt'}")
    check_folder_writable(out.parent)
    generator = load_generator(source / "generator.safetensors" if source.is_dir() else source)
    write_rosinality(out, generator)
    arguments = generator.arguments
    say(f"wrote {out}")
    widths = (arguments["channel_base"], arguments["channel_max"], arguments["channel_min"])
    if widths not in ((16384, 512, 1), (32768, 512, 1)):
        say(f"note: its widths are {_widths(arguments)}; tools that expect channel multiplier 1 or 2 must be told")


def draw_samples(generator: Generator, title: str) -> Image.Image:
    """Seeds 0 to 7, truncated to 0.7, on a sheet; a conditional generator cycles through its labels."""
    import torch

    from cddfm.sheet import Cell, Row, draw_sheet

    cells = []
    for seed in range(SAMPLES):
        z = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(seed))
        label = torch.eye(generator.label_dim)[[seed % generator.label_dim]] if generator.label_dim else None
        with torch.no_grad():
            cells.append(Cell(generator(z, psi=0.7, label=label), f"seed {seed}"))
    return draw_sheet([Row(cells)], title=title, note="truncation 0.7", per_line=4)


def _same_origin(target: Path, digest: str) -> bool:
    from stylespace.weights import read_notes

    return read_notes(target).get("source", {}).get("sha256") == digest


def _widths(arguments: Mapping[str, Any]) -> str:
    """The rule that a generator's widths follow."""
    rule = f"min({arguments['channel_base']} / resolution, {arguments['channel_max']})"
    return rule if arguments["channel_min"] == 1 else f"max({arguments['channel_min']}, {rule})"


def _description(checkpoint: Checkpoint) -> str:
    """What was read, in a few lines."""
    generator = checkpoint.generator
    arguments, layout = generator.arguments, generator.style_layout
    clamp = "" if arguments["conv_clamp"] is None else f", clamp ±{arguments['conv_clamp']:g}"
    labels = f", labels of {arguments['label_dim']} numbers" if arguments["label_dim"] else ""
    lines = [
        f"{checkpoint.format}: StyleGAN2, {generator.resolution} px, {arguments['architecture']} architecture{clamp}{labels}",
        f"feature maps {_widths(arguments)}, mapping of {arguments['mapping_layers']} layers, z {generator.z_dim}, w {generator.w_dim}",
        f"style space: {layout.style_dim:,} numbers in {len(layout.layers)} layers, w+ of {layout.num_ws} vectors",
        *(f"note: {remark}" for remark in checkpoint.remarks),
    ]
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    app.command("import-generator")(import_generator)
    app.command("export-generator")(export_generator)
