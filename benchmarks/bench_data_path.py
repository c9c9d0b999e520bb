"""How fast batches come from a store of UCF-Crime's true shape, how much of it they read, and whether memory stays flat.

    python benchmarks/bench_data_path.py            # 1,610 videos, 10 crops, 1,024 features, 200 segments; 3,000 batches
    python benchmarks/bench_data_path.py --steps 200 --keep

The plain form is that of the public codes: one float32 file for each video and crop, loaded whole, and a Python loop over
200 segments. It reads files of fewer videos, so that its page cache is always warm, which favours it. The library gathers
the batch's rows from segments that were made once. Its files have their true size but are sparse: only some videos hold
numbers and the others are holes, which read as zeros; the pages of a hole are mapped and copied like any others.

Ends with an error if the library makes fewer than 10 times as many samples a second, if a batch maps more than 1.2 times
the bytes of its rows (the system maps whole windows of 64 KiB), if anonymous memory grows by more than 32 MiB, or if two
runs give different batches. Linux only.
"""

import hashlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import interleaved, machine, parser, report

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.annotations import VideoList, VideoRecord
from vad_lib.data.batches import BalancedBatches
from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.data.feature_store import STORE_FILE, STORE_FORMAT, FeatureContract, FeatureStore
from vad_lib.data.feature_store_files import INDEX_COLUMNS
from vad_lib.data.snippets import CROP_NAMES
from vad_lib.storage.writing import write_json, write_text

NORMAL, ABNORMAL, CROPS, DIMENSION, SEGMENTS, BATCH = 800, 810, 10, 1024, 200, 32
FILLED, PLAIN_VIDEOS = 40, 20  # videos with numbers in the sparse store, and in the plain form's files
RATIO, READ, GROWTH_MIB = 10.0, 1.2, 32.0


def main() -> int:
    options = parser(__doc__, threads=1)
    options.add_argument("--steps", type=int, default=3000, help="batches over which memory is watched")
    options.add_argument("--repeats", type=int, default=15)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.uniform(np.log(20), np.log(2000), NORMAL + ABNORMAL)).astype(int)
    with tempfile.TemporaryDirectory() as folder:
        dataset = sparse_dataset(Path(folder) / "store", lengths, rng)
        plain = PlainBatches(Path(folder) / "plain", lengths[:PLAIN_VIDEOS], rng)
        records = dataset.videos.split("train")
        batches = BalancedBatches(dataset, records, SEGMENTS, BATCH, seed=1)
        again = BalancedBatches(dataset, records, SEGMENTS, BATCH, seed=1)
        same = all(torch.equal(batches.batch(step).features, again.batch(step).features) for step in (0, 7, 2999))

        wanted = 2 * BATCH * SEGMENTS * DIMENSION * 2
        mapped = [newly_mapped(dataset, records, step) / wanted for step in range(3)]

        sizes = []
        for step in range(given.steps):
            batches.batch(step)
            if step % 50 == 49:
                sizes.append(memory("RssAnon"))
        growth = (max(sizes[len(sizes) // 10 :]) - sizes[len(sizes) // 10]) / 2**20
        steps = iter(range(given.repeats + 1))
        medians = interleaved(
            {"plain": plain.batch, "library": lambda: batches.batch(next(steps))}, given.repeats, time.process_time
        )
        rates = {name: 2 * BATCH / value for name, value in medians.items()}
        ratio = rates["library"] / rates["plain"]
        files = {path.name.split("-")[0]: path.stat() for path in dataset.store.folder.glob("*.npy")}
    table = pd.DataFrame(
        [
            {"form": "plain: load a file, loop over segments", "samples/s": rates["plain"], "ratio": 1.0},
            {"form": "library: rows gathered from kept segments", "samples/s": rates["library"], "ratio": ratio},
        ]
    )
    on_disk = ", ".join(
        f"{name} {stat.st_size / 1e9:.1f} GB of which {stat.st_blocks * 512 / 1e9:.2f} on disk" for name, stat in files.items()
    )
    notes = [
        machine(),
        f"Store: {len(lengths):,} training videos, {CROPS} crops, {lengths.min():,} to {lengths.max():,} snippets (log-uniform, "
        f"mean {lengths.mean():.0f}), {DIMENSION:,} features, float16, {SEGMENTS} segments. Sparse files: {on_disk}; {FILLED} "
        "videos hold random numbers, the others are holes.",
        f"A sample is one crop of one video as {SEGMENTS} segments, float32; {2 * BATCH} to a batch. Plain: {PLAIN_VIDEOS} videos "
        f"of the same lengths, page cache warm for both. Medians of {given.repeats} interleaved batches, in seconds of the "
        "processor: both are one thread's work, and the machine is shared.",
        f"Bytes mapped by one batch of a fresh store, against the {wanted / 1e6:.1f} MB of its rows: "
        + ", ".join(f"{value:.3f}" for value in mapped)
        + ". The snippets themselves are never touched.",
        f"Anonymous memory over {given.steps:,} batches: grows by {growth:.1f} MiB after the first tenth. Pages of the file itself "
        "are not counted: the system keeps and drops them as it likes.",
        f"Same seed, same batches: {same}.",
    ]
    report("data_path", "Batches from a store of UCF-Crime's shape", table, notes, keep=given.keep)
    good = ratio >= RATIO and max(mapped) <= READ and growth <= GROWTH_MIB and same
    print("as promised" if good else f"NOT as promised: ratio {RATIO:g}, bytes {READ:g}, growth {GROWTH_MIB:g} MiB, same batches")
    return 0 if good else 1


def memory(kind: str) -> int:
    """Bytes of this process's resident memory: ``RssAnon`` or ``RssFile``."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) * 1024
    raise OSError(f"{kind}: not in /proc/self/status; this benchmark needs Linux.")


def newly_mapped(dataset: Dataset, records: tuple[VideoRecord, ...], step: int) -> int:
    """Bytes of files that one batch maps, with a memory map of its own."""
    batches = BalancedBatches(dataset, records, SEGMENTS, BATCH, seed=2 + step)
    before = memory("RssFile")
    batches.batch(step)
    return memory("RssFile") - before


class PlainBatches:
    """As the public codes do it."""

    def __init__(self, folder: Path, lengths: np.ndarray, rng: np.random.Generator) -> None:
        folder.mkdir(parents=True)
        self.paths = []
        for video, length in enumerate(lengths):
            for crop in range(CROPS):
                self.paths.append(folder / f"{video}__{crop}.npy")
                np.save(self.paths[-1], rng.random((length, DIMENSION), dtype=np.float32))
        self.rng = rng

    def batch(self) -> torch.Tensor:
        drawn = self.rng.integers(len(self.paths), size=2 * BATCH)
        return torch.stack([torch.from_numpy(self.sample(np.load(self.paths[i]))) for i in drawn])

    @staticmethod
    def sample(snippets: np.ndarray) -> np.ndarray:
        segments = np.zeros((SEGMENTS, DIMENSION), dtype=np.float32)
        bounds = np.linspace(0, len(snippets), SEGMENTS + 1, dtype=int)
        for i in range(SEGMENTS):
            if bounds[i] != bounds[i + 1]:
                segments[i] = np.mean(snippets[bounds[i] : bounds[i + 1]], axis=0)
            else:
                segments[i] = snippets[bounds[i]]
        return segments


def sparse_dataset(folder: Path, lengths: np.ndarray, rng: np.random.Generator) -> Dataset:
    """A data set whose store has the true shape; its arrays are sparse files."""
    folder.mkdir(parents=True)
    categories = ("Normal", "Abnormal")
    contract = FeatureContract(backbone="sparse file", crops=CROP_NAMES[CROPS], dimension=DIMENSION, source="bench_data_path.py")
    records, lines, offset = [], [",".join(INDEX_COLUMNS)], 0
    for place, length in enumerate(lengths):
        record = VideoRecord(f"v{place:04d}", "train", (categories[place >= NORMAL],), int(length) * FRAMES_PER_SNIPPET, ())
        records.append(record)
        for crop in contract.crops:
            lines.append(f"{record.name},{crop},{offset},{length},")
            offset += int(length)
    index = "\n".join(lines) + "\n"
    write_text(folder / "index-sparse.csv", index)
    np.lib.format.open_memmap(folder / "snippets-sparse.npy", "w+", contract.dtype, (offset, DIMENSION))
    sidecar = {
        "format": STORE_FORMAT,
        "contract": contract.model_dump(mode="json"),
        "data": {"file": "snippets-sparse.npy", "sha256": "sparse"},
        "index": {"file": "index-sparse.csv", "sha256": hashlib.sha256(index.encode()).hexdigest()},
    }
    write_json(folder / STORE_FILE, sidecar)
    store = FeatureStore.open(folder)
    # where the store keeps the segments that it has made
    path = folder / f"segments-{SEGMENTS}-{store.content_hash[:12]}.npy"
    segments = np.lib.format.open_memmap(path, "w+", contract.dtype, (len(lengths), CROPS, SEGMENTS, DIMENSION))
    for video in np.linspace(0, len(lengths) - 1, FILLED).astype(int):
        segments[video] = rng.random((CROPS, SEGMENTS, DIMENSION), dtype=np.float32)
    segments.flush()
    info = DatasetInfo(
        name="sparse", title="Sparse", categories=categories, headline_metric="auc", source="zeros", synthetic=True, fps=30.0
    )
    return Dataset(folder.parent, info, VideoList(categories, tuple(records)), store)


if __name__ == "__main__":
    sys.exit(main())
