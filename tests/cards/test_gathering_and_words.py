"""Many cards as one table, which refuses what does not compare; a card in words; and the command."""

import csv
import json

import pytest

from vad_lib.cards.__main__ import main
from vad_lib.cards.card import NAME, parse_card, seal
from vad_lib.cards.gathering import gather
from vad_lib.cards.wording import _entries, bibtex, protocol_sentence
from vad_lib.errors import ConfigError, DataError
from vad_lib.registry import METHODS


@pytest.fixture
def sealed(by_hand, written):
    def make(name, **changes):
        changed = {key: by_hand[key] | value if isinstance(value, dict) else value for key, value in changes.items()}
        return seal(written(by_hand | changed, name))

    return make


def test_cards_of_one_protocol_become_a_table(sealed):
    other = [{"metric": "auc", "selection": "last", "mean": 0.85}]
    found = gather([sealed("a.json"), sealed("b.json", method={"name": "theirs"}, seeds=[4], measures=other)])
    assert found.refused == [] and found.table["method"].tolist() == ["ours", "theirs"]
    assert found.table["auc %"].round(6).tolist() == [81, 85] and found.table["seeds"].tolist() == [2, 1]
    assert found.table["low"][0] == pytest.approx(79) and found.table["low"].isna()[1]
    assert found.table["level"][0] == 0.95 and found.table["interval over"][0] and found.table["interval over"][1] == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seeds": []}, "it names no seeds"),
        ({"data": {"title": "XD-Violence"}}, "its data set: XD-Violence, is not that of Our method on UCF-Crime: UCF-Crime"),
        ({"data": {"test_videos_sha256": "c" * 64}}, "its test videos"),
        ({"data": {"test_videos_sha256": ""}}, "not recorded"),
        ({"data": {"mask_rule": "B"}}, "its mask rule: B, is not that of Our method on UCF-Crime: A"),
        ({"data": {"labels_sha256": "c" * 64}}, "its frame labels"),
        (
            {"selection": {"rule": "best_on_test"}, "measures": [{"metric": "auc", "selection": "best_on_test", "mean": 0.9}]},
            "it has no auc under the rule of selection last; its own are auc, best_on_test",
        ),
        ({"measures": [{"metric": "auc", "selection": "last"}]}, "its auc is not defined: it does not say why"),
        ({"headline_metric": "ap", "measures": [{"metric": "ap", "selection": "last", "mean": 0.9}]}, "it has no auc"),
    ],
)
def test_a_card_that_does_not_compare_is_refused_with_the_reason(sealed, changes, reason):
    found = gather([sealed("a.json"), sealed("b.json", **changes)])
    assert len(found.table) == 1 and len(found.refused) == 1
    assert "b.json: refused, " in found.refused[0] and reason in found.refused[0]


def test_a_card_that_was_changed_is_refused(sealed):
    path = sealed("b.json")
    path.write_text(path.read_text().replace("0.83", "0.84"))
    assert "the card was changed" in gather([sealed("a.json"), path]).refused[0]
    with pytest.raises(DataError, match="no card could be taken"):
        gather([path])


def test_the_same_card_is_taken_once_and_a_metric_must_be_there(sealed):
    path = sealed("a.json")
    found = gather([path, sealed("b.json")])
    assert len(found.table) == 1 and found.refused == [f"{path.with_name('b.json')}: refused, it is the same card as {path}."]
    with pytest.raises(ConfigError, match=r"--metric: expected one of auc, got 'AUC' .did you mean auc"):
        gather([path], "AUC")


@pytest.mark.parametrize("command", ["text", "compare"])
def test_a_changed_card_says_nothing(sealed, capsys, command):
    path = sealed("b.json")
    path.write_text(path.read_text().replace("0.83", "0.84"))
    assert main([command, *[str(path)] * (1 + (command == "compare"))]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and "the card was changed" in printed.err


def test_cards_that_know_several_selections_are_read_under_the_one_asked_for(sealed):
    both = [{"metric": "auc", "selection": rule, "mean": mean} for rule, mean in (("last", 0.8), ("best_on_test", 0.9))]
    found = gather([sealed("a.json", measures=both), sealed("b.json")], selection="best_on_test")
    assert found.table["auc %"].round(6).tolist() == [90] and "b.json" in found.refused[0]


def test_the_sentence_says_the_protocol_and_the_number(by_hand):
    said = protocol_sentence(parse_card(by_hand, "card"))
    for part in ("frame-level AUC of ours on UCF-Crime", "290 test videos", "1,109,680 frames", "mask rule A", "i3d", "last step"):
        assert part in said
    assert "81.00 ± 1.41 % [79.00, 83.00] (mean of 2 seeds, 1, 2; 95 % interval over test videos)" in said
    assert "not sealed" in said
    on_test = by_hand | {"selection": {"rule": "best_on_test"}, "seeds": []}
    on_test["measures"] = [{"metric": "auc", "selection": "best_on_test", "mean": 0.9}]
    said = protocol_sentence(parse_card(on_test, "card"))
    assert "upper bounds" in said and "seeds not recorded" in said
    without = by_hand | {"measures": [{"metric": "auc", "selection": "last", "undefined": "one class"}]}
    said = protocol_sentence(parse_card(without, "card"))
    assert "The AUC is not defined: one class. Result card" in said and "mean of" not in said


def test_every_method_of_a_paper_has_its_entry(by_hand):
    assert {*_entries()} == {name for name, spec in METHODS.items() if spec.paper} - {"proposed"}
    assert all(entry.count("{") == entry.count("}") and entry.endswith("\n}") for entry in _entries().values())
    for name in (*_entries(), "proposed"):
        text = bibtex(parse_card(by_hand | {"method": {"name": name}}, "card"))
        assert text.count("\n@") == (name != "proposed") and "Vision-Language Alignment" in text
    assert bibtex(parse_card(by_hand, "card")).startswith("@misc{ours,")  # the card's own entry


def test_the_command(finished, tmp_path, capsys, sealed):
    folder = finished().parent
    finished(seed=2)
    assert main(["make", str(folder)]) == 0 and "wrote 3 result cards" in capsys.readouterr().out
    assert main(["verify", str(folder)]) == 0 and "3 cards are whole" in capsys.readouterr().out
    row, single = str(folder / NAME), str(folder / "seed1" / NAME)
    assert main(["compare", row, single]) == 0 and "seeds is [1, 2] in A and [1] in B." in capsys.readouterr().out
    assert main(["text", row]) == 0 and "mean of 2 seeds" in capsys.readouterr().out
    assert main(["gather", row, single, "--out", str(tmp_path / "table.csv")]) == 0
    with open(tmp_path / "table.csv", newline="") as stream:
        assert [line["seeds"] for line in csv.DictReader(stream)] == ["2", "1"]
    assert main(["gather", row, str(sealed("other.json"))]) == 1 and "refused, its data set" in capsys.readouterr().err
    log = folder / "seed1" / "log.csv"
    log.write_bytes(log.read_bytes() + b" ")
    assert main(["verify", row]) == 1 and "log.csv: the file is not the one" in capsys.readouterr().out
    assert main(["verify", row, "--card-alone"]) == 0
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "none.json")]) == 1 and "found no such file" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert main(["verify", str(tmp_path / "empty")]) == 1 and "error:" in capsys.readouterr().err
    assert main(["schema"]) == 0 and json.loads(capsys.readouterr().out)["title"] == "Card"
