"""What the methods cost."""

import numpy as np
import pandas as pd

from vad_lib.data.dataset import Dataset
from vad_lib.report.tables.captions import Subject, dataset_name, made_with_text
from vad_lib.report.tables.table import NOT_RUN, Table
from vad_lib.runs.comparable import load_runs
from vad_lib.runs.experiments import TABLE_ROWS, VARIANTS
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_json


def cost_table(layout: Layout, dataset: Dataset | str) -> Table:
    """What each method costs on a data set: parameters, seconds of training, milliseconds of testing per minute of video.

    Seconds differ from run to run and machine to machine, so they stand in a table of their own and not in Tables 2 and 3,
    which a second run gives byte for byte.
    """
    variants = tuple(dict.fromkeys((*TABLE_ROWS["table2"], *TABLE_ROWS["table3"])))
    runs = load_runs(layout, dataset_name(dataset), variants)
    subject, rows = Subject.of(dataset, runs), []
    for variant in variants:
        done = runs.get(variant, [])
        timings = [read_json(run.folder / "timing.json") for run in done if (run.folder / "timing.json").is_file()]
        row = {"method": VARIANTS[variant].title, "parameters": f"{done[0].config['parameters']:,}" if done else NOT_RUN}
        for key, head in (
            ("train_seconds", "training, s"),
            ("seconds_per_step", "of which a step, ms"),
            ("test_milliseconds_per_video_minute", "testing, ms per minute of video"),
        ):
            measured = [timing[key] * (1000 if "step" in key else 1) for timing in timings if timing[key] is not None]
            row[head] = (f"{np.median(measured):.1f}" if measured else "-") if done else NOT_RUN
        rows.append(row)
    return Table(
        f"cost-{dataset_name(dataset)}",
        f"What the methods cost on {subject.long_title}",
        pd.DataFrame(rows),
        (True,) * len(rows),
        ("",) * len(rows),
        "Median over seeds, as measured while the runs were made; other work on the machine counts. Testing takes features as "
        "given: I3D, which comes first for all but the pixel method, is not in it. "
        + made_with_text([(subject, subject.counterpart, runs)]),
    )
