"""Score a camera, a stream, or a file played at its own speed, snippet by snippet, until it is stopped.

    python -m vad_lib.deployment live rtsp://USER:PASSWORD@HOST/PATH --out DIR

16 frames make a snippet; the model has to be one that sees nothing later (``context="causal"``). ``DIR`` gets ``scores.csv``, a
line per snippet; ``gaps.csv``, a line for each stretch without scores, and why; ``events.csv``, ``events.json`` and
``events.vtt``, with a picture and clips for each event, as the event ends; and ``live.json``, the state of the run. All of
them are whole at any moment; Ctrl-C and SIGTERM close the event that goes on, and its clip.

Memory does not grow. Where the machine is too slow, whole snippets are dropped, the oldest waiting ones first, and counted. A
lost stream is tried again after 1, 2, 4 ... and at most 60 seconds. What is scored stays on this machine. The address may stand
in a file, ``@FILE``, so that its password is in no list of processes; it is never printed or stored.
"""

import argparse
import functools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.extraction_workers import backbone
from vad_lib.deployment import shipped
from vad_lib.deployment.live_files import check_free
from vad_lib.deployment.live_reader import Reader
from vad_lib.deployment.live_session import LiveSession, SnippetScorer
from vad_lib.deployment.live_settings import LiveSettings
from vad_lib.deployment.live_source import SOURCES, parse_source
from vad_lib.deployment.model_choice import ModelChoice, choose_model
from vad_lib.deployment.own_footage import MODEL_OPTIONS, add_options, choose_rule
from vad_lib.errors import ConfigError, DataError, VadError, command_line

LOOK_SECONDS = 0.2  # between two looks at the clock and at the wish to stop, while no snippet comes
FILE_ENDED = "the file has ended"
JOIN_SECONDS = 2.0  # that the end waits for a reader that waits for a silent stream


def score_live(
    source: str,
    model: ModelChoice | Path | str,
    out: Path | str,
    *,
    threshold: float | None = None,
    calibration: Path | str | None = None,
    lower_share: float | None = None,
    shortest: float | None = None,
    gap: float | None = None,
    minutes: float | None = None,
    settings: LiveSettings | None = None,
    stop: threading.Event | None = None,
    say: Callable[[str], None] = functools.partial(print, flush=True),  # noqa: B008  it cannot be changed
) -> dict[str, Any]:
    """Score a camera, a stream or a file until it is stopped; Ctrl-C is one way.

    Args:
        source: ``rtsp://``, ``rtmp://``, ``http://``, ``https://``, ``udp://`` or ``tcp://`` and so on, ``/dev/video0``, or a path.
        model: of :func:`~vad_lib.deployment.model_choice.choose_model`, or what that takes; one that sees nothing later.
        out: folder for the results; made if missing, refused if it holds an earlier run.
        threshold: at which an event starts, in (0, 1].
        calibration: file of :func:`~vad_lib.deployment.calibration.calibrate`, in place of a threshold. Without both, the
            model's own threshold is taken if it has one, else 0.5.
        lower_share: part of the threshold below which an event ends; see :class:`~vad_lib.deployment.events.EventRule`, also for
            the default.
        shortest: seconds of the shortest event.
        gap: seconds; events with less between them are joined.
        minutes: after which it ends; None for no end.
        settings: times, sizes and pauses.
        stop: set by another thread to end.
        say: shows a line to a person.

    Returns:
        the content of ``live.json``.

    Raises:
        MissingFileError: no such model, file, device or calibration.
        ConfigError: no such kind of source, a model that sees what comes later, a number out of range, or an earlier run in
            ``out``.
        DataError: the stream cannot be opened at the start, or the file holds too few frames or is damaged.
        OutputError: a file cannot be written, or the disk is full. What was written is whole.
    """
    settings, out = settings or LiveSettings(), Path(out)
    if minutes is not None and not minutes > 0:
        raise ConfigError(f"minutes: expected a number above 0, got {minutes:g}.")
    parsed = parse_source(source)
    check_free(out)
    choice = model if isinstance(model, ModelChoice) else choose_model(model)
    rule, note = choose_rule(choice, threshold, calibration, lower_share, shortest, gap)
    opened, network = choice.open(), backbone(choice.recipe, choice.device)
    scorer = SnippetScorer(opened, choice.recipe, network, choice.device)
    scorer.warm_up()
    about = {"source": parsed.shown, "model": opened.title, "rule": rule.model_dump(), "threshold_from": note}
    session = LiveSession(out, scorer, rule, opened.categories, about | {"settings": settings.model_dump()}, settings, say)
    reader = Reader(parsed, choice.recipe, network, settings, say)
    say(f"{parsed.shown}: scored by {opened.title}; events from {rule.threshold:.6g} on ({note})")
    reader.start()
    try:
        state = _follow(reader, session, minutes, stop or threading.Event())
    except KeyboardInterrupt:
        state = "stopped"
    except BaseException:
        reader.stop()
        with suppress(VadError):  # the first error is the one to show
            session.close(reader, "ended by an error")
        raise
    reader.stop()
    summary = session.close(reader, state)
    reader.join(JOIN_SECONDS)
    if parsed.kind == "file" and state == FILE_ENDED and not session.snippets:
        few = reader.frames < FRAMES_PER_SNIPPET
        wanted = "or more" if few else f"in a row, each at most {reader.cut:.3g} s after the one before"
        advice = "choose a longer video" if few else "`python -m vad_lib.deployment score` takes frames at any distance"
        raise DataError(f"{parsed.shown}: expected {FRAMES_PER_SNIPPET} frames {wanted}, got {reader.frames}; {advice}.")
    return summary


def shipped_model() -> str:
    """Name of the first shipped model that sees nothing later.

    Raises:
        ConfigError: there is none.
    """
    for name in shipped.names():
        if shipped.is_causal(name):
            return name
    raise ConfigError(
        "live: no shipped model sees nothing later; name the folder of a run trained with context='causal' (--model)."
    )


def _follow(reader: Reader, session: LiveSession, minutes: float | None, stop: threading.Event) -> str:
    """Score what comes; returns why it ended."""
    end = None if minutes is None else time.monotonic() + 60 * minutes
    while not stop.is_set():
        snippet = reader.waiting.get(LOOK_SECONDS)
        if snippet is not None:
            session.take(snippet)
        elif reader.waiting.over:
            if reader.failure is not None:
                raise reader.failure
            return FILE_ENDED
        session.report_if_due(reader)
        if end is not None and time.monotonic() >= end:
            return f"{minutes:g} minutes are over"
    return "stopped"


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set the event inside the block; a second one ends the program at once."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        for each, usual in before.items():
            signal.signal(each, usual)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


@command_line("what was written is whole")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vad_lib.deployment live", description=__doc__.splitlines()[0], fromfile_prefix_chars="@"
    )
    add = parser.add_argument
    add("source", help=f"{SOURCES}; @FILE for a file that holds the address")
    add("--out", required=True, help="folder that gets the results; a new one for each run")
    add("--model", help="shipped model or folder of a run, one that sees nothing later (default: the shipped one)")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--threshold", type=float, help="score at which an event starts, in (0, 1] (default: the model's own)")
    limit.add_argument("--calibration", help="file of `calibrate`, which holds the threshold")
    add_options(parser)
    add("--minutes", type=float, help="after which it ends (default: never)")
    add("--clip-seconds", type=float, default=60.0, help="length of a clip; longer events get several (default: 60)")
    add("--no-pictures", action="store_true", help="write no clips and no pictures")
    options = vars(parser.parse_args(arguments))
    settings = LiveSettings(pictures=not options.pop("no_pictures"), clip_seconds=options.pop("clip_seconds"))
    parse_source(options["source"])  # before the model is loaded
    recipe = {name: options.pop(name) for name in MODEL_OPTIONS}
    model, stop = choose_model(options.pop("model") or shipped_model(), **recipe), threading.Event()
    with _stopping(stop):
        summary = score_live(model=model, settings=settings, stop=stop, **options)
    results = f"results in {options['out']}" if summary["snippets"] else "nothing was scored and nothing written"
    print(f"{summary['state']}; {results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
