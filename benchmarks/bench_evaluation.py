"""Seconds from per-crop snippet scores to all metrics, at the sizes of both test sets, against the plain form.

    python benchmarks/bench_evaluation.py            # 290 videos x 10 crops, 800 x 5
    python benchmarks/bench_evaluation.py --keep

The plain form repeats the scores of each video in a loop over snippets and calls scikit-learn anew for every metric, as the
public codes do. Both forms compute the same numbers: AUC, both APs, AUC over abnormal videos, AUC of every category, two
false alarm rates and the true positive rate. scikit-learn's AUC and AP alone, of frame scores that are ready, are timed too:
they are what was taken for the limit.

Ends with an error if a number differs by more than 1e-9, or if the library needs longer than scikit-learn's AUC and AP alone.
"""

import sys

import numpy as np
import pandas as pd
import torch
from common import interleaved, machine, parser, report
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.evaluation.frame_level import evaluate
from vad_lib.evaluation.scoring import frame_scores

# title, abnormal and normal videos, categories, crops, frames and abnormal frames of the official test sets
SETS = (
    ("UCF-Crime", 140, 150, 13, 10, 1_111_808, 84_182),
    ("XD-Violence", 500, 300, 6, 5, 2_335_801, 538_324),
)
TOLERANCE = 1e-9


class MadeUpSet:
    """Scores of a test set of about the true size; lengths log-uniform, one interval in each abnormal video."""

    def __init__(self, abnormal: int, normal: int, categories: int, crops: int, frames: int, abnormal_frames: int) -> None:
        rng = np.random.default_rng(0)
        lengths = np.exp(rng.uniform(np.log(150), np.log(20_000), abnormal + normal))
        lengths = np.maximum(lengths * frames / lengths.sum(), 40).astype(int)
        share = abnormal_frames / lengths[:abnormal].sum()
        self.labels, self.crops, self.categories = {}, {}, {}
        for place, length in enumerate(lengths.tolist()):
            name, label = f"v{place:03d}", np.zeros(length, dtype=np.uint8)
            if place < abnormal:
                label[: max(int(share * length), 1)] = 1
                label = np.roll(label, int(rng.integers(length)))
            snippets = -(-length // FRAMES_PER_SNIPPET)
            near = label[::FRAMES_PER_SNIPPET][:snippets]
            logits = rng.normal(1.5 * near - 1, 1, (crops, snippets))
            self.labels[name] = label
            self.crops[name] = (1 / (1 + np.exp(-logits))).astype(np.float32)
            self.categories[name] = (f"c{place % categories}",) if place < abnormal else ("Normal",)

    def frame_scores(self) -> dict[str, np.ndarray]:
        return {name: frame_scores(crops.mean(axis=0), len(self.labels[name]), name=name) for name, crops in self.crops.items()}

    def library(self) -> dict[str, float]:
        measured = evaluate(self.labels, self.frame_scores(), self.categories, "Normal")
        return {key: value for key, value in measured.items() if isinstance(value, float)} | measured["auc_per_category"]

    def plain(self) -> dict[str, float]:
        scores, labels, abnormal_scores, abnormal_labels = [], [], [], []
        normal_scores, of_category = [], {}
        for name, crops in self.crops.items():
            mean, frames, label = crops.mean(axis=0), [], self.labels[name]
            for value in mean:
                frames.extend([value] * FRAMES_PER_SNIPPET)
            frames = np.array(frames[: len(label)])
            scores.append(frames)
            labels.append(label)
            if self.categories[name][0] == "Normal":
                normal_scores.append(frames)
            else:
                abnormal_scores.append(frames)
                abnormal_labels.append(label)
                of_category.setdefault(self.categories[name][0], []).append((frames, label))
        score, label, normal = np.concatenate(scores), np.concatenate(labels), np.concatenate(normal_scores)
        precision, recall, _ = precision_recall_curve(label, score)
        found = {
            "auc": roc_auc_score(label, score),
            "ap": average_precision_score(label, score),
            "ap_trapezoid": auc(recall, precision),
            "auc_abnormal_videos": roc_auc_score(np.concatenate(abnormal_labels), np.concatenate(abnormal_scores)),
            "far_normal_videos": np.mean(normal >= 0.5),
            "far_all_normal_frames": np.mean(score[label == 0] >= 0.5),
            "tpr": np.mean(score[label == 1] >= 0.5),
        }
        for category, pairs in of_category.items():
            together = np.concatenate([*(frames for frames, _ in pairs), normal])
            truth = np.concatenate([*(truth for _, truth in pairs), np.zeros(len(normal), dtype=np.uint8)])
            found[category] = roc_auc_score(truth, together)
        return found


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    rows, good = [], True
    for title, *size in SETS:
        made_up = MadeUpSet(*size)
        label, score = np.concatenate(list(made_up.labels.values())), np.concatenate(list(made_up.frame_scores().values()))
        ours, plain = made_up.library(), made_up.plain()
        difference = max(abs(ours[key] - plain[key]) for key in plain)
        medians = interleaved(
            {
                "plain": made_up.plain,
                "scikit-learn": lambda label=label, score=score: (
                    roc_auc_score(label, score),
                    average_precision_score(label, score),
                ),
                "library": made_up.library,
            },
            given.repeats,
        )
        good &= difference <= TOLERANCE and set(ours) == set(plain) and medians["library"] <= medians["scikit-learn"]
        rows.append(
            {
                "shape of": title,
                "videos x crops": f"{len(made_up.labels)} x {size[3]}",
                "frames": f"{len(label):,}",
                "plain s": medians["plain"],
                "scikit-learn AUC + AP alone s": medians["scikit-learn"],
                "library, all metrics s": medians["library"],
                "plain / library": medians["plain"] / medians["library"],
                "largest difference": difference,
            }
        )
    notes = [
        machine(),
        f"Made-up scores of the true sizes; per-crop snippet scores to 20 numbers (UCF-Crime) and 13 (XD-Violence). Medians of "
        f"{given.repeats} interleaved repeats.",
    ]
    report("evaluation", "From snippet scores to all metrics", pd.DataFrame(rows), notes, keep=given.keep)
    print("as promised" if good else f"NOT as promised: equal to {TOLERANCE:g}, and no slower than scikit-learn's AUC and AP alone")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
