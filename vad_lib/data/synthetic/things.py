"""Cars, fire, explosions, fireworks and other things that are not people."""

import math

import cv2
import numpy as np

from vad_lib.data.synthetic.world import TAU, Colour, View, wave


class Thing:
    """Base of everything that is not a person; lives from ``start`` to ``end`` at one place."""

    def __init__(self, x: float, z: float, start: float = -math.inf, end: float = math.inf, h: float = 0.0) -> None:
        self.x, self.z, self.start, self.end, self.h = x, z, start, end, h

    def depth(self, t: float) -> float | None:
        return self.z if self.start <= t < self.end else None

    def draw(self, view: View, t: float) -> None:
        """Nothing solid by default."""

    def shine(self, view: View, t: float) -> None:
        """No light by default."""


class Crate(Thing):
    """A solid upright box: bin, grill, barrel, bag on the ground, hanging carpet."""

    def __init__(
        self, x: float, z: float, width: float, height: float, colour: Colour, tip: float = math.inf, **span: float
    ) -> None:
        super().__init__(x, z, **span)
        self.width, self.height, self.colour, self.tip = width, height, colour, tip

    def draw(self, view: View, t: float) -> None:
        scale = view.scale(self.z)
        ox, oy = view.point(self.x, self.z, self.h)
        angle = 1.45 * min(1.0, max(0.0, t - self.tip) / 0.35) ** 2
        w, h, c, s = self.width * scale / 2, self.height * scale, math.cos(angle), math.sin(angle)
        view.soft(ox + 0.4 * w, oy, 1.5 * w, 0.3 * w + 2, (20, 20, 20), 0.5)
        corners = [(-w, 0), (-0.9 * w, h), (0.9 * w, h), (w, 0)]
        view.polygon([(ox + x * c + y * s, oy + x * s - y * c) for x, y in corners], self.colour)
        shade = [(0.3 * w, 0), (0.3 * w, h), (0.9 * w, h), (w, 0)]
        view.polygon([(ox + x * c + y * s, oy + x * s - y * c) for x, y in shade], tuple(0.7 * v for v in self.colour))


class Car(Thing):
    """A car with a driving script of (time, x) points, an optional crash and brake lights.

    Args:
        path: times and positions, interpolated linearly.
        crash: time from which the body is turned and dented.
    """

    def __init__(
        self, z: float, path: list[tuple[float, float]], colour: Colour, face: int, crash: float = math.inf, lights: bool = False
    ):
        super().__init__(path[0][1], z, path[0][0], path[-1][0])
        self.times, self.places = zip(*path)
        self.colour, self.face, self.crash, self.lights = colour, face, crash, lights

    def _place(self, t: float) -> tuple[float, float]:
        x = float(np.interp(t, self.times, self.places))
        return x, (x - float(np.interp(t - 0.12, self.times, self.places))) / 0.12

    def draw(self, view: View, t: float) -> None:
        x, speed = self._place(t)
        before = self._place(t - 0.15)[1]
        braking = abs(speed) < abs(before) - 0.5
        ox, oy = view.point(x, self.z)
        s, f = view.scale(self.z), self.face
        if ox < -2 * s or ox > view.width + 2 * s:
            return
        # the wreck stands askew until it is driven away
        hit = max(0.0, min(1.0, (t - self.crash) / 0.25, (self.times[-2] - t) / 0.25))
        angle = (0.05 if braking else 0.0) + 0.16 * hit
        ca, sa = math.cos(angle), math.sin(angle)

        def place(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
            return [(ox + f * s * (px * ca + py * sa), oy - s * (py * ca - px * sa) - 0.2 * hit * s) for px, py in points]

        dent = 0.25 * hit
        view.soft(ox, oy, 1.5 * s, 0.25 * s, (15, 15, 15), 0.6)
        view.polygon(
            place([(-1.35, 0.2), (-1.35, 0.62), (-1.0, 0.7), (0.8, 0.68), (1.35 - dent, 0.55 + 0.4 * dent), (1.4 - dent, 0.2)]),
            self.colour,
        )
        view.polygon(place([(-0.95, 0.68), (-0.65, 1.08), (0.3, 1.08), (0.75, 0.66)]), tuple(0.85 * c for c in self.colour))
        view.polygon(place([(-0.8, 0.7), (-0.58, 1.0), (-0.2, 1.0), (-0.2, 0.7)]), (95, 85, 75))
        view.polygon(place([(-0.1, 0.7), (-0.1, 1.0), (0.25, 1.0), (0.6, 0.7)]), (95, 85, 75))
        for wheel in (-0.85, 0.85):
            wx, wy = place([(wheel, 0.2)])[0]
            view.disc(wx, wy, 0.24 * s, (25, 25, 25))
            view.disc(wx, wy, 0.11 * s, (120, 120, 120))
        view.disc(*place([(-1.32, 0.5)])[0], 0.07 * s, (40, 40, 255) if braking else (30, 30, 130))

    def shine(self, view: View, t: float) -> None:
        if self.lights and t < self.crash:
            x, _ = self._place(t)
            ox, oy = view.point(x + 1.5 * self.face * 1.0, self.z, 0.45)
            s = view.scale(self.z)
            view.soft(ox + 0.5 * self.face * s, oy + 0.1 * s, 1.3 * s, 0.45 * s, (170, 220, 240), 0.6, add=True)
            view.soft(ox, oy, 0.3 * s, 0.25 * s, (220, 245, 255), 0.9, add=True)


class Fire(Thing):
    """Flickering flames with smoke; grows over ``rise`` seconds and dies down at the end."""

    def __init__(
        self, rng: np.random.Generator, x: float, z: float, start: float, end: float, size: float, rise: float, h: float = 0.0
    ):
        super().__init__(x, z, start, end, h)
        self.size, self.rise = size, rise
        self.tongues = rng.uniform(0, 1, (9, 4))
        self.puffs = rng.uniform(0, 1, (7, 3))

    def _strength(self, t: float) -> float:
        return max(0.0, min(1.0, (t - self.start) / self.rise, (self.end - t) / 0.6))

    def shine(self, view: View, t: float) -> None:
        strength = self._strength(t)
        s = view.scale(self.z) * self.size * (0.25 + 0.75 * strength)
        ox, oy = view.point(self.x, self.z, self.h)
        flicker = 0.85 + 0.15 * wave(t, 5.3) * wave(t, 3.1, 0.3)
        for lag, side, grey in self.puffs:
            u = (t * 0.55 + lag) % 1.0
            opacity = 0.75 * strength * (1 - u) * min(1.0, 4 * u)
            puff = s * (0.25 + 0.5 * u)
            view.soft(ox + s * (side - 0.5 + 0.5 * u), oy - s * (0.9 + 1.9 * u), puff, puff, (50 + 40 * grey,) * 3, opacity)
        view.soft(ox, oy - 0.5 * s, 1.7 * s, 1.5 * s, (25, 90, 190), 0.75 * strength * flicker, add=True)
        for colour, share in (((20, 60, 225), 1.0), ((30, 150, 255), 0.7), ((150, 235, 255), 0.38)):
            for place, phase, hz, tall in self.tongues:
                base = ox + (place - 0.5) * 0.9 * s * (0.5 + 0.5 * share)
                rise = s * share * (0.55 + 0.6 * tall) * (0.75 + 0.35 * wave(t, 2.5 + 4 * hz, phase))
                sway = 0.12 * s * wave(t, 1.7 + hz, phase)
                half = 0.17 * s * share
                view.polygon(
                    [
                        (base - half, oy),
                        (base - 0.7 * half, oy - 0.4 * rise),
                        (base + sway, oy - rise),
                        (base + 0.7 * half, oy - 0.4 * rise),
                        (base + half, oy),
                    ],
                    colour,
                )


class Blast(Thing):
    """An explosion: flash, fireball, debris, smoke; without fire, the dust of a crash."""

    def __init__(self, rng: np.random.Generator, x: float, z: float, start: float, end: float, size: float, fiery: bool = True):
        super().__init__(x, z, start, end, 0.4)
        self.size, self.fiery = size, fiery
        self.blobs = np.column_stack([rng.uniform(0, TAU, 10), rng.uniform(0.1, 0.8, 10), rng.uniform(0.35, 0.75, 10)])
        self.debris = np.column_stack([rng.uniform(-4.5, 4.5, 22), rng.uniform(1.5, 6.5, 22), rng.uniform(0.03, 0.1, 22)])

    def draw(self, view: View, t: float) -> None:
        age, s = t - self.start, view.scale(self.z)
        for vx, vh, size in self.debris:
            h = self.h + vh * age - 4.9 * age * age
            if h > 0:
                x, y = view.point(self.x + vx * age, self.z, h)
                view.disc(x, y, size * s, (35, 40, 45))

    def shine(self, view: View, t: float) -> None:
        age, fade = t - self.start, min(1.0, (self.end - t) / 0.6)
        if self.fiery and age < 0.2:
            level = 150 * math.exp(-age / 0.07)
            cv2.add(view.image, (0.75 * level, 0.9 * level, level, 0), dst=view.image)  # type: ignore[call-overload]
        s = view.scale(self.z) * self.size
        growth = 1 - math.exp(-age / 0.16)
        heat = math.exp(-age / 0.8)
        ox, oy = view.point(self.x, self.z, self.h)
        for angle, far, radius in self.blobs:
            x = ox + s * growth * far * math.cos(angle)
            y = oy - s * growth * (0.35 + far * abs(math.sin(angle)) + 0.35 * age)
            r = s * radius * growth * (1 + 0.25 * age)
            grey = 55 + 20 * far
            view.soft(x, y, r, r, (grey, grey + 4, grey + 8), 0.85 * fade)
            if self.fiery and heat > 0.12:
                view.soft(x, y, 0.85 * r, 0.85 * r, (40 + 150 * heat**3, 120 + 110 * heat, 255), min(1.0, 1.3 * heat))


class Sparks(Thing):
    """Fireworks, the look-alike of an explosion: coloured bursts in the air, or a fountain on the ground."""

    def __init__(self, rng: np.random.Generator, x: float, z: float, start: float, end: float, fountain: bool):
        super().__init__(x, z, start, end)
        self.fountain = fountain
        if fountain:
            self.rays = rng.uniform(0, 1, (45, 4))
            self.bursts = []
        else:
            times = np.arange(start, end - 0.4, rng.uniform(0.45, 0.8))
            self.bursts = [
                (b, rng.uniform(-1.3, 1.3), rng.uniform(1.6, 2.5), tuple(rng.uniform(90, 255, 3).tolist())) for b in times
            ]
            self.rays = rng.uniform(0, 1, (26, 4))

    def shine(self, view: View, t: float) -> None:
        s = view.scale(self.z)
        if self.fountain:
            strength = min(1.0, (t - self.start) / 0.4, (self.end - t) / 0.4)
            x, y = view.point(self.x, self.z, 0.2)
            view.soft(x, y - 0.5 * s, 1.1 * s, 1.2 * s, (90, 170, 220), 0.6 * strength, add=True)
            for side, lag, rise, shade in self.rays:
                u = (1.6 * t + lag) % 1.0
                h = (0.9 + 0.9 * rise) * strength * 4 * u * (1 - 0.8 * u) * 0.6
                view.disc(x + 1.1 * s * (side - 0.5) * u, y - s * h, 0.035 * s, (140 + 100 * shade, 220, 255))
        for start, dx, h, colour in self.bursts:
            age = t - start
            if 0 <= age < 0.9:
                x, y = view.point(self.x + dx, 0.0, h)
                fade = 1 - age / 0.9
                view.soft(x, y, 1.2 * s, 1.1 * s, colour, 0.6 * math.exp(-age / 0.12), add=True)
                for angle, speed, *_ in self.rays:
                    r = s * (0.35 + 0.65 * speed) * (1 - math.exp(-age / 0.25))
                    view.disc(
                        x + r * math.cos(TAU * angle), y - r * math.sin(TAU * angle) + 0.4 * s * age * age, 0.05 * s * fade, colour
                    )


class Missile(Thing):
    """Something thrown along a parabola."""

    def __init__(self, x: float, z: float, start: float, to: float, colour: Colour, h: float = 1.5) -> None:
        super().__init__(x, z, start, start + 0.8, h)
        self.to, self.colour = to, colour

    def draw(self, view: View, t: float) -> None:
        u = (t - self.start) / 0.8
        x, y = view.point(self.x + (self.to - self.x) * u, self.z, self.h + 3.2 * u - (3.2 + self.h) * u * u)
        view.disc(x, y, 0.08 * view.scale(self.z), self.colour)


class Paint(Thing):
    """Strokes that grow on a wall from ``start`` to ``done`` and stay: graffiti, a painter's patch, cracks in glass."""

    def __init__(self, strokes: list[list[tuple[float, float]]], z: float, start: float, done: float, colour: Colour, thick: float):
        super().__init__(0, z, start)
        self.strokes, self.done, self.colour, self.thick = strokes, done, colour, thick

    def draw(self, view: View, t: float) -> None:
        share = min(1.0, (t - self.start) / max(1e-6, self.done - self.start))
        shown = max(1, round(share * len(self.strokes)))
        paths = [[view.point(x, self.z, h) for x, h in stroke] for stroke in self.strokes[:shown]]
        view.lines(paths, self.colour, self.thick * view.scale(self.z))
