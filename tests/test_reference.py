"""What the maintainer's command keeps of a figure."""

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vad_lib.reference import small_png


def test_a_small_figure_looks_the_same_and_keeps_its_texts(tmp_path):
    pixels = np.full((40, 60, 4), 255, dtype=np.uint8)
    pixels[10:20, 5:50, :3] = (0, 114, 178)
    texts = PngInfo()
    texts.add_text("Description", "made by a test")
    Image.fromarray(pixels).save(tmp_path / "figure.png", pnginfo=texts)
    small_png(tmp_path / "figure.png", tmp_path / "small.png")
    with Image.open(tmp_path / "small.png") as small:
        assert small.mode == "P" and small.text["Description"] == "made by a test"
        assert np.array_equal(np.asarray(small.convert("RGB")), pixels[..., :3])
