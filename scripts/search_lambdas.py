"""Search the weights of the proposed model's loss terms on validation videos: ``python scripts/search_lambdas.py``.

The paper gives no lambdas (equation 9). Every combination of a small grid is trained with the profile's settings on both
built-in sets. Validation videos, training videos that were held out, decide with their video-level labels: by AUC, and by
cross-entropy where AUCs are equal. No test label is looked at. ``make reproduce`` must have run, for the features. Finished
runs are kept in ``--out``, so a search that was stopped goes on; the table is written to ``results/lambda_search.csv``.
"""

import argparse
import itertools
from pathlib import Path

import pandas as pd

from vad_lib import experiments, synthetic, training
from vad_lib.config import get_profile
from vad_lib.datasets import load_dataset
from vad_lib.files import read_json, write_text
from vad_lib.model import ProposedSettings
from vad_lib.paths import PROJECT_ROOT, Layout

NAMES = ("lambda_align", "lambda_cls", "lambda_con")
FACTORS = (1 / 3, 1, 3)  # of the default


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--data", default="", help="folder of the data sets; data/PROFILE by default")
    parser.add_argument("--seeds", type=int, default=1, help="validation splits and starts")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "build" / "lambda_search", help="folder of the runs")
    options = parser.parse_args()
    layout, profile = Layout.create(options.profile, data=options.data), get_profile(options.profile)
    sets = [load_dataset(layout.dataset(name)) for name in synthetic.DATASETS]
    texts = [experiments.dataset_text(profile, dataset) for dataset in sets]
    defaults = ProposedSettings()
    rows = []
    for factors in itertools.product(FACTORS, repeat=len(NAMES)):
        lambdas = {name: round(factor * getattr(defaults, name), 4) for name, factor in zip(NAMES, factors)}
        row = dict(lambdas)
        for dataset, text in zip(sets, texts):
            measured = []
            for seed in range(profile.train.seed, profile.train.seed + options.seeds):
                settings = experiments.run_settings("proposed", profile, seed).replace(options=lambdas)
                folder = options.out / dataset.name / "_".join(map(str, lambdas.values())) / f"seed{seed}"
                training.train_run(settings, dataset, text, folder)
                measured.append(read_json(folder / "metrics.json")["validation"])
            for metric in ("auc", "bce"):
                row[f"{dataset.name} validation {metric}"] = sum(run[metric] for run in measured) / len(measured)
        for metric in ("auc", "bce"):
            row[f"mean {metric}"] = sum(row[f"{dataset.name} validation {metric}"] for dataset in sets) / len(sets)
        rows.append(row)
        print({name: round(value, 4) for name, value in row.items()}, flush=True)
    table = pd.DataFrame(rows).sort_values(["mean auc", "mean bce"], ascending=[False, True])
    write_text(PROJECT_ROOT / "results" / "lambda_search.csv", table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    print(table.head(5).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
