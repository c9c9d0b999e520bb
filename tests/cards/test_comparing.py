"""Two cards side by side: what differs is named in its group, and what it can explain is said in points."""

import numpy as np
import pytest

from vad_lib.cards.card import parse_card
from vad_lib.cards.comparing import BETWEEN_RULES, compare
from vad_lib.errors import ConfigError


@pytest.fixture
def card(by_hand):
    """A function: the card with some parts changed, the mean moved by some points, and further measures."""

    def make(points=0.0, more=(), **parts):
        values = [value + points / 100 for value in (0.8, 0.82)]
        first = by_hand["measures"][0] | {"values": values, "mean": sum(values) / 2}
        first["interval"] = first["interval"] | {"low": first["mean"] - 0.02, "high": first["mean"] + 0.02}
        changed = {name: by_hand[name] | value if isinstance(value, dict) else value for name, value in parts.items()}
        first["selection"] = changed.get("selection", by_hand["selection"])["rule"]
        return parse_card(by_hand | changed | {"measures": [first, *more]}, "card")

    return make


def measure(mean, selection="last", **more):
    return {"metric": "auc", "selection": selection, "mean": mean, **more}


def test_equal_cards(card):
    found = compare(card(), card())
    assert found.differences == {} and "Nothing that the cards record differs" in found.text()
    assert "81.00 ± 1.41 % [79.00, 83.00]" in found.numbers and "0.00 points" in found.numbers


def test_intervals_that_overlap_and_that_do_not(card):
    assert "The intervals overlap" in compare(card(), card(3)).numbers
    assert "do not overlap" in compare(card(), card(5)).numbers and "5.00 points higher" in compare(card(), card(5)).numbers


def test_two_data_sets_cannot_be_compared_and_that_is_said_first(card):
    other = card(3, data={"title": "XD-Violence", "test_videos_sha256": "c" * 64}, features={"content_hash": "x"}, seeds=[1, 3])
    found = compare(card(), other)
    assert found.numbers.startswith("The two numbers cannot be compared: A is of UCF-Crime (290 test videos), B of XD-Violence")
    said = found.text()
    assert "features" not in said and "points" not in said and "overlap" not in said
    assert found.explanations["seeds"] == "Not to be judged here: the numbers cannot be compared."
    assert "cannot be compared" in compare(card(), card(data={"title": "XD-Violence", "test_videos_sha256": ""})).numbers


def test_a_metric_that_neither_card_has(card):
    with pytest.raises(ConfigError, match=r"--metric: expected one of auc, got 'acu' .did you mean auc"):
        compare(card(), card(), "acu")


def test_other_test_videos_explain_anything(card):
    found = compare(card(), card(data={"test_videos_sha256": "c" * 64}))
    assert list(found.differences) == ["data"] and "measure different things" in found.explanations["data"]
    assert "cannot be said" in compare(card(), card(data={"test_videos_sha256": ""})).explanations["data"]
    assert "frame labels are not" in compare(card(), card(data={"labels_sha256": "c" * 64})).explanations["data"]


def test_a_mask_rule_is_worth_less_than_its_bound(card):
    found = compare(card(), card(1, data={"mask_rule": "B"}))
    assert list(found.differences) == ["mask rule"]
    assert "by less than 0.01 points in our test scores on UCF-Crime and XD-Violence; measure" in found.explanations["mask rule"]
    assert "It may be this" in compare(card(), card(0.005, data={"mask_rule": "B"})).explanations["mask rule"]
    assert "score one model under both" in compare(card(), card(data={"mask_rule": "raw"})).explanations["mask rule"]


def test_a_mask_rule_that_a_card_was_measured_under_is_exact(card):
    a = card(more=[measure(0.80, setting="mask rule B")])
    said = compare(a, card(-1, data={"mask_rule": "B"})).explanations["mask rule"]
    assert "A under mask rule B has 80.00 % in place of 81.00 %: 1.00 points of a difference of 1.00. That can" in said


@pytest.mark.parametrize(
    ("under_b", "words"), [(0.79, "2.00 points the other way, of a difference of 2.00"), (0.91, "10.00 points")]
)
def test_a_mask_rule_that_leads_elsewhere_explains_nothing(card, under_b, words):
    """By hand: B is 2 points above A; A measured by the rule of B is 2 points below itself, or 10 above."""
    said = compare(card(more=[measure(under_b, setting="mask rule B")]), card(2, data={"mask_rule": "B"})).explanations["mask rule"]
    assert words in said and "That alone does not explain" in said


def test_a_mask_rule_that_b_was_measured_under_leads_back_to_a(card):
    b = card(2, data={"mask_rule": "B"}, more=[measure(0.81, setting="mask rule A")])
    said = compare(card(), b).explanations["mask rule"]
    assert "B under mask rule A has 81.00 % in place of 83.00 %: 2.00 points of a difference of 2.00. That can explain" in said


def test_another_end_of_the_videos_is_no_other_mask_rule(card):
    found = compare(card(), card(2, data={"tail": "extend"}))
    assert found.differences == {"mask rule": ["tail is exact in A and extend in B."]}
    assert "The mask rule is the same" in found.explanations["mask rule"] and "rules A, B" not in found.explanations["mask rule"]


def test_choosing_on_the_test_set_raises_the_metric_that_it_was_chosen_by_alone(card):
    more = [measure(0.5, rule, metric="ap") for rule in ("last", "best_on_test")]
    found = compare(card(more=more[:1]), card(selection={"rule": "best_on_test"}, more=more[1:]), "ap")
    assert found.explanations["selection"] == "Another rule chooses other steps, which can explain a difference."


def test_choosing_on_the_test_set(card):
    on_test = {"rule": "best_on_test"}
    a = card(more=[measure(0.825, "best_on_test")])
    said = compare(a, card(2, selection=on_test)).explanations["selection"]
    assert said.startswith("Choosing the step on the test set can only raise") and "1.50 points of a difference of 2.00" in said
    assert "That can explain" in said
    small = card(more=[measure(0.811, "best_on_test")])
    assert "That alone does not" in compare(small, card(2, selection=on_test)).explanations["selection"]
    assert "explains nothing here" in compare(card(), card(-2, selection=on_test)).explanations["selection"]
    assert "can explain a difference" in compare(card(), card(2, selection=on_test)).explanations["selection"]


def test_what_seeds_scatter_is_two_standard_errors(card, by_hand):
    one = parse_card(by_hand | {"seeds": [3], "measures": [measure(0.83)]}, "card")
    said = compare(card(), one).explanations["seeds"]  # 2 * 1.41 * sqrt(1/2 + 1) = 3.45
    assert "means of 2 and 1 seeds by up to about 3.45 points" in said and "They can explain 2.00 points" in said
    far = parse_card(by_hand | {"seeds": [3], "measures": [measure(0.86)]}, "card")
    assert "They hardly explain 5.00 points" in compare(card(), far).explanations["seeds"]
    without = parse_card(by_hand | {"seeds": [], "measures": [measure(0.83)]}, "card")
    assert "the best of many" in compare(card(), without).explanations["seeds"]


def test_features_method_and_versions(card):
    found = compare(card(), card(features={"dimension": 2048}, method={"settings": {"train": {"lr": 0.1}}}))
    assert found.differences["features"] == ["dimension is 1024 in A and 2048 in B."]
    assert found.differences["method"] == ["settings.train.lr is not recorded in A and 0.1 in B."]
    text = {"text": {"source": "CLIP"}}
    found = compare(card(features=text, method={"name": "theirs"}), card())  # the other method uses no text
    assert [*found.differences] == ["method"] and "text features is CLIP in A and none in B." in found.differences["method"]
    assert [*compare(card(features=text), card(features={"text": {"source": "words"}})).differences] == ["features"]
    same_contract = compare(card(features={"content_hash": "x"}), card(features={"content_hash": "y"}))
    assert "The contract is the same" in same_contract.explanations["features"]
    made = [{"seeds": [1, 2], "processor": name, "versions": {"torch": "2"}} for name in ("P", "Q")]
    found = compare(card(made_with=made[:1]), card(made_with=made[1:]))
    assert found.differences == {"versions": ["processor is P in A and Q in B."]}
    assert found.text().count("->") == 1


def test_a_metric_that_one_card_lacks(card):
    assert (
        "B (Our method on UCF-Crime) no value. The numbers cannot be compared"
        in compare(card(more=[measure(0.5, metric="ap")]), card(), "ap").numbers
    )


@pytest.mark.parametrize("dataset", ["ucf", "xd"])
def test_the_bounds_between_mask_rules_hold_for_the_known_answers(shared, dataset):
    known = np.load(shared / "oracles" / f"metrics_{dataset}.npz", allow_pickle=False)
    for metric, key in (("auc", "auc"), ("ap", "ap_step")):
        values = [100 * float(known[f"{rule}_snippet_{key}"]) for rule in "ABC" if f"{rule}_snippet_{key}" in known]
        assert len(values) >= 2 and 0 < max(values) - min(values) < BETWEEN_RULES[metric]
