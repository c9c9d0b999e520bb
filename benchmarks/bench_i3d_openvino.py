"""Seconds per snippet of I3D by PyTorch in float32 and by OpenVINO in bf16, in the same run, features compared.

    python benchmarks/bench_i3d_openvino.py            # snippets of rendered videos, crops of 96 and 224 pixels
    python benchmarks/bench_i3d_openvino.py --keep     # also write results/benchmarks/i3d_openvino.md

Says so and measures nothing without the extra openvino or a processor with bf16. Exits with 1 if a cosine is below 0.999.
"""

import itertools
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import interleaved, machine, parser, report

from vad_lib.config import get_profile
from vad_lib.data.backbones.i3d_openvino import I3DOpenVINO
from vad_lib.data.backbones.i3d_weights import load_i3d
from vad_lib.data.snippets import crop_views, network_input, read_snippets
from vad_lib.data.synthetic import render_dataset
from vad_lib.errors import ConfigError

BATCH = 4
LEAST_COSINE = 0.999


def main() -> int:
    options = parser(__doc__, threads=1)
    options.add_argument("--videos", type=int, default=16, help="rendered videos, of which each gives its third snippet")
    options.add_argument("--repeats", type=int, default=5, help="timed passes of each network over all snippets")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    by_torch = load_i3d()
    try:
        networks = {"torch": by_torch, "openvino": I3DOpenVINO(by_torch)}
    except ConfigError as error:
        print(f"not measured: {error}")
        return 0
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        render_dataset("synth-crime", Path(scratch), get_profile("smoke").synthetic, progress=False)
        videos = sorted(Path(scratch, "videos").iterdir())[: given.videos]
        for short_side, pixels in ((110, 96), (256, 224)):
            thirds = (next(itertools.islice(read_snippets(video, short_side, pixels), 2, None)) for video in videos)
            snippets = [crop_views(snippet, pixels, 1) for snippet in thirds]
            batches = [network_input(np.concatenate(snippets[at : at + BATCH])) for at in range(0, len(snippets), BATCH)]
            features = {name: torch.cat([network(batch) for batch in batches]) for name, network in networks.items()}
            works = {name: lambda n=network, b=batches: [n(batch) for batch in b] for name, network in networks.items()}
            medians = interleaved(works, given.repeats, time.process_time)
            cosines = torch.cosine_similarity(features["torch"], features["openvino"])
            rows.append(
                {
                    "pixels": pixels,
                    "snippets": len(snippets),
                    "torch float32 s/snippet": medians["torch"] / len(snippets),
                    "openvino bf16 s/snippet": medians["openvino"] / len(snippets),
                    "ratio": medians["torch"] / medians["openvino"],
                    "least cosine": f"{cosines.min():.5f}",
                    "mean cosine": f"{cosines.mean():.5f}",
                }
            )
    notes = [
        machine(),
        f"OpenVINO {version('openvino')}. Seconds of processor time, which other programs on the machine lengthen little: medians "
        f"of {given.repeats} alternating passes over all snippets, in batches of {BATCH}, one crop each.",
        f"One snippet of each of {len(videos)} rendered videos, Kinetics-400 weights; cosines of its two features.",
    ]
    report("i3d_openvino", "I3D on CPU: PyTorch in float32 and OpenVINO in bf16", pd.DataFrame(rows), notes, keep=given.keep)
    return 0 if min(float(row["least cosine"]) for row in rows) >= LEAST_COSINE else 1


if __name__ == "__main__":
    sys.exit(main())
