"""What a card may hold, its hash, its schema for other tools, and what the check of a card finds."""

import hashlib
import json

import pytest

from vad_lib.cards.card import LARGEST_CARD_BYTES, SCHEMA, read_card, schema_text, seal
from vad_lib.cards.verifying import problems
from vad_lib.errors import DataError, MissingFileError


def test_the_committed_schema_is_the_model_s():
    wrong = "python -m vad_lib.cards schema --out vad_lib/cards/resources/result-card.schema.json"
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), wrong


@pytest.mark.slow  # the other tool takes seconds to import
def test_another_tool_checks_a_card_by_the_schema(by_hand):
    validator = pytest.importorskip("jsonschema").Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert validator.is_valid(by_hand)
    assert not validator.is_valid(by_hand | {"surplus": 1})
    assert not validator.is_valid({name: value for name, value in by_hand.items() if name != "data"})


def test_a_card_written_by_hand_is_sealed_and_then_whole(by_hand, written):
    path = written(by_hand)
    assert "has no hash yet" in problems(path)[0]
    seal(path)
    assert problems(path) == []
    named = json.loads(path.read_text())["card_sha256"]
    assert named == hashlib.sha256(json.dumps(by_hand, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert read_card(path).measure().values == (0.8, 0.82)


def test_any_changed_byte_of_a_card_is_found(by_hand, written):
    path = written(by_hand)
    seal(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert problems(path), place
    path.write_bytes(whole + b"\n")
    assert "its bytes are not as they were written" in problems(path)[0]
    path.write_bytes(whole.replace(b"0.83", b"0.84"))
    assert "the card was changed" in problems(path)[0]


def test_a_changed_or_missing_file_is_named(by_hand, written, tmp_path):
    (tmp_path / "scores.csv").write_text("0.5\n")
    entry = {"path": "scores.csv", "size": 4, "sha256": hashlib.sha256(b"0.5\n").hexdigest(), "role": "other"}
    path = seal(written(by_hand | {"files": [entry]}))
    assert problems(path) == []
    (tmp_path / "scores.csv").write_text("0.6\n")
    assert "scores.csv: the file is not the one" in problems(path)[0]
    (tmp_path / "scores.csv").unlink()
    assert "scores.csv: the file is missing" in problems(path)[0]
    assert problems(path, files=False) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": [1, 1]}, "a seed stands there twice"),
        ({"seeds": [1, 2, 3]}, "2 values of 3 seeds"),
        ({"headline_metric": "ap"}, "no measure of the headline metric ap under last"),
        ({"kind": "guess"}, "kind"),
        ({"card_sha256": "x"}, "card_sha256"),
        ({"files": [{"role": "other", "path": "/etc/hosts", "size": 1, "sha256": "0" * 64}]}, "files.0.path"),
        ({"measures": [{"metric": "auc", "selection": "last", "values": [0.8, 0.82], "mean": 0.9}]}, "is not that of the values"),
        ({"measures": [{"metric": "auc", "selection": "last", "mean": 81.0}]}, "measures.0.mean"),
        ({"measures": [{"metric": "auc", "selection": "last", "values": [0.8, None], "mean": 0.9}]}, "is not that of the values"),
        ({"measures": [{"metric": "auc", "selection": "last", "sd": 0.1}]}, "an interval or sd, but no mean"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(by_hand, written, change, message):
    path = written(by_hand | change)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"card\.json: expected a result card") as error:
        seal(path)
    assert message in str(error.value) and path.read_bytes() == before


def test_a_wrong_entry_is_not_called_a_missing_one_too(by_hand, written):
    with pytest.raises(DataError) as error:
        seal(written(by_hand | {"measures": [{"metric": "auc", "selection": "last", "mean": "81 %"}]}))
    assert "measures.0.mean" in str(error.value) and "at least 1 item" not in str(error.value)
    with pytest.raises(DataError, match="measures: Tuple should have at least 1 item"):
        seal(written(by_hand | {"measures": []}))


def test_what_is_no_card(tmp_path):
    with pytest.raises(DataError, match=r"found a folder; name a card in it, such as .*result-card\.json"):
        read_card(tmp_path)
    with pytest.raises(MissingFileError):
        read_card(tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DataError, match="a JSON object, got list"):
        read_card(tmp_path / "list.json")
    with open(tmp_path / "huge.json", "wb") as stream:
        stream.truncate(LARGEST_CARD_BYTES + 1)
    with pytest.raises(DataError, match="of at most"):
        read_card(tmp_path / "huge.json")
