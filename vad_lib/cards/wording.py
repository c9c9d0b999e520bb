"""A card as text for a paper: the sentence of its protocol, and BibTeX entries."""

import re
from pathlib import Path
from typing import Any

from vad_lib.cards.card import Card
from vad_lib.cards.comparing import said
from vad_lib.report.tables.table import METRIC_TITLES
from vad_lib.storage.paths import PROJECT_ROOT
from vad_lib.storage.reading import read_text, read_yaml

PAPERS = Path(__file__).parent / "resources" / "papers.bib"
OWN = "proposed"  # the method of the paper that this project accompanies
_CHOSEN = {
    "last": "weights of the last step",
    "best_on_validation": "weights of the step that was chosen on validation videos, held out of the training set",
    "best_on_test": "weights of the step that was best on the test set, so that the numbers are upper bounds",
}


def protocol_sentence(card: Card) -> str:
    """What a paper must say of the number, and the number."""
    data, found, many = card.data, card.measure(), len(card.seeds) > 1
    title = METRIC_TITLES.get(card.headline_metric, card.headline_metric.replace("_", " "))
    seeds = (
        f"mean of {len(card.seeds)} seeds, {', '.join(map(str, card.seeds))}" if many else "".join(f"seed {s}" for s in card.seeds)
    )
    interval = f"; {100 * found.interval.level:g} % interval over {found.interval.kind}" if found and found.interval else ""
    tail = " The last score holds to the end of a video whose features end earlier." if data.tail == "extend" else ""
    number = f"The {title} is {said(found)} ({seeds or 'seeds not recorded'}{interval})."
    if found is None or found.mean is None:
        number = f"The {title} is not defined: {found.undefined if found and found.undefined else 'the card does not say why'}."
    return (
        f"We report the frame-level {title} of {card.method.title or card.method.name} on {data.title}"
        f"{' (rendered videos)' * data.synthetic}: {data.test.videos:,} test videos, {data.test.frames:,} frames, "
        f"{data.test.abnormal_frames:,} of them abnormal, mask rule {data.mask_rule}; {_features(card)}; "
        f"{_CHOSEN.get(card.selection.rule, f'step chosen by {card.selection.rule}')}. {number}{tail} "
        f"Result card sha256:{card.card_sha256[:16] or ' not sealed'}."
    )


def _features(card: Card) -> str:
    features = card.features
    parts = [f"{features.dimension}-dimensional" if features.dimension else "", f"{features.backbone} features"]
    crops = f"of {len(features.crops)} crop{'s' * (len(features.crops) > 1)}" if features.crops else ""
    size = f"of {features.crop_size} pixels" if features.crop_size else ""
    text = f"and text features ({features.text.source})" if features.text else ""
    return " ".join(filter(None, (*parts, crops, size, text)))


def bibtex(card: Card) -> str:
    """Entries of the method's paper, where one is known, and of the paper that this project accompanies."""
    entries = _entries()
    own, method = _own_entry(), card.method.bibtex.strip() or entries.get(card.method.name, "")
    return "\n\n".join(filter(None, (method, own)))


def _entries() -> dict[str, str]:
    """Key, the name of a method -> its entry."""
    found = re.split(r"\n\n+", read_text(PAPERS, "BibTeX entries of the methods' papers").strip())
    return {entry.partition("{")[2].partition(",")[0]: entry for entry in found}


def _own_entry() -> str:
    paper: dict[str, Any] = read_yaml(PROJECT_ROOT / "CITATION.cff")["references"][0]
    authors = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in paper["authors"])
    fields = {"title": f"{{{paper['title']}}}", "author": authors}
    fields |= {name: str(paper[name]) for name in ("journal", "year", "doi") if name in paper}
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{paper['type']}{{{OWN},\n{lines}}}"
