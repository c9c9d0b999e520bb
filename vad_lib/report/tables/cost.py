"""What the methods cost: parameters, training, testing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.report.tables.captions import caption_text
from vad_lib.report.tables.dataset_runs import DatasetRuns
from vad_lib.report.tables.table import NOT_RUN, Table
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS
from vad_lib.runs.run_folder import Run
from vad_lib.storage.paths import Layout

# entry of a run's timing -> heading, and what it is multiplied by
_TIMINGS = {
    "train_seconds": ("training, s", 1),
    "seconds_per_step": ("of which a step, ms", 1000),
    "test_milliseconds_per_video_minute": ("testing, ms per minute of video", 1),
}


def cost_table(layout: Layout, dataset: Dataset | str) -> Table:
    """What each method costs on a data set: parameters, seconds of training, milliseconds of testing per minute of video.

    Seconds differ from run to run and machine to machine, so they stand in a table of their own and not in Tables 2 and 3,
    which a second run gives byte for byte.

    Args:
        layout: where runs are read from.
        dataset: loaded (``features=False`` will do), or the name of its folder.
    """
    variants = tuple(dict.fromkeys((*TABLE_ROWS["table2"], *TABLE_ROWS["table3"])))
    data = DatasetRuns.load(layout, dataset, variants)
    return Table(
        f"cost-{data.dataset.name}",
        f"What the methods cost on {data.dataset.marked_title}",
        pd.DataFrame([{"method": VARIANTS[variant].title, **_costs(data.of(variant))} for variant in variants]),
        (True,) * len(variants),
        ("",) * len(variants),
        "Median over seeds, as measured while the runs were made; other work on the machine counts. Training, and so the time of "
        "a step, includes the evaluations on validation and test videos. Testing takes features as given: I3D, which comes first "
        f"for all but the pixel method, is not in it. {caption_text([data])}",
    )


def _costs(runs: Sequence[Run]) -> dict[str, str]:
    if not runs:
        return dict.fromkeys(("parameters", *(heading for heading, _ in _TIMINGS.values())), NOT_RUN)
    row, timings = {"parameters": f"{runs[0].config['parameters']:,}"}, [run.timing() for run in runs]
    for key, (heading, factor) in _TIMINGS.items():
        measured = [factor * timing[key] for timing in timings if timing.get(key) is not None]
        row[heading] = f"{np.median(measured):.1f}" if measured else "-"
    return row
