"""Time the library's UR-DMU, with its fast forms for processors, against a reference form; both must give the same numbers.

    python benchmarks/bench_ur_dmu.py            # full size: 32 + 32 bags x 200 segments x 1024; 2,000 snippets x 10 crops
    python benchmarks/bench_ur_dmu.py --quick    # the same at smaller sizes; ratios are not checked
    python benchmarks/bench_ur_dmu.py --keep     # also write results/benchmarks/ur_dmu.md

Repeats are interleaved, so that whatever else the machine does slows both alike; medians are compared.
Each work has a process of its own: what one leaves behind in the memory allocator changes the other. The reference form's large
arrays cost page faults in a fresh process, as one that scores videos is; after the training steps it runs 1.4 times as fast,
and scoring is 2.5 times as fast as it instead of more than 3.
Ends with an error if a ratio misses its bound: 1.4 for a training step, 3 for scoring a long video. On some processors much
of the latter is won from denormal numbers in the reference form's decay mask (the script prints what those cost), on others
(AMD Zen 4 and 5) from products that run as convolutions, whose library uses all vector units there. The script also prints
the seconds that the products of a scored video take at the full speed of this machine, the least that is possible.
"""

import multiprocessing
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pandas as pd
import torch
from common import interleaved, machine, parser, report, seconds
from reference_forms.ur_dmu import ReferenceURDMU

from vad_lib.data.batches import Batch
from vad_lib.losses import total_loss
from vad_lib.methods.fast_cpu import use_fast_forms
from vad_lib.methods.fast_cpu.linear import segment_linear
from vad_lib.methods.ur_dmu import URDMU, URDMUSettings

TRAINING_BOUND = 1.4
SCORING_BOUND = 3.0


def denormal_cost() -> float:
    """How many times longer a matrix product takes with denormal numbers in it."""
    ones, other = torch.ones(1024, 1024), torch.rand(1024, 1024)
    denormal = ones * 1e-40
    times = [(seconds(lambda: denormal @ other), seconds(lambda: ones @ other)) for _ in range(7)]
    slow, fast = (statistics.median(column) for column in zip(*times))
    return slow / fast


def product_speed() -> float:
    """Floating-point operations per second of a large product, as a matrix product or a convolution, the best of several."""
    a, b = torch.rand(1, 2048, 2048), torch.rand(2048, 2048)
    forms = (lambda: a @ b, lambda: segment_linear(a, b))
    return 2 * 2048**3 / min(seconds(form) for form in forms for _ in range(9))


def scoring_operations(snippets: int, crops: int, settings: URDMUSettings) -> float:
    """Floating-point operations of the matrix products that scoring cannot do without, two per multiplication."""
    t, w, d = snippets, settings.width, settings.feature_dim
    projections = 4 * w * w + w * w + 2 * w * w  # Q, K, V and the local share; merge; feed-forward
    per_layer = t * projections + 2 * t * t * w  # and attention: Q K and its product with V
    return 2.0 * crops * (3 * t * d * w + settings.layers * per_layer)


def compare(
    title: str, reference: Callable[[], object], ours: Callable[[], object], repeats: int, bound: float
) -> dict[str, object]:
    """A row of the table: medians of interleaved repeats, their ratio, and what it must reach."""
    medians = interleaved({"reference": reference, "library": ours}, repeats)
    row = {"work": title, "reference s": medians["reference"], "library s": medians["library"]}
    row |= {"ratio": medians["reference"] / medians["library"], "must reach": bound, "repeats": repeats}
    print(row, flush=True)
    return row


def make_batch(pairs: int, segments: int) -> Batch:
    features = torch.randn(2 * pairs, 1, segments, 1024)
    labels = torch.arange(2 * pairs).ge(pairs).float()
    names = tuple(f"video{i}" for i in range(2 * pairs))
    return Batch(features, torch.ones(2 * pairs, segments, dtype=torch.bool), labels, torch.stack([1 - labels, labels], 1), names)


def training(pairs: int, segments: int, repeats: int) -> dict[str, object]:
    batch = make_batch(pairs, segments)
    ours, reference = use_fast_forms(URDMU(URDMUSettings())), ReferenceURDMU()
    reference.load_state_dict(ours.state_dict())
    with torch.no_grad():
        ours.eval(), reference.eval()
        torch.testing.assert_close(total_loss(ours.loss(ours(batch.features), batch)), reference.loss(batch.features[:, 0]))
    ours.train(), reference.train()
    fast = torch.optim.Adam(ours.parameters(), lr=1e-4, weight_decay=5e-5, fused=True)
    slow = torch.optim.Adam(reference.parameters(), lr=1e-4, weight_decay=5e-5)

    def reference_step() -> None:
        slow.zero_grad()
        reference.loss(batch.features[:, 0]).backward()
        slow.step()

    def our_step() -> None:
        fast.zero_grad()
        total_loss(ours.loss(ours(batch.features, batch.mask), batch)).backward()
        fast.step()

    reference_step(), our_step()
    return compare(f"training step, {pairs} + {pairs} x {segments}", reference_step, our_step, repeats, TRAINING_BOUND)


def scoring(snippets: int, crops: int, repeats: int) -> dict[str, object]:
    features = torch.randn(1, crops, snippets, 1024)
    ours, reference = use_fast_forms(URDMU(URDMUSettings())).eval(), ReferenceURDMU().eval()
    reference.load_state_dict(ours.state_dict())

    @torch.inference_mode()
    def reference_scores() -> torch.Tensor:
        return torch.stack([reference(features[:, crop]) for crop in range(crops)]).mean(dim=0)

    @torch.inference_mode()
    def our_scores() -> torch.Tensor:
        # crop by crop, as scoring.snippet_scores takes a video of this length
        return torch.stack([ours.scores(ours(features[:, crop : crop + 1]))["score"] for crop in range(crops)]).mean(dim=0)

    torch.testing.assert_close(our_scores(), reference_scores(), rtol=1e-4, atol=1e-5)
    return compare(f"scoring, {snippets} snippets x {crops} crops", reference_scores, our_scores, repeats, SCORING_BOUND)


def _prepare(threads: int) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--quick", action="store_true", help="small sizes, a few seconds")
    given = options.parse_args()
    works = [(training, 8, 64, 3), (scoring, 400, 2, 3)] if given.quick else [(training, 32, 200, 7), (scoring, 2000, 10, 5)]
    _prepare(given.threads)
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, processes, _prepare, (given.threads,), max_tasks_per_child=1) as pool:
        rows = [pool.submit(*work).result() for work in works]
    notes = [machine(), f"A product with denormal numbers in it takes {denormal_cost():.1f} times as long on this processor."]
    if not given.quick:
        speed, work = product_speed(), scoring_operations(2000, 10, URDMUSettings())
        notes.append(
            f"The products of scoring alone are {work / 1e9:.0f} billion operations: {work / speed:.2f} s at the "
            f"{speed / 1e9:.0f} billion a second that a large product reaches here."
        )
    report("ur_dmu", "UR-DMU, one training step and one long video", pd.DataFrame(rows), notes, keep=given.keep)
    return 0 if given.quick or all(row["ratio"] >= row["must reach"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
