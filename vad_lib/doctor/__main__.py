"""Command line: ``python -m vad_lib.doctor SCORES --truth FILES``."""

import argparse
import sys
from pathlib import Path

from vad_lib.data.importing.public_lists import read_names
from vad_lib.doctor.detection_conventions import detection_numbers, detection_sentences
from vad_lib.doctor.diagnosis import diagnose, writable
from vad_lib.doctor.explaining import claimed_number
from vad_lib.doctor.features import describe_features
from vad_lib.doctor.fitting import fit
from vad_lib.doctor.lists import list_sentences
from vad_lib.doctor.one_video import compare_video
from vad_lib.doctor.reading import read_scores, read_truth
from vad_lib.doctor.training_log import read_log
from vad_lib.errors import ConfigError, command_line

_ABOUT = """Why is my number different? Give scores and a ground truth; the doctor says what they are, measures them under every
convention of evaluation that is in use, and says which one, or which two, give the number that you claim (or none)."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vad_lib.doctor", description=_ABOUT)
    add = parser.add_argument
    add("scores", type=Path, help=".npy, .npz (one array, or one per video by name), .csv (video,score), .json or a folder of .npy")
    add("--truth", nargs="+", type=Path, required=True,
        help="official annotation files or their folder, a videos.csv, and/or a .npy of frame labels")  # fmt: skip
    add("--claimed", default="", help="the number to explain, as it is written, such as 86.97")
    add("--metric", choices=("auc", "ap", "far", "map"), default="",
        help="measure of the claim; far: a false alarm rate in percent, map: a detection mAP (default: the set's)")  # fmt: skip
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
    measure = given.metric if given.metric in ("far", "map") else ""
    if given.video and not given.features:
        raise ConfigError("--video: expected a .npy of its features too; name it with --features.")
    if measure == "map" and not given.probabilities:
        raise ConfigError("--metric map: expected class probabilities, from which it is measured; name them with --probabilities.")
    if given.out:
        writable(given.out)
    truth = read_truth(given.truth)
    order = read_names(given.order) if given.order else ()
    further: list[str] = []
    number, tolerance = claimed_number(given.claimed, measure != "far") if given.claimed else (None, 0.0)
    if given.log:
        usual = truth.known.headline_metric if truth.known else ""
        further += read_log(given.log, given.log_column, None if measure else number, tolerance, given.metric or usual).sentences
    if given.train_list:
        further += list_sentences(given.train_list, truth.known.name if truth.known else "")
    if given.video:
        further.append(compare_video(given.video, given.features).verdict)
    elif given.features:
        further += describe_features(given.features, truth.videos)
    maps = detection_numbers(given.probabilities, truth) if given.probabilities else {}
    if maps:
        further += detection_sentences(maps, truth, None if measure == "far" else number, tolerance)
    fitted = fit(read_scores(given.scores), truth, order, "" if measure else given.metric)
    found = diagnose(fitted, given.claimed, given.theirs, further, measure=measure, maps=maps)
    print(found.text(), end="")
    if given.out:
        print("\nwritten: " + ", ".join(map(str, found.write(given.out))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
