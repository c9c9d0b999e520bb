"""Many cards as one table, of those that were made by one protocol and say with which seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from vad_lib.cards.card import Card, read_card
from vad_lib.cards.verifying import problems
from vad_lib.errors import ConfigError, DataError, did_you_mean

PROTOCOL = {
    "title": "data set",
    "test_videos_sha256": "test videos (test_videos_sha256)",
    "mask_rule": "mask rule",
    "tail": "rule at the videos' end",
    "labels_sha256": "frame labels (labels_sha256)",
    "test": "totals",
}


class Gathered(NamedTuple):
    """What became of the cards.

    Attributes:
        table: a row per card that was taken, numbers in percent.
        refused: a sentence per card that was not, with the reason.
    """

    table: pd.DataFrame
    refused: list[str]


def gather(paths: Sequence[Path | str], metric: str = "", selection: str = "") -> Gathered:
    """Put the numbers of many cards into one table.

    The first card that is whole and has seeds sets the protocol: data set, test videos and their labels, mask rule, metric and
    rule of selection. A card with another protocol is refused, since its number would not compare.

    Args:
        paths: of the cards.
        metric: in place of the headline metric of that card.
        selection: in place of its rule of selection; cards that know several are read under this one.

    Raises:
        DataError: no card could be taken.
        ConfigError: a metric that the first card does not have; the message names those that it has.
    """
    rows, refused = [], []
    first: Card | None = None
    taken: dict[str, Path | str] = {}
    for path in paths:
        if wrong := problems(path, files=False):
            refused.append(wrong[0])
            continue
        card = read_card(path)
        if first is None and card.seeds:
            there = sorted({measure.metric for measure in card.measures})
            if metric and metric not in there:
                raise ConfigError(f"--metric: expected one of {', '.join(there)}, got {metric!r}{did_you_mean(metric, there)}.")
            first, metric, selection = card, metric or card.headline_metric, selection or card.selection.rule
        if card.card_sha256 in taken:
            refused.append(f"{path}: refused, it is the same card as {taken[card.card_sha256]}.")
        elif reason := _reason(card, first, metric, selection):
            refused.append(f"{path}: refused, {reason}.")
        else:
            taken[card.card_sha256] = path
            rows.append(_row(card, metric, selection, Path(path)))
    if not rows:
        raise DataError("gather: no card could be taken. " + " ".join(refused or ["Name some result cards."]))
    return Gathered(pd.DataFrame(rows), refused)


def _reason(card: Card, first: Card | None, metric: str, selection: str) -> str:
    """Why a card does not belong into the table; empty if it does."""
    if not card.seeds or first is None:
        return "it names no seeds, so nobody can tell how far its number scatters"
    for name, what in PROTOCOL.items():
        ours, theirs = getattr(first.data, name), getattr(card.data, name)
        if ours != theirs:
            return f"its {what}: {theirs or 'not recorded'}, is not that of {first.title}: {ours or 'not recorded'}"
    found = card.measure(metric, selection)
    if found is None:
        return (
            f"it has no {metric} under the rule of selection {selection}; its own are {card.headline_metric}, {card.selection.rule}"
        )
    return "" if found.mean is not None else f"its {metric} is not defined: {found.undefined or 'it does not say why'}"


def _row(card: Card, metric: str, selection: str, path: Path) -> dict[str, Any]:
    found = card.measure(metric, selection)
    assert found is not None and found.mean is not None  # else it was refused
    ends = (100 * found.interval.low, 100 * found.interval.high) if found.interval else (None, None)
    return {
        "method": card.method.title or card.method.name,
        "data set": card.data.title,
        "mask rule": card.data.mask_rule,
        "test videos": card.data.test.videos,
        "selection": selection,
        "seeds": len(card.seeds),
        f"{metric} %": 100 * found.mean,
        "sd": None if found.sd is None else 100 * found.sd,
        **dict(zip(("low", "high"), ends)),
        "level": found.interval.level if found.interval else None,
        "interval over": found.interval.kind if found.interval else "",
        "features": card.features.backbone,
        "kind": card.kind,
        "card": path.as_posix(),
        "card_sha256": card.card_sha256,
    }
