"""The whole evaluation: faces, judge's scale, edits, scores, the world's answers; one function of stack, methods, domains and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cddfm.evaluation.drawn import DrawnScore, drawn_changes, pictures_drawn
from cddfm.evaluation.frechet import Distance, domain_distance
from cddfm.evaluation.measure import Counts, Disentangled, disentangle, make_batches, pictures_of, read_edits, set_up
from cddfm.evaluation.observe import Observer
from cddfm.evaluation.scores import Measured, Score, measure_sweep
from cddfm.evaluation.sweeps import edits_of, make_plan, sweeps_of
from cddfm.evaluation.truth import Example, TrueScore, compare_with_truth, embed_sitters, true_pictures
from cddfm.evaluation.world_scale import Sitters, scale_plan, true_changes
from cddfm.methods import Method
from cddfm.metrics import spread
from cddfm.report import counting, progress_bar, say
from cddfm.stack import Stack

OURS = "cddfm"
"""The method whose predictor reads the faces and which the goals are for; the last one where it is not among the methods."""

TRUTH_STEPS = 100
"""Optimisation steps by which each of the world's portraits is embedded."""


@dataclass(frozen=True)
class Request:
    """What to evaluate. cache: folder of the world's pictures, which are drawn once. steps: by which the world's portraits are embedded;
    None leaves the comparison with the world's own answers out. scale: whether the judge is measured on the world's true changes.
    distance_images: how many pictures of each kind the Fréchet distance is between; 0 leaves it out."""

    methods: Sequence[str]
    domains: Sequence[str]
    faces: int
    seed: int
    cache: Path
    steps: int | None = TRUTH_STEPS
    scale: bool = True
    distance_images: int = 0


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured. world: domain → control → the judge's own scale. missing: column → why it is empty."""

    request: Request
    counts: Counts
    scores: list[Score] = field(default_factory=list)
    world: dict[str, dict[str, Measured]] = field(default_factory=dict)
    disentangled: list[Disentangled] = field(default_factory=list)
    truth: list[TrueScore] = field(default_factory=list)
    drawn: list[DrawnScore] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    distances: list[Distance] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def ours_of(methods: Sequence[str]) -> str:
    return OURS if OURS in methods else methods[-1]


def evaluate(stack: Stack, methods: Mapping[str, Method], request: Request) -> Evaluation:
    """Scores of every method in every domain on faces of seeds [seed, seed + faces)."""
    counts, observer = Counts.of(request.faces), Observer(stack)
    found = Evaluation(request, counts, missing=observer.missing)
    _measure_distances(stack, found)
    reader = methods[ours_of(list(methods))]
    plan = make_plan(stack.model, request.faces)
    scaled, sitters = (people_of(stack, request, count) for count in (counts.scaled, counts.sitters))
    total = len(request.domains) * pictures_of(counts, edits_of(plan), len(methods))
    total += _world_pictures(scaled, sitters, len(methods), request)
    with progress_bar("evaluating", total=total) as advance:
        drawn = counting(advance)
        batches = make_batches(stack, reader, plan, request.faces, request.seed)
        for domain in request.domains:
            bench = set_up(stack.domain(domain), observer, counts, stack.model.layout, batches, drawn)
            scale = spread(bench.population)
            if domain in scaled and request.scale:
                found.world[domain] = true_changes(scaled[domain], observer, scale, request.cache, request.seed, drawn)
            for name, method in methods.items():
                readings = read_edits(bench, method)
                for sweep in sweeps_of(plan):
                    measured = measure_sweep(sweep, readings, bench.layout, scale)
                    if measured is not None:
                        found.scores.append(Score(domain, name, measured, found.world.get(domain, {}).get(sweep.name)))
                found.disentangled.extend(disentangle(bench, method, domain, name))
        if request.steps is not None:
            _compare_with_truth(stack, observer, methods, found, sitters, scaled if request.scale else {}, drawn)
    return found


def people_of(stack: Stack, request: Request, count: int) -> dict[str, Sitters]:
    """The world's first so many held-out people, in each domain that it can draw."""
    drawable = [domain for domain in request.domains if domain in stack.world.styles]
    return {domain: Sitters.of(stack.world, count, domain, stack.generator.resolution) for domain in drawable}


def _measure_distances(stack: Stack, found: Evaluation) -> None:
    """Before all else: the world draws for minutes, and who interrupts that loses nothing that was measured."""
    request = found.request
    for domain in request.domains if request.distance_images else ():
        if domain in stack.world.styles:
            found.distances.append(domain_distance(stack, domain, request.distance_images, request.cache))
        else:
            reason = f"the world draws no {domain!r}, only {', '.join(stack.world.styles)}"
            found.missing[f"distance, {domain}"] = reason
            say(f"without the Fréchet distance of {domain!r}: {reason}")


def _compare_with_truth(
    stack: Stack, observer: Observer, methods: Mapping[str, Method], found: Evaluation, sitters: Mapping[str, Sitters],
    scaled: Mapping[str, Sitters], drawn: Callable[[int], None],
) -> None:  # fmt: skip
    """A portrait is embedded once; each domain decodes it. scaled: of whom the world has drawn every change; the sitters come first."""
    request = found.request
    if not sitters or request.steps is None:
        return
    portraits = Sitters.of(stack.world, found.counts.sitters, "portrait", stack.generator.resolution)
    faces = embed_sitters(stack, portraits, request.cache, request.steps, drawn)
    for domain, people in sitters.items():
        scores, examples = compare_with_truth(stack, observer, methods, domain, faces, people, request.cache, drawn)
        found.truth.extend(scores)
        found.examples.extend(examples)
        if domain in scaled:
            found.drawn.extend(drawn_changes(stack, methods, domain, faces, scaled[domain], request.seed, request.cache, drawn))


def _world_pictures(scaled: Mapping[str, Sitters], sitters: Mapping[str, Sitters], methods: int, request: Request) -> int:
    total = 0
    if request.scale:
        total += sum(len(people.codes) * (1 + edits_of(scale_plan(people.world))) for people in scaled.values())
    if request.steps is not None:
        total += sum(true_pictures(people, methods, index == 0) for index, people in enumerate(sitters.values()))
    if request.scale and request.steps is not None:
        total += sum(pictures_drawn(people, len(sitters[domain].codes), methods) for domain, people in scaled.items())
    return total
