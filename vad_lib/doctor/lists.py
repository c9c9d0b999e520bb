"""A training or test list against the counts of the release."""

from pathlib import Path

from vad_lib.data.annotations import Split
from vad_lib.data.importing.public_lists import read_names
from vad_lib.data.importing.public_sets import NORMAL
from vad_lib.data.importing.sets.ucf_crime import UCF_CRIME
from vad_lib.data.importing.sets.xd_violence import XD_VIOLENCE
from vad_lib.doctor.reading import categories_of
from vad_lib.errors import ConfigError, DataError, first_few

_SETS = {known.name: known for known in (UCF_CRIME, XD_VIOLENCE)}


def list_sentences(path: Path | str, dataset: str, split: Split = "train") -> list[str]:
    """Say how many videos a list names, crops put aside, and how many the release has.

    Args:
        path: text file, a video or feature file per line.
        dataset: ``ucf-crime`` or ``xd-violence``.
        split: that the list is of.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is no list, or a name carries no category.
        ConfigError: another data set.
    """
    if dataset not in _SETS:
        raise ConfigError(
            f"--train-list: expected the ground truth of {' or '.join(_SETS)}, whose released counts are known, got "
            f"{dataset or 'a list of your own'}; leave the option out."
        )
    known, names = _SETS[dataset], read_names(path)
    if foreign := [name for name in names if not set(categories_of(known, name)) <= set(known.categories)]:
        raise DataError(
            f"{path}: expected names of videos of {known.title}, such as Abuse001_x264, got {first_few(foreign)}; remove these "
            "lines, such as a header, or name another list."
        )
    normal = sum(categories_of(known, name) == (NORMAL,) for name in names)
    found, released = (len(names) - normal, normal), known.counts[split]
    word = "training" if split == "train" else "test"
    text = f"{Path(path).name}: {len(names):,} {word} videos ({found[0]:,} abnormal, {normal:,} normal), released are "
    text += f"{released[0]:,} and {released[1]:,}"
    off = [
        f"{abs(there - wanted):,} {kind} video{'s are' if abs(there - wanted) > 1 else ' is'} "
        f"{'missing' if there < wanted else 'surplus'}"
        for kind, there, wanted in zip(("abnormal", "normal"), found, released)
        if there != wanted
    ]
    return [f"{text}: {'; '.join(off)}." if off else f"{text}: complete."]
