"""Command line: ``python -m vad_lib.doctor SCORES --truth FILES``."""

import argparse
import sys
from pathlib import Path

from vad_lib.data.importing.public_lists import read_names
from vad_lib.doctor.detection_conventions import detection_sentences
from vad_lib.doctor.diagnosis import diagnose
from vad_lib.doctor.explaining import claimed_number
from vad_lib.doctor.features import describe_features
from vad_lib.doctor.fitting import fit
from vad_lib.doctor.lists import list_sentences
from vad_lib.doctor.one_video import compare_video
from vad_lib.doctor.reading import read_scores, read_truth
from vad_lib.doctor.training_log import read_log
from vad_lib.errors import OutputError, command_line

_ABOUT = """Why is my number different? Give scores and a ground truth; the doctor says what they are, measures them under every
convention of evaluation that is in use, and says which one, or which two, give the number that you claim (or none)."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vad_lib.doctor", description=_ABOUT)
    add = parser.add_argument
    add("scores", type=Path, help=".npy, .npz (one array, or one per video by name), .csv (video,score), .json or a folder of .npy")
    add("--truth", nargs="+", type=Path, required=True,
        help="official annotation files or their folder, a videos.csv, and/or a .npy of frame labels")  # fmt: skip
    add("--claimed", default="", help="the number to explain, as it is written, such as 86.97")
    add("--metric", choices=("auc", "ap"), default="", help="the measure of the claim (default: that of the data set)")
    add("--order", type=Path, help="text file that names the videos in the order of one array of scores")
    add(
        "--theirs",
        nargs="+",
        default=[],
        metavar="AXIS=CHOICE",
        help="their protocol where it is known, such as 'ties=normal first'",
    )
    add("--log", type=Path, help="training log, .csv or text: says what choosing the best checkpoint adds")
    add("--log-column", default="", help="column or word of the values in the log")
    add("--train-list", type=Path, help="a training list: says whether it is complete")
    add("--features", type=Path, help="folder of feature files: says what they are")
    add("--video", type=Path, help="a video whose features --features names (.npy): extracts its beginning and compares")
    add("--probabilities", type=Path, help="class probabilities per video (.npz), snippets x classes: mAP under each convention")
    add("--out", type=Path, help="folder that gets doctor.md, doctor.json and doctor.png")
    return parser


@command_line("nothing was written")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    given = _parser().parse_args(arguments)
    if given.out and given.out.exists() and not given.out.is_dir():
        raise OutputError(f"{given.out}: expected a folder for the results, found a file; name another with --out.")
    truth = read_truth(given.truth)
    order = read_names(given.order) if given.order else ()
    further: list[str] = []
    number, tolerance = claimed_number(given.claimed) if given.claimed else (None, 0.0)
    if given.log:
        further += read_log(given.log, given.log_column, number, tolerance).sentences
    if given.train_list:
        further += list_sentences(given.train_list, truth.known.name if truth.known else "")
    if given.video and given.features:
        further.append(compare_video(given.video, given.features).verdict)
    elif given.features:
        further += describe_features(given.features, truth.videos)
    if given.probabilities:
        further += detection_sentences(given.probabilities, truth, number, tolerance)
    found = diagnose(fit(read_scores(given.scores), truth, order, given.metric), given.claimed, given.theirs, further)
    print(found.text(), end="")
    if given.out:
        print("\nwritten: " + ", ".join(map(str, found.write(given.out))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
