"""What a live run does with each snippet: score it, find events, write files, and count."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vad_lib.config import FRAMES_PER_SNIPPET, FeatureSettings
from vad_lib.data.backbones.clip_image import ClipImage
from vad_lib.data.backbones.i3d import I3D
from vad_lib.data.feature_store_files import finite_rows
from vad_lib.data.snippets import crop_views, network_input
from vad_lib.deployment.events import Event, EventRule
from vad_lib.deployment.live_clips import EventClips
from vad_lib.deployment.live_events import OnlineEvents, Piece
from vad_lib.deployment.live_files import Lags, LiveFiles
from vad_lib.deployment.live_reader import PEAK, Reader, Snippet
from vad_lib.deployment.live_settings import LiveSettings
from vad_lib.deployment.page_parts import clock
from vad_lib.deployment.scoring_model import ScoringModel
from vad_lib.report.figures.alternative_texts import counted

CURVES = ("score", "visual", "semantic")
RUNNING = "running"
STREAM_LOST = "stream lost"  # in gaps.csv


class SnippetScorer:
    """Pixels to scores, one snippet after the other.

    Args:
        model: one that sees nothing later, on ``device``.
        recipe: of the features that it takes.
        network: that makes them, on ``device``.
        device: of torch.

    Raises:
        ConfigError: the model sees what comes later.
    """

    def __init__(self, model: ScoringModel, recipe: FeatureSettings, network: I3D | ClipImage, device: str) -> None:
        self._stream, self._model = model.stream(), model
        self._recipe, self._network, self._device = recipe, network, device

    def warm_up(self) -> None:
        """Run once, since the first time takes longer, and forget it."""
        size = self._recipe.crop_size
        self.score(np.zeros((len(self._network.places), size, size, 3), dtype=np.uint8))
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next snippet is the first of another one."""
        self._stream.reset()

    def score(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        """Score the next snippet.

        Args:
            frames: uint8 (P, H, W, 3), RGB, the frames that the network looks at.

        Returns:
            ``score`` and, where the model has them, ``visual`` and ``semantic``, float32 () in [0, 1]; and ``alignment``, float32
            (K,).
        """
        views = crop_views(frames, self._recipe.crop_size, self._recipe.num_crops)
        step = self._recipe.batch_size
        parts = [self._network(network_input(views[at : at + step], self._device)) for at in range(0, len(views), step)]
        features = finite_rows("the stream", torch.cat(parts).cpu().numpy(), self._recipe.dtype)
        return {name: values[0] for name, values in self._stream.push(features[None]).items()}

    def probabilities(self, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
        """float (K,), of each category; None where the model has no alignment."""
        return self._model.probabilities(arrays)


class LiveSession:
    """The work on the snippets of one run, by one thread.

    Args:
        out: folder of the files; they are made with the first snippet.
        scorer: of the snippets.
        rule: how scores become events.
        categories: of the model, the normal one first.
        about: plain values that stand first in the JSON files.
        settings: of the run.
        say: shows a line to a person.

    Attributes:
        snippets: that were scored.
    """

    def __init__(
        self,
        out: Path,
        scorer: SnippetScorer,
        rule: EventRule,
        categories: tuple[str, ...],
        about: dict[str, Any],
        settings: LiveSettings,
        say: Callable[[str], None],
    ) -> None:
        self._out, self._scorer, self._categories, self._settings, self._say = out, scorer, categories, settings, say
        self._about = about | {"started": _now()}
        self._files: LiveFiles | None = None
        self._online = OnlineEvents(rule, settings.reset_seconds, categories)
        self._clips = EventClips(out, settings)
        self._last: Snippet | None = None
        self._lags, self._recent = Lags(), Lags()
        self._highest, self._latest, self._late, self._gaps = 0.0, 0.0, 0.0, 0
        self._reported = time.monotonic()
        self.snippets = 0

    def take(self, snippet: Snippet) -> None:
        """Score a snippet and write what follows from it.

        Raises:
            OutputError: a file cannot be written, or the disk is full.
        """
        if self._last is not None and snippet.start - self._last.end > self._settings.reset_seconds:
            self._scorer.reset()
        arrays = self._scorer.score(snippet.frames)
        lag = time.monotonic() - snippet.arrived
        if self._files is None:
            columns = ["frame", "seconds", "end", "time", *(name for name in CURVES if name in arrays)]
            self._files = LiveFiles(self._out, [*columns, *["category"] * ("alignment" in arrays), "lag_seconds"], self._about)
        row = [snippet.first_frame, f"{snippet.start:.3f}", f"{snippet.end:.3f}", snippet.time.isoformat(timespec="milliseconds")]
        row += [f"{float(arrays[name]):.6g}" for name in CURVES if name in arrays]
        row += [self._categories[int(arrays["alignment"].argmax())]] if "alignment" in arrays else []
        self._files.add_score([*row, f"{lag:.3f}"])
        self._note_gap(snippet, self._files)
        self._find_events(snippet, float(arrays["score"]), self._scorer.probabilities(arrays))
        for lags in (self._lags, self._recent):
            lags.add(lag)
        self._latest, self._highest = float(arrays["score"]), max(self._highest, float(arrays["score"]))
        self._late = max(self._late, snippet.late)
        self._last = snippet
        self.snippets += 1

    def _note_gap(self, snippet: Snippet, files: LiveFiles) -> None:
        """Note a stretch without scores before a snippet."""
        last = self._last
        end, number = (0.0, -1) if last is None else (last.end, last.number)
        dropped, reasons = snippet.number - number - 1, []
        if last is not None and snippet.connection != last.connection:
            reasons.append(STREAM_LOST)
        if dropped:
            reasons.append("too slow")
        usual, short = (snippet.end - snippet.start) / FRAMES_PER_SNIPPET, self._settings.cut_seconds / 2
        if not reasons and snippet.start - end > max(short, usual):
            reasons.append("frames too far apart" if usual > short else "no frames")
        if reasons:
            files.add_gap(end, snippet.start, " and ".join(reasons), dropped)
            self._gaps += 1

    def _find_events(self, snippet: Snippet, score: float, probabilities: np.ndarray | None) -> None:
        peak, behind = float(snippet.seconds[PEAK]), snippet.first_frame + FRAMES_PER_SNIPPET
        frames = (snippet.first_frame, behind, snippet.first_frame + PEAK)
        before = self._online.current
        events = self._online.push(Piece(snippet.start, snippet.end, peak, *frames, score, probabilities))
        current = self._online.current
        if before is not None and before != current:
            self._ended(events)
        if current is None:
            self._clips.pass_by(snippet)
            return
        if before != current:
            self._say(f"{clock(snippet.start)}  score {score:.2f}: an event may begin")
        self._clips.add(self._online.count + 1, snippet, score)

    def _ended(self, events: list[Event]) -> None:
        """An event is over: ``events`` holds it, or nothing if it was too short."""
        if not events:
            self._clips.drop()
        for event in events:
            clip, picture = self._clips.finish()
            event = replace(event, clip=clip, picture=picture)
            assert self._files is not None  # a snippet was scored
            self._files.add_event(event)
            words = "" if event.category is None else f", {event.category} ({event.confidence:.2f})"
            times = f"{clock(event.start)} to {clock(event.end)}"
            self._say(f"event {event.number}: {times}, score {event.score:.2f}{words}{f', {clip}' if clip else ''}")

    def report_if_due(self, reader: Reader) -> None:
        """Say how scores and lag are, and write ``live.json``, if the time has come."""
        if time.monotonic() - self._reported >= self._settings.report_seconds:
            self.report(reader)

    def report(self, reader: Reader, state: str = RUNNING) -> dict[str, Any]:
        """Say how scores and lag are, and write ``live.json``.

        Returns:
            what was written.
        """
        self._reported = time.monotonic()
        summary = self._summary(reader, state)
        if self._files is None:
            if reader.frames and not reader.snippets:
                self._say(
                    f"{counted(reader.frames, 'frame')} came, none scored: a score takes {FRAMES_PER_SNIPPET} in a row, each at "
                    f"most {reader.cut:.3g} s after the one before. If this goes on, let the camera send more frames a second."
                )
            return summary
        lags = self._recent if state == RUNNING else self._lags
        lag = f"lag {lags.quantile(0.5):.2f} s, largest {lags.largest:.2f} s" if lags.largest else "none scored since the last line"
        late = f"; frames up to {self._late:.1f} s late" if self._late > self._settings.cut_seconds else ""
        self._say(
            f"{clock(summary['seconds'], 0)}  score {self._latest:.2f}, highest {self._highest:.2f} | "
            f"{counted(self.snippets, 'snippet')}, {summary['dropped_snippets']:,} dropped | "
            f"{lag}{late} | "
            f"{counted(self._online.count, 'event')}, {counted(self._gaps, 'gap')}"
        )
        self._recent = Lags()
        self._files.write_summary(summary)
        return summary

    def _summary(self, reader: Reader, state: str) -> dict[str, Any]:
        return self._about | {
            "state": state,
            "written": _now(),
            "seconds": 0.0 if self._last is None else round(self._last.end, 3),
            "frames": reader.frames,
            "snippets": self.snippets,
            "dropped_snippets": reader.waiting.dropped,
            "connections": reader.connections,
            "gaps": self._gaps,
            "events": self._online.count,
            "highest_score": round(self._highest, 6),
            "lag_seconds": self._lags.summary(),
            "late_seconds": round(self._late, 3),
        }

    def _mind_end(self, reader: Reader) -> None:
        """Note the stretch without scores at the end, where the stream is lost."""
        if self._last is not None and self._files is not None and reader.lost and reader.clock.now() > self._last.end:
            unscored = reader.snippets - self._last.number - 1
            self._files.add_gap(self._last.end, reader.clock.now(), STREAM_LOST, unscored)
            self._gaps += 1

    def close(self, reader: Reader, state: str) -> dict[str, Any]:
        """End the run: close the event that goes on, write ``live.json`` and close all files.

        Args:
            reader: of the run.
            state: why it ends.

        Returns:
            what stands in ``live.json``.
        """
        try:
            if self._online.current is not None:
                self._ended(self._online.finish())
            self._mind_end(reader)
            return self.report(reader, state)
        finally:
            if self._files is not None:
                self._files.close()


def _now() -> str:
    """The time, UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
