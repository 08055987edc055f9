"""The goals: what our edits must reach, what every method reaches, and whether it is enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from cddfm.evaluation.frechet import Distance
from cddfm.evaluation.scores import Score

BASELINE = "stylerig"
"""The method whose leakage ours is measured against."""

ORIGIN = "portrait"
"""The domain that was trained; others only had their generators finetuned."""

TRANSFERRED = "toon"

DISTANCE_RATIO = 1.5
"""How far generated pictures may be from the world's, against how far two sets of the world's are from each other."""

DISTANCE_MARGIN = 0.4
"""Added to the ratio for chance: two standard deviations of the world's own distance. It varies by a fifth of itself from one pair of sets
to the next, at 1,000 to 3,000 portraits a set alike: the judge's features vary mostly along six directions, so few numbers decide."""

Rows = Mapping[str, Score]
"""Control → score, of one method in one domain."""

Pair = tuple[float | None, float | None]
"""A number as the judge reads it, and on the judge's own scale."""

Reading = Callable[[Rows], Pair]


@dataclass(frozen=True)
class Goal:
    """One row: a number of every method, as the judge reads it (`values`) and on the judge's own scale (`scaled`: against what it reads of
    true changes; leakage: for equal gain). true, true_scaled: what it reads where the world itself shows what was asked for, beside
    either. `low` and `high` bound what ours must reach."""

    name: str
    low: float | None
    high: float | None
    values: Mapping[str, float | None]
    scaled: Mapping[str, float | None]
    true: float | None
    true_scaled: float | None
    ours: str

    @property
    def target(self) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f"≥ {self.low:g}" if self.low is not None else f"≤ {self.high:g}"

    @property
    def met(self) -> bool | None:
        return self._within(self.values[self.ours])

    @property
    def met_on_scale(self) -> bool | None:
        return self._within(self.scaled[self.ours])

    def _within(self, value: float | None) -> bool | None:
        if value is None:
            return None
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def record(self) -> dict[str, Any]:
        row = {"goal": self.name, "target": self.target, "values": dict(self.values), "of_true_changes": self.true}
        row |= {"on_the_judges_scale": dict(self.scaled), "of_true_changes_on_it": self.true_scaled}
        return row | {"judged_method": self.ours, "met": self.met, "met_on_scale": self.met_on_scale}


def goals(scores: Sequence[Score], methods: Sequence[str], ours: str, distances: Sequence[Distance] = ()) -> list[Goal]:
    """All goals that the scores and the distances can answer. A distance is the generator's, which all methods share."""
    table: dict[tuple[str, str], dict[str, Score]] = {}
    for score in scores:
        table.setdefault((score.domain, score.method), {})[score.measured.control] = score

    def goal(name: str, low: float | None, high: float | None, pairs: Mapping[str, Pair], true: Pair = (None, None)) -> Goal:
        values, scaled = ({method: pair[place] for method, pair in pairs.items()} for place in (0, 1))
        return Goal(name, low, high, values, scaled, *true, ours)

    def rows(domain: str, method: str) -> Rows:
        return table.get((domain, method), {})

    def true(domain: str) -> Rows:
        """The world's own changes in the place of a method's; the same beside every method."""
        shown = rows(domain, ours).items()
        return {control: replace(score, measured=score.world) for control, score in shown if score.world is not None}

    found = []
    if any(domain == ORIGIN for domain, _ in table):
        for name, low, high, reading in _READINGS:
            found.append(goal(name, low, high, {method: reading(rows(ORIGIN, method)) for method in methods}, reading(true(ORIGIN))))
        base = rows(ORIGIN, BASELINE)
        for attribute in ("pose", "expression", "light", "identity", "albedo"):
            pairs = {method: _leakage_against(rows(ORIGIN, method), base, attribute) for method in methods}
            least = _leakage_against(true(ORIGIN), base, attribute)
            found.append(goal(f"leakage of {attribute} edits / {BASELINE}'s", None, 0.5, pairs, least))
        for attribute in ("pose", "expression", "light"):
            pairs = {method: _identity(rows(ORIGIN, method), attribute) for method in methods}
            found.append(goal(f"identity cosine under {attribute} / the world's own", 0.85, None, pairs))
    if any(domain == ORIGIN for domain, _ in table) and any(domain == TRANSFERRED for domain, _ in table):
        for name, reading in _TRANSFERS:
            pairs = {m: _ratios(reading(rows(TRANSFERRED, m)), reading(rows(ORIGIN, m))) for m in methods}
            own = _ratios(reading(true(TRANSFERRED)), reading(true(ORIGIN)))
            found.append(goal(f"{name}, {TRANSFERRED} / {ORIGIN}", 0.8, None, pairs, own))
    for distance in distances:
        pairs = {method: (distance.ratio, None) for method in methods}
        found.append(goal(f"Fréchet distance, {distance.domain} / the world's own", None, DISTANCE_RATIO + DISTANCE_MARGIN, pairs))
    return found


def _of_control(control: str) -> Reading:
    def read(rows: Rows) -> Pair:
        return (rows[control].measured.gain, rows[control].share) if control in rows else (None, None)

    return read


def _yaw_within_30(rows: Rows) -> Pair:
    if "yaw" not in rows:
        return None, None
    score = rows["yaw"]
    own = score.measured.details["gain_within_30"]
    return own, _ratio(own, score.world.details["gain_within_30"] if score.world is not None and score.judgeable else None)


def _error_at_20(rows: Rows) -> Pair:
    return (rows["yaw"].measured.details["error_at_20"] if "yaw" in rows else None), None


def _expressions(rows: Rows) -> Pair:
    """Medians over all names, and over those that the judge can judge."""
    named = [score for score in rows.values() if score.measured.attribute == "expression"]
    shares = [score.share for score in named if score.share is not None]
    return (median(score.measured.gain for score in named) if named else None), (median(shares) if shares else None)


def _judgeable_expressions(rows: Rows) -> Pair:
    """As `_expressions`, the first number too over the names that the judge can judge."""
    named = [score for score in rows.values() if score.measured.attribute == "expression" and score.judgeable]
    return (median(score.measured.gain for score in named) if named else None), _expressions(rows)[1]


def _leakage_against(rows: Rows, base: Rows, attribute: str) -> Pair:
    """Against the baseline's; and each divided by its own gain, since what hardly moves leaks little."""
    own, other = _leaked(rows, attribute), _leaked(base, attribute)
    return _ratio(own[0], other[0]), _ratio(own[1], other[1])


def _leaked(rows: Rows, attribute: str) -> Pair:
    measured = [score.measured for score in rows.values() if score.measured.attribute == attribute]
    if not measured:
        return None, None
    leaked = sum(m.leaked for m in measured) / len(measured)
    achieved = sum(m.gain for m in measured) / len(measured)
    return leaked, _ratio(leaked, achieved if achieved > 0.01 else None)


def _identity(rows: Rows, attribute: str) -> Pair:
    """Mean cosine over the attribute's controls against the mean that true changes have."""
    scores = [score for score in rows.values() if score.measured.attribute == attribute and score.identity_ratio is not None]
    if not scores:
        return None, None
    own = sum(score.measured.extras["identity"] or 0.0 for score in scores)
    true = sum((score.world.extras["identity"] or 0.0) if score.world is not None else 0.0 for score in scores)
    return _ratio(own, true), None


def _ratios(one: Pair, other: Pair) -> Pair:
    return _ratio(one[0], other[0]), _ratio(one[1], other[1])


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other


_READINGS: tuple[tuple[str, float | None, float | None, Reading], ...] = (
    ("gain, yaw within ±30°", 0.9, 1.1, _yaw_within_30),
    ("gain, pitch", 0.9, 1.1, _of_control("pitch")),
    ("gain, roll", 0.9, 1.1, _of_control("roll")),
    ("pose error at 20° yaw, degrees", None, 3.0, _error_at_20),
    ("gain, named expressions (median)", 0.8, None, _expressions),
    ("gain, expressions that can be judged (median)", 0.8, None, _judgeable_expressions),
    ("gain, light azimuth", 0.8, None, _of_control("azimuth")),
)

_TRANSFERS: tuple[tuple[str, Reading], ...] = (
    ("gain, yaw within ±30°", _yaw_within_30),
    ("gain, pitch", _of_control("pitch")),
    ("gain, roll", _of_control("roll")),
    ("gain, named expressions (median)", _expressions),
    ("gain, light azimuth", _of_control("azimuth")),
)
