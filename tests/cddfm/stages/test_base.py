"""Base stages: the corpus mixes codes, the DFR learns, RigNets learn and leave the DFR alone."""

import torch

from cddfm.blocks import style_layers
from cddfm.params import ATTRIBUTES
from cddfm.rig import StyleRig
from cddfm.stages.base import DFRStage, RigNetStage
from cddfm.stages.sampling import measure_population, mixed_styles
from tests.cddfm.standins import SIZES


def test_codes_mix_over_contiguous_layers(tiny_generator):
    s = mixed_styles(tiny_generator, 32, torch.Generator().manual_seed(0))
    assert torch.equal(s, mixed_styles(tiny_generator, 32, torch.Generator().manual_seed(0)))
    assert s.shape == (32, tiny_generator.style_layout.style_dim)
    assert s.std(dim=0).min() > 0
    same = mixed_styles(tiny_generator, 32, torch.Generator().manual_seed(0), unmixed=1.0)
    first, last = (part.slice for part in (tiny_generator.style_layout.layers[0], tiny_generator.style_layout.layers[-1]))
    assert torch.equal(s[:, first], same[:, first])
    assert 0 < (s[:, last] != same[:, last]).any(dim=1).sum() < 32


def test_unmixed_codes_come_from_one_w(tiny_generator):
    s = mixed_styles(tiny_generator, 4, torch.Generator().manual_seed(0), unmixed=1.0)
    z = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(0))[:, 0]
    assert torch.allclose(s, tiny_generator.styles(tiny_generator.broadcast(tiny_generator.map(z))), atol=1e-5)


def stages(egg, generator, estimator, total):
    torch.manual_seed(0)
    rig = StyleRig(style_layers(generator.style_layout), SIZES, hidden=32)
    population = measure_population(generator, estimator, 64)
    shared = {
        "rig": rig, "generator": generator, "estimator": estimator, "model": egg, "total_images": total, "batch": 8,
        "rendered": 1, "render_resolution": 16, "photometric_weight": 0.05, "learning_rate": 1e-2,
    }  # fmt: skip
    return rig, DFRStage(population=population, **shared), RigNetStage(**shared)


def run(stage, total):
    """Eight batches in turn, again and again."""
    batches = [position // stage.batch % 8 for position in range(0, total, stage.batch)]
    return [stage.step(index * stage.batch, torch.Generator().manual_seed(batch)) for index, batch in enumerate(batches)]


def mean(reports, name):
    return sum(float(report[name]) for report in reports) / len(reports)


def test_dfr_then_rignets_learn(egg, tiny_generator, tiny_estimator):
    rig, dfr, rignets = stages(egg, tiny_generator, tiny_estimator, 320)
    before = {name: tensor.clone() for name, tensor in tiny_generator.state_dict().items()}
    reports = run(dfr, 320)
    assert mean(reports[-8:], "parameters") < 0.7 * mean(reports[:8], "parameters")
    assert torch.isfinite(torch.tensor([float(r["photometric"]) for r in reports])).all()
    frozen = {name: tensor.clone() for name, tensor in rig.dfr.state_dict().items()}
    reports = run(rignets, 320)
    assert mean(reports[-8:], "loss") < 0.9 * mean(reports[:8], "loss")
    assert sum(any(f"edit_{attribute}" in report for report in reports) for attribute in ATTRIBUTES) > 2
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in rig.dfr.state_dict().items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_generator.state_dict().items())
