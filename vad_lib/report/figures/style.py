"""The one style of all figures: their colours, how they are saved, and how they are shown, with alternative text."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, UnidentifiedImageError

from vad_lib.data.dataset import Dataset
from vad_lib.errors import DataError
from vad_lib.runs.experiments import VARIANTS
from vad_lib.storage.paths import Layout
from vad_lib.storage.provenance import commit
from vad_lib.storage.writing import atomic_path, write_text

# Okabe and Ito's palette keeps its contrasts for colour-blind readers.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"

BLACK, GREY = "#000000", "#777777"
LINE_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, "#666666", BLACK)  # of lines that are no methods
GROUND_TRUTH = "#F3CFC0"  # light vermilion, readable under every curve


class Look(NamedTuple):
    """How a method is drawn: matplotlib's colour, line style and marker."""

    colour: str
    line: str
    marker: str


# Row of a table -> its look, the same in every figure. Seven colours do not reach for eighteen rows: line and marker differ.
METHOD_LOOKS = {
    "proposed": Look(BLUE, "-", "o"),
    "msf-dmu": Look(VERMILION, "-", "s"),
    "ur-dmu": Look(GREEN, "-", "D"),
    "rtfm": Look(ORANGE, "-", "^"),
    "bn-svp": Look(PURPLE, "-", "v"),
    "mgfn": Look(SKY, "-", "P"),
    "sultani-mil": Look(BLACK, "-", "X"),
    "fusion-gan": Look(GREY, "-", "p"),
    "clip-tsa": Look(ORANGE, "--", "<"),
    "vadclip": Look(PURPLE, "--", ">"),
    "pel4vad": Look(SKY, "--", "h"),
    "logistic-regression": Look(BLACK, "--", "*"),
    "supervised": Look(BLACK, "-.", "d"),
    "proposed-permuted": Look(BLUE, ":", "x"),
    "pcl": Look(PURPLE, ":", "1"),
    "pcl-dbagf": Look(ORANGE, ":", "2"),
    "fine": Look(GREEN, "-.", "3"),
    "fine-align": Look(SKY, "-.", "4"),
}
_LOOK_OF_TITLE = {VARIANTS[name].title: look for name, look in METHOD_LOOKS.items()}
OTHER_LOOK = Look("#444444", "-", "o")  # of a row that is none of the tables'

# What is no method has colours of its own: branch of the proposed model -> colour, in curves and in diagrams
VISUAL, SEMANTIC, FUSED = GREEN, ORANGE, BLUE
# curve -> words, colour, line, width
CURVES = {
    "score": ("fused score", FUSED, "-", 1.8),
    "visual": ("visual score", VISUAL, "--", 1.0),
    "semantic": ("semantic score", SEMANTIC, "-.", 1.0),
}
# selection of the step -> marker, colour, in every figure that shows more than one
SELECTION_LOOKS: dict[str, tuple[str, str]] = {
    "last": ("o", "#999999"),
    "best_on_validation": ("D", BLACK),
    "best_on_test": ("|", VERMILION),
}

DPI = 180  # a figure 10 inches wide is 1,800 pixels: sharp at twice the README's width
COLOURS, GREYS = 48, 10  # of a figure in a notebook; so many that lines keep the colours of their legend (looked at)
MANY_COLOURS, MANY_BYTES = 256, 60_000  # where 48 would shift more than 3 of 1,000 pixels, as in heat maps; pictures stay small
SHOWN_WIDTH = 1100  # pixels in notebooks; ten points of a font are then 15 pixels in a figure 10 inches wide
TEXT_KEY = "Alt"  # of the alternative text among a PNG's text chunks

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


def method_look(title: str) -> Look:
    """Colour, line and marker of a method, the same in every figure.

    Args:
        title: of a row of the tables, such as ``Proposed``; any other one gets dark grey.
    """
    return _LOOK_OF_TITLE.get(title, OTHER_LOOK)


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Looks of the lines of a figure: methods have their own, other lines the colours that no method of the figure has.

    Example:
        >>> looks(["Proposed", "at 1 %"])["at 1 %"].colour == VERMILION
        True
    """
    names = list(names)
    found = {name: method_look(name) for name in names}
    used = {look.colour for look in found.values() if look is not OTHER_LOOK}
    free = [colour for colour in LINE_COLOURS if colour not in used] or list(LINE_COLOURS)
    others = [name for name in names if found[name] is OTHER_LOOK]
    return found | {name: OTHER_LOOK._replace(colour=free[place % len(free)]) for place, name in enumerate(others)}


def describe(fig: Figure, text: str) -> None:
    """Give a figure its alternative text: what somebody reads or hears who does not see it.

    :func:`save_figure` writes it into the PNG; :func:`show` refuses a figure that has none.

    Args:
        fig: the figure.
        text: some sentences, made of the plotted points by :mod:`vad_lib.report.figures.alternative_texts`.

    Raises:
        DataError: the text is empty.
    """
    if not text.strip():
        raise DataError("figure: expected an alternative text, got an empty one; say what is plotted and the numbers that matter.")
    # Line breaks and square brackets would end the text of an image in Markdown.
    fig.set_label(" ".join(text.split()).replace("[", "(").replace("]", ")").replace("?.", "?"))


def described(fig: Figure) -> str:
    """The alternative text of a figure, empty if it was given none."""
    return str(fig.get_label() or "")


def alternative_text(path: Path) -> str:
    """The alternative text that a saved figure carries.

    Args:
        path: of the PNG.

    Raises:
        DataError: the file is no picture, or carries no text.
    """
    with _opened(path) as image:
        text = str(getattr(image, "text", {}).get(TEXT_KEY, ""))
    if not text:
        raise DataError(f"{path}: expected an alternative text, found none; call style.describe before the figure is saved.")
    return text


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            image.load()  # texts may follow the pixels
            yield image
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path}: expected a PNG, but it cannot be read ({error}). Save the figure again.") from error


def save_figure(fig: Figure, layout: Layout, name: str, points: pd.DataFrame, stamp: dict[str, Any]) -> dict[str, Path]:
    """Write a figure as PNG and PDF and its points as CSV, and close it.

    The commit and the stamp stand in the metadata of both images; dates do not, so equal figures are equal bytes. The PNG
    carries the alternative text that :func:`describe` gave the figure.

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
        "png": {"Software": "vad_lib", "Description": made_with} | ({TEXT_KEY: described(fig)} if described(fig) else {}),
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


def show(shown: Mapping[str, Path] | Figure, text: str = "", width: int = SHOWN_WIDTH) -> None:
    """Show a figure in a notebook, as a small copy with its alternative text.

    Args:
        shown: what :func:`save_figure` returned, so that the saved file is seen and no second rendering; or a figure that is
            not kept, which is closed.
        text: alternative text of a figure that is not kept; by default the one that :func:`describe` gave it.
        width: pixels; the height follows.

    Raises:
        DataError: the figure has no alternative text, or its file cannot be read.
    """
    from IPython.display import Image as Picture  # there where notebooks are; the rest of the library needs it not
    from IPython.display import display

    if isinstance(shown, Figure):
        if text:
            describe(shown, text)
        if not described(shown):
            raise DataError("figure: expected an alternative text, got none; call style.show(fig, text) with what is plotted.")
        drawn = io.BytesIO()
        shown.savefig(drawn, format="png", dpi=DPI)
        plt.close(shown)
        with Image.open(drawn) as image:
            data, kind = small_copy(image, width)
        display(Picture(data=data, format=kind, alt=described(shown)))
        return
    with _opened(shown["png"]) as image:
        data, kind = small_copy(image, width)
    display(Picture(data=data, format=kind, alt=alternative_text(shown["png"])))


def small_copy(image: Image.Image, width: int = SHOWN_WIDTH) -> tuple[bytes, Literal["png", "jpeg"]]:
    """A picture in few bytes: as PNG with 48 colours, which suits lines (256 for heat maps), or as JPEG, which suits photographs.

    Args:
        image: any picture.
        width: pixels; the height follows.

    Returns:
        the smaller of the two files, and its kind.
    """
    height = max(1, round(image.height * width / image.width))
    small = image.convert("RGB").resize((width, height), Image.Resampling.BOX)  # means of areas: fewer shades
    few, many = (small.quantize(palette=_palette(small, number), dither=Image.Dither.NONE) for number in (COLOURS, MANY_COLOURS))
    shifted = np.abs(np.asarray(few.convert("RGB"), dtype=int) - np.asarray(small, dtype=int)).max(axis=-1) > 25
    lines, photograph = _file(few, "PNG"), _file(small, "JPEG", quality=75)
    if len(photograph) < len(lines):
        return photograph, "jpeg"
    if shifted.mean() > 0.003 and len(better := _file(many, "PNG")) <= MANY_BYTES:
        return better, "png"
    return lines, "png"


def _file(image: Image.Image, kind: str, **how: int) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, optimize=True, **how)
    return written.getvalue()


def _palette(picture: Image.Image, number: int) -> Image.Image:
    """Some greys, for text and axes, and so many other colours that there are ``number``.

    They are counted apart: thin lines are a few pixels among many grey ones, and would be given another line's colour. With many
    colours each counts once, so that a line counts as much as a heat map beside it.
    """
    values = np.asarray(picture, dtype=int)
    coloured = np.asarray(picture)[np.ptp(values, axis=-1) > 12]
    palette = np.linspace(0, 255, GREYS).round().astype(int).repeat(3).tolist()
    if len(coloured):
        if number == MANY_COLOURS:
            kinds, pixels = np.unique(coloured, axis=0, return_counts=True)
            coloured = kinds[pixels >= min(8, pixels.max())]
        found = Image.fromarray(coloured[None]).quantize(number - GREYS, method=Image.Quantize.MEDIANCUT).getpalette() or []
        palette += found[: 3 * (number - GREYS)]
    kept = Image.new("P", (1, 1))
    kept.putpalette(palette)
    return kept


def headline(fig: Figure, title: str, finding: str = "") -> None:
    """Title of a figure, and below it what its points say."""
    fig.suptitle("\n".join(line for line in (title, finding) if line), fontsize=12)


def beside(axes: Axes, place: float, text: str, colour: str = "black", size: float = 9) -> None:
    """Words at the right of a row, outside the axes."""
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "xytext": (8, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(text, (1, place), **where, fontsize=size, color=colour, annotation_clip=False)


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
