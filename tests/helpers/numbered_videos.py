"""Videos whose frames carry their number, in any codec and container, and ways to damage them.

Ten bars show the number in binary, so that it can be read after lossy coding, scaling and turning back.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from browser import Tab

BITS = 10


def numbered(index: int, height: int = 96, width: int = 160) -> np.ndarray:
    """A frame whose ten bars are the bits of ``index``, the lowest at the left; uint8 (height, width, 3)."""
    bits = np.array([index >> bit & 1 for bit in range(BITS)])
    bars = np.where(bits, 224, 32).astype(np.uint8)
    frame = np.broadcast_to(bars[np.arange(width) * BITS // width][None, :, None], (height, width, 3)).copy()
    # a grain of its own makes the coded packet of each frame unlike all others
    frame[: height // 4] = np.random.default_rng(index).integers(0, 255, (height // 4, width, 1))
    return frame


def number(pixels: np.ndarray) -> int:
    """The index that a frame shows; -1 where a bar is neither bright nor dark."""
    height, width = pixels.shape[:2]
    middle = pixels[height // 2 : -height // 8]
    bars = [middle[:, round((bar + 0.3) * width / BITS) : round((bar + 0.7) * width / BITS)].mean() for bar in range(BITS)]
    if any(96 < bar < 160 for bar in bars):
        return -1
    return sum((bar > 128) << bit for bit, bar in enumerate(bars))


def write_numbered(
    path: Path,
    count: int,
    codec: str = "libx264",
    *,
    fps: int = 25,
    ticks: Sequence[int] | None = None,
    pixel_format: str | None = None,
    size: tuple[int, int] = (96, 160),
    first: int = 0,
    container: dict[str, str] | None = None,
    format: str | None = None,
    **options: str,
) -> Path:
    """Write frames ``first`` to ``first + count - 1``.

    Args:
        path: target; its ending tells the container, unless ``format`` does.
        count: frames.
        codec: an encoder of FFmpeg.
        fps: frames per second, and the clock of ``ticks``.
        ticks: times of the frames in thousandths of a second, growing, where the distance is not the same.
        pixel_format: of FFmpeg; the encoder's usual one by default.
        size: height and width.
        first: number of the first frame.
        container: options of the container.
        format: name of the container.
        options: of the encoder.
    """
    with av.open(str(path), "w", format=format, options=container or {}) as out:
        stream = out.add_stream(codec, rate=fps, options={name: str(value) for name, value in options.items()})
        stream.height, stream.width = size
        stream.pix_fmt = pixel_format or "yuv420p"
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(first + index, *size), format="rgb24")
            frame.time_base = Fraction(1, fps if ticks is None else 1000)
            frame.pts = index if ticks is None else ticks[index]
            out.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        out.mux(stream.encode())
    return path


def packets_of(path: Path) -> list[av.Packet]:
    """The coded packets of the video."""
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def damage(path: Path, indices: Sequence[int], out: Path | None = None, keep: int = 0) -> Path:
    """Overwrite the content of some coded packets with zeros.

    Args:
        path: the video.
        indices: of the packets, in the order in which they are stored.
        out: target; the file itself by default.
        keep: bytes at the start of each packet that stay.
    """
    content = bytearray(path.read_bytes())
    packets = packets_of(path)
    begins = sorted({max(packet.pos or 0, 0) for packet in packets} | {len(content)})
    for index in indices:
        packet = packets[index]
        coded, begin = bytes(packet), max(packet.pos or 0, 0)
        start = content.find(coded, begin)
        if start < 0:  # a container that mixes its own bytes with the coded ones
            start, end = begin, begins[begins.index(begin) + 1]
        else:
            end = start + len(coded)
        content[start + keep : end] = bytes(end - start - keep)
    target = out or path
    target.write_bytes(bytes(content))
    return target


def write_sound(path: Path) -> Path:
    """A file that holds sound and no video."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16_000)
        for index in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 1024 * index
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def shown_number(tab: Tab) -> int:
    """The number that the frame of the video shows, read from a picture of the window."""
    box = tab.value("$('video').controls = false, scrollTo(0, 0), $('video').getBoundingClientRect().toJSON()")
    left, top, right, bottom = (round(box[side]) for side in ("left", "top", "right", "bottom"))
    return number(cv2.imdecode(np.frombuffer(tab.screenshot(), np.uint8), cv2.IMREAD_COLOR)[top:bottom, left:right])
