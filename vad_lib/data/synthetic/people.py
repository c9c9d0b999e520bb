"""People: build and clothes, and scripts of what they do where and when."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vad_lib.data.synthetic.poses import POSES, SHOTS_HZ
from vad_lib.data.synthetic.world import DEPTH, Colour, View


@dataclass(frozen=True)
class Look:
    """Build and clothes of a person; has nothing to do with what the person does."""

    height: float
    girth: float
    top: Colour
    legs: Colour
    skin: Colour
    hair: Colour
    item: Colour
    phase: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Look":
        """Anybody, by chance."""

        def clothes() -> Colour:
            return tuple((rng.uniform(40, 255) * rng.uniform(0.45, 1.0, 3)).tolist())

        tone = rng.uniform(0.45, 1.0)
        return cls(
            height=rng.uniform(1.5, 1.85),
            girth=rng.uniform(0.85, 1.2),
            top=clothes(),
            legs=tuple(0.7 * c for c in clothes()),
            skin=(150 * tone, 180 * tone, 225 * tone),
            hair=tuple((rng.uniform(10, 90) * np.array([0.5, 0.7, 1.0])).tolist()),
            item=clothes(),
            phase=rng.uniform(0, 4),
        )


class Move(NamedTuple):
    """One span of a person's script."""

    start: float
    end: float
    action: str
    x0: float
    z0: float
    x1: float
    z1: float
    face: int
    hold: str


class Person:
    """A person who follows a script; ``go``, ``do`` and ``until`` append to it and return the person."""

    def __init__(self, look: Look, x: float, z: float, start: float, face: int = 1) -> None:
        self.look, self.x, self.z, self.time, self.face = look, x, z, start, face
        self.script: list[Move] = []

    def _add(self, seconds: float, action: str, x: float, z: float, hold: str) -> "Person":
        if seconds > 0:
            end = self.time + seconds
            self.script.append(Move(self.time, end, action, self.x, self.z, x, z, self.face, hold))
            self.time, self.x, self.z = end, x, z
        return self

    def go(self, x: float, z: float | None = None, speed: float = 1.3, action: str = "", hold: str = "") -> "Person":
        """Go to a place; ``speed`` in metres a second, from 2 on running."""
        z = self.z if z is None else z
        if abs(x - self.x) > 0.05:
            self.face = 1 if x > self.x else -1
        seconds = math.hypot(x - self.x, (z - self.z) * DEPTH) / speed
        return self._add(seconds, action or ("run" if speed > 2 else "walk"), x, z, hold)

    def do(self, action: str, seconds: float, hold: str = "", dx: float = 0.0, face: int = 0) -> "Person":
        """Do something for some seconds, moving by ``dx`` metres meanwhile."""
        self.face = face or self.face
        return self._add(seconds, action, self.x + dx, self.z, hold)

    def until(self, time: float, action: str = "stand", hold: str = "", face: int = 0) -> "Person":
        """Do something until a time; nothing if it has passed."""
        return self.do(action, time - self.time, hold, face=face)

    def _now(self, t: float) -> Move | None:
        for move in self.script:
            if move.start <= t < move.end:
                return move
        return None

    def depth(self, t: float) -> float | None:
        """Depth at a time, or None before and after the script."""
        move = self._now(t)
        return None if move is None else move.z0 + (move.z1 - move.z0) * (t - move.start) / (move.end - move.start)

    def draw(self, view: View, t: float) -> None:
        """Draw shadow, limbs, body, head and what the person holds."""
        move, look = self._now(t), self.look
        assert move is not None  # nobody is drawn who has no depth
        share = (t - move.start) / (move.end - move.start)
        x, z = move.x0 + (move.x1 - move.x0) * share, move.z0 + (move.z1 - move.z0) * share
        # one-off movements start with their span, rhythmic ones keep the person's own phase
        clock = t - move.start if move.action in ("fall", "rise", "pick", "shoot", "throw") else t + look.phase
        pose = POSES[move.action](clock)
        scale, face = view.scale(z), move.face
        ox, oy = view.point(x, z)
        size = scale * look.height
        if ox < -size or ox > view.width + size:
            return
        view.soft(ox + 0.1 * size, oy, 0.32 * size, 0.09 * size, (20, 20, 20), 0.55)

        leg, arm, torso = 0.26, 0.175, 0.3
        cos_tilt, sin_tilt = math.cos(pose.tilt), math.sin(pose.tilt)

        def limb(px: float, py: float, upper: float, lower: float, length: float) -> list[tuple[float, float]]:
            kx, ky = px + length * math.sin(upper), py - length * math.cos(upper)
            return [(px, py), (kx, ky), (kx + length * math.sin(lower), ky - length * math.cos(lower))]

        def place(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
            return [
                (
                    ox + face * size * (px * cos_tilt + py * sin_tilt),
                    oy - size * (py * cos_tilt - px * sin_tilt) - 0.05 * size * abs(sin_tilt),
                )
                for px, py in points
            ]

        near_leg = limb(0, 0, pose.near_leg[0], pose.near_leg[0] - pose.near_leg[1], leg)
        far_leg = limb(0, 0, pose.far_leg[0], pose.far_leg[0] - pose.far_leg[1], leg)
        hip = -min(near_leg[2][1], far_leg[2][1])  # the lower foot stands on the ground
        near_leg, far_leg = ([(px, py + hip) for px, py in path] for path in (near_leg, far_leg))
        nx, ny = torso * math.sin(pose.lean), hip + torso * math.cos(pose.lean)
        near_arm = limb(nx, ny - 0.03, pose.near_arm[0], sum(pose.near_arm), arm)
        far_arm = limb(nx, ny - 0.03, pose.far_arm[0], sum(pose.far_arm), arm)
        head = (nx + 0.1 * math.sin(pose.lean), ny + 0.1)

        thick = size * look.girth
        dark = tuple(0.75 * c for c in look.top)
        view.lines([place(far_arm)], dark, 0.055 * thick)
        view.lines([place(far_leg)], tuple(0.75 * c for c in look.legs), 0.075 * thick)
        view.lines([place(near_leg)], look.legs, 0.08 * thick)
        view.lines([place([(0, hip), (nx, ny - 0.03)])], look.top, 0.155 * thick)
        (hx, hy), *_ = place([head])
        view.disc(hx - face * 0.012 * size, hy - 0.012 * size, 0.07 * size, look.hair)
        view.disc(hx + face * 0.016 * size, hy + 0.014 * size, 0.052 * size, look.skin)
        arm_points = place(near_arm)
        if move.hold:
            self._item(view, move.hold, arm_points, size, face, clock)
        view.lines([arm_points], dark, 0.055 * thick)
        view.disc(*arm_points[2], 0.032 * size, look.skin)

    def _item(self, view: View, hold: str, arm: list[tuple[float, float]], size: float, face: int, t: float) -> None:
        (ex, ey), (x, y) = arm[1], arm[2]
        ux, uy = (x - ex) / (0.175 * size), (y - ey) / (0.175 * size)
        if hold in ("bag", "basket", "canister"):
            w, h = {"bag": (0.11, 0.17), "basket": (0.14, 0.1), "canister": (0.08, 0.14)}[hold]
            colour = (40, 40, 190) if hold == "canister" else self.look.item
            view.polygon(
                [
                    (x - w * size, y + 0.03 * size),
                    (x + w * size, y + 0.03 * size),
                    (x + 0.8 * w * size, y + h * size),
                    (x - 0.8 * w * size, y + h * size),
                ],
                colour,
            )
        elif hold == "box":
            view.disc(x, y, 0.05 * size, self.look.item)
        elif hold == "bat":
            view.lines([[(x, y), (x + 0.42 * size * ux, y + 0.42 * size * uy)]], (70, 110, 160), 0.045 * size)
        elif hold == "broom":
            foot = (x + face * 0.3 * size, y + 0.42 * size)
            view.lines([[(x - face * 0.12 * size, y - 0.2 * size), foot]], (80, 130, 170), 0.03 * size)
            view.lines([[(foot[0] - 0.07 * size, foot[1]), (foot[0] + 0.07 * size, foot[1])]], (60, 150, 190), 0.06 * size)
        elif hold == "roller":
            tip = (x + 0.3 * size * ux, y + 0.3 * size * uy)
            view.lines([[(x, y), tip]], (150, 150, 150), 0.025 * size)
            view.lines([[(tip[0], tip[1] - 0.06 * size), (tip[0], tip[1] + 0.06 * size)]], (230, 230, 230), 0.05 * size)
        elif hold == "gun":
            view.lines([[(x, y), (x + face * 0.13 * size, y - 0.01 * size)]], (25, 25, 25), 0.045 * size)
        elif hold == "phone":
            view.polygon(
                [(x, y - 0.06 * size), (x + face * 0.05 * size, y - 0.06 * size), (x + face * 0.05 * size, y), (x, y)], (25, 25, 25)
            )
        elif hold == "sign":
            view.lines([[(x, y), (x, y - 0.4 * size)]], (120, 150, 170), 0.03 * size)
            view.polygon(
                [
                    (x - 0.2 * size, y - 0.6 * size),
                    (x + 0.2 * size, y - 0.6 * size),
                    (x + 0.2 * size, y - 0.36 * size),
                    (x - 0.2 * size, y - 0.36 * size),
                ],
                (215, 225, 225),
            )

    def shine(self, view: View, t: float) -> None:
        """Draw the flash of a gun or a camera."""
        move, z = self._now(t), self.depth(t)
        if move is None or z is None or move.action not in ("shoot", "photo"):
            return
        beat = (t - move.start) * (SHOTS_HZ if move.action == "shoot" else 0.9) % 1.0
        size = view.scale(z) * self.look.height
        share = (t - move.start) / (move.end - move.start)
        x, y = view.point(move.x0 + (move.x1 - move.x0) * share, z, 0.82 * self.look.height)
        if move.action == "shoot" and beat < 0.22:
            x += move.face * 0.55 * size
            view.soft(x, y, 0.45 * size, 0.3 * size, (60, 170, 255), 0.9, add=True)
            tip = (x + move.face * 0.3 * size, y)
            view.polygon([(x - move.face * 0.1 * size, y), (x, y - 0.08 * size), tip, (x, y + 0.08 * size)], (190, 240, 255))
        elif move.action == "photo" and beat < 0.12:
            view.soft(x + move.face * 0.2 * size, y - 0.05 * size, 0.5 * size, 0.5 * size, (255, 250, 240), 0.95, add=True)
