"""Time a training step of the compared methods against a reference form, and check that both give the same numbers.

    python benchmarks/bench_methods.py            # the authors' sizes; up to 7 GB of memory, a quarter of an hour
    python benchmarks/bench_methods.py --quick    # the same at small sizes, a minute
    python benchmarks/bench_methods.py --only rtfm,mgfn
    python benchmarks/bench_methods.py --keep     # also write results/benchmarks/methods.md

A step is forward, loss, backward and optimiser, with the settings and the optimiser of the authors' code. The reference forms
(``tests/helpers/reference_forms``) are written as public codes are. The library's methods run with
their fast forms for processors, as they do in training. Before anything is timed, both forms get
the same weights and have to agree to 1e-4, in evaluation mode, on the scores and the loss of two normal and two abnormal
videos of the batch. Repeats are interleaved, so that whatever else the machine does slows both alike; medians are compared.

"uneven" batches have videos of different length, as PEL4VAD and VadCLIP fill up short videos in training. Both forms compute
the padding there. In VadCLIP it takes part; in PEL4VAD the library masks it, where the public code does not.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import torch
from common import interleaved, machine, parser, report
from reference_forms.mgfn import ReferenceMGFN
from reference_forms.pel4vad import ReferencePEL4VAD
from reference_forms.rtfm import ReferenceRTFM
from reference_forms.ur_dmu import ReferenceURDMU
from reference_forms.vadclip import ReferenceVadCLIP
from torch import Tensor, nn

from vad_lib.data.batches import Batch
from vad_lib.losses import total_loss
from vad_lib.methods import mgfn, pel4vad, rtfm, ur_dmu, vadclip
from vad_lib.methods.base import Method
from vad_lib.methods.fast_cpu import use_fast_forms
from vad_lib.methods.mgfn import MGFN, MGFNSettings
from vad_lib.methods.pel4vad import PEL4VAD, PEL4VADSettings
from vad_lib.methods.rtfm import RTFM, RTFMSettings
from vad_lib.methods.ur_dmu import URDMU, URDMUSettings
from vad_lib.methods.vadclip import VadCLIP, VadCLIPSettings

CATEGORIES = 14  # of UCF-Crime
TEXT_WIDTH = 512
OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Pair(NamedTuple):
    """A method in both forms.

    Attributes:
        ours: the library's.
        scores: the reference form's scores (B, T) of features (B, N, T, D).
        loss: the reference form's weighted loss of a batch.
        reference: the reference form's module.
    """

    ours: Method
    scores: Callable[[Tensor], Tensor]
    loss: Callable[[Batch], Tensor]
    reference: nn.Module


class Size(NamedTuple):
    """Videos of one side, crops and segments; lengths are drawn if ``shortest`` is given."""

    videos: int
    crops: int
    segments: int
    width: int
    shortest: int | None = None

    def __str__(self) -> str:
        crops = f" x {self.crops} crops" if self.crops > 1 else ""
        segments = f"{self.segments}" if self.shortest is None else f"{self.shortest} to {self.segments}"
        return f"{self.videos} + {self.videos}{crops} x {segments} x {self.width}"


def started(ours: Method) -> Method:
    """Numbers that start as 0 or 1 are moved a little, so that no part of a method is left out of the comparison."""
    with torch.no_grad():
        for parameter in ours.parameters():
            if parameter.dim() < 2 or not parameter.any():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return ours


def in_both_forms(ours: Method, reference: nn.Module) -> Pair:
    reference.load_library(started(ours).state_dict())
    return Pair(use_fast_forms(ours), reference, reference.loss, reference)


def ur_dmu_pair() -> Pair:
    ours, reference = started(URDMU(URDMUSettings())), ReferenceURDMU()
    reference.load_state_dict(ours.state_dict())
    return Pair(
        use_fast_forms(ours),
        lambda features: reference(features[:, 0]),
        lambda batch: reference.loss(batch.features[:, 0]),
        reference,
    )


def pel4vad_pair() -> Pair:
    text = torch.randn(CATEGORIES, TEXT_WIDTH)
    return in_both_forms(PEL4VAD(PEL4VADSettings(), text), ReferencePEL4VAD(text))


def vadclip_pair() -> Pair:
    text = torch.randn(CATEGORIES, TEXT_WIDTH)
    return in_both_forms(VadCLIP(VadCLIPSettings(prompts="offset"), text), ReferenceVadCLIP(text))


# name -> how to build it, its authors' training settings, the size timed, the one for --quick, and the repeats
WORK: dict[str, tuple[Callable[[], Pair], Mapping[str, Any], Size, Size, int]] = {
    "rtfm": (
        lambda: in_both_forms(RTFM(RTFMSettings()), ReferenceRTFM()),
        rtfm.SPEC.published,
        Size(32, 10, 32, 2048),
        Size(2, 2, 32, 2048),
        5,
    ),
    "ur-dmu": (ur_dmu_pair, ur_dmu.SPEC.published, Size(32, 1, 200, 1024), Size(4, 1, 64, 1024), 7),
    "mgfn": (
        lambda: in_both_forms(MGFN(MGFNSettings()), ReferenceMGFN()),
        mgfn.SPEC.published,
        Size(16, 10, 32, 2048),
        Size(2, 2, 32, 2048),
        5,
    ),
    "pel4vad": (pel4vad_pair, pel4vad.SPEC.published, Size(64, 1, 200, 1024), Size(4, 1, 64, 1024), 7),
    "pel4vad, uneven": (pel4vad_pair, pel4vad.SPEC.published, Size(64, 1, 200, 1024, 20), Size(4, 1, 64, 1024, 20), 7),
    "vadclip": (vadclip_pair, vadclip.SPEC.published, Size(64, 1, 256, 512), Size(4, 1, 256, 512), 5),
    "vadclip, uneven": (vadclip_pair, vadclip.SPEC.published, Size(64, 1, 256, 512, 20), Size(4, 1, 256, 512, 20), 5),
}


def make_batch(size: Size) -> Batch:
    """Normal videos first. The segments of a video resemble each other, as real ones do, and padding is zero."""
    videos = 2 * size.videos
    features = torch.randn(videos, 1, 1, size.width) + 0.5 * torch.randn(videos, size.crops, size.segments, size.width)
    lengths = torch.full((videos,), size.segments)
    if size.shortest is not None:
        lengths = torch.randint(size.shortest, size.segments + 1, (videos,))
        lengths[0] = size.segments
    mask = torch.arange(size.segments) < lengths[:, None]
    labels = torch.arange(videos).ge(size.videos).float()
    categories = torch.where(labels == 1, torch.randint(1, CATEGORIES, (videos,)), 0)
    targets = nn.functional.one_hot(categories, CATEGORIES).float()
    return Batch(features * mask[:, None, :, None], mask, labels, targets, tuple(f"video{i}" for i in range(videos)))


@torch.no_grad()
def check(pair: Pair, batch: Batch) -> None:
    """Both forms agree in evaluation mode on two normal and two abnormal videos of full length."""
    half = len(batch.videos) // 2
    rows = [0, 1, half, half + 1]
    few = Batch(*(field[rows] for field in batch[:4]), tuple(batch.videos[row] for row in rows))
    few = few._replace(mask=torch.ones_like(few.mask))
    pair.ours.eval(), pair.reference.eval()
    output = pair.ours(few.features, few.mask)
    torch.testing.assert_close(pair.ours.scores(output)["score"], pair.scores(few.features), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(total_loss(pair.ours.loss(output, few)), pair.loss(few), rtol=1e-4, atol=1e-4)


def training(name: str, quick: bool) -> dict[str, object]:
    build, published, full, small, repeats = WORK[name]
    size = small if quick else full
    pair, batch = build(), make_batch(size)
    check(pair, batch)
    pair.ours.train(), pair.reference.train()
    optimiser, lr = OPTIMISERS[published.get("optimiser", "adam")], published["lr"]
    fast = optimiser(pair.ours.parameter_groups(published["weight_decay"]), lr=lr, fused=True)
    slow = optimiser(pair.reference.parameters(), lr=lr, weight_decay=published["weight_decay"])

    def reference_step() -> None:
        slow.zero_grad()
        pair.loss(batch).backward()
        slow.step()

    def our_step() -> None:
        fast.zero_grad()
        total_loss(pair.ours.loss(pair.ours(batch.features, batch.mask), batch)).backward()
        fast.step()

    reference_step(), our_step()
    medians = interleaved({"reference": reference_step, "library": our_step}, 3 if quick else repeats)
    row = {"method": name, "batch": str(size), "reference s": medians["reference"], "library s": medians["library"]}
    row |= {"ratio": medians["reference"] / medians["library"], "repeats": 3 if quick else repeats}
    print(row, flush=True)
    return row


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--quick", action="store_true", help="small sizes")
    methods = list(dict.fromkeys(name.split(",")[0] for name in WORK))
    options.add_argument("--only", default=",".join(methods), help="names of methods, with commas")
    given = options.parse_args()
    if unknown := set(given.only.split(",")) - set(methods):
        options.error(f"--only: expected some of {', '.join(methods)}, got {', '.join(sorted(unknown))}")
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    names = [name for name in WORK if name.split(",")[0] in given.only.split(",")]
    table = pd.DataFrame([training(name, given.quick) for name in names])
    notes = [
        machine(),
        "Scores and losses of both forms agree to 1e-4 for every row.",
        "Ratios are reference / library. In RTFM and MGFN nearly all of a step is products of large matrices, which both forms "
        "have to compute with the same library; there is less to win than elsewhere.",
    ]
    report("methods", "One training step of the compared methods", table, notes, keep=given.keep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
