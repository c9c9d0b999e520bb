"""Own footage: score videos, calibrate a threshold, score a stream.

    python -m vad_lib.deployment score VIDEO_OR_FOLDER... --out DIR
    python -m vad_lib.deployment calibrate NORMAL_FOOTAGE... --alarms-per-hour 1 --out calibration.json
    python -m vad_lib.deployment live rtsp://HOST/PATH --out DIR

Each of them says with --help what else it takes.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from vad_lib.data.extraction_workers import Workers
from vad_lib.data.finding import printable
from vad_lib.deployment import live
from vad_lib.deployment.calibration import calibrate
from vad_lib.deployment.model_choice import choose_model
from vad_lib.deployment.own_footage import DEFAULT_THRESHOLD, MODEL_OPTIONS, add_options, score_videos
from vad_lib.errors import command_line
from vad_lib.storage.locks import waiting

PROGRAM = "python -m vad_lib.deployment"

INPUTS = "a video, a folder (to any depth), a quoted pattern such as 'cam*/*.mp4', or a list: a .txt file with one path in a line"


@command_line("what is finished is whole; run the same command again to go on from here")
def score(arguments: Sequence[str] | None = None) -> int:
    """The command ``score``; returns the exit status, 1 if a video could not be scored."""
    parser = argparse.ArgumentParser(f"{PROGRAM} score", description="From videos to events, with clips, pictures and a page each.")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=INPUTS)
    parser.add_argument("--out", required=True, help="folder that gets a folder for each video, and index.html")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument(
        "--threshold",
        type=float,
        help=f"score at which an event starts, in (0, 1] (default: the model's own, or {DEFAULT_THRESHOLD}; neither is calibrated)",
    )
    limit.add_argument("--calibration", help="file of `calibrate`, which holds the threshold")
    _add_common(parser)
    parser.add_argument("--no-pictures", action="store_true", help="write no clip, no picture and no frame of the videos anywhere")
    parser.add_argument("--annotated", action="store_true", help="write a copy of each video with its scores beneath, too")
    options = vars(parser.parse_args(arguments))
    pictures = not options.pop("no_pictures")
    with waiting(options.pop("wait")):
        report = score_videos(
            options.pop("inputs"), _model(options), options.pop("out"), pictures=pictures, workers=_workers(options), **options
        )
    print(report)
    return 1 if report.failures else 0


@command_line("what is finished is kept; run the same command again to go on from here")
def calibration(arguments: Sequence[str] | None = None) -> int:
    """The command ``calibrate``; returns the exit status, 1 if a video could not be scored."""
    words = "Find a threshold on footage that is known to be normal, for a wanted number of false alarms an hour."
    parser = argparse.ArgumentParser(f"{PROGRAM} calibrate", description=words)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=INPUTS)
    parser.add_argument("--out", required=True, help="the file, JSON; `score --calibration` takes it")
    parser.add_argument("--alarms-per-hour", type=float, required=True, help="events that may be found in an hour")
    parser.add_argument("--features", help="folder that keeps the features (default: features beside the file)")
    _add_common(parser)
    options = vars(parser.parse_args(arguments))
    with waiting(options.pop("wait")):
        report = calibrate(options.pop("inputs"), _model(options), options.pop("out"), workers=_workers(options), **options)
    print(report)
    return 1 if report.failures else 0


COMMANDS: dict[str, Callable[[Sequence[str] | None], int]] = {"score": score, "calibrate": calibration, "live": live.main}


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Options of the model, the rule and the workers."""
    add = parser.add_argument
    add("--model", default="fights", help="a shipped model, the folder of a finished run, or an .onnx file (default: fights)")
    add_options(parser)
    add("--jobs", type=int, default=1, help="processes on this machine (default: 1)")
    add("--backend", choices=("loky", "dask"), default="loky", help="processes on this machine, or a Dask cluster")
    add("--scheduler", default="", help="address of the Dask scheduler, e.g. tcp://host:8786")
    add("--wait", action="store_true", help="wait while another process writes to the same folder, instead of stopping")


def _model(options: dict[str, Any]) -> Any:
    return choose_model(options.pop("model"), **{name: options.pop(name) for name in MODEL_OPTIONS})


def _workers(options: dict[str, Any]) -> Workers:
    return Workers(*(options.pop(name) for name in Workers._fields))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:])
    asked = arguments[:1] in (["-h"], ["--help"])
    text = __doc__.strip()
    if arguments and not asked:
        text = f"error: expected one of {', '.join(COMMANDS)}, got {printable(arguments[0])!r}.\n\n{text}"
    print(text, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
