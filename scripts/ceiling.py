"""What single snippets of the features can give: ``python scripts/ceiling.py --profile study``.

A linear classifier is trained with the true frame labels of the test videos, in folds (``vad_lib/methods/supervised.py``), on each
built-in data set whose features are there. Every number is a mean over seeds, which deal the videos into folds; in percent:

* all: AUC and AP over all frames of the test videos;
* a category: AUC over the frames of its test videos and of all normal ones;
* whole snippets: AUC and AP over the snippets that lie wholly inside or wholly outside of an event, each counted once.

The table is printed and written as CSV.
"""

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vad_lib.config import get_profile
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.synthetic import DATASETS
from vad_lib.errors import VadError
from vad_lib.methods.supervised import SupervisedLearner, abnormal_shares
from vad_lib.metrics import average_precision, frame_roc_auc
from vad_lib.runs.experiments import run_settings
from vad_lib.runs.measure import test_metrics
from vad_lib.storage.paths import Layout
from vad_lib.storage.writing import write_text


def measured(dataset: Dataset, learner: SupervisedLearner) -> list[dict[str, Any]]:
    """Rows of the table for one dealing of the folds: what is measured, AUC and AP in percent, videos and snippets.

    Args:
        dataset: with features.
        learner: made for it; fitted here.
    """
    learner.step(0)
    records = dataset.videos.split("test")
    scores = {name: value["score"] for name, value in learner.snippet_scores(records).items()}
    found = test_metrics(dataset, scores)
    lengths = {name: len(values) for name, values in scores.items()}
    rows = [_row("all", found["auc"], found["ap"], lengths.values())]
    for category, auc in found["auc_per_category"].items():
        chosen = [lengths[r.name] for r in records if category in r.categories or not dataset.videos.is_abnormal(r)]
        rows.append(_row(category, auc, None, chosen))
    shares = {record.name: abnormal_shares(record, lengths[record.name]) for record in records}
    whole = {name: np.isin(values, (0, 1)) for name, values in shares.items()}
    labels, score = (np.concatenate([values[name][whole[name]] for name in whole]) for values in (shares, scores))
    counts = [int(kept.sum()) for kept in whole.values() if kept.any()]
    return [*rows, _row("whole snippets", frame_roc_auc(labels, score), average_precision(labels, score), counts)]


def _row(what: str, auc: float | None, ap: float | None, snippets: Collection[int]) -> dict[str, Any]:
    """One row; ``snippets`` holds the number of snippets of every video that counts."""
    auc, ap = (np.nan if value is None else 100 * value for value in (auc, ap))
    return {"frames of": what, "videos": len(snippets), "snippets": sum(snippets), "AUC %": auc, "AP %": ap}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--data", default="", help="folder of the data sets; data/PROFILE by default")
    parser.add_argument("--seeds", type=int, default=5, help="dealings of the test videos into folds")
    parser.add_argument("--out", type=Path, help="CSV to write; results/PROFILE/ceiling.csv by default")
    options = parser.parse_args()
    layout, profile = Layout.create(options.profile, data=options.data), get_profile(options.profile)
    rows = []
    for name in DATASETS:
        try:
            dataset = load_dataset(layout.dataset(name))
            for seed in range(profile.train.seed, profile.train.seed + options.seeds):
                learner = SupervisedLearner(run_settings("supervised", profile, seed), dataset, ())
                rows += [{"data set": dataset.title, **row} for row in measured(dataset, learner)]
        except VadError as error:
            print(f"{name}: left out, {error}")
    if not rows:
        raise SystemExit(f"{layout.data}: expected features of {' or '.join(DATASETS)}, found none; `make reproduce` makes them.")
    groups = ["data set", "frames of", "videos", "snippets"]
    table = pd.DataFrame(rows).groupby(groups, as_index=False, sort=False).mean()
    print(table.round(2).to_string(index=False, na_rep=""))
    out = options.out or layout.results / "ceiling.csv"
    print(write_text(out, table.to_csv(index=False, float_format="%.2f", lineterminator="\n")))


if __name__ == "__main__":
    main()
