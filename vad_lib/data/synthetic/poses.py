"""Poses: the joint angles of everything that people do, over time."""

import math
from collections.abc import Callable
from typing import NamedTuple

from vad_lib.data.synthetic.world import TAU, pulse, wave

SHOTS_HZ = 2.4


class Pose(NamedTuple):
    """Joint angles in radians; 0 hangs straight down, positive is forward. ``tilt`` turns the whole body."""

    lean: float = 0.04
    near_arm: tuple[float, float] = (0.12, 0.2)  # shoulder, elbow
    far_arm: tuple[float, float] = (-0.1, 0.2)
    near_leg: tuple[float, float] = (0.06, 0.04)  # hip, knee
    far_leg: tuple[float, float] = (-0.08, 0.04)
    tilt: float = 0.0


def _stand(t: float) -> Pose:
    s = 0.05 * wave(t, 0.4)
    return Pose(0.03 + s / 2, (0.1 + s, 0.25), (-0.05 - s, 0.2))


def _walk(t: float) -> Pose:
    s, bend = wave(t, 0.95), 0.5 * max(0.0, wave(t, 0.95, 0.25))
    back = 0.5 * max(0.0, -wave(t, 0.95, 0.25))
    return Pose(0.07, (-0.45 * s, 0.25), (0.45 * s, 0.25), (0.48 * s, 0.1 + bend), (-0.48 * s, 0.1 + back))


def _run(t: float) -> Pose:
    s, bend = wave(t, 1.6), 1.3 * max(0.0, wave(t, 1.6, 0.25))
    back = 1.3 * max(0.0, -wave(t, 1.6, 0.25))
    return Pose(0.3, (-0.9 * s, 1.4), (0.9 * s, 1.4), (0.2 + 0.85 * s, 0.2 + bend), (0.2 - 0.85 * s, 0.2 + back))


def _punch(t: float) -> Pose:
    a, b = pulse(t, 1.7), pulse(t, 1.7, 0.5)
    return Pose(0.15 + 0.22 * max(a, b), (0.5 + 1.1 * a, 2.0 - 1.9 * a), (0.5 + 1.1 * b, 2.0 - 1.9 * b), (0.45, 0.3), (-0.45, 0.15))


def _kick(t: float) -> Pose:
    a = pulse(t, 1.3)
    return Pose(-0.05 - 0.3 * a, (0.7, 1.5), (-0.4 - 0.5 * a, 0.9), (-0.3 + 1.8 * a, 0.7 * (1 - a)), (-0.1, 0.1))


def _grapple(t: float) -> Pose:
    s = wave(t, 1.9)
    return Pose(0.5 + 0.2 * s, (1.5 + 0.2 * s, 0.2), (1.2 - 0.3 * s, 0.6), (0.6 - 0.2 * s, 0.5), (-0.6 + 0.2 * s, 0.2))


def _hit(t: float) -> Pose:
    a = pulse(t, 1.7, 0.85)
    return Pose(0.1 - 0.5 * a, (1.2 - 0.6 * a, 1.7), (0.9 + 0.5 * a, 1.7), (0.3 + 0.2 * a, 0.3), (-0.4, 0.2))


def _hug(t: float) -> Pose:
    s = 0.08 * wave(t, 0.5)
    return Pose(0.2 + s, (1.35 + s, 0.5), (1.15, 0.6), (0.1, 0.05), (-0.15, 0.05))


def _shake(t: float) -> Pose:
    return Pose(0.1, (0.95 + 0.2 * wave(t, 2.0), 0.4), (-0.1, 0.2))


def _dance(t: float) -> Pose:
    s, c = wave(t, 1.1), wave(t, 1.1, 0.25)
    return Pose(0.18 * s, (1.3 + 1.0 * c, 0.7), (1.3 - 1.0 * c, 0.7), (0.35 * s, 0.35 + 0.3 * c), (-0.35 * s, 0.35 - 0.3 * c))


def _cheer(t: float) -> Pose:
    s = wave(t, 1.5)
    return Pose(0.0, (2.7 + 0.3 * s, 0.2), (2.9 - 0.3 * s, 0.2), (0.05, 0.1 + 0.1 * s), (-0.08, 0.1 + 0.1 * s))


def _fist(t: float) -> Pose:
    a = pulse(t, 1.6)
    return Pose(0.1 + 0.1 * a, (2.2 + 0.7 * a, 0.9 - 0.8 * a), (0.3, 1.2), (0.25, 0.1), (-0.3, 0.1))


def _throw(t: float) -> Pose:
    a = pulse(t, 1.0)
    return Pose(-0.25 + 0.7 * a, (-2.6 + 4.0 * a, 0.8 * (1 - a)), (0.9 - 1.0 * a, 0.4), (0.5, 0.2), (-0.6, 0.2))


def _pick(t: float) -> Pose:
    a = 0.5 - 0.5 * math.cos(TAU * min(t, 1.2) / 1.2)
    return Pose(0.05 + 1.3 * a, (0.1 + 0.6 * a, 0.1), (-0.1 + 0.3 * a, 0.2), (0.1 + 0.7 * a, 1.1 * a), (-0.1 + 0.5 * a, 1.0 * a))


def _grab(t: float) -> Pose:
    s = wave(t, 2.3)
    return Pose(-0.15 + 0.35 * s, (1.0, 0.1 + 0.3 * s), (0.9, 0.2 + 0.3 * s), (0.5, 0.3), (-0.5, 0.3))


def _crouch(t: float) -> Pose:
    s = 0.12 * wave(t, 0.8)
    return Pose(0.5 + s / 2, (0.9 + s, 0.3), (0.7 - s, 0.4), (1.5, 2.2), (0.7, 1.9))


def _pour(t: float) -> Pose:
    s = wave(t, 1.1)
    return Pose(0.4 + 0.1 * s, (1.0 + 0.4 * s, 0.2), (0.7 + 0.4 * s, 0.5), (0.35, 0.3), (-0.35, 0.1))


def _reach(t: float) -> Pose:
    s = wave(t, 0.5, -0.25)
    return Pose(0.05, (1.5 + 0.5 * s, 0.3 - 0.2 * s), (0.1, 0.4))


def _basket(t: float) -> Pose:
    s = wave(t, 0.55, -0.25)
    return Pose(0.15 - 0.15 * s, (1.1 + 0.7 * s, 0.3), (0.5, 0.9))


def _conceal(t: float) -> Pose:
    s = wave(t, 1.7, -0.25)
    return Pose(0.5 + 0.25 * s, (0.55 + 0.75 * s, 1.4 - 1.3 * s), (0.5 + 0.3 * s, 1.9), (0.6, 0.8), (-0.2, 0.5))


def _spray(t: float) -> Pose:
    return Pose(0.1, (1.7 + 0.5 * wave(t, 1.5), 0.2 + 0.3 * wave(t, 0.9)), (0.2, 0.3), (0.2, 0.1), (-0.25, 0.1))


def _roll(t: float) -> Pose:
    s = wave(t, 0.55)
    return Pose(0.1, (1.6 + 0.6 * s, 0.2), (1.3 + 0.5 * s, 0.4), (0.15, 0.05), (-0.15, 0.05))


def _sweep(t: float) -> Pose:
    s = wave(t, 0.7)
    return Pose(0.35, (0.6 + 0.35 * s, 0.3), (0.9 + 0.3 * s, 0.5), (0.25, 0.15), (-0.2, 0.1))


def _smash(t: float) -> Pose:
    a = pulse(t, 1.25)
    return Pose(-0.2 + 0.7 * a, (2.9 - 1.9 * a, 0.5 * (1 - a)), (2.7 - 1.8 * a, 0.7 * (1 - a)), (0.5, 0.2), (-0.5, 0.2))


def _strike(t: float) -> Pose:
    a = pulse(t, 1.8)
    return Pose(0.2 + 0.5 * a, (2.6 - 1.8 * a, 0.7 * (1 - a)), (0.3, 1.0), (0.5, 0.4), (-0.4, 0.2))


def _cower(t: float) -> Pose:
    s = 0.15 * wave(t, 2.2)
    return Pose(0.75 + s, (1.9, 1.9), (1.7 + s, 2.1), (1.6, 2.3), (0.9, 2.1))


def _help(t: float) -> Pose:
    s = 0.15 * wave(t, 0.6)
    return Pose(0.65 + s, (1.1 + s, 0.1), (0.9 + s, 0.3), (0.8, 1.0), (0.1, 0.8))


def _sit(t: float) -> Pose:
    s = 0.08 * wave(t, 0.5)
    return Pose(0.25 + s, (0.9 + s, 0.6), (0.7, 0.6), (1.6, 1.9), (1.4, 1.9))


def _aim(t: float) -> Pose:
    return Pose(0.05, (1.52 + 0.03 * wave(t, 0.7), 0.02), (1.35, 0.3), (0.3, 0.1), (-0.3, 0.1))


def _shoot(t: float) -> Pose:
    a = pulse(t, SHOTS_HZ)
    return Pose(0.05 - 0.1 * a, (1.55 + 0.3 * a, 0.05), (1.4 + 0.3 * a, 0.3), (0.3, 0.1), (-0.3, 0.1))


def _photo(t: float) -> Pose:
    return Pose(0.05 + 0.05 * wave(t, 0.4), (1.5, 0.9), (1.4, 1.1))


def _fall(t: float) -> Pose:
    a = min(1.0, (t / 0.55) ** 2)
    return Pose(0.05, (0.3 + 2.0 * a, 0.3), (0.1 + 2.2 * a, 0.4), (0.2 + 0.3 * a, 0.4), (-0.1 + 0.2 * a, 0.5 * a), -1.5 * a)


def _lie(t: float) -> Pose:
    s = 0.06 * wave(t, 0.7)
    return Pose(0.05, (2.3 + s, 0.3), (2.3, 0.4 + s), (0.5 + s, 0.4), (0.1, 0.5), -1.5)


def _rise(t: float) -> Pose:
    a = max(0.0, 1 - t / 0.9)
    return Pose(
        0.05 + 0.9 * min(a, 1 - a), (0.3 + 2 * a, 0.3), (0.1, 0.4), (0.2 + 0.9 * (1 - a) * a * 4, 1.2 * a), (0.1, 0.9 * a), -1.5 * a
    )


POSES: dict[str, Callable[[float], Pose]] = {
    "stand": _stand, "walk": _walk, "run": _run, "punch": _punch, "kick": _kick, "grapple": _grapple, "hit": _hit, "hug": _hug,
    "shake": _shake, "dance": _dance, "cheer": _cheer, "fist": _fist, "throw": _throw, "pick": _pick, "grab": _grab,
    "crouch": _crouch, "pour": _pour, "reach": _reach, "basket": _basket, "conceal": _conceal, "spray": _spray, "roll": _roll,
    "sweep": _sweep, "smash": _smash, "strike": _strike, "cower": _cower, "help": _help, "sit": _sit, "aim": _aim,
    "shoot": _shoot, "photo": _photo, "fall": _fall, "lie": _lie, "rise": _rise,
}  # fmt: skip
