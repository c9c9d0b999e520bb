"""The image, the projection of the world onto it, and how things are drawn."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np

Colour = tuple[float, ...]  # blue, green, red
SHIFT = 4  # fractional bits of OpenCV's drawing coordinates: limbs move by less than a pixel per frame
DEPTH = 5.0  # metres from z = 0 to z = 1
TAU = 2 * math.pi


@dataclass
class View:
    """An image and the projection of the world onto it; ``zoom`` is how much closer the camera stands than it might."""

    image: np.ndarray
    zoom: float = 1.0

    def __post_init__(self) -> None:
        self.height, self.width = self.image.shape[:2]

    def scale(self, z: float) -> float:
        """Pixels per metre at a depth."""
        return self.zoom * self.height / 144 * (27 + 20 * z)

    def point(self, x: float, z: float, h: float = 0.0) -> tuple[float, float]:
        """Pixels (from the left, from the top) of a point of the world."""
        scale = self.scale(z)
        return self.width / 2 + x * scale, self.height * (0.47 + 0.49 * z) - h * scale

    def reach(self) -> float:
        """Metres from the middle at which everything is outside the image, at any depth."""
        return self.width / 2 / self.scale(0) + 0.6

    def lines(self, paths: Iterable[Iterable[tuple[float, float]]], colour: Colour, thickness: float) -> None:
        """Lines through points in pixels."""
        fixed = [np.array([[round(x * 16), round(y * 16)] for x, y in path], np.int32) for path in paths]
        cv2.polylines(self.image, fixed, False, colour, max(1, round(thickness)), cv2.LINE_AA, SHIFT)

    def polygon(self, points: Iterable[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon with corners in pixels."""
        fixed = np.array([[round(x * 16), round(y * 16)] for x, y in points], np.int32)
        cv2.fillPoly(self.image, [fixed], colour, cv2.LINE_AA, SHIFT)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle, in pixels."""
        cv2.circle(self.image, (round(x * 16), round(y * 16)), max(8, round(radius * 16)), colour, -1, cv2.LINE_AA, SHIFT)

    def soft(self, x: float, y: float, rx: float, ry: float, colour: Colour, opacity: float, add: bool = False) -> None:
        """A soft spot, blended over the image (smoke, shadow) or added to it (light)."""
        rx, ry = max(2, round(rx)), max(2, round(ry))
        left, top = round(x) - rx, round(y) - ry
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + 2 * rx, self.width), min(top + 2 * ry, self.height)
        if x0 >= x1 or y0 >= y1 or opacity <= 0:
            return
        spot = _spot(rx, ry)[y0 - top : y1 - top, x0 - left : x1 - left] * np.float32(opacity)
        region = self.image[y0:y1, x0:x1]
        if add:
            cv2.add(region, (spot * np.array(colour, np.float32)).astype(np.uint8), dst=region)
        else:
            region[:] = region + (np.array(colour, np.float32) - region) * spot


@lru_cache(maxsize=512)
def _spot(rx: int, ry: int) -> np.ndarray:
    y, x = np.mgrid[-ry:ry, -rx:rx].astype(np.float32) + 0.5
    return (np.clip(1 - (x / rx) ** 2 - (y / ry) ** 2, 0, 1) ** 1.5)[..., None]


class Actor(Protocol):
    """Anything that is drawn: matter before the scene's light falls on it, light afterwards."""

    def depth(self, t: float) -> float | None:
        """Depth at a time, or None while it is not in the scene."""

    def draw(self, view: View, t: float) -> None:
        """Draw what is solid."""

    def shine(self, view: View, t: float) -> None:
        """Draw the light that it gives."""


def wave(t: float, hz: float, phase: float = 0.0) -> float:
    """A sine, -1..1; ``phase`` in periods."""
    return math.sin(TAU * (hz * t + phase))


def pulse(t: float, hz: float, phase: float = 0.0) -> float:
    """0..1, fast forth and slower back: a blow."""
    u = (hz * t + phase) % 1.0
    return u / 0.25 if u < 0.25 else max(0.0, 1 - (u - 0.25) / 0.5)
