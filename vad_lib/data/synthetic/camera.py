"""The camera that films a shot: position, motion, noise."""

import cv2
import numpy as np

from vad_lib.config import SyntheticSettings
from vad_lib.data.synthetic.plan import Shot
from vad_lib.data.synthetic.scenes import LIGHTS, Backdrop, grey, light_field
from vad_lib.data.synthetic.world import View, wave


class Camera:
    """Turns a shot into frames: paints the backdrop once, then actors, light, lens and sensor noise."""

    def __init__(self, rng: np.random.Generator, shot: Shot, settings: SyntheticSettings, moving: bool, noise: float = 1.0) -> None:
        self.shot, self.moving, self.size = shot, moving, (settings.width, settings.height)
        margin = 1.2 if moving else 1.0
        height, width = round(settings.height * margin), round(settings.width * margin)
        backdrop = Backdrop(rng, height, width, shot.zoom)
        getattr(backdrop, shot.scene)()
        self.backdrop = backdrop.view.image
        self.light = light_field(rng, height, width, shot.light)
        self.swing = (rng.uniform(0, 0.06), rng.uniform(0.1, 0.4), rng.uniform(0, 1))
        self.dips = rng.uniform(shot.start, shot.end, rng.poisson(0.08 * (shot.end - shot.start)))
        self.pillar = None
        if rng.random() < 0.35:
            thick, left = round(rng.uniform(0.03, 0.06) * width), round(rng.uniform(0.15, 0.85) * width)
            shading = (0.45 + 0.55 * np.sin(np.linspace(0.3, 2.8, thick, dtype=np.float32)))[None, :, None]
            area = np.s_[:, left : left + thick]
            tone = np.array(grey(rng, 50, 130), np.float32) * shading * self.light[area] / 255
            self.pillar = (area, np.clip(tone, 0, 255).astype(np.uint8))
        grain = rng.normal(0, noise * LIGHTS[shot.light][1], (settings.height + 32, settings.width + 32, 3))
        self.grain = [np.clip(sign * grain, 0, 255).astype(np.uint8) for sign in (1, -1)]
        # where the view begins and ends, as (visible share, horizontal and vertical place of the rest)
        self.path = np.array([[rng.uniform(0.72, 1.0), *rng.uniform(0.15, 0.85, 2)] for _ in range(2)])
        self.shake = rng.uniform(0, 0.012), rng.uniform(1.5, 4, 2)
        self.rng = rng

    def frame(self, t: float) -> np.ndarray:
        """uint8 (height, width, 3), BGR, at a time in seconds."""
        view = View(self.backdrop.copy(), self.shot.zoom)
        present = [(depth, i) for i, actor in enumerate(self.shot.actors) if (depth := actor.depth(t)) is not None]
        for _, i in sorted(present):
            self.shot.actors[i].draw(view, t)
        amount, hz, phase = self.swing
        gain = 1 + amount * wave(t, hz, phase) - 0.25 * bool(np.any(np.abs(t - self.dips) < 0.07))
        cv2.multiply(view.image, self.light, dst=view.image, scale=gain / 255)
        for _, i in sorted(present):
            self.shot.actors[i].shine(view, t)
        if self.pillar:
            view.image[self.pillar[0]] = self.pillar[1]
        image = self._look(view.image, t) if self.moving else view.image
        image = cv2.GaussianBlur(image, (3, 3), 0.6)
        dx, dy = self.rng.integers(0, 32, 2)
        region = np.s_[dy : dy + image.shape[0], dx : dx + image.shape[1]]
        cv2.add(image, self.grain[0][region], dst=image)
        return cv2.subtract(image, self.grain[1][region], dst=image)

    def _look(self, image: np.ndarray, t: float) -> np.ndarray:
        share = (t - self.shot.start) / (self.shot.end - self.shot.start)
        seen, px, py = self.path[0] + (self.path[1] - self.path[0]) * share
        amount, (hz_x, hz_y) = self.shake
        height, width = image.shape[:2]
        zoom = seen * height / self.size[1]
        x = ((1 - seen) * px + amount * wave(t, hz_x)) * width
        y = ((1 - seen) * py + amount * wave(t, hz_y, 0.3)) * height
        matrix = np.array([[zoom, 0, x], [0, zoom, y]])
        return cv2.warpAffine(
            image, matrix, self.size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
