"""Seconds per snippet of the library's I3D and of the plain network, in the same run, features compared.

    python benchmarks/bench_i3d.py            # 224 and 112 pixels, batches of 1 and 4
    python benchmarks/bench_i3d.py --keep     # also write results/benchmarks/i3d.md and what whole data sets would cost

Exits with 1 if the features differ or if the ratio at 224 pixels falls below the promised 2. Speed does not depend on
the values of the weights; the real ones are used if they are in the cache.
"""

import sys

import pandas as pd
import torch
from common import interleaved, machine, parser, report
from reference_i3d import PlainI3D
from torch import Tensor

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.backbones.i3d_weights import load_i3d, read_state
from vad_lib.errors import MissingFileError

PROMISED_RATIO = 2.0  # at 224 pixels, on CPU
# data set, frames of all its videos, crops; the frames of XD-Violence are its 217 hours at 24 a second
FLOP_PER_SNIPPET = 55.6e9  # of I3D's convolutions on 16 x 224 x 224 pixels, a multiplication and an addition being two
WHOLE_SETS = (("UCF-Crime", 13_800_000, 10), ("XD-Violence", 217 * 3600 * 24, 5))


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--repeats", type=int, default=7, help="timed calls of each network")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    try:
        weights = "kinetics400"
        state = read_state(weights)
    except MissingFileError:
        weights = "random"
        state = read_state(weights)
    fast, plain = load_i3d(weights), PlainI3D().eval()
    plain.load_state_dict(state, strict=False)  # num_batches_tracked is not in every checkpoint

    @torch.inference_mode()
    def plain_forward(snippets: Tensor) -> Tensor:
        return plain(snippets).mean(dim=(2, 3, 4))

    rows, good = [], True
    for pixels, batch in ((224, 1), (224, 4), (112, 1), (112, 4)):
        snippets = torch.rand(batch, 3, 16, pixels, pixels) * 2 - 1
        features, expected = fast(snippets), plain_forward(snippets)
        works = {"plain": lambda x=snippets: plain_forward(x), "library": lambda x=snippets: fast(x)}
        medians = interleaved(works, given.repeats)
        ratio = medians["plain"] / medians["library"]
        good &= torch.allclose(features, expected, atol=1e-4) and (pixels != 224 or ratio >= PROMISED_RATIO)
        rows.append(
            {
                "pixels": pixels,
                "batch": batch,
                "plain s/snippet": medians["plain"] / batch,
                "library s/snippet": medians["library"] / batch,
                "ratio": ratio,
                "largest difference": float((features - expected).abs().max()),
            }
        )
    notes = [machine(), f"Weights: {weights}. Medians of {given.repeats} interleaved repeats."]
    for name, frames, crops in WHOLE_SETS:
        snippets = -(-frames // FRAMES_PER_SNIPPET)
        petaflop, hours = (snippets * crops * each for each in (FLOP_PER_SNIPPET / 1e15, rows[1]["library s/snippet"] / 3600))
        notes.append(
            f"All of {name}: {frames:,} frames, {snippets:,} snippets x {crops} crops of 224 pixels, "
            f"{petaflop:,.0f} PFLOP: {hours:,.0f} hours on this machine, {petaflop / 72:,.0f} hours at 20 TFLOP/s, "
            "a share of a GPU's peak that was not measured here."
        )
    report("i3d", "I3D on CPU", pd.DataFrame(rows), notes, keep=given.keep)
    print("as promised" if good else f"NOT as promised: equal features and a ratio of {PROMISED_RATIO} at 224 pixels")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
