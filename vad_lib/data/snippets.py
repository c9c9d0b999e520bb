"""Frames to 16-frame snippets and their crops (paper, section 3.1).

Everything streams: :func:`read_snippets` holds one decoded frame and at most two snippets of resized frames, whatever
the length of the video. At 256 x 341 pixels that is 8 MiB, plus what the decoder keeps for itself (some tens of
frames).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vad_lib.config import FRAMES_PER_SNIPPET
from vad_lib.data.video import read_frames
from vad_lib.errors import ConfigError

_FIVE_CROPS = ("centre", "top_left", "top_right", "bottom_left", "bottom_right")

CROP_NAMES: dict[int, tuple[str, ...]] = {
    1: ("centre",),
    5: _FIVE_CROPS,
    10: (*_FIVE_CROPS, *(f"{name}_mirrored" for name in _FIVE_CROPS)),
}


def resized_size(height: int, width: int, short_side: int, crop_size: int) -> tuple[int, int]:
    """Height and width after resizing: shorter side to ``short_side``, aspect kept, no side below ``crop_size``.

    Example:
        >>> resized_size(240, 320, short_side=256, crop_size=224)
        (256, 341)
    """
    scale = short_side / min(height, width)
    return max(round(height * scale), crop_size), max(round(width * scale), crop_size)


def check_crop(short_side: int, crop_size: int) -> None:
    """Raise a :class:`ConfigError` if a crop of this size does not fit into the resized frame."""
    if crop_size > short_side:
        raise ConfigError(f"crop_size {crop_size} is larger than short_side {short_side}; the crop must fit into the frame.")


def resize_frame(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize uint8 (H, W, 3): pixel areas when shrinking, bilinear when enlarging."""
    if frame.shape[:2] == (height, width):
        return frame
    shrinking = height < frame.shape[0]
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)


def resize_bicubic(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize uint8 (H, W, 3) by cubic convolution, widened when shrinking.

    This is Pillow's way, which CLIP was trained with; pixels differ from it by at most 2 of 255.
    """
    if frame.shape[:2] == (height, width):
        return frame
    pixels = torch.from_numpy(frame).permute(2, 0, 1)[None]
    return F.interpolate(pixels, (height, width), mode="bicubic", antialias=True)[0].permute(1, 2, 0).contiguous().numpy()


def read_snippets(
    path: Path | str,
    short_side: int,
    crop_size: int,
    resize: Callable[[np.ndarray, int, int], np.ndarray] = resize_frame,
    places: Sequence[int] = range(FRAMES_PER_SNIPPET),
) -> Iterator[np.ndarray]:
    """Cut a video into snippets: its frames, given to :func:`cut_snippets`, which says what the other arguments are.

    Yields:
        uint8 (len(places), H, W, 3), RGB, ceil(frames / 16) of them.

    Raises:
        ConfigError: ``crop_size`` is larger than ``short_side``.
        MissingFileError: there is no such file.
        DataError: not a video, no frames, or far fewer frames than the header says. The last can only show after snippets
            were given out: drop those.
    """
    return cut_snippets(read_frames(path), short_side, crop_size, resize, places)


def cut_snippets(
    pictures: Iterable[np.ndarray],
    short_side: int,
    crop_size: int,
    resize: Callable[[np.ndarray, int, int], np.ndarray] = resize_frame,
    places: Sequence[int] = range(FRAMES_PER_SNIPPET),
) -> Iterator[np.ndarray]:
    """Cut frames into snippets of 16, stride 16; the last frame is repeated to fill the last one.

    Args:
        pictures: uint8 (H, W, 3), RGB, all of one size.
        short_side: pixels of the shorter side after resizing.
        crop_size: pixels of the crops to come, at most ``short_side``.
        resize: :func:`resize_frame` or :func:`resize_bicubic`.
        places: frames of each snippet to keep, from 0 up to 15, ascending; all by default.

    Yields:
        uint8 (len(places), H, W, 3), RGB, ceil(frames / 16) of them.

    Raises:
        ConfigError: ``crop_size`` is larger than ``short_side``.
    """
    check_crop(short_side, crop_size)
    frames: list[np.ndarray] = []
    place = 0
    for frame in pictures:
        size = resized_size(frame.shape[0], frame.shape[1], short_side, crop_size)
        if place in places:
            frames.append(resize(frame, *size))
        place += 1
        if place == FRAMES_PER_SNIPPET:
            yield np.stack(frames)
            frames, place = [], 0
    if place:
        yield np.stack(frames + [resize(frame, *size)] * (len(places) - len(frames)))


def crop_views(snippet: np.ndarray, crop_size: int, num_crops: int) -> np.ndarray:
    """Cut crops out of a snippet.

    Args:
        snippet: uint8 (T, H, W, 3).
        crop_size: pixels S, at most H and W.
        num_crops: 1, 5 or 10, in the order of :data:`CROP_NAMES`.

    Returns:
        uint8 (num_crops, T, S, S, 3).
    """
    height, width = snippet.shape[1:3]
    bottom, right = height - crop_size, width - crop_size
    corners = {
        "centre": (bottom // 2, right // 2),
        "top_left": (0, 0),
        "top_right": (0, right),
        "bottom_left": (bottom, 0),
        "bottom_right": (bottom, right),
    }
    views = np.empty((num_crops, len(snippet), crop_size, crop_size, 3), dtype=np.uint8)
    for view, name in zip(views, CROP_NAMES[num_crops]):
        top, left = corners[name.removesuffix("_mirrored")]
        crop = snippet[:, top : top + crop_size, left : left + crop_size]
        view[:] = crop[:, :, ::-1] if name.endswith("_mirrored") else crop
    return views


def network_input(views: np.ndarray, device: str | torch.device = "cpu") -> Tensor:
    """Crops as a backbone takes them.

    Args:
        views: uint8 (B, T, S, S, 3).
        device: where the tensor goes.

    Returns:
        float32 (B, 3, T, S, S) in [-1, 1], channels last in memory, as frames are.
    """
    return torch.from_numpy(views).to(device).permute(0, 4, 1, 2, 3).float().div_(127.5).sub_(1)
