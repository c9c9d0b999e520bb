"""Is a card what it was when it was made, and are its files? One changed byte in either is found."""

from pathlib import Path

from vad_lib.cards.card import HASH, CardFile, card_hash, json_text, parse_card, read_document
from vad_lib.errors import VadError
from vad_lib.storage.hashing import file_sha256


def problems(path: Path | str, *, files: bool = True) -> list[str]:
    """What is wrong with a card, in sentences; none if it is whole.

    Args:
        path: the card.
        files: False to look at the card alone.

    Returns:
        of the card: that it breaks the schema, has no hash, has another content than its hash says, or is written in another
        way; of each file: that it is missing or changed.
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
    return found + [said for file in card.files if files and (said := _problem(path, file))]


def _problem(card: Path, file: CardFile) -> str:
    path = card.parent / file.path
    if not path.is_file():
        return f"{path}: the file is missing that {card} was made from. Hand it on with the card, or check with --card-alone."
    # the size first: nobody waits for the hash of a huge file
    changed = path.stat().st_size != file.size or file_sha256(path) != file.sha256
    return f"{path}: the file is not the one that {card} was made from. Restore it, or make the card again." if changed else ""
