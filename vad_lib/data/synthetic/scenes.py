"""Empty scenes and the light that falls on them."""

import cv2
import numpy as np

from vad_lib.data.synthetic.things import Car
from vad_lib.data.synthetic.world import Colour, View


def _texture(rng: np.random.Generator, height: int, width: int, colour: Colour, coarse: float, fine: float) -> np.ndarray:
    """float32 (height, width, 3): a colour with large patches and fine grain."""
    patches = cv2.resize(rng.normal(0, coarse, (6, 8)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, fine, (height, width)).astype(np.float32)
    return np.array(colour, np.float32) + (patches + grain)[..., None]


def grey(rng: np.random.Generator, low: float, high: float) -> Colour:
    """A grey between two levels, slightly tinted."""
    level = rng.uniform(low, high)
    return tuple((level + rng.uniform(-14, 14, 3)).tolist())


class Backdrop:
    """Paints the empty scene; fractions of height and width, so that any size works."""

    def __init__(self, rng: np.random.Generator, height: int, width: int, zoom: float) -> None:
        self.rng, self.h, self.w = rng, height, width
        self.view = View(np.zeros((height, width, 3), np.uint8), zoom)

    def band(self, top: float, bottom: float, colour: Colour, coarse: float = 8, fine: float = 3, fade: float = 0.0) -> None:
        """A horizontal band of ground, wall or sky."""
        y0, y1 = round(top * self.h), round(bottom * self.h)
        area = _texture(self.rng, y1 - y0, self.w, colour, coarse, fine)
        area *= np.linspace(1 - fade, 1 + fade, y1 - y0, dtype=np.float32)[:, None, None]
        self.view.image[y0:y1] = np.clip(area, 0, 255)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A rectangle."""
        self.view.polygon([(x * self.w, y * self.h) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], colour)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, thick: float = 0.006) -> None:
        """A straight line."""
        self.view.lines([[(x0 * self.w, y0 * self.h), (x1 * self.w, y1 * self.h)]], colour, thick * self.h)

    def facade(self, top: float, bottom: float) -> None:
        """Houses with windows and doors."""
        rng, x = self.rng, -0.05
        while x < 1:
            width = rng.uniform(0.2, 0.4)
            wall = grey(rng, 75, 175)
            self.box(x, top + rng.uniform(0, 0.08), x + width, bottom, wall)
            pane = tuple(0.45 * c for c in wall)
            columns = int(rng.integers(2, 5))
            for i in range(columns):
                left = x + width * (i + 0.25) / columns
                for row in (0.3, 0.62):
                    y = top + row * (bottom - top)
                    self.box(left, y, left + 0.5 * width / columns, y + 0.2 * (bottom - top), pane)
            door = x + rng.uniform(0.2, 0.7) * width
            self.box(door, bottom - 0.13, door + 0.045, bottom, tuple(0.35 * c for c in wall))
            x += width

    def grid(self, top: float, colour: Colour, rows: int, columns: int) -> None:
        """Joints of paving or tiles in perspective."""
        for i in range(rows):
            y = top + (1 - top) * (i / rows) ** 1.4
            self.line(0, y, 1, y, colour)
        for i in range(-columns, columns + 1):
            self.line(0.5 + 0.6 * i / columns, top, 0.5 + 1.3 * i / columns, 1, colour)

    def street(self) -> None:
        rng = self.rng
        self.band(0, 0.3, grey(rng, 150, 220), 10, 1, -0.1)
        self.facade(rng.uniform(0.0, 0.1), 0.45)
        self.band(0.44, 0.5, grey(rng, 120, 160))
        self.band(0.5, 0.76, grey(rng, 65, 105), 7, 5, 0.06)
        self.band(0.76, 1, grey(rng, 115, 165), 8, 4)
        self.line(0, 0.765, 1, 0.765, (190, 190, 190), 0.012)
        for i in range(9):
            self.line(i / 8, 0.62, i / 8 + 0.06, 0.62, (205, 205, 205), 0.012)
        for _ in range(int(rng.integers(1, 3))):
            x = float(rng.uniform(-3.5, 3.5))
            Car(0.06, [(0, x), (9, x)], tuple(rng.uniform(40, 200, 3).tolist()), int(rng.choice((-1, 1)))).draw(self.view, 1)

    def square(self) -> None:
        rng = self.rng
        self.band(0, 0.3, grey(rng, 160, 225), 10, 1, -0.1)
        self.facade(rng.uniform(0.05, 0.18), 0.46)
        tone = grey(rng, 115, 175)
        self.band(0.46, 1, tone, 10, 4, 0.08)
        self.grid(0.46, tuple(0.86 * c for c in tone), 9, 7)
        for _ in range(int(rng.integers(1, 4))):
            x = rng.uniform(0.02, 0.98)
            self.line(x, 0.24, x, 0.5, (50, 65, 80), 0.03)
            for _ in range(14):
                cx, cy = (x + rng.normal(0, 0.035)) * self.w, (0.2 + rng.normal(0, 0.05)) * self.h
                self.view.disc(cx, cy, rng.uniform(0.03, 0.06) * self.h, (40, rng.uniform(70, 120), 55))

    def parking(self) -> None:
        rng = self.rng
        self.band(0, 0.25, grey(rng, 150, 220), 10, 1, -0.1)
        self.band(0.2, 0.44, grey(rng, 90, 150), 6, 3)
        for i in range(6):
            self.box(i / 6 + 0.02, 0.26, i / 6 + 0.12, 0.36, grey(rng, 45, 80))
        self.band(0.44, 1, grey(rng, 75, 115), 9, 6, 0.05)
        for i in range(-4, 5):
            self.line(0.5 + 0.15 * i, 0.46, 0.5 + 0.2 * i, 0.6, (200, 200, 200), 0.009)
        for x in np.arange(-3.4, 3.6, 1.0) * 1.0 + rng.uniform(-0.3, 0.3):
            if rng.random() < 0.35:
                Car(0.05, [(0, float(x)), (9, float(x))], tuple(rng.uniform(40, 200, 3).tolist()), int(rng.choice((-1, 1)))).draw(
                    self.view, 1
                )

    def shop(self) -> None:
        rng = self.rng
        self.band(0, 0.5, grey(rng, 170, 215), 5, 2)
        tone = grey(rng, 140, 195)
        self.band(0.48, 1, tone, 8, 2, 0.05)
        self.grid(0.48, tuple(0.9 * c for c in tone), 7, 6)
        for y in (0.12, 0.22, 0.32, 0.42):
            self.box(0, y - 0.085, 1, y, tuple(0.4 * c for c in tone))
            x = 0.0
            while x < 1:
                width, tall = rng.uniform(0.012, 0.04), rng.uniform(0.04, 0.075)
                self.box(x, y - tall, x + 0.85 * width, y, tuple(rng.uniform(50, 230, 3).tolist()))
                x += width
            self.line(0, y, 1, y, (190, 195, 200), 0.015)
        for x in np.sort(rng.uniform(0, 1, 3)):
            self.line(x, 0, x, 0.47, (120, 125, 130), 0.02)

    def hall(self) -> None:
        rng = self.rng
        wall = grey(rng, 130, 200)
        self.band(0, 0.47, wall, 6, 2, -0.05)
        tone = grey(rng, 95, 170)
        self.band(0.46, 1, tone, 9, 2, 0.08)
        self.grid(0.46, tuple(0.88 * c for c in tone), 8, 6)
        for _ in range(int(rng.integers(2, 5))):
            x = rng.uniform(0, 0.9)
            if rng.random() < 0.5:
                self.box(x, 0.15, x + 0.1, 0.47, tuple(0.5 * c for c in wall))
                self.view.disc((x + 0.085) * self.w, 0.33 * self.h, 0.01 * self.h, (200, 210, 210))
            else:
                self.box(x, 0.12, x + 0.15, 0.3, tuple(rng.uniform(60, 220, 3).tolist()))
        for x in (0.2, 0.5, 0.8):
            self.box(x - 0.06, 0.02, x + 0.06, 0.04, (240, 245, 245))


LIGHTS: dict[str, tuple[Colour, float, float]] = {  # gain by channel, sensor noise, how often
    "day": ((1.0, 1.0, 1.0), 2.5, 0.35),
    "overcast": ((0.82, 0.8, 0.78), 3.0, 0.3),
    "dusk": ((0.62, 0.56, 0.66), 4.0, 0.2),
    "night": ((0.42, 0.4, 0.4), 6.0, 0.15),
}


def light_field(rng: np.random.Generator, height: int, width: int, kind: str) -> np.ndarray:
    """uint8 (height, width, 3), gain / 255: general light with a gradient, lamps when it is dark."""
    gain = np.array(LIGHTS[kind][0], np.float32)
    gradient = 1 + rng.uniform(-0.15, 0.15) * np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    field = gain * gradient * np.ones((height, 1, 1), np.float32)
    if kind in ("dusk", "night"):
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        for _ in range(2):
            cx, cy = rng.uniform(0.1, 0.9) * width, rng.uniform(0.4, 0.8) * height
            pool = np.exp(-(((x - cx) / (0.28 * width)) ** 2) - ((y - cy) / (0.3 * height)) ** 2)
            field = field + pool[..., None] * np.array([0.25, 0.36, 0.42], np.float32)
    return np.clip(field * 250, 0, 255).astype(np.uint8)
