"""Ground truth of the smaller public sets by their official files: ShanghaiTech, UBnormal, TAD, MSAD, Ped2 and Avenue."""

from pathlib import Path

from vad_lib.data.annotations import VideoRecord
from vad_lib.data.finding import refuse
from vad_lib.data.importing.public_sets import PublicSet, SetFolder
from vad_lib.data.importing.registry import PUBLIC_SETS
from vad_lib.errors import first_few


def read_official(folder: Path) -> tuple[tuple[VideoRecord, ...], tuple[str, ...]] | None:
    """Test videos of the set whose files lie in a folder, at any depth, and what should be known of it; None if of no set.

    Args:
        folder: with all lists of the set and its ground-truth files, laid as released.

    Raises:
        DataError: a line or a file is not what it should be.
    """
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    for known in PUBLIC_SETS.values():
        paths = {known.aliases.get(file.name, file.name): file for file in files}
        truth = {video: file for file in files if (video := known.truth_video(file))}
        if all(name in paths for name in known.lists) and (known.lists or truth):
            found = known.read(SetFolder(folder, paths, truth, tell=refuse)).videos.records
            videos = tuple(record for record in found if record.split == "test")
            return videos, _sentences(known, videos)
    return None


def _sentences(known: PublicSet, videos: tuple[VideoRecord, ...]) -> tuple[str, ...]:
    abnormal = sum(bool(video.intervals) for video in videos)
    said = [f"The ground truth is that of {known.title}: {abnormal} abnormal and {len(videos) - abnormal} normal test videos."]
    if (abnormal, len(videos) - abnormal) != known.counts["test"]:
        said[0] += f" Released are {known.counts['test'][0]} and {known.counts['test'][1]}; use all released files."
    if unknown := [video.name for video in videos if not video.num_frames]:
        said.append(f"The files do not give the frames of {len(unknown)} videos: {first_few(unknown)}.")
    return *said, f"What makes numbers on {known.title} differ: {'; '.join(known.pitfalls)}."
