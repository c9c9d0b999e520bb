"""Regenerate ``vad_lib/data/resources/clip_class_names.safetensors``: CLIP text features of the classes of both public data sets.

PEL4VAD (https://github.com/yujiangpu20/PEL4VAD, MIT) publishes them as ``list/ucf-prompt.npy`` and ``list/xd-prompt.npy``: for each
class the mean of CLIP ViT-B/16 features of its name and of words that ConceptNet relates to it. Name the two files::

    .venv/bin/python scripts/make_clip_class_names.py ucf-prompt.npy xd-prompt.npy
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from vad_lib.errors import DataError, command_line
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.paths import clip_class_names
from vad_lib.storage.reading import read_array
from vad_lib.storage.writing import atomic_path

# Rows of the files, in their order.
CLASSES = {
    "UCF-Crime": (
        "Normal", "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", "RoadAccidents", "Robbery",
        "Shooting", "Shoplifting", "Stealing", "Vandalism",
    ),
    "XD-Violence": ("Normal", "Abuse", "CarAccident", "Explosion", "Fighting", "Riot", "Shooting"),
}  # fmt: skip
WIDTH = 512


@command_line("correct what it says and call it again")
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ucf", type=Path, help="ucf-prompt.npy")
    parser.add_argument("xd", type=Path, help="xd-prompt.npy")
    options = parser.parse_args()
    tensors: dict[str, np.ndarray] = {}
    for (name, classes), path in zip(CLASSES.items(), (options.ucf, options.xd)):
        tensors[name] = read_array(path).astype(np.float32)
        if tensors[name].shape != (len(classes), WIDTH):
            raise DataError(
                f"{path}: expected {len(classes)} rows of {WIDTH} for {name}, got {tensors[name].shape}. Name the other file."
            )
    both = np.concatenate([tensors[name] for name in CLASSES])
    description = {
        "model": "CLIP ViT-B/16 (OpenAI), means over a class name and related words",
        "source": "PEL4VAD, https://github.com/yujiangpu20/PEL4VAD (MIT)",
        "sha256": {name: file_sha256(path) for name, path in zip(CLASSES, (options.ucf, options.xd))},
        "rows": [[name, category] for name, classes in CLASSES.items() for category in classes],
    }
    with atomic_path(clip_class_names()) as temporary:
        # a single entry of each kind: safetensors does not keep the order of several, and equal inputs must give equal bytes
        save_file({"features": both}, temporary, metadata={"description": json.dumps(description)})
    print(f"{clip_class_names().name}: {len(both)} classes x {WIDTH}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
