"""Small folders of one's own: a list as text, and features or videos for what it lists."""

import csv
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import numpy as np

from vad_lib.data.importing.discover import check_source
from vad_lib.data.importing.findings import Findings
from vad_lib.data.importing.settings import ImportSettings
from vad_lib.data.video_writing import write_video

WIDTH = 8
HEADER = "video,split,category,n_frames,intervals\n"
# enough of everything: two normal and two abnormal training videos, one normal and one abnormal test video
WHOLE = HEADER + (
    "calm_1,train,Normal,160,\ncalm_2,train,Normal,160,\nriot_1,train,Riot,160,\nriot_2,train,Riot,160,\n"
    "calm_3,test,Normal,320,\nriot_3,test,Riot,320,100-300\n"
)
FRAMES = {"calm_1": 160, "calm_2": 160, "riot_1": 160, "riot_2": 160, "calm_3": 320, "riot_3": 320}


@cache
def noise_video(seed: int, frames: int) -> bytes:
    """An MP4 of noise, 64 x 48 pixels, 25 frames a second."""
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "noise.mp4"
        write_video(path, iter(rng.integers(0, 255, (frames, 48, 64, 3), dtype=np.uint8)), fps=25)
        return path.read_bytes()


class OwnFolder:
    """A folder that a person would bring."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rng = np.random.default_rng(7)
        path.mkdir()

    def list(self, text: str | bytes, name: str = "videos.csv") -> "OwnFolder":
        (self.path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return self

    def features(self, name: str, array: np.ndarray | int) -> None:
        """Save features of a video; of random numbers if only a number of snippets is given."""
        (self.path / "features").mkdir(exist_ok=True)
        random = self.rng.normal(size=(array, WIDTH)).astype(np.float32) if isinstance(array, int) else array
        np.save(self.path / "features" / f"{name}.npy", random)

    def all_features(self, frames: dict[str, int] | None = None) -> "OwnFolder":
        for name, count in (FRAMES if frames is None else frames).items():
            self.features(name, -(-count // 16))
        return self

    def video(self, name: str, frames: int = 17) -> Path:
        """Write a video of noise, another one for each name."""
        path = self.path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise_video(crc32(name.encode()), frames))
        return path

    def check(self, *, out: Path | None = None, read: bool = True, decode: bool = False, **settings) -> Findings:
        asked = {"dataset": "mine", "dimension": WIDTH} | settings
        return check_source(self.path, ImportSettings(**asked), out, read=read, decode=decode, progress=False)


def rows(text: str) -> dict[str, int]:
    """Frames by video, of the text of a list."""
    return {row["video"]: int(row["n_frames"]) for row in csv.DictReader(text.splitlines())}


def found(findings: Findings, code: str) -> list[str]:
    """The sentences of a code, with their level."""
    return [f"{finding.level}: {finding}" for finding in findings.findings if finding.code == code]
