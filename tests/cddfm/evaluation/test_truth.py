import copy
import math
from pathlib import Path

import pytest
import torch

from cddfm.align import as_aligned
from cddfm.edit import Face, start_at
from cddfm.evaluation import truth
from cddfm.evaluation.picture import true_rows
from cddfm.evaluation.run import Evaluation, Request, evaluate
from cddfm.evaluation.tables import show_evaluation
from domains.registry import ForDomains
from stylespace.embed import Learned
from tests.cddfm.evaluation.standins import SIDE, Moves, SpelledStack, Speller, composed, spelled_back


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("truth")
    stack = SpelledStack(folder)
    methods = {"half": Moves(stack.model, 0.5), "cddfm": Moves(stack.model)}
    request = Request(tuple(methods), ("portrait", "toon"), 6, 0, folder, steps=3, scale=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(truth, "embed", spelled_back)
        patch.setattr(truth, "compose", composed)
        return evaluate(stack, methods, request)


def test_the_perfect_editor_comes_as_near_as_the_inversion(found: Evaluation) -> None:
    drawn = f"cddfm{truth.ALONE}"
    for domain in ("portrait", "toon"):
        rows = {m: truth.mean_over_edits(found.truth, domain, m) for m in ("nothing", "half", "cddfm", drawn, "inversion")}
        assert rows["nothing"].psnr < rows["half"].psnr < rows["cddfm"].psnr
        assert rows[drawn].psnr == pytest.approx(rows["inversion"].psnr, abs=0.5)
        assert rows["cddfm"].ssim > rows["half"].ssim > rows["nothing"].ssim
        assert rows["cddfm"].edit == "mean of 5 edits"
        assert rows["inversion"].edit == truth.UNEDITED
        assert rows["cddfm"].identity["identity_trained"] is None
        assert rows[drawn].identity["identity"] == pytest.approx(rows["inversion"].identity["identity"], abs=1e-3)


def test_edits_are_composed_as_users_get_them(found: Evaluation) -> None:
    """The stand-in composes without any error, so that the perfect editor errs by eight bits alone."""
    composed, drawn = (truth.mean_over_edits(found.truth, "portrait", method).psnr for method in ("cddfm", f"cddfm{truth.ALONE}"))
    assert composed > drawn + 6


def test_other_domains_draw_the_code_that_is_theirs(found: Evaluation) -> None:
    """Their stand-in is twice as far off, beside what eight bits lose of both."""
    own, other = (truth.mean_over_edits(found.truth, domain, "inversion").psnr for domain in ("portrait", "toon"))
    assert 2.0 < own - other < 20 * math.log10(2)


def test_everybody_is_drawn_with_what_was_learned_of_them(tmp_path: Path) -> None:
    """All of it in portraits, less of it elsewhere."""

    class Louder(Learned):
        def onto(self, generator: Speller) -> Speller:
            return self.louder(generator, 1.0)

        def elsewhere(self, generator: Speller) -> Speller:
            return self.louder(generator, 0.5)

        def louder(self, generator: Speller, share: float) -> Speller:
            louder = copy.copy(generator)
            louder.synthesise = lambda s: (1 + share * self.steps["times"]) * generator.synthesise(s)
            return louder

    stack = SpelledStack(tmp_path)
    s, times = stack.generator.map(torch.ones(3, stack.generator.z_dim)), torch.tensor([0.0, 1.0, 2.0])
    starts = [ForDomains(start_at(stack, one), start_at(stack, -one)) for one in s.split(1)]
    aligned = as_aligned(torch.zeros(1, 3, SIDE, SIDE))
    faces = [Face(start, aligned, Louder({"times": one})) for start, one in zip(starts, times, strict=True)]
    for domain, share in (("portrait", 1.0), ("toon", 0.5)):
        expected = (1 + share * times)[:, None, None, None] * stack.generator.synthesise(s)
        seated = truth.Seated.of(stack, domain, faces)
        assert torch.equal(seated.draw(s), expected)
        assert torch.equal(seated.photograph.drawn, seated.draw(seated.s))
        assert torch.equal(seated.s, s if domain == "portrait" else -s)


def test_answers_are_shown(found: Evaluation, capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(found)
    assert "held-out people" in capsys.readouterr().out
    rows = true_rows(found, found.request.methods)
    assert [row.title for row in rows][:3] == ["portrait, the true answer", "portrait, half", "portrait, cddfm"]
    assert {len(row.cells) for row in rows} == {6}


def test_the_same_edit_is_asked_of_everybody(tmp_path: Path) -> None:
    stack = SpelledStack(tmp_path)
    sitters = truth.Sitters.of(stack.world, 3, "portrait", 16)
    asks = dict(truth.true_asks(sitters))
    assert list(asks) == ["yaw -20", "yaw +20", "pitch +12", "jawOpen +1", "azimuth +45"]
    assert torch.allclose(asks["yaw +20"].deltas[:, 1].rad2deg(), torch.full((3,), 20.0))
    jaw = stack.model.expression_names.index("jawOpen")
    assert torch.allclose(asks["jawOpen +1"].deltas[:, jaw] + sitters.params.expression[:, jaw], torch.ones(3))
