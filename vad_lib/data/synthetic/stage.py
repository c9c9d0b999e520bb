"""The stage of an act: its place, its time, and the people who come and go."""

from dataclasses import dataclass

import numpy as np

from vad_lib.data.synthetic.people import Look, Person
from vad_lib.data.synthetic.world import Actor, Colour


@dataclass
class Stage:
    """The place and time of one act.

    Attributes:
        rng: source of all choices.
        actors: the shot's actors; acts append to it.
        t0, t1: start and end of the act's core, seconds: the annotated interval if the act is an event.
        x, z: where it happens.
        reach: metres from the middle to beyond the edge of the image.
        dark: whether cars drive with lights.
    """

    rng: np.random.Generator
    actors: list[Actor]
    t0: float
    t1: float
    x: float
    z: float
    reach: float
    dark: bool = False

    @property
    def span(self) -> float:
        """Seconds that the core of the act lasts."""
        return self.t1 - self.t0

    def side(self) -> int:
        """Left (-1) or right (1), by chance."""
        return int(self.rng.choice((-1, 1)))

    def colour(self) -> Colour:
        """Any colour but very dark and very bright ones."""
        return tuple(self.rng.uniform(30, 220, 3).tolist())

    def person(self, x: float, z: float, at: float, side: int = 0, speed: float = 0.0, hold: str = "") -> Person:
        """A person who comes from the edge and reaches (x, z) at a time."""
        side, speed = side or self.side(), speed or self.rng.uniform(1.2, 1.8)
        look = Look.draw(self.rng)
        start = at - abs(side * self.reach - x) / speed
        person = Person(look, side * self.reach, z, start).go(x, z, speed, hold=hold)
        person.until(at)
        self.actors.append(person)
        return person

    def off(self, person: Person, speed: float = 0.0, side: int = 0, hold: str = "") -> None:
        """Send a person out of the image."""
        person.go((side or self.side()) * self.reach, speed=speed or self.rng.uniform(1.2, 1.8), hold=hold)

    def passer(self, at: float) -> None:
        """Somebody who crosses the scene, walking or jogging."""
        speed = float(self.rng.choice((1.2, 1.5, 2.7), p=(0.5, 0.42, 0.08)))
        person = self.person(0.0, float(self.rng.uniform(0.15, 0.98)), at, speed=speed)
        self.off(person, speed, side=person.face)

    def watcher(self, action: str, leave: str) -> None:
        """A bystander who stops near the act, then leaves."""
        offset = self.side() * self.rng.uniform(1.2, 1.9)
        z = float(np.clip(self.z + self.rng.uniform(-0.15, 0.2), 0.05, 0.97))
        person = self.person(self.x + offset, z, self.t0 - self.rng.uniform(0, 0.6))
        person.until(self.t0 + 0.15, face=-1 if offset > 0 else 1)
        if action != leave:
            person.until(self.t1, action)
        self.off(person, 3.0 if leave == "run" else 1.4, side=1 if offset > 0 else -1)
