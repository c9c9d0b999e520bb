"""What can be wrong with a data set as a whole, seen from its list alone: splits, classes, categories, names."""

from collections.abc import Iterator
from itertools import combinations

from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.finding import Finding, Level
from vad_lib.data.importing.findings import num_test_frames
from vad_lib.data.importing.video_names import may_be_misspelled, plain_form, same_but_for_writing
from vad_lib.data.prompts import default_phrase, load_prompts
from vad_lib.errors import first_few

FEWEST_TRAINED = 2  # videos of either class: one is held out for validation, one is trained on


def split_findings(videos: VideoList, level: Level = "error", unread: int = 0) -> Iterator[Finding]:
    """What training, validation or evaluation would lack.

    Args:
        videos: of the data set; ``num_frames`` of the test videos as evaluated.
        level: of what would stop training or evaluation.
        unread: videos whose lines could not be read, and which may be what is lacking.
    """
    for kind, abnormal in (("normal", False), ("abnormal", True)):
        found = [record for record in videos.split("train") if videos.is_abnormal(record) == abnormal]
        if len(found) + unread < FEWEST_TRAINED:
            message = f"training videos that are {kind}: {len(found)}, where one to train on and one for validation are needed"
            yield Finding(level, "split-train", "", message, f"add {kind} videos with the split train")
    tested = videos.split("test")
    frames, abnormal_frames = num_test_frames(tested)
    if 0 < abnormal_frames < frames:
        if all(videos.is_abnormal(record) for record in tested):
            message = "no normal test videos, so the rate of false alarms on normal videos cannot be measured"
            yield Finding("warning", "split-test", "", message, "add some if that number is wanted")
    elif tested and not unread:
        only, other = ("abnormal", "normal") if abnormal_frames else ("normal", "abnormal")
        message = f"all {frames:,} test frames are {only}, so no curve and no precision can be measured"
        yield Finding(level, "split-test", "", message, f"add {other} test videos")
    elif not unread:
        yield Finding(level, "split-test", "", "no test videos, so nothing can be measured", "add videos with the split test")
    trained = {category for record in videos.split("train") for category in record.categories}
    unseen = sorted({category for record in tested for category in record.categories} - trained)
    if unseen and trained:
        message = f"categories of test videos that no training video has: {first_few(unseen)}"
        yield Finding("warning", "category-untrained", "", message, "they can be found as abnormal, not named; add training videos")


def category_findings(categories: tuple[str, ...]) -> Iterator[Finding]:
    """Categories that are nearly the same, and categories for which no prompt is shipped."""
    for group in same_but_for_writing(categories):
        message = f"categories that differ in writing only: {', '.join(group)}"
        yield Finding("error", "category-near", "", message, f"write {group[0]} in all lines if they are one, or rename one")
    for first, second in combinations(categories, 2):
        if may_be_misspelled(first, second) and plain_form(first) != plain_form(second):
            message = f"categories {first} and {second} are nearly the same"
            yield Finding("warning", "category-near", "", message, "write them alike if they are one")
    phrases = load_prompts().phrases
    for category in categories:
        if category not in phrases:
            message = (
                f"no phrase for it in prompts.yml, so '{default_phrase(category)}' is used; "
                "text features 'sentence' have a stand-in without meaning for it"
            )
            fix = f"add the line '{category}: words for it' under 'phrases' if other words say it better"
            yield Finding("warning", "category-without-prompt", f"category {category}", message, fix)


def name_findings(records: tuple[VideoRecord, ...]) -> Iterator[Finding]:
    """Names of videos that are nearly the same."""
    for group in same_but_for_writing([record.name for record in records]):
        message = f"videos whose names differ in writing only: {first_few(group)}"
        fix = "rename or remove one if they are one video, or if a disk takes capitals for small letters"
        yield Finding("warning", "video-near", "", message, fix)
