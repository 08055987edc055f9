"""The whole chain on the tiny preset with the public commands: make a stack from nothing, then edit and evaluate with it."""

import json
import shutil

import pytest
import torch
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.errors import UserError
from cddfm.stack import EMBEDDED, Stack
from domains.finetune import embedding_names, published_names
from stylespace.weights import read_notes

COMMANDS = [
    ["train-reconstruction"],
    ["train-reconstruction", "--role", "judge"],
    ["train-reconstruction", "--role", "onlooker", "--set", "close_images=0"],
    ["train-landmarks"],
    ["train-generator"],
    ["train-base"],
    ["train-base", "--set", "space=w_plus"],
    ["select-layers"],
    ["train-editor"],
    ["adapt-domain", "toon", "--set", "onlooker=true"],
]


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A stack made by the commands of `make stack`, at the tiny preset."""
    folder = tmp_path_factory.mktemp("made")
    for command in COMMANDS:
        run(*command, "--preset", "tiny", "--stack", folder / "stack", "--work", folder / "work")
    return folder


def test_the_commands_make_everything_an_edit_needs(made):
    files = {str(path.relative_to(made / "stack")) for path in (made / "stack").rglob("*") if path.is_file()}
    names = ("generator", "encoder", "estimator", "landmarker", "judge", "onlooker", "base", "stylerig", "editor", "domains/toon")
    networks = {f"{name}.safetensors" for name in names}
    assert files == networks | {"layers.json", "layers.png"}


def test_a_generator_needs_an_estimator_first(tmp_path):
    with pytest.raises(UserError, match="run 'cddfm train-reconstruction"):
        run("train-generator", "--preset", "tiny", "--stack", tmp_path / "stack", "--work", tmp_path / "work")
    assert not list(tmp_path.iterdir())


def test_a_domain_with_an_onlooker_needs_it_first(made, tmp_path):
    shutil.copytree(made / "stack", tmp_path / "stack", ignore=shutil.ignore_patterns("onlooker.safetensors"))
    with pytest.raises(UserError, match="has no onlooker .* run 'cddfm train-reconstruction --role onlooker"):
        run("adapt-domain", "toon", "--preset", "tiny", "--stack", tmp_path / "stack", "--work", made / "work", "--set", "onlooker=true")


def test_the_domain_generator_keeps_every_frozen_tensor_bit_for_bit(made):
    stack = Stack(made / "stack")
    portrait, toon = stack.generator.state_dict(), stack.domain("toon").state_dict()
    frozen = embedding_names(stack.generator)
    assert all(torch.equal(portrait[name], toon[name]) for name in frozen)
    assert any(not torch.equal(portrait[name], toon[name]) for name in portrait.keys() - frozen)


def test_a_domain_can_be_learned_without_partners(made, tmp_path):
    stack = tmp_path / "stack"
    shutil.copytree(made / "stack", stack)
    run("adapt-domain", "clay", "--preset", "tiny", "--stack", stack, "--work", tmp_path / "work", "--set", "paired=false")
    clay, portrait = Stack(stack).domain("clay").state_dict(), Stack(stack).generator.state_dict()
    frozen = published_names(Stack(stack).generator)
    assert all(torch.equal(portrait[name], clay[name]) for name in frozen)
    assert any(not torch.equal(portrait[name], clay[name]) for name in portrait.keys() - frozen)


def test_a_domain_is_gone_on_with_from_an_earlier_stack(made, tmp_path):
    stack, earlier = tmp_path / "stack", Stack(made / "stack")
    shutil.copytree(made / "stack", stack)
    again = ["adapt-domain", "toon", "--preset", "tiny", "--stack", stack, "--set", f"start={made / 'stack'}"]
    run(*again, "--work", tmp_path / "work", "--set", "rate=0")
    toon, before, portrait = (network.state_dict() for network in (Stack(stack).domain("toon"), earlier.domain("toon"), earlier.generator))
    assert all(torch.allclose(toon[name], before[name], atol=1e-3) for name in toon)
    assert any(not torch.allclose(toon[name], portrait[name], atol=1e-3) for name in toon)
    assert read_notes(stack / "domains/toon.safetensors")["options"]["start"] == ["stack"], "no place of this machine"


def test_a_domain_is_taken_over_with_another_border_and_nothing_more(made, tmp_path):
    stack, tiny = tmp_path / "stack", ["--preset", "tiny", "--work", tmp_path / "work", "--set", "total_images=0"]
    shutil.copytree(made / "stack", stack)
    run("adapt-domain", "toon", "--stack", stack, *tiny, "--set", f"start={made / 'stack'}", "--set", "replicate_from=8")
    toon, before = Stack(stack).domain("toon"), Stack(made / "stack").domain("toon")
    assert toon.arguments == before.arguments | {"replicate_from": 8} != before.arguments
    assert all(torch.equal(tensor, before.state_dict()[name]) for name, tensor in toon.state_dict().items())
    assert not (tmp_path / "work").exists()
    shutil.copytree(stack, tmp_path / "given")
    with pytest.raises(UserError, match="cannot be gone on from: generators of one shape"):
        run("adapt-domain", "toon", "--stack", stack, *tiny, "--set", f"start={made / 'stack'},{tmp_path / 'given'}")
    run("adapt-domain", "toon", "--stack", stack, *tiny[:-1], "total_images=8", "--set", f"start={tmp_path / 'given'}")
    assert Stack(stack).domain("toon").arguments == toon.arguments != Stack(stack).generator.arguments
    with pytest.raises(UserError, match="give total_images, or start, whose clay"):
        run("adapt-domain", "clay", "--stack", stack, *tiny)
    with pytest.raises(UserError, match="since=0.5 .* give start"):
        run("adapt-domain", "toon", "--stack", stack, *tiny[:-1], "since=0.5", "--set", "total_images=8")


def test_a_domain_becomes_the_mean_of_several(made, tmp_path):
    stacks = [tmp_path / name for name in ("one", "other", "both")]
    for stack in stacks:
        shutil.copytree(made / "stack", stack)
    run("adapt-domain", "toon", "--preset", "tiny", "--stack", stacks[1], "--work", tmp_path, "--set", f"start={stacks[0]}")
    both = ["--set", f"start={stacks[0]},{stacks[1]}", "--set", "total_images=0"]
    run("adapt-domain", "toon", "--preset", "tiny", "--stack", stacks[2], "--work", tmp_path, *both)
    one, other, mean = (Stack(stack).domain("toon").state_dict() for stack in stacks)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    for name, tensor in mean.items():
        torch.testing.assert_close(tensor, (one[name] + other[name]) / 2, atol=1e-3, rtol=1e-3, msg=name)


def test_a_domain_is_made_as_fine_as_its_pictures_by_its_noise_alone(made, tmp_path):
    stack = tmp_path / "stack"
    shutil.copytree(made / "stack", stack)
    tiny = ["--preset", "tiny", "--stack", stack, "--work", tmp_path, "--set", f"start={made / 'stack'}", "--set", "total_images=0"]
    run("adapt-domain", "toon", *tiny, "--set", "fine=true")
    before, after = (Stack(folder).domain("toon").state_dict() for folder in (made / "stack", stack))
    factor = read_notes(stack / "domains/toon.safetensors")["noise"]
    assert 0.0 <= factor != 1.0
    for name, tensor in after.items():
        expected = before[name] * (factor if name.endswith(".noise_strength") else 1)
        torch.testing.assert_close(tensor, expected, atol=1e-4, rtol=2e-3, msg=name)


def test_the_stacks_own_generator_learns_on_by_the_codes_it_has_and_no_domain_changes_by_it(made, tmp_path):
    stack = tmp_path / "stack"
    shutil.copytree(made / "stack", stack)
    tiny = ["--preset", "tiny", "--stack", stack, "--work", tmp_path / "work"]
    run("adapt-domain", "clay", *tiny, "--set", "paired=false")  # whose colours are the generator's
    before = {name: Stack(stack).domain(name).state_dict() for name in ("portrait", "toon", "clay")}
    run("adapt-domain", "portrait", *tiny)
    after = {name: Stack(stack).domain(name).state_dict() for name in before}
    frozen = embedding_names(Stack(stack).generator)
    assert all(torch.equal(before["portrait"][name], after["portrait"][name]) for name in frozen)
    colours = [name for name in before["portrait"].keys() - frozen if ".torgb." in name]
    assert any(not torch.equal(before["portrait"][name], after["portrait"][name]) for name in colours)
    for domain in ("toon", "clay"):
        assert all(torch.equal(before[domain][name], after[domain][name]) for name in before[domain])
    run("adapt-domain", "portrait", *tiny)
    again = Stack(stack).generator.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in after["portrait"].items())


def test_a_domain_of_another_shape_cannot_be_gone_on_with(made, tmp_path):
    with pytest.raises(UserError, match="leave start out"):
        run("adapt-domain", "toon", "--preset", "tiny", "--stack", made / "stack", "--work", tmp_path, "--set", f"start={EMBEDDED}")


def test_estimator_and_judge_share_neither_architecture_nor_weights(made):
    stack = Stack(made / "stack")
    assert stack.estimator.arguments["architecture"] != stack.judge.arguments["architecture"]


def test_a_finished_command_run_again_changes_nothing(made):
    before = Stack(made / "stack").estimator.state_dict()
    run("train-reconstruction", "--preset", "tiny", "--stack", made / "stack", "--work", made / "work")
    after = Stack(made / "stack").estimator.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_dry_run_prints_the_options_and_makes_nothing(made, tmp_path):
    run("train-generator", "--preset", "tiny", "--stack", tmp_path / "stack", "--work", tmp_path / "work", "--dry-run")
    assert not list(tmp_path.iterdir())


def test_a_photograph_is_edited_in_another_domain(made, tmp_path):
    Image.fromarray(data.astronaut()).save(tmp_path / "photo.png")
    run(
        "edit", tmp_path / "photo.png", "--domain", "toon", "--pose", "yaw=20,pitch=-5", "--expression", "jawOpen=0.5", "--light",
        "azimuth=40", "--stack", made / "stack", "--steps", 4, "-o", tmp_path / "out.png",
    )  # fmt: skip
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (16, 16)


def test_evaluation_covers_methods_and_domains_and_names_its_judge(made, tmp_path):
    run("evaluate", "--stack", made / "stack", "--faces", 4, "--no-world", "-o", tmp_path)
    report = json.loads((tmp_path / "evaluation.json").read_text())
    text = json.dumps(report)
    for name in ("portrait", "toon", "stylerig", "cddfm", "judge"):
        assert name in text, name
