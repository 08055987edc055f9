"""An evaluation as tables: scores by control, expressions one by one, the world's answers, generators beside the world, and the goals.

They are printed (`show_evaluation`), and written as Markdown (`evaluation.md`, beside the whole report).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from cddfm.evaluation.goals import goals
from cddfm.evaluation.run import Evaluation, ours_of
from cddfm.evaluation.scores import Score
from cddfm.evaluation.truth import ALONE, INVERSION, NOTHING, mean_over_edits
from cddfm.params import ATTRIBUTES
from cddfm.report import show_table, table_cell
from stylespace.weights import write_atomically

Cells = tuple[object, ...]

COLUMNS = (
    "gain", "judge", "share", "error", *(f"on {attribute}" for attribute in ATTRIBUTES), "identity", "of true", "SSIM out", "code back",
    "picture back", "DS",
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """breaks: rows that a line follows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Cells]
    breaks: Sequence[int] = ()

    def markdown(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *([table_cell(value) for value in row] for row in self.rows)]
        return "\n".join([f"## {self.title}", "", *("| " + " | ".join(line) + " |" for line in lines)])


def show_evaluation(found: Evaluation, every: bool = False) -> None:
    """On stdout. every: a row of scores for each expression instead of one for all."""
    for table in (_scores(found, every), *_about_the_world(found, every), *_goals(found)):
        show_table(table.title, table.columns, table.rows, table.breaks)


def write_tables(path: Path, found: Evaluation) -> None:
    """evaluation.md: the goals first."""
    tables = (*_goals(found), _scores(found, every=False), _expressions(found), *_about_the_world(found, every=True))
    write_atomically(path, ("\n\n".join(["# Evaluation", *(table.markdown() for table in tables)]) + "\n").encode())


def _about_the_world(found: Evaluation, every: bool) -> list[Table]:
    truth = [_truth(found)] if found.truth else []
    return [*truth, *([_drawn(found, every)] if found.drawn else []), *([_distances(found)] if found.distances else [])]


def _scores(found: Evaluation, every: bool) -> Table:
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
    return Table(title, ("domain", "method", "control", *COLUMNS, "unit of error"), rows, breaks)


def _expressions(found: Evaluation) -> Table:
    """Gains by each method beside what the judge reads of true changes."""
    domains, methods = found.request.domains, found.request.methods
    table = {(score.domain, score.method, score.measured.control): score for score in found.scores}
    controls = dict.fromkeys(score.measured.control for score in found.scores if score.measured.attribute == "expression")
    rows: list[Cells] = [
        (control, *(number for domain in domains for number in _gains(table, domain, methods, control))) for control in controls
    ]
    columns = [f"{domain}, {name}" for domain in domains for name in ("judge", *methods)]
    return Table("Gains of expressions", ("expression", *columns), rows)


def _gains(table: Mapping[tuple[str, str, str], Score], domain: str, methods: Sequence[str], control: str) -> Cells:
    scores = [table[domain, method, control] for method in methods]
    return scores[0].judge_slope, *(score.measured.gain for score in scores)


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


def _truth(found: Evaluation) -> Table:
    rows: list[Cells] = []
    breaks = []
    for domain in dict.fromkeys(score.domain for score in found.truth):
        for method in (NOTHING, *(name + kind for name in found.request.methods for kind in ("", ALONE)), INVERSION):
            row = mean_over_edits(found.truth, domain, method)
            if row is not None:
                rows.append((domain, method, row.edit, row.psnr, row.ssim, row.identity["identity"], row.identity["identity_trained"]))
        breaks.append(len(rows) - 1)
    title = f"{found.counts.sitters} held-out people of the world, inverted, edited, and compared with the world's own picture of the edit"
    return Table(title, ("domain", "method", "edit", "PSNR dB", "SSIM", "identity", "by the trained"), rows, breaks)


def _drawn(found: Evaluation, every: bool) -> Table:
    """Two numbers of every method; of expressions their medians, and one by one if asked for."""
    methods = found.request.methods
    rows: list[Cells] = []
    breaks = []
    for domain in dict.fromkeys(score.domain for score in found.drawn):
        table = {(score.control, score.method): score for score in found.drawn if score.domain == domain}
        lines = {score.control: [score.control] for score in table.values() if every or score.attribute != "expression"}
        named = list(dict.fromkeys(score.control for score in table.values() if score.attribute == "expression"))
        if named:
            lines[f"{len(named)} expressions, medians"] = named
        for line, controls in lines.items():
            scores = [[table[control, method] for control in controls] for method in methods]
            numbers = [(median(score.gain for score in own), median(score.off for score in own)) for own in scores]
            rows.append((domain, line, *(number for pair in numbers for number in pair)))
        breaks.append(len(rows) - 1)
    title = f"What of the true change of {found.counts.sitters} people's pictures is drawn, and how far off it is (as nothing: 1)"
    return Table(title, ("domain", "control", *(f"{method}, {name}" for method in methods for name in ("drawn", "off"))), rows, breaks)


def _distances(found: Evaluation) -> Table:
    rows: list[Cells] = [(d.domain, d.generated, d.of_means, d.world, d.ratio, d.variance) for d in found.distances]
    images, features = found.distances[0].images, found.distances[0].features
    title = f"Fréchet distance in the judge's {features} features, between sets of {images} pictures"
    return Table(title, ("domain", "generated to world", "of means", "world to world", "ratio", "variance of world"), rows)


def _goals(found: Evaluation) -> list[Table]:
    """None where nothing that they ask of was measured."""
    methods, ours = found.request.methods, ours_of(found.request.methods)
    rows: list[Cells] = []
    for goal in goals(found.scores, methods, ours, found.distances):
        read = (*(goal.values[method] for method in methods), _yes(goal.met), goal.true)
        rows.append((goal.name, goal.target, *read, goal.scaled[ours], _yes(goal.met_on_scale), goal.true_scaled))
    title = f"Goals for {ours}; on the judge's scale gains are shares of what it reads of true changes, leakage is for equal gain"
    columns = ("goal", "target", *methods, "met", "of true changes", "on the judge's scale", "met so", "of true ones so")
    return [Table(title, columns, rows)] if rows else []


def _yes(value: bool | None) -> str:
    return "–" if value is None else "yes" if value else "no"
