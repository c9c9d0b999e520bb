"""The report of a check or an import for programs: one JSON file.

Keys of the file:

==================  ====================================================================================================
``format``          1; another number means other keys
``dataset``         name that was asked for
``source``          the folder, as it was given
``result``          ``ok``: nothing is wrong; ``refused``: there are errors; ``unchanged``: nothing was new, so nothing was read
``kind``            ``features``, ``videos``, or empty if neither could be matched with a list
``layout``          of the features: ``crop-files``, ``t-n-d``, ``n-t-d``, ``single``, or empty
``mask_rule``       ``frames``, ``A``, ``B``, ``C``, or empty if it cannot be told
``videos``          usable videos by split, ``{"train": 4, "test": 2}``
``counts``          findings by level, ``{"error": 1, "warning": 0, "note": 2}``
``findings``        a list of ``{"level", "code", "subject", "message", "fix"}``, all texts: see
                    :class:`vad_lib.data.finding.Finding`; what the codes mean is in :data:`CODES`
==================  ====================================================================================================
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from vad_lib.data.annotations import Split
from vad_lib.data.finding import Finding, Level, printable
from vad_lib.data.importing.findings import Findings
from vad_lib.storage.writing import write_json

FORMAT = 1

CODES = {
    "align": "--align cannot be done",
    "category-near": "two categories are the same or nearly the same but for their writing",
    "category-normal": "no category is called Normal, and no other is named as the normal one",
    "category-one": "there is one category only",
    "category-untrained": "a category of test videos is in no training video",
    "category-without-prompt": "prompts.yml has no phrase for a category; a default is used",
    "data-missing": "the folder holds neither features nor videos",
    "dataset-json": "a value in dataset.json cannot be used",
    "end-counting": "how annotations count the last frame",
    "feature-broken": "a feature file cannot be read",
    "feature-crops": "crops are missing, too many, or of different lengths; or a file holds no snippets",
    "feature-layout": "the layout of the feature files cannot be told, or is not one",
    "feature-name": "a listed video has no file, but one of nearly the same name is there",
    "feature-twice": "two files hold the same crop of the same video",
    "feature-width": "features are not of the expected width, or not of one width",
    "features-constant": "the features of all snippets of a video are the same",
    "features-not-finite": "features hold NaN or infinity",
    "features-same": "videos have the same features",
    "features-same-crop": "two crops of a video are the same",
    "features-swapped-crops": "two crops of a video seem to have changed places",
    "features-too-large": "features are larger than the type that is stored can hold",
    "features-zero": "the features of a video are all zero",
    "file-name": "the name of a file is no text",
    "folder": "there is no such folder, or a setting cannot be",
    "frame-counting": "how the list counts frames",
    "frames": "a list gives another number of frames than the video has",
    "frames-list": "the file of --frames is wrong",
    "interval-late": "an interval ends behind the last frame",
    "link-out": "a link leads out of the folder",
    "list-category": "two lists give a video different categories",
    "list-cell": "a cell of a list cannot be understood",
    "list-header": "a column of a list is missing or there twice",
    "list-line": "a line of a list cannot be understood",
    "list-missing": "the lists are not there",
    "list-overlap": "a video is listed for training and for testing",
    "list-replaced": "the imported list would take the place of a person's own",
    "list-unreadable": "a list cannot be read at all",
    "list-video": "what a list says of a video cannot be",
    "list-videos": "two lists name different videos",
    "no-file": "listed videos have no file",
    "no-match": "no file belongs to a listed video",
    "no-video": "nothing is left to import",
    "pitfall": "what makes numbers of a public data set differ, or is easily misread",
    "public-totals": "numbers of videos or test frames are not those of the public data set",
    "snippet-counting": "how the features count snippets",
    "snippets": "a video's features have too many or too few snippets",
    "split-test": "the test videos are too few, or of one class",
    "split-train": "the training videos are too few for training and validation, or of one class",
    "split-unknown": "nothing says which normal videos are for testing",
    "surplus": "files of videos that no list names",
    "test-only": "a public data set without its training videos",
    "video-broken": "a video cannot be decoded",
    "video-name": "extraction would not find a listed video",
    "video-near": "two videos have the same name but for its writing",
    "video-special": "a video can be decoded, with losses or in a special way",
    "video-twice": "files hold the same video",
}


def write_report(
    path: Path | str, dataset: str, source: Path | str, found: Findings | None, findings: Sequence[Finding], unchanged: bool = False
) -> Path:
    """Write the report of a check or an import; the module says what it holds.

    Args:
        path: the file; its folder is made.
        dataset: name that was asked for.
        source: the folder.
        found: what it holds; None if that is not known.
        findings: all of them.
        unchanged: True if an import had nothing to do.

    Raises:
        OutputError: the file cannot be written.
    """
    counts = {level: sum(finding.level == level for finding in findings) for level in get_args(Level)}
    content: dict[str, Any] = {
        "format": FORMAT,
        "dataset": dataset,
        "source": printable(str(source)),
        "result": "unchanged" if unchanged else "refused" if counts["error"] else "ok",
        "kind": found.kind if found else "",
        "layout": (found and found.layout) or "",
        "mask_rule": found.info.mask_rule if found and found.info else "",
        "videos": {split: len(found.videos.split(split)) if found else 0 for split in get_args(Split)},
        "counts": counts,
        "findings": [
            {"level": f.level, "code": f.code, "subject": f.subject, "message": f.message, "fix": f.fix} for f in findings
        ],
    }
    return write_json(path, content)
