"""The README's picture: ``python scripts/picture_of_explorer.py`` writes ``results/explorer/explorer.png``.

It shows the explorer in a browser; needs Chromium, Chrome or Edge. The alternative text is written into the file.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vad_lib.errors import MissingFileError, command_line
from vad_lib.explorer.page import write_page
from vad_lib.storage.paths import EXPLORER, PROJECT_ROOT
from vad_lib.storage.writing import atomic_path

sys.path.insert(0, str(PROJECT_ROOT / "tests" / "helpers"))
from browser import browser, opened

SECONDS = 7  # into the video, where the score is high
ALT = (
    "The explorer: a rendered test video beside its controls (data set, video, method, seed, threshold, branch weight, smoothing) "
    "and its recall, precision and false alarms; below, the fused, visual and semantic score over time on the shaded ground truth, "
    "and the alignment map with a row for each category."
)


@command_line("correct what it says and call it again")
def main() -> int:
    program = browser()
    if program is None:
        raise MissingFileError("no browser: expected chromium, google-chrome or microsoft-edge on the path. Install one of them.")
    target = EXPLORER / "explorer.png"
    with tempfile.TemporaryDirectory() as made, opened(program) as tab:
        tab.open(write_page(EXPLORER, Path(made)), width=1200, height=960)
        tab.wait("document.querySelector('video').readyState >= 2")
        tab.value(f"document.querySelector('video').currentTime = {SECONDS}")
        tab.wait("!document.querySelector('video').seeking && document.querySelector('video').readyState >= 2", 60)
        tab.value("new Promise((done) => setTimeout(done, 3000))")
        picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    text = PngInfo()
    text.add_text("Alt", ALT)
    with atomic_path(target) as temporary:
        picture.save(temporary, "PNG", optimize=True, pnginfo=text)
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
