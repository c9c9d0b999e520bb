"""Numbers of snippets against numbers of frames: which mask rule fits, and what is likely wrong where none does."""

import dataclasses
from pathlib import Path
from typing import Any

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MOST_FRAMES, MaskRule, VideoList, VideoRecord
from vad_lib.data.importing.findings import num_test_frames
from vad_lib.data.importing.layouts import FeatureFile, FeatureLayout
from vad_lib.data.importing.public_sets import UCF_CRIME, PublicSet, video_key
from vad_lib.data.importing.settings import LAYOUT_MASK_RULES, SPLIT_NAMES, ImportSettings
from vad_lib.data.video import header_frames
from vad_lib.errors import DataError, first_few
from vad_lib.storage.reading import read_csv


def known_frame_counts(
    settings: ImportSettings, known: PublicSet | None, videos: VideoList, raw: list[FeatureFile], *, asked: bool
) -> tuple[dict[str, int], list[str]]:
    """Frames of the videos, by key, as far as they are known.

    Args:
        settings: may name a CSV with the frame counts.
        known: the public set, if it is one.
        videos: with the ``num_frames`` of a person's own list.
        raw: video files of the folder.
        asked: False to leave the headers of the videos alone; reading them takes time.

    Returns:
        the counts, and a warning if headers of videos say otherwise.
    """
    headers = {file.key: header_frames(file.path) for file in raw} if asked else {}
    listed = {} if known else {video_key(record.name): record.num_frames for record in videos.records}
    counted = _read_frame_counts(Path(settings.frames)) if settings.frames else listed
    differing = [key for key, frames in headers.items() if abs(counted.get(key, frames) - frames) > FRAMES_PER_SNIPPET]
    warnings = (
        [f"by the headers of their files, videos of other length than listed: {first_few(differing)}; correct n_frames if so."]
        if differing
        else []
    )
    return counted or headers, warnings


def _read_frame_counts(path: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line, row in read_csv(path, ("video", "n_frames"), "a CSV with the columns video and n_frames"):
        try:
            key, frames = video_key(row["video"].strip()), int(row["n_frames"])
        except ValueError:
            raise DataError(f"{path}, line {line}: expected columns video and n_frames with a number, got {row}.") from None
        if not 1 <= frames <= MOST_FRAMES or counts.setdefault(key, frames) != frames:
            raise DataError(f"{path}, line {line}: {frames:,} frames of {row['video']} cannot be, or contradict another line.")
    if not counts:
        raise DataError(f"{path}: expected columns video and n_frames and a line per video, got none.")
    return counts


def mask_rule_for(
    settings: ImportSettings, known: PublicSet | None, layout: FeatureLayout | None, content: dict[str, Any]
) -> MaskRule:
    """The mask rule that is stated, by the command or in ``dataset.json``, or that usually goes with the layout of a public set."""
    if settings.rule or not known:
        return settings.rule or content.get("mask_rule", "frames")
    usual = LAYOUT_MASK_RULES[layout] if layout else "frames"
    return usual if usual in known.totals else "A"


def fit_lengths(
    videos: VideoList,
    lengths: dict[str, int],
    counted: dict[str, int],
    rule: MaskRule,
    known: PublicSet | None,
    align: str,
) -> tuple[VideoList, dict[str, int], list[str]]:
    """Compare the snippets of every video with its frames, and give it the frames that its mask has.

    Args:
        videos: to complete.
        lengths: T by name, as in the files.
        counted: frames of the video files by key, as far as they are known.
        rule: the mask rule.
        known: the public set, if it is one.
        align: what to do about lengths that do not fit: ``none``, ``cut``, ``pad`` or ``both``.

    Returns:
        videos with ``num_frames`` and ``mask_rule``; T by name of those that are cut or padded; a sentence per problem.
    """
    fitted: dict[str, int] = {}
    problems: list[str] = []
    same_length = len(lengths) > 3 and len(set(lengths.values())) == 1
    done = []
    if align != "none" and not counted:
        problems.append(f"--align {align} needs the frames of the videos; give them with --frames.")
    for record in videos.records:
        length, frames = lengths[record.name], counted.get(video_key(record.name))
        if frames is not None:
            low, high = _expected(record, frames, rule, known)
            wanted = min(max(length, low), high)
            if (wanted < length and align in ("cut", "both")) or (wanted > length and align in ("pad", "both")):
                fitted[record.name] = length = wanted
            elif wanted != length:
                problems.append(
                    f"video {record.name}: {frames:,} frames hold {wanted:,} snippets of {FRAMES_PER_SNIPPET} under mask rule "
                    f"{rule}, its features have {length:,}; likely {_cause(length, wanted, same_length)}. Use features and "
                    "lists of one release, or --align."
                )
        elif rule == "frames" and record.split == "test":
            problems.append(
                f"video {record.name}: mask rule frames needs its raw frames; give a CSV with video,n_frames by --frames."
            )
        end = max((end for _, end in record.intervals), default=0)
        # the public features lose at most one snippet, and annotations pass the end by a few frames at most
        if known and frames is None and end > (length + 1) * FRAMES_PER_SNIPPET:
            problems.append(
                f"video {record.name}: an annotated interval ends at frame {end:,}, its features have {length:,} snippets, "
                f"{length * FRAMES_PER_SNIPPET:,} frames; likely {_cause(length, end // FRAMES_PER_SNIPPET, same_length)}."
            )
        evaluated = frames if rule == "frames" and frames is not None else FRAMES_PER_SNIPPET * length
        done.append(dataclasses.replace(record, num_frames=evaluated, mask_rule=rule))
    return dataclasses.replace(videos, records=tuple(done)), fitted, problems


def _expected(record: VideoRecord, frames: int, rule: MaskRule, known: PublicSet | None) -> tuple[int, int]:
    """Fewest and most snippets that features of a video may have."""
    whole = -(-frames // FRAMES_PER_SNIPPET)
    if rule == "frames":
        return max(whole - 1, 1), whole
    if known:
        expected = known.expected_snippets(rule, record.name, frames)
        slack = 0 if record.split == "test" else 1  # the exceptions among the training videos are not published
    else:
        expected, slack = (whole if rule == "B" else frames // FRAMES_PER_SNIPPET), 1
    return max(expected - slack, 1), max(expected + slack, 1)


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


def wrong_totals(known: PublicSet, videos: VideoList, rule: MaskRule, lengths: dict[str, int]) -> list[str]:
    """Nothing, or one sentence on the totals of a complete test set that are not the public ones."""
    found, expected = num_test_frames(videos.records), known.totals.get(rule)
    if expected in (None, found):
        return []
    fits = [other for other, (frames, _) in known.totals.items() if other != "frames" and frames == found[0]]
    tested = [lengths[record.name] for record in videos.split("test") if record.name in lengths]
    likely = (
        f"they are features of mask rule {fits[0]}: use --rule {fits[0]}"
        if fits
        else f"likely {_cause(sum(tested), expected[0] // FRAMES_PER_SNIPPET, len(set(tested)) == 1)}; to see which videos differ, "
        "give their raw frames with --frames"
    )
    return [
        f"{found[0]:,} test frames, {found[1]:,} abnormal, where mask rule {rule} of the public ground truth has "
        f"{expected[0]:,} and {expected[1]:,}; {likely}."
    ]


def miscounted(known: PublicSet, videos: VideoList) -> list[str]:
    """What is wrong with the number of videos of a set that should be complete."""
    problems = []
    for split, name in SPLIT_NAMES.items():
        records = videos.split(split)
        abnormal = sum(videos.is_abnormal(record) for record in records)
        found = abnormal, len(records) - abnormal
        if found != known.counts[split]:
            hint = " (normal test videos are known by a folder with 'test' in its name, or a list such as rgbtest.list)"
            problems.append(
                f"{known.title}: {found[0]:,} abnormal and {found[1]:,} normal {name} videos, released are "
                f"{known.counts[split][0]:,} and {known.counts[split][1]:,}{'' if known is UCF_CRIME else hint}; "
                "complete the lists and files, or accept it with --partial."
            )
    return problems
