"""What is printed: scores by control, the world's answers, generators beside the world, and the goals."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from cddfm.evaluation.goals import goals
from cddfm.evaluation.run import Evaluation, ours_of
from cddfm.evaluation.scores import Score
from cddfm.evaluation.truth import INVERSION, NOTHING, mean_over_edits
from cddfm.params import ATTRIBUTES
from cddfm.report import show_table

Cells = tuple[object, ...]

COLUMNS = (
    "gain", "judge", "share", "error", *(f"on {attribute}" for attribute in ATTRIBUTES), "identity", "of true", "SSIM out", "code back",
    "picture back", "DS",
)  # fmt: skip


def show_evaluation(found: Evaluation, every: bool = False) -> None:
    """Four tables on stdout; every: a row for each expression instead of one for all."""
    _show_scores(found, every)
    if found.truth:
        _show_truth(found)
    if found.distances:
        _show_distances(found)
    _show_goals(found)


def _show_scores(found: Evaluation, every: bool) -> None:
    spread = {(row.domain, row.method, row.attribute): row.score for row in found.disentangled}
    rows: list[Cells] = []
    breaks = []
    for domain in found.request.domains:
        for method in found.request.methods:
            own = [score for score in found.scores if (score.domain, score.method) == (domain, method)]
            for name, scores in _lines(own, every):
                measured = scores[0].measured
                ds = spread.get((domain, method, measured.attribute)) if measured.control not in ("pitch", "roll") else None
                rows.append((domain, method, name, *_numbers(scores), ds, measured.unit))
            breaks.append(len(rows) - 1)
    title = f"{found.counts.faces} faces, seed {found.request.seed}; leakage on each attribute in population sd; DS once per attribute"
    show_table(title, ("domain", "method", "control", *COLUMNS, "unit of error"), rows, breaks)


def _lines(scores: Sequence[Score], every: bool) -> list[tuple[str, list[Score]]]:
    """Name → the scores that one row sums up."""
    expressions = [score for score in scores if score.measured.attribute == "expression"]
    lines: list[tuple[str, list[Score]]] = []
    for score in scores:
        if every or score.measured.attribute != "expression":
            lines.append((score.measured.control, [score]))
        elif score is expressions[0]:
            judged = sum(bool(s.judgeable) for s in expressions)
            lines.append((f"{len(expressions)} expressions, {judged} judged", expressions))
    return lines


def _numbers(scores: Sequence[Score]) -> Cells:
    """Medians of gains, judge's slopes and shares; means of all else."""
    measured = [score.measured for score in scores]
    leaks = [_mean([m.leakage[attribute] for m in measured]) for attribute in ATTRIBUTES]
    looks = [_mean([m.extras.get(column) for m in measured]) for column in ("ssim_outside", "round_trip_code", "round_trip_picture")]
    return (
        median(m.gain for m in measured),
        _median([score.judge_slope for score in scores]),
        _median([score.share for score in scores]),
        fmean(m.target_error for m in measured),
        *leaks,
        _mean([m.extras.get("identity") for m in measured]),
        _mean([score.identity_ratio for score in scores]),
        *looks,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None


def _median(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return median(present) if present else None


def _show_truth(found: Evaluation) -> None:
    rows: list[Cells] = []
    breaks = []
    for domain in dict.fromkeys(score.domain for score in found.truth):
        for method in (NOTHING, *found.request.methods, INVERSION):
            row = mean_over_edits(found.truth, domain, method)
            if row is not None:
                rows.append((domain, method, row.edit, row.psnr, row.ssim, row.identity["identity"], row.identity["identity_trained"]))
        breaks.append(len(rows) - 1)
    title = f"{found.counts.sitters} held-out people of the world, inverted, edited, and compared with the world's own picture of the edit"
    show_table(title, ("domain", "method", "edit", "PSNR dB", "SSIM", "identity", "by the trained"), rows, breaks)


def _show_distances(found: Evaluation) -> None:
    rows = [(d.domain, d.generated, d.of_means, d.world, d.ratio, d.variance) for d in found.distances]
    images, features = found.distances[0].images, found.distances[0].features
    title = f"Fréchet distance in the judge's {features} features, between sets of {images} pictures"
    show_table(title, ("domain", "generated to world", "of means", "world to world", "ratio", "variance of world"), rows)


def _show_goals(found: Evaluation) -> None:
    methods, ours = found.request.methods, ours_of(found.request.methods)
    rows: list[Cells] = []
    for goal in goals(found.scores, methods, ours, found.distances):
        numbers = [goal.values[method] for method in methods]
        rows.append((goal.name, goal.target, *numbers, _yes(goal.met), goal.scaled[ours], _yes(goal.met_on_scale)))
    if not rows:
        return
    title = f"Goals for {ours}; on the judge's scale gains are shares of what it reads of true changes, leakage is for equal gain"
    show_table(title, ("goal", "target", *methods, "met", "on the judge's scale", "met so"), rows)


def _yes(value: bool | None) -> str:
    return "–" if value is None else "yes" if value else "no"
