"""Numbers of snippets against numbers of frames: which mask rule fits, and what is likely wrong where none does."""

import dataclasses
from pathlib import Path
from typing import Any

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MOST_FRAMES, MaskRule, VideoList, VideoRecord
from vad_lib.data.finding import Finding, Tell, error_at
from vad_lib.data.hand_made_lists import read_rows, whole_number
from vad_lib.data.importing.findings import num_test_frames
from vad_lib.data.importing.layouts import FeatureLayout
from vad_lib.data.importing.public_sets import PublicSet
from vad_lib.data.importing.settings import LAYOUT_MASK_RULES, SPLIT_NAMES, ImportSettings
from vad_lib.data.importing.video_names import video_key
from vad_lib.errors import DataError

ALIGNED = 1  # snippets that --align may add or take: the last one, padded or left out


def known_frame_counts(
    settings: ImportSettings, known: PublicSet | None, videos: VideoList, looks: dict[str, int], tell: Tell
) -> dict[str, int]:
    """Frames of the videos, by name, as far as they are known: from ``--frames``, the list, or the video files.

    Args:
        settings: may name a CSV with the frame counts.
        known: the public set, if it is one.
        videos: with the ``num_frames`` of the list, 0 where that of a public set gives none.
        looks: frames of the video files, by name.
        tell: gets what is wrong with the CSV.

    Raises:
        MissingFileError: there is no such CSV.
    """
    stated = {record.name: record.num_frames for record in videos.records if record.num_frames or not known}
    if settings.frames:
        listed = _read_frame_counts(Path(settings.frames), tell)
        given = {record.name: listed[key] for record in videos.records if (key := video_key(record.name)) in listed}
        return stated | given if known else given
    return stated | looks if known else stated


def _read_frame_counts(path: Path, tell: Tell) -> dict[str, int]:
    counts: dict[str, int] = {}
    told: list[Finding] = []
    try:
        rows = read_rows(path, ("video", "n_frames"), "a CSV with the columns video and n_frames", tell=told.append)
    except DataError as error:
        tell(error_at("frames-list", path, error, ""))
        return {}
    for row in rows:
        try:
            key, frames = video_key(row.cells["video"]), whole_number(row.cells["n_frames"])
        except ValueError as error:
            message, _, fix = str(error).rpartition("; ")
            told.append(Finding("error", "frames-list", f"{row.place}, column n_frames", message, fix))
            continue
        if not 1 <= frames <= MOST_FRAMES or counts.setdefault(key, frames) != frames:
            message = f"{frames:,} frames of {row.cells['video']} cannot be, or contradict another line"
            told.append(Finding("error", "frames-list", row.place, message, "correct the line"))
    if not counts and not told:
        message = "expected columns video and n_frames and a line per video, got none"
        told.append(Finding("error", "frames-list", str(path), message, "write them, or leave out --frames"))
    for finding in told:
        tell(finding)
    return counts


def mask_rule_for(
    settings: ImportSettings, known: PublicSet | None, layout: FeatureLayout | None, content: dict[str, Any]
) -> MaskRule:
    """The mask rule that is stated, by the command or in ``dataset.json``, or that usually goes with the layout of a public set."""
    if settings.rule or not known:
        return settings.rule or content.get("mask_rule", "frames")
    usual = LAYOUT_MASK_RULES[layout] if layout else "frames"
    return usual if usual in known.totals else next(iter(known.totals))


def fit_lengths(
    videos: VideoList,
    lengths: dict[str, int],
    counted: dict[str, int],
    rule: MaskRule,
    known: PublicSet | None,
    align: str,
    tell: Tell,
) -> tuple[VideoList, dict[str, int]]:
    """Compare the snippets of every video with its frames, and give it the frames that its mask has.

    Args:
        videos: to complete.
        lengths: T by name, as in the files.
        counted: frames by name, as far as they are known.
        rule: the mask rule.
        known: the public set, if it is one.
        align: what to do about lengths that are one snippet off: ``none``, ``cut``, ``pad`` or ``both``.
        tell: gets lengths that do not fit.

    Returns:
        videos with ``num_frames`` and ``mask_rule``; T by name of those that are cut or padded.
    """
    fitted: dict[str, int] = {}
    durations = {counted.get(record.name) for record in videos.records}
    same_length = len(lengths) > 3 and len(set(lengths.values())) == 1 and (len(durations) > 1 or not counted)
    done = []
    if align != "none" and not counted:
        message = f"--align {align} needs the frames of the videos"
        tell(Finding("error", "align", "", message, "give them with --frames"))
    for record in videos.records:
        length, frames, subject = lengths[record.name], counted.get(record.name), f"video {record.name}"
        if frames is not None:
            low, usual, high = _expected(record, frames, rule, known)
            wanted = min(max(length, low), high)
            near = abs(length - wanted) <= ALIGNED
            if near and ((wanted < length and align in ("cut", "both")) or (wanted > length and align in ("pad", "both"))):
                fitted[record.name] = length = wanted
            elif wanted != length:
                message = (
                    f"{frames:,} frames hold {usual:,} snippets of {FRAMES_PER_SNIPPET} under mask rule {rule}, its features have "
                    f"{length:,}; likely {_cause(length, wanted, same_length)}"
                )
                tell(Finding("error", "snippets", subject, message, _advice(near, align)))
        elif rule == "frames" and record.split == "test":
            message = "mask rule frames needs its raw frames"
            tell(Finding("error", "snippets", subject, message, "give a CSV with video,n_frames by --frames"))
        end = max((end for _, end in record.intervals), default=0)
        # the public features lose at most one snippet, and annotations pass the end by a few frames at most
        if known and frames is None and end > (length + 1) * FRAMES_PER_SNIPPET:
            message = (
                f"an annotated interval ends at frame {end:,}, its features have {length:,} snippets, "
                f"{length * FRAMES_PER_SNIPPET:,} frames; likely {_cause(length, end // FRAMES_PER_SNIPPET, same_length)}"
            )
            tell(Finding("error", "snippets", subject, message, "use features and lists of one release"))
        evaluated = frames if rule == "frames" and frames is not None else FRAMES_PER_SNIPPET * length
        done.append(dataclasses.replace(record, num_frames=evaluated, mask_rule=rule))
    return dataclasses.replace(videos, records=tuple(done)), fitted


def _advice(near: bool, align: str) -> str:
    release = "use features and lists of one release"
    if near:
        return f"{release}, or --align" if align == "none" else f"{release}, or --align both"
    return f"{release}; --align is for a snippet more or less at the end, and would make up or throw away features here"


def _expected(record: VideoRecord, frames: int, rule: MaskRule, known: PublicSet | None) -> tuple[int, int, int]:
    """Fewest snippets that features of a video may have, the number that the rule gives, and most."""
    whole = -(-frames // FRAMES_PER_SNIPPET)
    if rule == "frames":
        return max(whole - 1, 1), whole, whole
    if known:
        expected = known.expected_snippets(rule, record.name, frames)
        # the exceptions among the training videos are not published, and of some sets nothing is
        slack = 0 if record.split == "test" and known.snippets else 1
    else:
        expected, slack = (whole if rule == "B" else frames // FRAMES_PER_SNIPPET), 1
    return max(expected - slack, 1), max(expected, 1), max(expected + slack, 1)


def _cause(found: int, expected: int, same_length: bool) -> str:
    ratio = found / max(expected, 1)
    if same_length:
        return f"stretched or padded to {found} segments, where snippets are needed"
    for stride in (1, 2, 4, 8, 10, 12, 24, 32, 64):
        if abs(found - expected) > 2 and abs(ratio * stride / FRAMES_PER_SNIPPET - 1) < 0.05:
            return f"another stride, one snippet per {stride} frames"
    if abs(found - expected) == 1:
        return "another padding of the last snippet, as under another --rule"
    return "padding, or another release" if found > expected else "another release, or a copy that was cut off"


def wrong_totals(known: PublicSet, videos: VideoList, rule: MaskRule, lengths: dict[str, int]) -> Finding | None:
    """The totals of a complete test set, if they are not the public ones."""
    found, expected = num_test_frames(videos.records), known.totals.get(rule)
    if expected in (None, found):
        return None
    fits = [other for other, totals in known.totals.items() if other != "frames" and totals and totals[0] == found[0]]
    tested = [lengths[record.name] for record in videos.split("test") if record.name in lengths]
    cause = _cause(sum(tested), expected[0] // FRAMES_PER_SNIPPET, len(set(tested)) == 1)
    message = (
        f"{found[0]:,} test frames, {found[1]:,} abnormal, where mask rule {rule} of the public ground truth has "
        f"{expected[0]:,} and {expected[1]:,}"
    )
    if fits:
        fix = f"they are features of mask rule {fits[0]}: use --rule {fits[0]}"
    else:
        fix = f"likely {cause}; to see which videos differ, give their raw frames with --frames"
    return Finding("error", "public-totals", "", message, fix)


def miscounted(known: PublicSet, videos: VideoList, tell: Tell) -> None:
    """Tell what is wrong with the number of videos of a set that should be complete."""
    for split, name in SPLIT_NAMES.items():
        records = videos.split(split)
        abnormal = sum(videos.is_abnormal(record) for record in records)
        found = abnormal, len(records) - abnormal
        if split == "train" and not records and not known.counts[split][0]:
            message = "there are no training videos, so it is for evaluation only; those that are released are all normal"
            tell(Finding("note", "test-only", known.title, message))
        elif found != known.counts[split]:
            message = (
                f"{found[0]:,} abnormal and {found[1]:,} normal {name} videos, released are "
                f"{known.counts[split][0]:,} and {known.counts[split][1]:,}{known.count_hint}"
            )
            fix = "complete the lists and files, or accept it with --partial"
            tell(Finding("error", "public-totals", known.title, message, fix))
