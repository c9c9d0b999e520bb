"""Hard normal videos as a test set of their own: are events told from what only looks like them?

In the rendered sets every normal video is staged for a category, as the abnormal ones are, and shows the harmless look-alike
of its event (a hug for a punch). So a category's abnormal videos have look-alikes with the same scenes, cast and props.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from vad_lib.config import SyntheticSettings
from vad_lib.data import synthetic
from vad_lib.errors import DataError, first_few
from vad_lib.evaluation.scored_videos import ScoredVideos


def staged_categories(dataset: str, videos: Sequence[str]) -> tuple[str, ...]:
    """Category that each test video of a rendered set was staged for: its event, or its look-alike in a normal video.

    Args:
        dataset: ``synth-crime`` or ``synth-violence``.
        videos: V names of test videos.

    Raises:
        ConfigError: another data set; nothing is known of look-alikes in it.
        DataError: a name that the renderer does not give.
    """
    # what a video is staged for follows from its number; so many per category are enough for any V names
    most = SyntheticSettings(train_per_category=1, test_per_category=max(1, len(videos)))
    staged = {job.name: job.staged for job in synthetic.jobs(dataset, most) if job.split == "test"}
    if unknown := [name for name in videos if name not in staged]:
        raise DataError(
            f"{dataset}: expected test videos of the rendered set, such as {next(iter(staged))}, got {first_few(unknown)}; "
            "say by hand which normal videos are look-alikes."
        )
    return tuple(staged[name] for name in videos)


def against_look_alikes(scored: ScoredVideos, staged: Sequence[str], threshold: float) -> pd.DataFrame:
    """Abnormal frames against the frames of look-alikes only, and how many look-alikes raise an alarm.

    Normal frames of abnormal videos are left out, and so are normal videos that are nobody's look-alike. A whole look-alike
    counts, not the seconds alone in which it looks alike.

    Args:
        scored: scores of a run.
        staged: (V,), category that each test video was staged for, see :func:`staged_categories`; "" for one that was not.
            An abnormal video counts with all its events.
        threshold: a video raises an alarm if one of its scores is at least this.

    Returns:
        a row for all categories together, ``all``, and one for each: ``category``, ``abnormal_videos``, ``look_alikes``, ``auc``
        against the look-alikes, and the parts ``alarmed_abnormal_videos`` and ``alarmed_look_alikes``; what is not defined (no
        such videos) is missing. AUCs of single categories rest on few videos.

    Raises:
        DataError: another number of categories than videos.
    """
    if len(staged) != len(scored.videos):
        raise DataError(f"{scored.title}: expected a category for each of {len(scored.videos)} videos, got {len(staged)}.")
    names, abnormal = np.array(staged, dtype=object), scored.abnormal_video
    highest = np.full(len(names), -np.inf)
    np.maximum.at(highest, scored.video, scored.score)
    alarmed = highest >= threshold
    against = replace(scored, normal=np.where(abnormal[scored.video], 0, scored.normal), fine_grained=None)
    rows = []
    for category in ("all", *dict.fromkeys(name for name in staged if name)):
        chosen = names != "" if category == "all" else names == category
        events, alike = chosen & abnormal, chosen & ~abnormal
        defined = against.abnormal_frames[events].any() and alike.any()
        auc = against.of_videos(chosen).value("auc") if defined else np.nan
        parts = [float(alarmed[these].mean()) if these.any() else np.nan for these in (events, alike)]
        rows.append((category, int(events.sum()), int(alike.sum()), auc, *parts))
    columns = ["category", "abnormal_videos", "look_alikes", "auc", "alarmed_abnormal_videos", "alarmed_look_alikes"]
    return pd.DataFrame(rows, columns=columns)
