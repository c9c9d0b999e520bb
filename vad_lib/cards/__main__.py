"""Make result cards, check them, set two side by side, gather many into one table, and put one into words for a paper."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vad_lib.cards.card import NAME, Card, read_card, schema_text, seal
from vad_lib.cards.comparing import compare
from vad_lib.cards.gathering import gather
from vad_lib.cards.making import make_cards
from vad_lib.cards.verifying import problems
from vad_lib.cards.wording import bibtex, protocol_sentence
from vad_lib.errors import DataError, MissingFileError, command_line
from vad_lib.storage.writing import write_text


@command_line("files that were written are whole; call it again")
def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 1 if a card is not whole, or was not taken into the table."""
    options = _parser().parse_args(arguments)
    if options.command == "make":
        written = make_cards(options.folder, every_run=options.every_run)
        print(f"wrote {len(written)} result cards; the first is {written[0]}")
    elif options.command == "verify":
        cards = _cards(options.cards)
        found = [problem for card in cards for problem in problems(card, files=not options.card_alone)]
        print("\n".join(found) or f"{len(cards)} {'cards are' if len(cards) > 1 else 'card is'} whole.")
        return int(bool(found))
    elif options.command == "compare":
        print(compare(_whole(options.a), _whole(options.b), options.metric).text())
    elif options.command == "gather":
        gathered = gather(_cards(options.cards), options.metric, options.selection)
        _give(gathered.table.to_csv(index=False, lineterminator="\n", float_format="%.4f"), options.out)
        print(*gathered.refused, sep="\n", end="\n" if gathered.refused else "", file=sys.stderr)
        return int(bool(gathered.refused))
    elif options.command == "text":
        card = _whole(options.card)
        print(f"{protocol_sentence(card)}\n\n{bibtex(card)}")
    elif options.command == "seal":
        print(f"sealed {seal(options.card)}")
    else:
        _give(schema_text(), options.out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vad_lib.cards", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help=f"write a {NAME} for each run and each row of a folder")
    make.add_argument("folder", type=Path, help="a run, a results folder such as results/quick, or results/reference")
    make.add_argument("--every-run", action="store_true", help="of a reference: a card for every run too, not for rows only")
    verify = commands.add_parser("verify", help="check cards by schema, hash and files")
    verify.add_argument("--card-alone", action="store_true", help="leave the files out that a card was made from")
    comparing = commands.add_parser("compare", help="what differs between two cards, and whether it explains their numbers")
    comparing.add_argument("a", type=Path, metavar="A")
    comparing.add_argument("b", type=Path, metavar="B")
    gathering = commands.add_parser("gather", help="one table of many cards of one protocol")
    gathering.add_argument("--selection", default="", help="default: the rule of selection of the first card")
    for command in (comparing, gathering):
        command.add_argument("--metric", default="", help="default: the headline metric of the first card")
    for command in (verify, gathering):
        command.add_argument("cards", type=Path, nargs="+", metavar="CARD", help="a card, or a folder with cards in it")
    schema = commands.add_parser("schema", help="the JSON schema of cards")
    for command in (gathering, schema):
        command.add_argument("--out", type=Path, help="write it to this file")
    for name, what in (("text", "a sentence and BibTeX for a paper"), ("seal", "check a card that you wrote, and add its hash")):
        commands.add_parser(name, help=what).add_argument("card", type=Path, metavar="CARD")
    return parser


def _whole(path: Path) -> Card:
    """A card whose hash holds; a changed one says nothing."""
    if found := problems(path, files=False):
        raise DataError(found[0])
    return read_card(path)


def _give(text: str, out: Path | None) -> None:
    if out:
        print(f"wrote {write_text(out, text)}")
    else:
        print(text, end="")


def _cards(places: Sequence[Path]) -> list[Path]:
    """The cards named, and those in the folders named."""
    found = [card for place in places for card in (sorted(place.rglob(NAME)) if place.is_dir() else [place])]
    if not found:
        raise MissingFileError(f"{', '.join(map(str, places))}: expected result cards, found none. `make` makes them.")
    return found


if __name__ == "__main__":
    sys.exit(main())
