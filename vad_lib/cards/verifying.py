"""Is a card what it was when it was made, and are its files? One changed byte in either is found, or another number."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vad_lib.cards.card import HASH, Card, CardFile, card_hash, json_text, parse_card, read_document
from vad_lib.cards.making import card_of, data_of
from vad_lib.cards.measuring import recorded_measures
from vad_lib.errors import VadError
from vad_lib.runs.packed_runs import packed
from vad_lib.runs.run_folder import METRICS, Run, RunInFolder, in_order
from vad_lib.runs.scored_runs import scored_videos
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import damaged_as_data_error

ROUNDING = 1e-9  # of numbers that are written with all their digits


def problems(path: Path | str, *, files: bool = True) -> list[str]:
    """What is wrong with a card, in sentences; none if it is whole.

    Args:
        path: the card.
        files: False to look at the card alone.

    Returns:
        of the card: that it breaks the schema, has no hash, has another content than its hash says, or is written in another
        way; of each file: that it is missing or changed; of the runs among them: that there are none, or that what they have
        recorded is other than the card says: metrics, data, features, method, selection. Intervals are not drawn again.
    """
    path = Path(path)
    try:
        document = read_document(path)
        card = parse_card(document, path)
    except VadError as error:
        return [str(error)]
    found, given = [], card_hash(document)
    if not card.card_sha256:
        found.append(f"{path}: the card has no hash yet. `python -m vad_lib.cards seal {path}` adds it.")
    elif card.card_sha256 != given:
        found.append(
            f"{path}: the card was changed: its {HASH} is {card.card_sha256[:12]}…, its content gives {given[:12]}…. Get the card "
            "again, or make it again from its runs."
        )
    elif path.read_bytes() != json_text(document).encode():
        found.append(
            f"{path}: the card was changed: its content is whole, but its bytes are not as they were written (a space, a line end, "
            f"the way a number is written). `python -m vad_lib.cards seal {path}` writes them again."
        )
    found += [said for file in card.files if files and (said := _problem(path, file))]
    if files and not found:  # a seal can be made anew, so the numbers are held against the runs
        try:
            with damaged_as_data_error(path, "finished runs among its files"):
                found += _not_recorded(path, card)
        except VadError as error:
            found.append(str(error))
    return found


def _not_recorded(path: Path, card: Card) -> Iterator[str]:
    """What the card says otherwise than the runs that it was made from."""
    runs = _runs(path, card)
    if not runs and card.kind == "external":
        return
    if (
        not runs
        or tuple(run.config.get("key", "") for run in runs) != card.run_keys
        or tuple(run.seed for run in runs) != card.seeds
    ):
        yield f"{path}: its runs and seeds are not those of its files. Get the card again, or make it again from its runs."
        return
    if other := _other_parts(card, runs):
        yield f"{path}: {', '.join(other)}: not what its runs have recorded. Get the card again, or make it again from its runs."
    recorded = [recorded_measures(run) for run in runs]
    for measure in card.measures:
        place = measure.metric, measure.selection, measure.setting
        theirs = [of.get(place) for of in recorded]
        known = np.array([value for value in theirs if value is not None])
        whole = len(known) == len(runs)
        summed = (float(known.mean()) if whole else None, float(known.std(ddof=1)) if whole and len(runs) > 1 else None)
        same = len(measure.values) == len(theirs) and all(map(_same, measure.values, theirs))
        if not (same and all(map(_same, (measure.mean, measure.sd), summed))):
            setting = f", {measure.setting}" if measure.setting else ""
            yield (
                f"{path}: {measure.metric} ({measure.selection}{setting}) is not what its runs have recorded: the card says "
                f"{measure.mean}, they give {summed[0]}. Get the card again, or make it again from its runs."
            )


def _other_parts(card: Card, runs: Sequence[Run]) -> list[str]:
    """Entries besides measures and files that the runs give otherwise; a card of others may word them as it likes."""
    if card.kind == "external":
        return []
    again = card_of(runs, data_of(runs[0], scored_videos(runs[0])), card.measures, card.kind != "run", card.files)
    ours, theirs = (each.model_dump(mode="json", exclude={"note": True, HASH: True, "method": {"paper"}}) for each in (card, again))
    found: list[str] = []
    for name, part in theirs.items():
        if isinstance(part, dict):
            found += [f"{name}.{entry}" for entry in part if ours[name][entry] != part[entry]]
        elif ours[name] != part:
            found.append(name)
    return found


def _same(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else abs(one - other) <= ROUNDING


def _runs(path: Path, card: Card) -> list[Run]:
    """The runs among the files of a card, in the order of its seeds; none if it was not made from runs."""
    archives = [path.parent / file.path for file in card.files if file.role == "packed runs" and file.path.endswith(".json")]
    folders = [path.parent / file.path for file in card.files if file.role == "run" and Path(file.path).name == METRICS]
    every = (run for archive in archives for run in packed(archive.resolve().with_suffix("")) if "train" in run.config)
    there: list[Run] = [run for run in every if (run.config.get("key", ""), run.seed) in set(zip(card.run_keys, card.seeds))]
    return in_order([*there, *(RunInFolder(place.parent) for place in folders)])


def _problem(card: Path, file: CardFile) -> str:
    path = card.parent / file.path
    if not path.is_file():
        return f"{path}: the file is missing that {card} was made from. Hand it on with the card, or check with --card-alone."
    # the size first: nobody waits for the hash of a huge file
    changed = path.stat().st_size != file.size or file_sha256(path) != file.sha256
    return f"{path}: the file is not the one that {card} was made from. Restore it, or make the card again." if changed else ""
