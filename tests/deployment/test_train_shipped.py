"""How the shipped models are made: rules of choice by hand, and a whole small recipe twice."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from vad_lib import registry
from vad_lib.data.dataset import load_dataset
from vad_lib.deployment import model_cards, shipped, shipped_data, train_shipped
from vad_lib.deployment.scoring_model import open_model
from vad_lib.errors import ConfigError, DataError
from vad_lib.evaluation.bootstrap import Bootstrap
from vad_lib.evaluation.scored_videos import ScoredVideos

TRAIN = train_shipped.Recipe(()).train.replace(steps=4, eval_every=4, batch_size=4, num_segments=8, lr=2e-3)
RECIPE = train_shipped.Recipe(
    (train_shipped.Candidate("ur-dmu", 16), train_shipped.Candidate("proposed", 16, lookback=2)), folds=2, train=TRAIN
)


@pytest.fixture(scope="module")
def dataset(planted_folder):
    return load_dataset(planted_folder)


# --- the choice ----------------------------------------------------------------------------------------


def table(**candidates) -> pd.DataFrame:
    """Runs on folds 0, 1, ...: name=(parameters, share of events found in each fold)."""
    rows = [
        {"candidate": name, "fold": fold, "parameters": size, "events": events, "auc": 0.5, "bce": 0.5}
        for name, (size, values) in candidates.items()
        for fold, events in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_the_best_mean_is_chosen_and_the_smaller_one_of_equals():
    runs = table(large=(300, (0.9, 0.8, 0.7)), best=(200, (0.7, 0.9, 0.9)), small=(100, (0.8, 0.7, 0.6)))
    assert train_shipped.choose(runs) == "best"
    assert train_shipped.choose(pd.concat([runs, table(equal=(150, (0.9, 0.9, 0.7)))])) == "equal"


def test_the_table_of_candidates():
    found = model_cards.choice(table(b=(20, (0.9, 0.7)), a=(10, (0.6, 0.6))), "b")
    assert found["candidate"] == "b"
    best, other = found["candidates"]
    assert (best["candidate"], best["parameters"], other["candidate"]) == ("b", 20, "a")
    assert (best["events"], best["events_sd"]) == (pytest.approx(0.8), pytest.approx(0.02**0.5))


# --- training ------------------------------------------------------------------------------------------


def method(**options):
    built = registry.build_method("msf-dmu", feature_dim=16, categories=("Normal", "Fighting"), width=16, options=options)
    return built.eval()


def test_training_videos_start_anywhere_and_others_at_their_beginning():
    plain, seen = method(), []
    plain.encode = lambda features: seen.append(features) or features
    turned, features = train_shipped.starting_anywhere(plain), torch.arange(7.0).expand(50, 7)[..., None]
    turned.encode(features)
    assert torch.equal(seen.pop(), features)
    turned.train().encode(features)
    (given,) = (rows[..., 0] for rows in seen)
    assert {int(row[0]) for row in given} == set(range(7))
    assert all(torch.equal(row.roll(int(row[0])), torch.arange(7.0)) for row in given)


@pytest.fixture(scope="module")
def made(dataset, tmp_path_factory):
    """The folder of a small recipe's model, and of its runs."""
    folder = tmp_path_factory.mktemp("made")
    card = train_shipped.make("fights", RECIPE, dataset, folder / "runs", folder / "models", progress=False)
    assert card == folder / "models" / "fights.md"
    return folder


@pytest.mark.slow
def test_a_recipe_makes_the_same_model_twice(made, dataset, tmp_path):
    train_shipped.make("fights", RECIPE, dataset, tmp_path / "runs", tmp_path / "models", progress=False)
    first, second = (sorted((folder / "models").iterdir()) for folder in (made, tmp_path))
    assert [path.name for path in first] == [path.name for path in second] == ["fights.json", "fights.md", "fights.safetensors"]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(first, second))


@pytest.mark.slow
def test_a_model_scores_as_the_run_that_it_was_made_of(made, dataset, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", made / "models")
    content, model = shipped.about("fights"), open_model("fights")
    run = open_model(made / "runs" / content["choice"]["candidate"] / "all")
    scores = partial(model_cards.scores_of, dataset=dataset, records=dataset.videos.split("test"))
    differences = model_cards.largest_differences(scores(model), scores(run))
    assert differences == pytest.approx(content["measured"]["half_precision"], abs=1e-7)
    assert 0 < max(differences.values()) < 0.005
    assert (model.title, model.categories, model.contract) == (run.title, run.categories, run.contract)
    assert content["causal"] == model.causal == run.causal


# --- what a card measures ------------------------------------------------------------------------------


def test_recall_by_hand():
    """Two normal videos with 100 frames each, two abnormal ones with 10 abnormal frames each."""
    scored = ScoredVideos(
        title="by hand",
        seed=0,
        videos=tuple("abcd"),
        abnormal_video=np.array([False, False, True, True]),
        video=np.array([0, 0, 1, 2, 3]),
        score=np.array([0.6, 0.1, 0.2, 0.7, 0.5]),
        abnormal=np.array([0, 0, 0, 10, 10]),
        normal=np.array([2, 98, 100, 0, 0]),
        events=np.array([[2, 0, 10], [3, 0, 10]]),
    )
    draws = Bootstrap(num_draws=200)
    # one frame in a hundred: two of 200 are allowed, and 0.5 comes after them; half a percent allows one, so not even 0.6
    assert model_cards.recall_at(scored, 0.01, draws).value == 1.0
    found, low, high = model_cards.recall_at(scored, 0.005, draws)
    assert found == 0.5 and low < 0.5 < high  # with one abnormal video drawn twice, all or none is found
    at = model_cards.at_threshold(scored, 0.55, fps=25)
    assert (at["recall"], at["false_alarm_rate"], at["events"], at["missed"]) == (0.5, 0.01, 2, 1)
    assert at["false_alarms_per_hour"] == pytest.approx(1 / (200 / 25 / 3600))
    assert model_cards.events_found(scored, 25, 0.01) == 1.0 and model_cards.events_found(scored, 25, 0.005) == 0.5


class Counting:
    """Scores each snippet by its place in the video."""

    title = "counting"

    def scores(self, features):
        return {"score": np.arange(len(features), dtype=np.float32) / 16}


def test_the_threshold_is_set_on_normal_training_videos(dataset, monkeypatch):
    train = dataset.videos.split("train")
    lengths = {record.name: dataset.store.num_snippets(record.name) for record in train if not dataset.videos.is_abnormal(record)}
    longest = max(lengths.values())
    monkeypatch.setattr(model_cards, "RATE", 0.2)
    threshold = model_cards.threshold_of(Counting(), dataset)
    frames = {record.name: record.num_frames for record in train if record.name in lengths}
    reached = [sum(max(0, number - 16 * place) for number in frames.values()) for place in range(longest)]
    expected = next(place for place in range(longest) if reached[place] <= 0.2 * sum(frames.values()))
    assert threshold == expected / 16
    monkeypatch.setattr(model_cards, "RATE", 1e-6)  # even the last snippet of the longest video is too common
    assert (longest - 1) / 16 < model_cards.threshold_of(Counting(), dataset) < longest / 16


# --- data sets -----------------------------------------------------------------------------------------


def test_joined_sets_have_all_videos_and_categories(dataset, tmp_path):
    both = shipped_data.joined([dataset], tmp_path / "both", "Both")
    assert both.categories == ("Normal", "Arson", "Fighting") and both.title == "Both"
    assert len(both.videos.records) == len(dataset.videos.records)
    for record in dataset.videos.records[::7]:
        other = next(each for each in both.videos.records if each.name == f"{dataset.name}_{record.name}")
        assert (other.split, other.categories, other.intervals) == (record.split, record.categories, record.intervals)
        assert np.array_equal(both.store.snippets(other.name), dataset.store.snippets(record.name))


def test_data_that_cannot_be_made(dataset, tmp_path):
    with pytest.raises(ConfigError, match="--source"):
        shipped_data.dataset("fights", tmp_path)
    with pytest.raises(ConfigError, match="fights or rendered"):
        shipped_data.dataset("other", tmp_path)
    slow = load_dataset(dataset.folder)
    object.__setattr__(slow, "info", dataset.info.replace(fps=10.0))
    with pytest.raises(DataError, match="frame rate"):
        shipped_data.joined([dataset, slow], tmp_path / "both", "Both")


def test_the_command_names_what_it_lacks(tmp_path, capsys):
    assert train_shipped.main(["fights", "--work", str(tmp_path)]) == 1
    assert "--source" in capsys.readouterr().err
