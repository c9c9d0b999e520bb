"""The one style of all figures, and how they are saved."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.storage.paths import Layout
from vad_lib.storage.provenance import commit
from vad_lib.storage.writing import atomic_path, write_text

# Okabe and Ito's palette keeps its contrasts for colour-blind readers.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"

METHOD_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, "#666666", "#000000")
GREY = "#777777"
GROUND_TRUTH = "#F3CFC0"  # light vermilion, readable under every curve

# curve -> words, colour, line, width
CURVES = {
    "score": ("fused score", BLUE, "-", 1.8),
    "visual": ("visual score", GREEN, "--", 1.0),
    "semantic": ("semantic score", ORANGE, "-.", 1.0),
}

DPI = 180  # a figure 10 inches wide is 1,800 pixels: sharp at twice the README's width

_STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Give the figures that are made in a ``with`` block the look of this project; all others stay as they are."""
    with plt.rc_context(_STYLE):
        yield


def save_figure(fig: Figure, layout: Layout, name: str, points: pd.DataFrame, stamp: dict[str, Any]) -> dict[str, Path]:
    """Write a figure as PNG and PDF and its points as CSV, and close it.

    The commit and the stamp stand in the metadata of both images; dates do not, so equal figures are equal bytes.

    Args:
        fig: the figure.
        layout: its folder of figures gets the files.
        name: file name without ending.
        points: what is plotted, in long form; six significant digits are kept.
        stamp: parameters to record, such as data set, variant, seed.

    Returns:
        ``png``, ``pdf`` and ``csv`` -> path.

    Raises:
        OutputError: the folder cannot be written; what was there is unchanged.
    """
    made_with = json.dumps({"commit": commit(), **stamp}, sort_keys=True, default=str)
    metadata = {
        "png": {"Software": "vad_lib", "Description": made_with},
        "pdf": {"Creator": "vad_lib", "Subject": made_with, "CreationDate": None},
    }
    paths = {}
    for ending, values in metadata.items():
        paths[ending] = layout.figures / f"{name}.{ending}"
        with atomic_path(paths[ending]) as temporary:
            fig.savefig(temporary, metadata=values, dpi=DPI)
    plt.close(fig)
    text = io.StringIO()
    points.to_csv(text, index=False, lineterminator="\n", float_format="%.6g")
    paths["csv"] = write_text(layout.figures / f"{name}.csv", text.getvalue())
    return paths


def preview(path: Path, width: int = 700) -> bytes:
    """A saved figure, small enough to stand in a notebook.

    Args:
        path: of the PNG.
        width: pixels; the height follows.

    Returns:
        a JPEG file.

    Raises:
        DataError: the file cannot be read.
    """
    image = cv2.imread(str(path))
    if image is None:
        raise DataError(f"{path}: expected a PNG, but it cannot be read. Save the figure again.")
    height = round(image.shape[0] * width / image.shape[1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 72])
    return encoded.tobytes()


def data_title(dataset: Dataset) -> str:
    """Name of a data set for titles; says so if its videos are rendered."""
    return f"{dataset.title} (rendered videos)" if dataset.synthetic else dataset.title


def hide_unused(grid: np.ndarray, used: int) -> None:
    """Hide the panels of a grid after the first ``used``, and number the x axis of the lowest one that is left in each column."""
    for axes in grid.flat[used:]:
        axes.set_visible(False)
    for column in range(min(grid.shape[1], used)):
        lowest = [axes for axes in grid[:, column] if axes.get_visible()][-1]
        lowest.xaxis.set_tick_params(labelbottom=True)
