"""Seconds per snippet of the library's I3D and of the plain network, in the same run, features compared.

    python benchmarks/bench_i3d.py            # 224 and 112 pixels, batches of 1 and 4
    python benchmarks/bench_i3d.py --repeats 5 --out table.csv

Exits with 1 if the features differ or if the ratio at 224 pixels falls below the promised 2. Speed does not depend on
the values of the weights; the real ones are used if they are in the cache.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from reference_i3d import PlainI3D
from torch import Tensor

from vad_lib.errors import MissingFileError
from vad_lib.files import write_text
from vad_lib.i3d import load_i3d, read_state

PROMISED_RATIO = 2.0  # at 224 pixels, on CPU


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of each network; the fastest counts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="also write the table as CSV")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    try:
        weights = "kinetics400"
        state = read_state(weights)
    except MissingFileError:
        weights = "random"
        state = read_state(weights)
    fast = load_i3d(weights)
    plain = PlainI3D().eval()
    plain.load_state_dict(state, strict=False)  # num_batches_tracked is not in every checkpoint

    def plain_forward(snippets: Tensor) -> Tensor:
        return plain(snippets).mean(dim=(2, 3, 4))

    print(f"{weights} weights, {options.threads} threads, best of {options.repeats}")

    lines = ["pixels,batch,plain_seconds_per_snippet,ours_seconds_per_snippet,ratio,largest_difference"]
    good = True
    for pixels, batch in ((224, 1), (224, 4), (112, 1), (112, 4)):
        snippets = torch.rand(batch, 3, 16, pixels, pixels) * 2 - 1
        (plain_features, features), (plain_seconds, seconds) = timed([plain_forward, fast], snippets, options.repeats)
        difference = float((features - plain_features).abs().max())
        ratio = plain_seconds / seconds
        lines.append(f"{pixels},{batch},{plain_seconds / batch:.4f},{seconds / batch:.4f},{ratio:.2f},{difference:.1e}")
        good &= torch.allclose(features, plain_features, atol=1e-4) and (pixels != 224 or ratio >= PROMISED_RATIO)
    for line in lines:
        print("".join(f"{cell:>28}" for cell in line.split(",")))
    if options.out:
        write_text(options.out, "\n".join(lines) + "\n")
    print("as promised" if good else f"NOT as promised: equal features and a ratio of {PROMISED_RATIO} at 224 pixels")
    return 0 if good else 1


@torch.inference_mode()
def timed(networks: list[Callable[[Tensor], Tensor]], snippets: Tensor, repeats: int) -> tuple[list[Tensor], list[float]]:
    """Outputs and fewest seconds of each network; they take turns, so that other load on the machine meets all."""
    outputs = [network(snippets) for network in networks]
    best = [float("inf")] * len(networks)
    for _ in range(repeats):
        for i, network in enumerate(networks):
            start = time.perf_counter()
            network(snippets)
            best[i] = min(best[i], time.perf_counter() - start)
    return outputs, best


if __name__ == "__main__":
    sys.exit(main())
