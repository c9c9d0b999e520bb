"""What is left of a trained run when it is made small and fast: quality, size and time on one CPU thread.

    python benchmarks/bench_deploy.py                            # the first run of the proposed model in results/quick or study
    python benchmarks/bench_deploy.py --run RUN --keep --out build/deploy      # also write results/benchmarks/deploy.md

PyTorch float32, ONNX float32, ONNX with 8-bit weights, half and four fifths of the weights pruned, a student of at most a
tenth of the parameters, and the causal form of the method, on whole videos and on a stream of single snippets. All of
them score the run's test videos. The student and the causal form are trained with the run's own settings and kept in
--out as runs like any other; what is there already is not trained again. Runs of UR-DMU have neither, those of MSF-DMU no
student.

Times are for the scores of one crop, features ready; extracting them takes far longer. The stream is scored one snippet at
a time, the others get the whole video at once.

Ends with an error if ONNX float32 differs from PyTorch by more than 1e-4 on a test snippet, the stream from the same model
on whole videos by more than 1e-5, or if the student has more than a tenth of the parameters.
"""

import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from common import interleaved, machine, parser, report
from safetensors.torch import save

from vad_lib.config import FRAMES_PER_SNIPPET, RunSettings, TrainSettings, get_profile
from vad_lib.data import prepare
from vad_lib.data.batches import video_batch
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.prompts import TextFeatures
from vad_lib.deployment import distillation, onnx_export, pruning, streaming
from vad_lib.errors import MissingFileError, command_line
from vad_lib.evaluation import comparisons, intervals
from vad_lib.evaluation.scoring import snippet_scores
from vad_lib.methods.base import Method
from vad_lib.model import Proposed
from vad_lib.runs import scored_runs, trained_model, trainer
from vad_lib.runs.run_folder import RunInFolder, run_folders
from vad_lib.storage.paths import Layout

ONNX_TOLERANCE, STREAM_TOLERANCE, SHARE = 1e-4, 1e-5, 0.1
SHARES = (0.5, 0.8)


class Row(NamedTuple):
    """One form of the method.

    Attributes:
        score: dataset -> scores of the test videos, name -> (T,).
        work: scores features (1, T, D) of one crop, for the clock.
        packed: what would be stored, for its size.
        parameters: weights that are not zero.
    """

    score: Callable[[Dataset], dict[str, np.ndarray]]
    work: Callable[[torch.Tensor], object]
    packed: bytes
    parameters: int


def of_method(method: Method) -> Row:
    """A method in PyTorch."""
    method.eval()

    def work(features: torch.Tensor) -> object:
        with torch.inference_mode():
            return method.scores(method(features[None]))

    alive = sum(int(torch.count_nonzero(parameter)) for parameter in method.parameters())
    return Row(usual(method), work, save({name: t.contiguous() for name, t in method.state_dict().items()}), alive)


def of_file(path: Path, parameters: int) -> Row:
    """A method in an ONNX file."""
    scorer = onnx_export.OnnxScorer(path)
    return Row(usual(scorer), lambda features: scorer.scores(scorer(features[None])), path.read_bytes(), parameters)


def of_stream(method: Method) -> Row:
    """A causal method, snippet by snippet."""
    stream = streaming.StreamingScorer(method)

    def work(features: torch.Tensor) -> np.ndarray:
        stream.reset()
        return np.concatenate([stream.push(snippet)["score"] for snippet in features.transpose(0, 1).split(1)])

    def score(dataset: Dataset) -> dict[str, np.ndarray]:
        return {record.name: work(video_batch(dataset, record)[0]) for record in dataset.videos.split("test")}

    return of_method(method)._replace(score=score, work=work)


def usual(method: Method) -> Callable[[Dataset], dict[str, np.ndarray]]:
    return lambda dataset: {
        name: arrays["score"] for name, arrays in snippet_scores(method, dataset, dataset.videos.split("test")).items()
    }


def causal_run(run: Path, dataset: Dataset, text: TextFeatures | None, out: Path) -> Method:
    """The causal form of a run's method, trained as the run was."""
    _, config = trained_model.load_model(run)
    settings = RunSettings(
        variant=f"{config['variant']}-causal",
        method=config["method"],
        title=f"{config['title']}, causal",
        options={**config["options"], "context": "causal"},
        width=config["width"],
        profile=config["profile"],
        declared=tuple(config["declared"]),
        train=TrainSettings(**config["train"]),
    )
    folder = out / settings.variant / run.name
    trainer.train_run(settings, dataset, text, folder)
    return trained_model.load_model(folder)[0]


def forms(run: Path, dataset: Dataset, text: TextFeatures | None, out: Path, scratch: Path) -> dict[str, Row]:
    method, config = trained_model.load_model(run)
    whole = of_method(method)
    exported = onnx_export.export_onnx(method, scratch / "float32.onnx", about=config)
    found = {
        "PyTorch float32": whole,
        "ONNX float32": of_file(exported, whole.parameters),
        "ONNX int8": of_file(onnx_export.quantise(exported, scratch / "int8.onnx"), whole.parameters),
    }
    found |= {f"pruned {share:.0%}": of_method(pruning.pruned(method, share)) for share in SHARES}
    if isinstance(method, Proposed):
        folder = out / "proposed-student" / run.name
        distillation.distil(run, dataset, text, folder, distillation.DistilSettings(share=SHARE))
        student = trained_model.load_model(folder)[0]
        found["student"] = of_method(student)
        small = onnx_export.export_onnx(student, scratch / "student.onnx")
        found["student, ONNX int8"] = of_file(onnx_export.quantise(small, scratch / "student8.onnx"), found["student"].parameters)
    if "context" in type(method.settings).model_fields:
        causal = causal_run(run, dataset, text, out)
        found["causal"] = of_method(causal)
        found["causal, snippet by snippet"] = of_stream(causal)
    return found


def first_run() -> Path:
    """The first finished run of the proposed model in the results of ``quick``, or else of ``study``.

    Raises:
        MissingFileError: neither has one. Those that the project commits have no features beside them, or no weights.
    """
    places = [Layout.create(profile).results / "runs" / "synth-crime" / "proposed" for profile in ("quick", "study")]
    folders = [folder for place in places for folder in run_folders(place)]
    if not folders:
        raise MissingFileError(
            "expected a run of the proposed model in results/quick or results/study, found none; `make reproduce` trains it. "
            "Or name the folder of another run with --run."
        )
    return folders[0]


@command_line("call it again; the student and the causal form are kept once they are trained")
def main() -> int:
    options = parser(__doc__, threads=1)
    options.add_argument("--run", type=Path, help="folder of a finished run (default: the first one of the proposed model)")
    options.add_argument("--data", type=Path, help="folder of its data set (default: the project's)")
    options.add_argument("--out", type=Path, help="where the student and the causal form are kept (default: beside the run)")
    options.add_argument("--minutes", type=float, default=5.0, help="length of the video for the clock")
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    run = given.run or first_run()
    _, config = trained_model.load_model(run)
    profile = get_profile(config["profile"])
    dataset = load_dataset(given.data or Layout.create(profile.name).dataset(config["dataset"]), backbone=profile.features.backbone)
    text = prepare.dataset_text(profile, dataset) if config["text"] else None

    with tempfile.TemporaryDirectory() as scratch:
        rows = forms(run, dataset, text, given.out or run.resolve().parents[1], Path(scratch))
        snippets = round(given.minutes * 60 * dataset.fps / FRAMES_PER_SNIPPET)
        features = torch.randn(1, snippets, dataset.store.dimension, generator=torch.Generator().manual_seed(0)) / 2
        medians = interleaved({name: lambda row=row: row.work(features) for name, row in rows.items()}, given.repeats)
        scores = {name: row.score(dataset) for name, row in rows.items()}

    def difference(first: str, second: str) -> float:
        return max(float(np.abs(scores[first][video] - scores[second][video]).max()) for video in scores[first])

    kept = scored_runs.scored_videos(RunInFolder(run))
    scored = {name: replace(kept, score=np.concatenate([found[video] for video in kept.videos])) for name, found in scores.items()}
    table = []
    for name, row in rows.items():
        against = comparisons.compare([scored["PyTorch float32"]], [scored[name]], dataset.headline_metric)
        table.append(
            {
                "form": name,
                "AUC %": intervals.interval_text(intervals.interval([scored[name]], "auc")),
                "AP %": intervals.interval_text(intervals.interval([scored[name]], "ap")),
                f"{dataset.headline_metric.upper()} against the first row": comparisons.comparison_text(against),
                "mean change of scores": float(
                    np.mean(np.concatenate([np.abs(scores[name][v] - scores["PyTorch float32"][v]) for v in scores[name]]))
                ),
                "parameters not 0": f"{row.parameters:,}",
                "file MB": len(row.packed) / 1e6,
                "file MB, zipped": len(zlib.compress(row.packed, 6)) / 1e6,
                "ms per minute of video": 1000 * medians[name] / given.minutes,
            }
        )
    whole = rows["PyTorch float32"].parameters
    exported = difference("PyTorch float32", "ONNX float32")
    checks = {"ONNX float32": exported <= ONNX_TOLERANCE}
    notes = [
        f"{config['title']} on {dataset.title}, seed {config['seed']}, profile {config['profile']}, width {config['width']}, "
        f"{len(scores['PyTorch float32'])} test videos{'; rendered, no real footage' if dataset.synthetic else ''}.",
        machine(),
        f"Largest difference of ONNX float32 and PyTorch on a test snippet: {exported:.1e}.",
    ]
    if "student" in rows:
        checks["student"] = rows["student"].parameters <= SHARE * whole
        notes.append(
            f"The student has {rows['student'].parameters / whole:.1%} of the parameters. It learned from the batches and labels "
            "of the teacher's training, with two more terms of the loss that hold its scores and categories of each segment to "
            "the teacher's; one teacher, one seed."
        )
    if "causal" in rows:
        changed = difference("causal", "causal, snippet by snippet")
        checks["stream"] = changed <= STREAM_TOLERANCE
        notes.append(
            f"Largest difference between the stream and the same model on whole videos: {changed:.1e}; a snippet of the stream "
            f"takes {1000 * medians['causal, snippet by snippet'] / snippets:.2f} ms."
        )
    notes.append(
        "Intervals are 95 %, over the test videos (BCa bootstrap, normal and abnormal ones apart); they speak of these trained "
        "models, not of what another seed would give."
    )
    notes.append("Zeros of a pruned model save time only where a library skips them, which dense products do not.")
    report("deploy", "Small and fast", pd.DataFrame(table), notes, keep=given.keep)
    failed = [name for name, good in checks.items() if not good]
    if failed:
        print(f"not as promised: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
