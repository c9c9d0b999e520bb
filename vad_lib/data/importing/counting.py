"""How a list counts frames and how features count snippets, against the videos; and what a mask rule makes of it.

A video of n frames is listed with n - 1 frames by programs that give the number of the last one, and with n + 1 by some that
round a duration up. Features have ceil(n / 16) snippets if the last one is filled up, floor(n / 16) if what is left over is
dropped, and floor((n - 1) / 16) in some releases.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import MaskRule, VideoRecord
from vad_lib.data.finding import Finding, Tell, error_at
from vad_lib.data.importing.raw_videos import Looking, VideoLook, look_at
from vad_lib.errors import first_few

CUT_OFF = 2  # frames that public annotations pass the end of a video by, at most; of 640 annotated videos, five do

_OF_FRAMES = {
    -1: ("n-1", "the last frame has no label and is not evaluated"),
    0: ("n", "every frame has its label"),
    1: ("n+1", "the label behind the last frame gets the last score"),
}
_OF_SNIPPETS = {
    "ceil(n/16)": "the last one is filled up",
    "floor(n/16)": "a part of a snippet at the end is dropped",
    "floor((n-1)/16)": "the last one is dropped even if it is whole",
}
_MASKS = {
    "frames": "gives every listed frame a label; where features end before, the last score holds to the end",
    "A": "cuts labels to the 16 frames of every snippet",
    "B": "cuts labels to the 16 frames of every snippet, with the end of an interval included",
    "C": "cuts labels to the 16 frames of every snippet",
}


def compare_frames(
    listed: Mapping[str, int],
    looks: Mapping[str, VideoLook],
    paths: Mapping[str, Path],
    rule: MaskRule,
    looking: Looking,
    tell: Tell,
) -> dict[str, VideoLook]:
    """Compare the frames that a list gives with those of the video files.

    Where a header, which may be an estimate, has another number of snippets than the list, the video is decoded: extraction
    would make other features than the list asks for.

    Args:
        listed: frames by video, as listed.
        looks: what was seen of each file.
        paths: the files.
        rule: the mask rule.
        looking: ``open`` leaves it at the headers.
        tell: gets what differs, and how the list counts.

    Returns:
        what is known of each file now; broken ones are left out.
    """
    known: dict[str, VideoLook] = {}
    for name, look in looks.items():
        wanted = listed.get(name, look.frames)
        if not look.counted and looking != "open" and _snippets(wanted) != _snippets(look.frames):
            look = look_at(paths[name], "all")
            if look.problem is not None:
                tell(error_at("video-broken", paths[name], look.problem, "take it out of the list"))
                continue
        known[name] = look
        if look.counted and _snippets(wanted) != _snippets(look.frames):
            message = (
                f"listed with {wanted:,} frames, its file has {look.frames:,}; that is {_snippets(look.frames):,} snippets, not "
                f"{_snippets(wanted):,}"
            )
            tell(Finding("error", "frames", f"video {name}", message, f"correct n_frames to {look.frames}"))
    differ_by_headers(listed, {name: look.frames for name, look in known.items() if not look.counted}, tell)
    frame_counting(listed, {name: look.frames for name, look in known.items()}, rule, tell)
    return known


def differ_by_headers(listed: Mapping[str, int], headers: Mapping[str, int], tell: Tell) -> None:
    """Tell of videos whose headers promise clearly more or fewer frames than listed.

    Args:
        listed: frames by video, as listed.
        headers: frames by video, by the headers of the files.
        tell: gets a warning.
    """
    differing = [name for name, frames in headers.items() if abs(listed.get(name, frames) - frames) > FRAMES_PER_SNIPPET]
    if differing:
        message = f"by the headers of their files, videos of other length than listed: {first_few(differing)}"
        tell(Finding("warning", "frames", "", message, "correct n_frames if so; check --decode counts them"))


def _snippets(frames: int) -> int:
    return -(-frames // FRAMES_PER_SNIPPET)


def frame_counting(listed: Mapping[str, int], found: Mapping[str, int], rule: MaskRule, tell: Tell) -> None:
    """Tell how a list counts the frames of the videos.

    Args:
        listed: frames by video, as listed.
        found: frames by video, of the files.
        rule: the mask rule.
        tell: gets a note.
    """
    counts = Counter(listed[name] - frames for name, frames in found.items() if name in listed)
    total, parts = sum(counts.values()), []
    for off, (form, meaning) in _OF_FRAMES.items():
        if counts[off]:
            parts.append(f"{form} for {counts[off]:,} videos ({meaning})")
    other = total - sum(counts[off] for off in _OF_FRAMES)
    if other:
        parts.append(f"another number for {other:,}")
    if parts:
        message = f"of n frames in the video files, the list counts {', '.join(parts)}; mask rule {rule} {_MASKS[rule]}"
        tell(Finding("note", "frame-counting", "", message))


def snippet_counting(lengths: Mapping[str, int], frames: Mapping[str, int], rule: MaskRule, tell: Tell) -> None:
    """Tell how features count the snippets of the videos.

    Args:
        lengths: T by video.
        frames: n by video, as far as known.
        rule: the mask rule.
        tell: gets a note.
    """
    found: Counter[str] = Counter()
    known = [(lengths[name], count) for name, count in frames.items() if name in lengths]
    for length, count in known:
        forms = (-(-count // FRAMES_PER_SNIPPET), count // FRAMES_PER_SNIPPET, (count - 1) // FRAMES_PER_SNIPPET)
        found.update(name for name, form in zip(_OF_SNIPPETS, forms) if form == length)
    if not known or not found:
        return
    best = found.most_common(1)[0][1]
    fitting = [f"{name} ({_OF_SNIPPETS[name]})" for name, count in found.items() if count == best]
    how = f"{' or '.join(fitting)} for {best:,} of {len(known):,} videos"
    tell(Finding("note", "snippet-counting", "", f"of n frames, the features have {how}; mask rule {rule} {_MASKS[rule]}"))


def end_counting(records: Iterable[VideoRecord], frames: Mapping[str, int], rule: MaskRule, tell: Tell) -> None:
    """Tell at which number annotated intervals end that reach the end of their video.

    Args:
        records: with intervals.
        frames: n by video, as far as known.
        rule: the mask rule.
        tell: gets a note.
    """
    ends = ((record.name, max(end for _, end in record.intervals)) for record in records if record.intervals)
    counts = Counter(end - frames[name] for name, end in ends if name in frames)
    forms = {-1: "n-1", 0: "n", 1: "n+1", 2: "n+2"}
    parts = [f"{form} in {counts[off]:,} videos" for off, form in forms.items() if counts[off]]
    if parts:
        included = "an interval ends before the frame at its end"
        if rule == "B":
            included = "the frame at the end of an interval is abnormal"
        message = f"of n frames, annotated intervals reach the end at {', '.join(parts)}; under mask rule {rule} {included}"
        tell(Finding("note", "end-counting", "", f"{message}, and what passes the last frame is cut off"))


def late_intervals(records: Iterable[VideoRecord], frames: Mapping[str, int], tell: Tell) -> None:
    """Tell which annotated intervals end behind the last frame.

    Args:
        records: with intervals.
        frames: by video, as far as known.
        tell: gets an error where an interval passes the end by more than a snippet, else a warning; nothing for the one or two
            frames that public annotations pass it by.
    """
    for record in records:
        count = frames.get(record.name)
        end = max((end for _, end in (*record.intervals, *(event[1:] for event in record.class_intervals))), default=0)
        if count is None or end <= count + CUT_OFF:
            continue
        far = end > count + FRAMES_PER_SNIPPET
        message = f"an interval ends at frame {end:,}, the video has {count:,}"
        fix = "correct the interval or n_frames" + ("" if far else "; without that, it is cut off there")
        tell(Finding("error" if far else "warning", "interval-late", f"video {record.name}", message, fix))
