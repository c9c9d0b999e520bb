"""Two cards side by side: what differs, and whether it can explain that their numbers do."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from vad_lib.cards.card import Card, Measure
from vad_lib.errors import ConfigError, did_you_mean

# Points by which another of the rules A, B and C moved a metric of our test scores on UCF-Crime and XD-Violence, which a test holds
# against the known answers; scores of others may move further.
MASK_RULES, BETWEEN_RULES = {"A", "B", "C"}, {"auc": 0.01, "ap": 0.03}
ON_TEST = "best_on_test"
ROUNDING = 1e-9

_FEATURES = "Other features can explain any difference."
_SAME_CONTRACT = (
    "The contract is the same and the content is not: the features were extracted on another machine, by other versions, or "
    "from other copies of the videos. That can explain a difference; extract both alike to be sure."
)
_METHOD = "Another method, or other settings of it, can explain any difference; which of them does, only a run tells."
_VERSIONS = (
    "Other versions or processors round sums in another order, and training magnifies that, so the number of a single seed may "
    "move. More than seeds scatter has another cause."
)


class Comparison(NamedTuple):
    """What was found; sentences.

    Attributes:
        numbers: both numbers, and whether their intervals overlap.
        differences: group (``data``, ``mask rule``, ``features``, ``method``, ``selection``, ``seeds``, ``versions``) -> what
            differs there; a group without differences is missing.
        explanations: the same groups -> whether that can explain the numbers.
    """

    numbers: str
    differences: dict[str, list[str]]
    explanations: dict[str, str]

    def text(self) -> str:
        """All of it, by groups."""
        lines = [self.numbers]
        for group, sentences in self.differences.items():
            lines += ["", f"{group}:", *(f"  {sentence}" for sentence in sentences), f"  -> {self.explanations[group]}"]
        if not self.differences:
            lines.append("Nothing that the cards record differs. If the numbers do, verify both cards against their files.")
        return "\n".join(lines)


def compare(a: Card, b: Card, metric: str = "") -> Comparison:
    """Compare two cards by one metric, each under its own rule of selection.

    Args:
        a: called A in the sentences.
        b: called B.
        metric: its name; the headline metric of A by default.

    Raises:
        ConfigError: a metric that neither card has; the message names those that there are.
    """
    there = sorted({each.metric for card in (a, b) for each in card.measures})
    if metric and metric not in there:
        raise ConfigError(f"--metric: expected one of {', '.join(there)}, got {metric!r}{did_you_mean(metric, there)}.")
    metric = metric or a.headline_metric
    if other_sets := _other_sets(a, b):
        differences = {group: found for group, found in _differences(a, b) if found}
        if _same_contract(a, b):  # those of other videos are other features anyway
            differences.pop("features", None)
        explanations = dict.fromkeys(differences, "Not to be judged here: the numbers cannot be compared.")
        return Comparison(f"{other_sets} {_both(a, b, metric)}", differences, explanations | {"data": _data(a, b)})
    means = [None if (found := card.measure(metric)) is None else found.mean for card in (a, b)]
    points = None if means[0] is None or means[1] is None else 100 * (means[1] - means[0])
    differences = {group: found for group, found in _differences(a, b) if found}
    said_of = {
        "data": lambda: _data(a, b),
        "mask rule": lambda: _mask_rule(a, b, metric, points),
        "features": lambda: _SAME_CONTRACT if _same_contract(a, b) else _FEATURES,
        "method": lambda: _METHOD,
        "selection": lambda: _selection(a, b, metric, points),
        "seeds": lambda: _seeds(a, b, metric, points),
        "versions": lambda: _VERSIONS,
    }
    return Comparison(_numbers(a, b, metric, points), differences, {group: said_of[group]() for group in differences})


def _differences(a: Card, b: Card) -> Iterator[tuple[str, list[str]]]:
    ours, theirs = _groups(a), _groups(b)
    if _text_of_one_only(a, b):  # a method that uses no text, not other features: the visual ones may be the same
        for card, groups in ((a, ours), (b, theirs)):
            groups["features"].pop("text")
            groups["method"]["text features"] = card.features.text.source if card.features.text else "none"
    for group in ours:
        yield group, _differ(ours[group], theirs[group])


def _groups(card: Card) -> dict[str, dict[str, Any]]:
    content = card.model_dump(mode="json")
    rule = {name: content["data"].pop(name) for name in ("mask_rule", "tail")}
    content["selection"].pop("steps")  # a result, no setting
    found = {"data": content["data"], "mask rule": rule, **{name: content[name] for name in ("features", "method", "selection")}}
    return found | {"seeds": {"seeds": content["seeds"]}, "versions": _made_with(card)}


def _differ(a: Mapping[str, Any], b: Mapping[str, Any], place: str = "") -> list[str]:
    found = []
    for name in dict.fromkeys((*a, *b)):
        ours, theirs = a.get(name), b.get(name)
        if isinstance(ours or theirs, dict) and isinstance(theirs or ours, dict):
            found += _differ(ours or {}, theirs or {}, f"{place}{name}.")
        elif ours != theirs:
            found.append(f"{place}{name} is {_shown(ours)} in A and {_shown(theirs)} in B.")
    return found


def _shown(value: Any) -> str:
    text = "not recorded" if value in (None, "", [], {}) else str(value)
    return text if len(text) <= 70 else f"{text[:60]}…"


def _made_with(card: Card) -> dict[str, str]:
    """Each thing that made the runs -> its values over all seeds."""
    values: dict[str, dict[str, None]] = {}
    for making in card.made_with:
        found = making.model_dump(mode="json", exclude={"seeds", "versions"}, exclude_defaults=True)
        for name, value in {**found, **{f"version of {package}": v for package, v in making.versions.items()}}.items():
            values.setdefault(name, {})[str(value)] = None
    return {name: ", ".join(sorted(found)) for name, found in values.items()}


def _text_of_one_only(a: Card, b: Card) -> bool:
    return (a.features.text is None) != (b.features.text is None)


def _same_contract(a: Card, b: Card) -> bool:
    apart = {"content_hash"} | ({"text"} if _text_of_one_only(a, b) else set())
    ours, theirs = (card.features.model_dump(exclude=apart) for card in (a, b))
    return ours == theirs


def said(measure: Measure | None) -> str:
    """A measure in percent, such as ``84.31 ± 0.52 % [83.10, 85.44]``."""
    if measure is None or measure.mean is None:
        return "no value"
    spread = "" if measure.sd is None else f" ± {100 * measure.sd:.2f}"
    ends = f" [{100 * measure.interval.low:.2f}, {100 * measure.interval.high:.2f}]" if measure.interval else ""
    return f"{100 * measure.mean:.2f}{spread} %{ends}"


def _other_sets(a: Card, b: Card) -> str:
    """A sentence if the cards are of two test sets; empty if they are not, or nobody can tell."""
    known = a.data.test_videos_sha256 and b.data.test_videos_sha256
    if known and a.data.test_videos_sha256 == b.data.test_videos_sha256:
        return ""
    if not known and a.data.title == b.data.title:
        return ""
    return (
        f"The two numbers cannot be compared: A is of {a.data.title} ({a.data.test.videos:,} test videos), B of {b.data.title} "
        f"({b.data.test.videos:,}), and these are not the same test videos."
    )


def _both(a: Card, b: Card, metric: str) -> str:
    return f"{metric}: A ({a.title}) {said(a.measure(metric))}, B ({b.title}) {said(b.measure(metric))}."


def _numbers(a: Card, b: Card, metric: str, points: float | None) -> str:
    ours, theirs = a.measure(metric), b.measure(metric)
    text = _both(a, b, metric)
    if points is None:
        return f"{text} The numbers cannot be compared."
    text += f" B is {abs(points):.2f} points {'higher' if points >= 0 else 'lower'}."
    first, second = (found.interval if found else None for found in (ours, theirs))
    if not (first and second):
        return f"{text} An interval is missing, so what chance does cannot be said."
    if first.low > second.high or second.low > first.high:
        return f"{text} The intervals do not overlap, so chance hardly explains the difference."
    return (
        f"{text} The intervals overlap, so what they take to be chance (A: {first.kind}; B: {second.kind}) can explain the "
        "difference. On the same test videos a paired comparison is sharper."
    )


def _data(a: Card, b: Card) -> str:
    ours, theirs = a.data, b.data
    if not (ours.test_videos_sha256 and theirs.test_videos_sha256):
        same = "the same" if ours.test == theirs.test else "not the same"
        return f"One card does not identify its test videos; the totals are {same}. Whether the numbers compare cannot be said."
    if ours.test_videos_sha256 != theirs.test_videos_sha256:
        return "The test videos are not the same: the numbers measure different things, and any difference can come from that."
    if ours.labels_sha256 != theirs.labels_sha256 or ours.test != theirs.test:
        rule = " Another mask rule alone does that." if ours.mask_rule != theirs.mask_rule else ""
        return f"The test videos are the same, their frame labels are not; that can explain a difference.{rule}"
    return "Test videos and frame labels are the same, so only other training data could explain a difference."


def _mask_rule(a: Card, b: Card, metric: str, points: float | None) -> str:
    if a.data.mask_rule == b.data.mask_rule:
        return "The mask rule is the same, the rule at the videos' end is not: frames there have other scores or are left out."
    for name, card, rule, way in (("A", a, b.data.mask_rule, points), ("B", b, a.data.mask_rule, _back(points))):
        if worth := _worth(f"{name} under mask rule {rule}", card.measure(metric, "", f"mask rule {rule}"), card, metric, way):
            return worth
    bound = BETWEEN_RULES.get(metric)
    if bound is None or not {a.data.mask_rule, b.data.mask_rule} <= MASK_RULES:
        return "Another mask rule gives other frame labels; score one model under both to see what that is worth."
    verdict = "It may be this" if points is not None and abs(points) <= bound else "A larger difference hardly comes from it"
    return (
        f"Another of the rules A, B and C moved {metric} by less than {bound} points in our test scores on UCF-Crime and "
        f"XD-Violence; measure yours. {verdict}."
    )


def _back(points: float | None) -> float | None:
    return None if points is None else -points


def _worth(what: str, other: Measure | None, card: Card, metric: str, points: float | None) -> str:
    """What another rule is worth by the card's own measures, of the points to the other card; empty if it has none."""
    own = card.measure(metric)
    if own is None or other is None or own.mean is None or other.mean is None:
        return ""
    moved = 100 * (other.mean - own.mean)
    text = f"{what} has {100 * other.mean:.2f} % in place of {100 * own.mean:.2f} %: {abs(moved):.2f} points"
    if points is None:
        return f"{text}."
    # what remains counts: it may go the other way, or far beyond
    large = points != 0 and abs(points - moved) <= abs(points) / 2 + ROUNDING
    verdict = "That can explain the difference, or a large part" if large else "That alone does not explain the difference"
    way = " the other way," if moved * points < 0 else ""
    return f"{text}{way} of a difference of {abs(points):.2f}. {verdict}."


def _selection(a: Card, b: Card, metric: str, points: float | None) -> str:
    rules = (a.selection.rule, b.selection.rule)
    if rules[0] == rules[1]:
        return "The rule is the same, its settings are not: other steps may be chosen, which can explain a difference."
    chosen = next((card for card in (a, b) if card.selection.rule == ON_TEST), None)  # by its headline metric
    told = "Choosing the step on the test set can only raise that number. " if chosen and metric == chosen.headline_metric else ""
    for name, card, rule, way in (("A", a, rules[1], points), ("B", b, rules[0], _back(points))):
        if worth := _worth(f"{name} under the rule {rule}", card.measure(metric, rule), card, metric, way):
            return told + worth
    if told and points and (points < 0) == (rules[1] == ON_TEST):
        return f"{told}The number that was chosen so is the lower one, so it explains nothing here."
    return f"{told}Another rule chooses other steps, which can explain a difference."


def _seeds(a: Card, b: Card, metric: str, points: float | None) -> str:
    if not (a.seeds and b.seeds):
        return "One card names no seeds: how far its number scatters cannot be said, and it may be the best of many."
    spreads = [found.sd for card in (a, b) if (found := card.measure(metric)) and found.sd is not None]
    if not spreads or points is None:
        return "No card has several seeds, so nobody knows how far single ones scatter; that can explain a difference."
    scatter = 200 * max(spreads) * (1 / len(a.seeds) + 1 / len(b.seeds)) ** 0.5
    verdict = "can" if abs(points) <= scatter else "hardly"
    return (
        f"Seeds alone move a difference between means of {len(a.seeds)} and {len(b.seeds)} seeds by up to about {scatter:.2f} "
        f"points (two standard errors, by the larger standard deviation of the cards). They {verdict} explain {abs(points):.2f} "
        "points."
    )
