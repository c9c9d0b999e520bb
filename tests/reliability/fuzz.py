"""Broken files for every reader: ``python fuzz.py FOLDER FIRST LAST`` tries the cases of these numbers and prints a JSON report.

A case is a file or a folder made from its number alone: a good one that was damaged, or one that never was any good. Readers
may read it or refuse it with an error of the project's own. Whatever else happens is a failure: another error, memory beyond
the bound (the process may not get more), or no end within seconds (the process ends then, with a traceback).
"""

import faulthandler
import json
import os
import resource
import shutil
import struct
import sys
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numbered_videos import write_numbered

from vad_lib import config
from vad_lib.config import TrainSettings
from vad_lib.data import prompts, snippets, video, video_files
from vad_lib.data.annotations import read_video_csv
from vad_lib.data.backbones.i3d_weights import read_state
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.importing import discover, public_lists, write
from vad_lib.data.importing import settings as importing_settings
from vad_lib.data.importing.sets import ucf_crime, xd_violence
from vad_lib.data.synthetic import render
from vad_lib.errors import VadError
from vad_lib.report.figures import run_scores, strips
from vad_lib.runner import manifest
from vad_lib.runs import scored_runs, trained_model, trainer
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import read_array, read_arrays, read_json
from vad_lib.storage.writing import write_json, write_text

SECONDS = 60  # of one case; all of them take a fraction of one, but machines may be busy
MEGABYTES = 1500  # of addresses beyond those that the libraries have taken
CATEGORIES = ("Normal", "Arson", "Fighting")
Random = np.random.Generator


class Trap:
    """Unpickling an instance would make a folder."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


# --- damage -------------------------------------------------------------------------------------------
def damaged(rng: Random, content: bytes) -> bytes:
    """Bytes that were cut off, changed, repeated, taken out or put in."""
    at, until = sorted(int(place) for place in rng.integers(0, len(content) + 1, 2))
    if (how := rng.integers(7)) == 0:
        return content[:at]
    if how == 1:
        changed = bytearray(content)
        for place in rng.integers(0, max(len(content), 1), rng.integers(1, 9)) if content else ():
            changed[place] = rng.integers(256)
        return bytes(changed)
    if how == 2:
        return content[:at] + content[until:]
    if how == 3:
        return content[:until] + content[at:until] + content[until:]
    if how == 4:
        return content[:at] + rng.bytes(int(rng.integers(1, 40))) + content[at:]
    if how == 5:
        return rng.bytes(int(rng.integers(0, 400)))
    return content[:at] + bytes(until - at) + content[until:]


def damaged_text(rng: Random, text: str) -> bytes:
    how = rng.integers(9)
    if how == 0:
        return text.encode("utf-16")
    if how == 1:
        return text.replace("\n", "\r\n").encode()
    if how == 2:
        return text.replace("\n", "\r").encode("utf-8-sig")
    if how == 3:
        return text.replace("a", "ä").encode("latin-1")
    if how == 4:
        return text.replace("\n", "\0\n", 1).encode()
    if how == 5:
        return text.replace("\n", str(rng.choice(["\x0b", "\x1c", "\x85", "\u2028", "\n\n\n", ",,,\n", '"\n'])), 2).encode()
    if how == 6:
        return (text + "x" * 200_000 + "\n").encode()
    return damaged(rng, text.encode())


def strange(rng: Random) -> Any:
    """A value that nobody expects."""
    deep: Any = 1
    for _ in range(int(rng.choice([5, 60, 70]))):
        deep = [deep] if rng.integers(2) else {"a": deep}
    values = [None, True, -1, 0, 2**31, 10**18, 10**400, -0.0, 1e308, 5.5, "", "a", "..", "../../x", "/etc/passwd", "C:x", "a/b"]
    values += [
        "\ud800",
        "\0",
        "a\nb",
        "x" * 5000,
        [],
        {},
        [1],
        ["a", "a"],
        [[]],
        {"a": 1},
        {"self": 1},
        ["Normal", 3],
        deep,
        ("a",) * 3000,
    ]
    return values[rng.integers(len(values))]


def mutated(rng: Random, value: Any) -> Any:
    """A copy of plain values with one of them replaced, removed, or joined by another one."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = list(value)[rng.integers(len(value))]
        if (how := rng.integers(4)) == 0:
            return {name: child for name, child in value.items() if name != key}
        if how == 1:
            return value | {str(rng.choice(["self", "extra", "name", ""])): strange(rng)}
        return value | {key: mutated(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.6:
        place = rng.integers(len(value))
        return [*value[:place], mutated(rng, value[place]), *value[place + 1 :]]
    return strange(rng)


def broken_json(rng: Random, value: Any) -> bytes:
    how = rng.integers(10)
    text = json.dumps(mutated(rng, value) if how < 6 else value, indent=1)
    if how == 6:
        return ("[" * int(rng.choice([100, 5000, 200_000])) + text).encode()
    if how == 7:  # a key twice
        return text.replace("{", '{"name": "twice", "name": "again",', 1).encode()
    if how == 8:
        return text.replace("1", str(rng.choice(["NaN", "Infinity", "1" * 5000, "1e999", "'1'"])), 1).encode()
    return damaged_text(rng, text) if how == 9 else text.encode()


def place(rng: Random, path: Path, content: bytes) -> None:
    """Put a file there, or now and then something that is no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    how = rng.integers(40)
    if how == 0:
        path.mkdir()
    elif how == 1:
        path.symlink_to("nowhere")
    elif how == 2:
        path.symlink_to(path.name)
    elif how == 3:
        path.symlink_to("/dev/zero")
    elif how == 4:
        os.mkfifo(path)
    elif how == 5:
        path.symlink_to("/etc/hostname")
    elif how == 6:
        path.write_bytes(b"")
    else:
        path.write_bytes(content)


# --- arrays -------------------------------------------------------------------------------------------
def header(text: str, version: tuple[int, int] = (1, 0), length: int | None = None) -> bytes:
    size = len(text) if length is None else length
    return (
        b"\x93NUMPY"
        + bytes(version)
        + struct.pack("<H" if version == (1, 0) else "<I", size % 2 ** (16 if version == (1, 0) else 32))
        + text.encode()
    )


def broken_array(rng: Random) -> bytes:
    good = BytesIO()
    array = rng.normal(size=(int(rng.integers(1, 6)), 8)).astype(rng.choice(["<f2", "<f4", "<f8", ">f4"]))
    if (how := rng.integers(12)) == 0:
        array = np.asfortranarray(array)
    elif how == 1:
        array[0, rng.integers(8)] = rng.choice([np.nan, np.inf, -np.inf])
    elif how == 2:
        array = array.astype(rng.choice(["<i4", "<c8", "?", "<U5", "<M8[s]", "|V4", "<f16", "<u1"]))
    elif how == 3:
        array = array.reshape([(-1,), (1, *array.shape, 1)][rng.integers(2)])
    elif how == 4:
        array = np.array([Trap(), 1], dtype=object)
    if how < 5:
        np.save(good, array, allow_pickle=True)
        return good.getvalue()
    if how < 8:
        np.save(good, array)
        return damaged(rng, good.getvalue())
    shapes = [
        "(1000000000000, 8)",
        f"({2**63}, 8)",
        "(-3, 8)",
        "(3, -8)",
        f"({2**31}, {2**31})",
        f"(0, {2**40}, 8)",
        f"({2**40}, 0, 8)",
        "(0, 8)",
    ]
    shapes += [
        "(" + "1, " * 100 + ")",
        "(True, 8)",
        "(2.0, 8)",
        "('2', 8)",
        "2",
        "[2, 8]",
        "None",
        "(2, 8",
        "(((((2, 8)))))",
        "(9" * 50 + ")" * 50,
    ]
    descrs = [
        "'<f4'",
        "'|O'",
        "'O'",
        "'<U1000000000'",
        "('<f4', (100000,))",
        "[('a', '<f4')]",
        "'<f3'",
        "5",
        "None",
        "'<f4,<f4'",
        "[]",
        "'" + "(" * 300 + "'",
    ]
    shape = str(rng.choice(shapes)) if rng.integers(3) else "(2, 8)"
    descr = str(rng.choice(descrs)) if rng.integers(2) else "'<f4'"
    text = f"{{'descr': {descr}, 'fortran_order': {rng.choice(['False', 'True', '0', 'x'])}, 'shape': {shape}, }}\n"
    if rng.integers(6) == 0:
        text = str(
            rng.choice(
                ["{" * 3000, "__import__('os').mkdir('sprung')\n", "{}", "[" * 9000, "\\\n" * 50, "'" * 99, "1 if", "    x\n  y\n"]
            )
        )
    version = [(1, 0), (2, 0), (3, 0), (9, 9)][rng.integers(4)] if rng.integers(4) == 0 else (1, 0)
    length = int(rng.integers(2**32)) if rng.integers(6) == 0 else None
    return header(text, version, length) + bytes(64)


def of_arrays(rng: Random, folder: Path) -> list[Callable[[], Any]]:
    np.save(_made(folder / "features") / "b.npy", np.ones((3, 8), np.float32))
    name = str(rng.choice(["a.npy", "a__0.npy", "a__999999999.npy", "b__1.npy", "a.NPY"]))
    place(rng, folder / "features" / name, broken_array(rng))
    (folder / "videos.csv").write_text("video,split,category,n_frames,intervals\na,train,Normal,48,\nb,test,Arson,48,0-9\n")
    settings = importing_settings.ImportSettings(dataset="mine", dimension=8, partial=True)
    path = folder / "features" / name
    return [
        lambda: read_array(path),
        lambda: read_array(path, mmap=True),
        lambda: str(discover.check_source(folder, settings, progress=False)),
        lambda: write.import_dataset(folder, folder / "out", settings, progress=False),
        lambda: prompts.text_features("file", CATEGORIES, file=path),
        lambda: read_state(path),
    ]


def of_archives(rng: Random, folder: Path) -> list[Callable[[], Any]]:
    good = BytesIO()
    np.savez_compressed(good, a=rng.normal(size=(4, 8)), names=np.array(["x", "yy"]))
    content = good.getvalue()
    if (how := rng.integers(6)) == 0:
        np.savez(traps := BytesIO(), a=np.array([Trap()], dtype=object))
        content = traps.getvalue()
    elif how < 3:
        with zipfile.ZipFile(made := BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
            for _ in range(int(rng.integers(1, 4))):
                archive.writestr(str(rng.choice(["a.npy", "b", "../../x.npy", "/a.npy", " "])), broken_array(rng))
        content = made.getvalue()
    elif how == 3:  # the directory of the archive claims terabytes
        at = content.rindex(b"PK\x01\x02")
        content = content[: at + 24] + struct.pack("<I", 0xFFFFFFF0) + content[at + 28 :]
    else:
        content = damaged(rng, content)
    place(rng, folder / "a.npz", content)
    return [lambda: read_arrays(folder / "a.npz"), lambda: read_array(folder / "a.npz")]


# --- lists --------------------------------------------------------------------------------------------
UCF = {
    "train.txt": "Abuse/Abuse001_x264.mp4\nArson/Arson002_x264.mp4\nTraining_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4\n",
    "test.txt": "Abuse/Abuse028_x264.mp4\nTesting_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4\n",
    "annotation.txt": "Abuse028_x264.mp4  Abuse  165  240  -1  -1\nNormal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n",
}
XD = {
    "annotations.txt": "v=a__#1_label_B1-0-0 10 60 90 120\nBad.Boys__#01-11_01-12_label_G-B2-B6 5 9\n",
    "multi.txt": "v=a__#1_label_B1-0-0 B1 10 60 B1 90 120\nBad.Boys__#01-11_01-12_label_G-B2-B6 G 5 7 B2 7 9\n",
    "rgb.list": "/data/i3d/v=z__#1_label_A.npy\nv=y__#1_label_B4-0-0__0.npy\n",
}
WORDS = [
    "",
    "-1",
    "-5",
    "x",
    "1e3",
    "0x1",
    "9" * 30,
    "9" * 5000,
    "nan",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "\0",
    "\u0661",
    "A" * 9000,
]


def changed_words(rng: Random, text: str, apart: str) -> str:
    """Some words of a text replaced, removed or doubled."""
    lines = text.splitlines()
    for _ in range(int(rng.integers(1, 3))):
        number = rng.integers(len(lines))
        words = lines[number].split(apart if apart != " " else None)
        at = rng.integers(len(words)) if words else 0
        if words:
            words[at : at + 1] = [[], [str(rng.choice(WORDS))], words[at : at + 1] * 2, words[::-1]][rng.integers(4)]
        lines[number] = apart.join(words)
    if rng.integers(4) == 0:
        lines.append(lines[rng.integers(len(lines))])
    return "\n".join(lines) + "\n"


def of_lists(rng: Random, folder: Path) -> list[Callable[[], Any]]:
    for name, text in (UCF | XD).items():
        (folder / name).write_text(text)
    chosen = UCF if rng.integers(2) else XD
    name = list(chosen)[rng.integers(3)]
    text = changed_words(rng, chosen[name], " ")
    content = damaged_text(rng, chosen[name]) if rng.integers(2) else text.encode(errors="surrogatepass")
    place(rng, folder / name, content)
    files = {part: folder / part for part in (*UCF, *XD)}

    def xd() -> None:
        names = {"train": public_lists.read_names(files["rgb.list"]), "test": ()}
        xd_violence.read_xd_violence(files["annotations.txt"], files["multi.txt"], names)

    return [lambda: ucf_crime.read_ucf_crime(*(files[part] for part in UCF)), xd]


VIDEOS = """video,split,category,n_frames,intervals,class_intervals
quiet,train,Normal,40,,
blaze,train,Arson,33,,
street,test,Normal,48,,
brawl,test,Fighting;Arson,64,4-8;9-20,Fighting:4-8;Arson:9-20
"""


def a_set(folder: Path, dimension: int = 8) -> dict[str, Any]:
    """A good data set; the content of its dataset.json."""
    about = {"name": "mine", "title": "Mine", "categories": list(CATEGORIES), "headline_metric": "auc", "source": "fuzz"}
    about |= {"synthetic": False, "fps": 25.0, "mask_rule": "frames"}
    write_text(folder / "videos.csv", VIDEOS)
    write_json(folder / "dataset.json", about)
    contract = FeatureContract(backbone="noise", dimension=dimension, crops=("centre",), dtype="float32")
    lengths = {"quiet": 3, "blaze": 3, "street": 3, "brawl": 4}
    FeatureStore.write(
        folder / "store", contract, ((n, np.ones((1, length, dimension), np.float32)) for n, length in lengths.items())
    )
    return about


def of_videos_csv(rng: Random, folder: Path) -> list[Callable[[], Any]]:
    a_set(folder)
    for name in ("quiet", "blaze", "street", "brawl"):
        np.save(_made(folder / "features") / f"{name}.npy", np.ones((4 if name == "brawl" else 3, 8), np.float32))
    text = changed_words(rng, VIDEOS, str(rng.choice([",", ",", ";", "-"])))
    place(rng, folder / "videos.csv", damaged_text(rng, VIDEOS) if rng.integers(2) else text.encode(errors="surrogatepass"))
    shutil.copy(folder / "videos.csv", folder / "frames.csv") if (folder / "videos.csv").is_file() else None
    settings = importing_settings.ImportSettings(dataset="mine", dimension=8, partial=bool(rng.integers(2)))
    counted = settings.replace(frames=str(folder / "frames.csv"))
    inferred = settings.replace(categories=CATEGORIES) if rng.integers(2) else settings
    if rng.integers(2):
        (folder / "dataset.json").unlink()
    return [
        lambda: read_video_csv(folder / "videos.csv", CATEGORIES, str(rng.choice(["frames", "A", "B", "C"]))),
        lambda: load_dataset(folder),
        lambda: str(discover.check_source(folder, inferred, progress=False)),
        lambda: str(discover.check_source(folder, counted, progress=False)),
    ]


# --- settings and manifests ---------------------------------------------------------------------------
def of_settings(rng: Random, folder: Path) -> list[Callable[[], Any]]:
    about = a_set(folder)
    np.save(_made(folder / "features") / "quiet.npy", np.ones((3, 8), np.float32))
    settings = importing_settings.ImportSettings(dataset="mine", dimension=8, partial=True)
    what = rng.integers(4)
    if what == 0:
        place(rng, folder / "dataset.json", broken_json(rng, about))
    elif what == 1:
        place(rng, folder / "store" / "store.json", broken_json(rng, read_json(folder / "store" / "store.json")))
    elif what == 2:
        record = {"source": "", "settings": settings.model_dump(mode="json"), "fingerprint": "a", "described": "", "own_note": ""}
        record |= {"store": "", "written": {"videos.csv": "a"}}
        place(rng, folder / "import.json", broken_json(rng, record))
    else:  # an index that its sidecar vouches for
        sidecar = read_json(folder / "store" / "store.json")
        path = folder / "store" / sidecar["index"]["file"]
        text = path.read_text()
        path.write_bytes(
            damaged_text(rng, text) if rng.integers(2) else changed_words(rng, text, ",").encode(errors="surrogatepass")
        )
        sidecar["index"]["sha256"] = file_sha256(path)
        write_json(folder / "store" / "store.json", sidecar)

    def every_feature() -> None:
        store = FeatureStore.open(folder / "store")
        for name in store.videos:
            assert store.snippets(name).shape[1] == store.num_snippets(name)

    return [
        lambda: load_dataset(folder),
        every_feature,
        lambda: str(discover.check_source(folder, settings, progress=False)),
        lambda: write.prepare_folder(folder, "mine", progress=False),
    ]


def of_manifests(rng: Random, folder: Path) -> list[Callable[[], Any]]:
    path = folder / "a.yml"
    if rng.integers(2):
        fields = {
            "title": "a",
            "each_dataset": True,
            "items": {"table2": "one"},
            "needs": [],
            "inputs": [],
            "outputs": [],
            "minutes": {"smoke": 1},
        }
        value = {"datasets": ["one"], "notebooks": {"a_first": fields, "b": fields | {"items": {}, "needs": ["a_first"]}}}
        reader = lambda: manifest.read_manifest(path)  # noqa: E731
    else:
        value = {"templates": ["a video of {}", "{}"], "phrases": {"Normal": "nothing", "Arson": "fire"}}
        reader = lambda: prompts.load_prompts(path)  # noqa: E731
    how = rng.integers(5)
    if how < 2:
        text = yaml.safe_dump(json.loads(json.dumps(mutated(rng, value))), sort_keys=False, allow_unicode=True)
    else:
        text = yaml.safe_dump(value, sort_keys=False)
    if how == 2:
        laughs = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9) if i else 'ha'}]" for i in range(20))
        text = f"{laughs}\n{text}".replace(str(rng.choice(["a video of {}", "title: a", "- one", "nothing", "fire"])), "*l19", 1)
    elif how == 3:
        strange_text = [
            "&a [*a]",
            "2024-99-99",
            "!!python/object/apply:os.mkdir [sprung]",
            "!!int x",
            "0b9",
            "? [a]\n: b",
            "{a: 1, a: 2}",
            "*b",
            "[" * 3000,
            "\t",
            "!!binary x",
            "9" * 5000,
        ]
        text = text.replace(
            str(rng.choice(["a video of {}", "title: a", "- one", "nothing", "fire"])), str(rng.choice(strange_text)), 1
        )
    place(rng, path, damaged_text(rng, text) if how == 4 else text.encode(errors="surrogatepass"))
    place(rng, folder / "render.json", broken_json(rng, {"train_a": ["key", "hash"], "train_b": ["key", "hash"]}))
    return [reader, lambda: render._read_ledger(folder / "render.json"), lambda: read_json(folder / "render.json")]


@cache
def a_run(folder: Path) -> Path:
    """A finished run on a data set like those above."""
    a_set(folder / "mine", 8)
    more = [f"t{i},train,{category},48,,\n" for i, category in enumerate(["Normal", "Arson"] * 3)]
    write_text(folder / "mine" / "videos.csv", VIDEOS + "".join(more))
    names = ["quiet", "blaze", "street", "brawl", *(f"t{i}" for i in range(6))]
    contract = FeatureContract(backbone="noise", dimension=8, crops=("centre",), dtype="float32")
    rng = np.random.default_rng(0)
    items = ((name, rng.normal(size=(1, 4 if name == "brawl" else 3, 8)).astype(np.float32)) for name in names)
    FeatureStore.write(folder / "mine" / "store", contract, items)
    train = TrainSettings(steps=2, eval_every=1, batch_size=2, num_segments=2, validation_fraction=0.5)
    dataset, run = load_dataset(folder / "mine"), folder / "seed1"
    # the proposed model's runs hold all arrays that any run has
    settings = config.RunSettings(variant="proposed", method="proposed", title="Proposed", width=16, profile="smoke", train=train)
    text = prompts.text_features("random", dataset.categories)
    trainer.train_run(settings, dataset, text, run, progress=False)
    return run


def of_runs(rng: Random, folder: Path) -> list[Callable[[], Any]]:
    layout = Layout.create("smoke", folder)
    run = layout.run("mine", "ur-dmu", 1)
    shutil.copytree(a_run(folder.parent / "run"), run)
    name = ["config.json", "weights.safetensors", "config.json", "scores.npz", "scores.npz", "log.csv"][rng.integers(6)]
    content = (run / name).read_bytes()
    if name == "config.json":
        content = broken_json(rng, read_json(run / name))
    elif name == "scores.npz" and rng.integers(3):
        content = other_scores(rng, read_arrays(run / name))
    else:
        content = damaged(rng, content)
    place(rng, run / name, content)
    return [
        lambda: trained_model.load_model(run),
        lambda: read_state(run / "weights.safetensors"),
        lambda: run_scores.load_scores(RunInFolder(run)),
        lambda: RunInFolder(run).log(),
        lambda: scored_runs.scored_videos(RunInFolder(run), [None, *config.SELECTIONS][rng.integers(4)]),
    ]


def other_scores(rng: Random, arrays: dict[str, np.ndarray]) -> bytes:
    """Scores of a run with one array that does not fit the others."""
    name = list(arrays)[rng.integers(len(arrays))]
    array = arrays.pop(name)
    if how := rng.integers(6):
        kinds = ["<i8", "<f4", "<U3", "?", "<c8"]
        changed = [array[:-1], array[None], array[:0], np.zeros(len(array), kinds[rng.integers(5)]), np.full(len(array), 2**62)]
        arrays[name] = changed[how - 1]
    np.savez(stream := BytesIO(), **arrays)
    return stream.getvalue()


# --- videos -------------------------------------------------------------------------------------------
@cache
def good_video(suffix: str, codec: str) -> bytes:
    path = Path(f"good{suffix}").resolve()
    pixel_format = "yuvj420p" if codec == "mjpeg" else None
    return write_numbered(path, 20, codec, size=(48, 64), pixel_format=pixel_format).read_bytes()


def of_videos(rng: Random, folder: Path) -> list[Callable[[], Any]]:
    suffix = str(rng.choice([".mp4", ".avi"]))
    content = good_video(suffix, "mpeg4" if suffix == ".mp4" else "mjpeg")
    how = rng.integers(5)
    if how < 3:
        content = damaged(rng, content)
    elif how == 3:
        texts = [
            "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\n../good.mp4\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile ../good.mp4\n",
            "v=0\nc=IN IP4 127.0.0.1\n",
        ]
        pictures = [
            cv2.imencode(kind, np.zeros((48, 64, 3), np.uint8))[1].tobytes() for kind in (".png", ".jpg", ".bmp", ".webp", ".tiff")
        ]
        content = [*(text.encode() for text in texts), *pictures][rng.integers(8)]
    else:  # the header says another size, another rate, or another number of frames
        box = [b"tkhd", b"mvhd", b"mdhd", b"stsz", b"stts", b"stsd", b"mp4v"] if suffix == ".mp4" else [b"avih", b"strh", b"strf"]
        at = content.index(box[rng.integers(len(box))]) + int(rng.integers(4, 60))
        content = content[:at] + bytes(rng.choice([0, 127, 255], int(rng.integers(1, 9))).astype(np.uint8)) + content[at:][8:]
    path = _made(folder / "videos") / f"a{suffix}"
    place(rng, path, content)
    (folder / "videos.csv").write_text("video,split,category,n_frames,intervals\na,train,Normal,20,\n")
    settings = importing_settings.ImportSettings(dataset="mine", partial=True)
    return [
        lambda: video_files.find_video(folder / "videos", "a"),
        lambda: video.header_frames(path),
        lambda: video.probe(path),
        lambda: [snippet.shape for snippet in snippets.read_snippets(path, 40, 32)],
        lambda: strips.frame_strip(path, [0, 19], 24),
        lambda: str(discover.check_source(folder, settings, progress=False)),
    ]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# --- all of them --------------------------------------------------------------------------------------
FAMILIES = (of_arrays, of_arrays, of_archives, of_lists, of_lists, of_videos_csv, of_settings, of_manifests, of_runs, of_videos)


def one(number: int, folder: Path) -> tuple[str, int, int, list[str]]:
    """Family of a case, readers that read it and that refused it, and what went wrong."""
    rng = np.random.default_rng([2022, number])
    family = FAMILIES[number % len(FAMILIES)]
    folder.mkdir()
    read, refused, failures = 0, 0, []
    for place_of_reader, reader in enumerate(family(rng, folder)):
        try:
            reader()
            read += 1
        except VadError as error:
            refused += 1
            if not str(error):
                failures.append(f"case {number} ({family.__name__}), reader {place_of_reader}: an error without a word")
        except BaseException:  # this is what the test looks for
            failures.append(f"case {number} ({family.__name__}), reader {place_of_reader}:\n{traceback.format_exc()}")
    if Path("sprung").exists():
        failures.append(f"case {number} ({family.__name__}): something was unpickled")
    shutil.rmtree(folder)
    return family.__name__, read, refused, failures


def main(folder: Path, first: int, last: int) -> dict[str, Any]:
    folder = folder.resolve()
    os.chdir(_made(folder))
    warnings.simplefilter("ignore")
    a_run(folder / "run")
    good_video(".mp4", "mpeg4")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    addresses = (
        int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        if Path("/proc/self/statm").exists()
        else 2**34
    )
    resource.setrlimit(resource.RLIMIT_AS, (addresses + MEGABYTES * 2**20,) * 2)
    counts: Counter[str] = Counter()
    failures: list[str] = []
    for number in range(first, last):
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        family, read, refused, wrong = one(number, folder / "case")
        faulthandler.cancel_dump_traceback_later()
        counts.update({"cases": 1, "read": read, "refused": refused, f"{family} read": read, f"{family} refused": refused})
        failures += wrong
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"counts": dict(counts), "failures": failures, "grown_megabytes": grown / 1024}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])), indent=1))
