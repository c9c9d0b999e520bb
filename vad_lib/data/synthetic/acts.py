"""Acts: what happens in a slot of a video, the event itself or its harmless look-alike."""

import math
from collections.abc import Callable

import numpy as np

from vad_lib.data.synthetic.people import Look, Person
from vad_lib.data.synthetic.stage import Stage
from vad_lib.data.synthetic.things import Blast, Car, Crate, Fire, Missile, Paint, Sparks

Act = Callable[[Stage, bool], None]


def fighting(s: Stage, event: bool) -> None:
    """Two or three people come to blows; or they hug, shake hands, dance."""
    rng = s.rng
    gap = 0.36 if event else 0.27
    a = s.person(s.x - gap, s.z, s.t0, side=-1)
    b = s.person(s.x + gap, s.z + 0.01, s.t0 - rng.uniform(0, 0.5), side=int(rng.choice((1, 1, -1))))
    b.until(s.t0)
    a.face, b.face = 1, -1
    if event:
        down = s.t0 + rng.uniform(0.5, 0.8) * s.span
        while a.time < down - 0.3:
            beat = float(rng.uniform(0.4, 0.7))
            shove = float(rng.uniform(-0.25, 0.25))
            first, second = rng.permutation(["punch", rng.choice(["hit", "punch", "kick", "grapple"])])
            a.do(first, beat, dx=shove)
            b.do(second, beat, dx=shove)
        if rng.random() < 0.6:
            b.do("fall", 0.6, dx=0.15).until(s.t1, "lie").do("rise", 0.9)
            a.until(s.t1, str(rng.choice(["kick", "strike"])))
        else:
            a.until(s.t1, "grapple")
            b.until(s.t1, "punch")
        s.off(a, float(rng.choice((1.5, 3.0))), side=-1)
        s.off(b, 1.4, side=1)
    else:
        kind = str(rng.choice(["hug", "shake", "dance"]))
        for person in (a, b):
            person.until(s.t1, kind)
            s.off(person, side=-person.face if rng.random() < 0.5 else person.face)
    if rng.random() < 0.4:
        s.watcher("punch" if event and rng.random() < 0.4 else "stand", "walk")


def abuse(s: Stage, event: bool) -> None:
    """Somebody beats a person who crouches; or helps one up, or beats a carpet."""
    rng = s.rng
    side = s.side()
    if not event and rng.random() < 0.4:
        s.actors.append(Crate(s.x + 0.45, s.z - 0.01, 0.7, 0.9, s.colour(), h=0.25))
        a = s.person(s.x - 0.15, s.z, s.t0, side=-1, hold="bat")
        a.face = 1
        a.until(s.t1, "strike", "bat")
        s.off(a, hold="bat")
        return
    victim = s.person(s.x + 0.3 * side, s.z, s.t0 - 0.3 - rng.uniform(0, 1.2), side=side)
    victim.until(s.t0 - 0.2, str(rng.choice(["sit", "crouch", "stand"])), face=-side)
    other = s.person(s.x - 0.3 * side, s.z + 0.01, s.t0, side=-side)
    other.face = side
    if event:
        victim.until(s.t0 + 0.3 * s.span, "cower")
        victim.until(s.t1, str(rng.choice(["cower", "lie"])))
        while other.time < s.t1 - 0.1:
            other.do(
                str(rng.choice(["strike", "kick", "strike"])),
                min(float(rng.uniform(0.6, 1.1)), s.t1 - other.time),
                dx=float(rng.uniform(-0.05, 0.05)),
            )
    else:
        victim.until(s.t1, "sit")
        other.until(s.t1, str(rng.choice(["help", "crouch"])))
    victim.do("rise", 0.9)
    s.off(victim, 1.2)
    s.off(other)


def shoplifting(s: Stage, event: bool) -> None:
    """Goods from the shelf go under the coat and out at a run; or into the basket."""
    rng = s.rng
    z = float(rng.uniform(0.2, 0.65))
    person = s.person(s.x, z, s.t0 - 0.9)
    person.until(s.t0, "reach", "box")
    if event:
        flight = s.t1 - 0.35 * s.span  # the last third of the event is the run for the door
        while person.time < flight - 0.2:
            person.do("conceal", min(0.9, flight - person.time), "box")
            person.do("reach", min(0.3, max(0.0, flight - person.time)), "box", dx=0.1 * s.side())
        side = s.side()
        s.off(person, 3.4, side)
        if rng.random() < 0.8:  # a guard gives chase
            guard = s.person(s.x - 0.8 * side, z + 0.05, flight + 0.2, side=-side, speed=3.2)
            s.off(guard, 3.4, side)
    else:
        while person.time < s.t1 - 0.3:
            person.do(str(rng.choice(["basket", "reach"])), float(rng.uniform(0.7, 1.3)), "basket", dx=0.1 * s.side())
        s.off(person, hold="basket")
    if rng.random() < 0.5:
        s.watcher("stand", "walk")


def stealing(s: Stage, event: bool) -> None:
    """A bag is torn from its owner, in the hand or from the ground; or it is dropped and picked up, or handed over."""
    rng = s.rng
    side = s.side()
    if event:
        _robbery(s, side)
        return
    kind = int(rng.integers(3))
    if kind == 0:  # the owner drops it
        owner = s.person(s.x, s.z, s.t0, side=side, hold="bag")
        s.actors.append(Crate(s.x + 0.1, s.z, 0.3, 0.28, owner.look.item, start=s.t0, end=s.t0 + 0.9))
        owner.do("stand", 0.3).do("pick", 1.1).until(s.t1, "stand", "bag")
        s.off(owner, side=-side, hold="bag")
    elif kind == 1:  # it stands beside its owner
        owner = s.person(s.x + 0.7 * side, s.z, s.t0 - 1.2, side=side, hold="bag")
        s.actors.append(Crate(s.x, s.z, 0.34, 0.3, owner.look.item, start=owner.time, end=s.t0 + 0.6))
        owner.until(s.t0 - 0.1, "stand", face=side)
        owner.go(s.x + 0.2 * side, speed=3.0, action="walk").do("pick", 1.0).until(s.t1, "stand", "bag")
        s.off(owner, hold="bag")
    else:  # handed over, with a handshake
        owner = s.person(s.x - 0.25 * side, s.z, s.t0, side=-side, hold="bag")
        friend = s.person(s.x + 0.25 * side, s.z + 0.01, s.t0 - 0.3, side=side)
        friend.until(s.t0)
        over = float(rng.uniform(0.3, 0.7)) * s.span
        owner.do("shake", over, "bag", face=side).until(s.t1, "stand")
        friend.do("shake", over, face=-side).until(s.t1, "stand", "bag")
        s.off(owner)
        s.off(friend, hold="bag")
    if rng.random() < 0.5:  # somebody runs for a bus
        runner = s.person(s.x + 0.8, min(0.97, s.z + 0.1), s.t0 + float(rng.uniform(0, 0.5)) * s.span, side=side, speed=2.9)
        s.off(runner, 2.9, side=-side)


def _robbery(s: Stage, side: int) -> None:
    """Owner and thief tear at a bag, then the thief runs; the owner falls, or runs after."""
    rng = s.rng
    on_ground = rng.random() < 0.5
    owner = s.person(s.x, s.z, s.t0 - (0.8 if on_ground else 0.0), side=side, hold="bag")
    thief = s.person(s.x + 0.45 * side, s.z + 0.01, s.t0, side=side, speed=2.6)
    flight = s.t1 - float(rng.uniform(0.5, 0.9))  # long enough to be seen running
    if on_ground:
        s.actors.append(Crate(s.x + 0.25 * side, s.z, 0.34, 0.3, owner.look.item, start=owner.time, end=s.t0 + 0.5))
        owner.until(s.t0 + 0.4, "stand", face=-side)
        thief.do("pick", 0.6, face=-side)
    while flight - thief.time > 0.15:
        pull, beat = float(rng.uniform(-0.3, 0.3)), min(float(rng.uniform(0.4, 0.8)), flight - thief.time)
        blow = str(rng.choice(["grab", "grab", "grab", "hit", "punch"]))
        thief.do(blow, beat, "bag", dx=pull, face=-side)
        owner.do("grab", thief.time - owner.time, face=side)
        owner.x += pull
    s.off(thief, 3.4, side=side, hold="bag")
    if rng.random() < 0.6:
        owner.do("fall", 0.6).until(s.t1 + 0.2, "lie").do("rise", 0.9)
        s.off(owner)
    else:
        s.off(owner, 2.9, side=side)


def vandalism(s: Stage, event: bool) -> None:
    """Graffiti, a smashed window or a kicked bin; or a painter, a sweeper."""
    rng = s.rng
    kind = int(rng.choice(3, p=(0.3, 0.3, 0.4)))
    z = 0.04 if kind < 2 else s.z
    side = s.side()
    x = s.x
    if kind == 0:
        tool = "can" if event else "roller"
        person = s.person(x, z, s.t0, hold=tool)
        person.until(s.t1, "spray" if event else "roll", tool, face=side)
        if event:
            strokes = []
            for i in range(max(4, round(7 * s.span))):
                h = rng.uniform(0.6, 1.9, 3)
                dx = np.cumsum(rng.uniform(-0.25, 0.35, 3)) + 0.09 * i
                strokes.append([(x + side * (0.35 + float(u)), float(v)) for u, v in zip(dx, h)])
            s.actors.append(Paint(strokes, 0.0, s.t0, s.t1, s.colour(), 0.1))
        else:
            strokes = [[(x + side * (0.4 + 0.06 * i), 0.7), (x + side * (0.4 + 0.06 * i), 1.7)] for i in range(8)]
            s.actors.append(Paint(strokes, 0.0, s.t0, s.t1, s.colour(), 0.1))
        s.off(person, float(rng.choice((1.6, 3.0))) if event else 1.4, hold=tool)
    elif kind == 1:
        tool = "bat" if event else "broom"
        person = s.person(x, z, s.t0, hold=tool)
        if event:
            person.until(s.t1, "smash", tool, face=side)
            for blow in np.arange(s.t0 + 0.3, s.t1, 0.6):
                centre = (x + side * rng.uniform(0.5, 0.9), rng.uniform(0.6, 1.3))
                rays = [[centre, (centre[0] + rng.normal(0, 0.4), centre[1] + rng.normal(0, 0.4))] for _ in range(9)]
                s.actors.append(Paint(rays, 0.0, float(blow), float(blow), (230, 235, 235), 0.03))
                for _ in range(7):
                    s.actors.append(
                        Missile(centre[0], 0.05, float(blow), centre[0] - side * rng.uniform(0.1, 1.2), (215, 225, 225))
                    )
            s.off(person, 3.0, hold=tool)
        else:
            while person.time < s.t1:
                person.do("sweep", 0.6, tool, dx=0.15 * side)
            s.off(person, hold=tool)
    else:
        bin_x = x + 0.55 * side
        s.actors.append(Crate(bin_x, z, 0.45, 0.75, s.colour(), tip=s.t0 + 0.35 if event else math.inf))
        person = s.person(x, z + 0.01, s.t0, side=-side)
        if event:
            person.until(s.t1, str(rng.choice(["kick", "smash"])), face=side)
            for _ in range(8):
                s.actors.append(
                    Missile(bin_x, z, s.t0 + float(rng.uniform(0.4, 0.7)), bin_x + side * rng.uniform(0.1, 1.4), s.colour())
                )
            s.off(person, 3.0)
        else:
            person.do("throw", 0.9, "box", face=side).until(s.t1, "stand")
            s.off(person)


def arson(s: Stage, event: bool) -> None:
    """Fuel is poured and a bin set ablaze; or people stand around a grill."""
    rng = s.rng
    side = s.side()
    s.actors.append(Crate(s.x, s.z, 0.55, 0.6, (60, 62, 66)))
    person = s.person(s.x + 0.5 * side, s.z + 0.01, s.t0, side=side, hold="canister")
    if event:
        person.do("pour", min(0.7, 0.2 * s.span), "canister", face=-side)
        person.do("crouch", 0.3, "canister")
        lit = person.time
        s.actors.append(Fire(rng, s.x, s.z, lit, s.t1, float(rng.uniform(1.3, 2.0)), 0.5, 0.35))
        s.off(person, 3.2, side=side, hold="canister")
        if rng.random() < 0.5:
            s.watcher("stand", "run")
    else:
        s.actors.append(Fire(rng, s.x, s.z, s.t0, s.t1, float(rng.uniform(0.35, 0.6)), 0.5, 0.55))
        person.until(s.t1, str(rng.choice(["pour", "help", "stand"])), face=-side)
        s.off(person)
        if rng.random() < 0.5:
            s.watcher("stand", "walk")


def explosion(s: Stage, event: bool) -> None:
    """A blast throws people down; or fireworks are let off and people cheer."""
    rng = s.rng
    s.actors.append(Crate(s.x, s.z, 0.5, 0.5, s.colour(), end=s.t0 + 0.1 if event else math.inf))
    if event:
        size = float(rng.uniform(1.1, 1.8))
        s.actors.append(Blast(rng, s.x, s.z, s.t0, s.t1, size))
        s.actors.append(Fire(rng, s.x, s.z, s.t0 + 0.3, s.t1, 0.6 * size, 0.4))
        at = s.t0 + float(rng.uniform(0.6, 1.0))
        while at < s.t1 - 0.5:  # tanks and windows follow
            s.actors.append(
                Blast(rng, s.x + float(rng.uniform(-0.6, 0.6)), s.z, at, min(s.t1, at + 1.5), size * float(rng.uniform(0.5, 0.9)))
            )
            at += float(rng.uniform(0.5, 1.0))
    else:
        s.actors.append(Sparks(rng, s.x, s.z, s.t0, s.t1, bool(rng.random() < 0.5)))
    for _ in range(int(rng.integers(1, 4))):
        offset = s.side() * rng.uniform(0.9, 2.0)
        person = s.person(s.x + offset, float(np.clip(s.z + rng.uniform(-0.2, 0.2), 0.05, 0.97)), s.t0 - 0.1 - rng.uniform(0, 0.8))
        person.until(s.t0 + 0.08, "stand", face=1 if offset < 0 else -1)
        if event and rng.random() < 0.5:
            person.do("fall", 0.6, dx=0.3 * np.sign(offset)).until(s.t1, "lie").do("rise", 0.9)
            s.off(person)
        elif event:
            s.off(person, 3.2, side=1 if offset > 0 else -1)
        else:
            person.until(s.t1, str(rng.choice(["cheer", "stand"])))
            s.off(person)


def accident(s: Stage, event: bool) -> None:
    """A car hits another car or a pedestrian; or it brakes in time and drives on."""
    rng = s.rng
    z, side = float(rng.choice((0.22, 0.42))), s.side()
    gap = 0.0 if event else 0.55
    if rng.random() < 0.5:
        _drive(s, z, side, s.x - side * (0.9 + gap), event)
        person = s.person(s.x + side * 0.35, z, s.t0, side=side)
        if event:
            person.do("fall", 0.5, dx=1.1 * side).until(s.t1, "lie").do("rise", 0.9)
        else:
            person.do("stand", 0.4)
        person.go(person.x, 0.8, 1.6)
        s.off(person)
    else:
        _drive(s, z, side, s.x - side * (1.35 + gap), event)
        _drive(s, z - (0.0 if event else 0.12), -side, s.x + side * (1.35 + gap), event)
    if event:
        for _ in range(14):
            delay, lands, h = rng.uniform((0, -1.6, 0.2), (0.2, 1.6, 0.9)).tolist()
            s.actors.append(Missile(s.x, z, s.t0 + delay, s.x + lands, (200, 205, 210), h))
        s.actors.append(Blast(rng, s.x, z, s.t0 + 0.1, s.t1, 0.5, fiery=False))
        at = s.t0 + 0.7
        while at < s.t1 - 0.5:  # the wreck smokes
            s.actors.append(Blast(rng, s.x + float(rng.uniform(-0.4, 0.4)), z, at, min(s.t1, at + 1.6), 0.5, fiery=False))
            at += float(rng.uniform(0.5, 0.9))
        for _ in range(int(rng.integers(1, 3))):  # people run to help
            to = s.x + s.side() * float(rng.uniform(0.7, 1.3))
            helper = s.person(
                to,
                float(np.clip(z + rng.uniform(0.1, 0.3), 0.05, 0.97)),
                s.t0 + float(rng.uniform(0.4, 0.5)) * s.span,
                side=1 if to > s.x else -1,
                speed=3.2,
            )
            helper.until(s.t1, str(rng.choice(["cheer", "help"])))
            s.off(helper)
    elif rng.random() < 0.5:
        s.watcher("stand", "walk")


def _drive(s: Stage, z: float, side: int, halt: float, event: bool) -> None:
    """A car that stops at ``halt``, dead at t0 (event) or by braking from t0 on, and drives away after t1."""
    speed, far = float(s.rng.uniform(4.0, 6.5)), side * (s.reach + 2)
    if event:
        stop = [(s.t0, halt), (s.t0 + 0.1, halt + 0.3 * side)]
    else:
        way = 0.35 * speed * side
        stop = [(s.t0, halt - way), (s.t0 + 0.3, halt - 0.35 * way), (s.t0 + 0.7, halt)]
    start, leave = s.t0 - abs(stop[0][1] + far) / speed, s.t1 + 0.3
    path = [(start, -far), *stop, (leave, stop[-1][1]), (leave + abs(far - stop[-1][1]) / 4, far)]
    s.actors.append(Car(z, path, s.colour(), side, s.t0 if event else math.inf, s.dark))


def riot(s: Stage, event: bool) -> None:
    """A crowd throws things, fights, burns; or cheers, dances, demonstrates."""
    rng = s.rng
    for i in range(int(rng.integers(6, 9))):
        x = float(np.clip(s.x + rng.uniform(-2.4, 2.4), -2.6, 2.6))
        z = float(rng.uniform(0.25, 0.95))
        face = s.side()
        person = Person(Look.draw(rng), x, z, s.t0 - 3, face)
        person.until(s.t0, "stand")
        while person.time < s.t1:
            if event:
                action = str(rng.choice(["throw", "run", "fist", "punch", "run", "kick", "throw"]))
            else:
                action = str(rng.choice(["cheer", "dance", "stand", "walk", "cheer"]))
            hold = "sign" if i % 4 == 0 and action in ("fist", "cheer", "stand") else ""
            if action in ("run", "walk"):
                person.go(float(np.clip(person.x + rng.uniform(-1.6, 1.6), -3, 3)), speed=2.8 if action == "run" else 1.2)
            else:
                if action == "throw":
                    s.actors.append(
                        Missile(person.x, z, person.time + 0.2, person.x + person.face * rng.uniform(1.5, 3), (60, 80, 110))
                    )
                person.do(action, float(rng.uniform(0.7, 1.2)), hold)
        s.off(person)
        s.actors.append(person)
    if event and rng.random() < 0.6:
        s.actors.append(Fire(rng, s.x + float(rng.uniform(-1, 1)), 0.4, s.t0, s.t1, float(rng.uniform(0.6, 1.0)), 0.8))


def shooting(s: Stage, event: bool) -> None:
    """Somebody shoots, people fall or flee; or somebody takes flash photographs of people who pose."""
    rng = s.rng
    side = s.side()
    hold = "gun" if event else "phone"
    actor = s.person(s.x - 0.8 * side, s.z, s.t0 - 0.3, side=-side)
    actor.until(s.t0, "aim" if event else "stand", hold, face=side)
    actor.until(s.t1, "shoot" if event else "photo", hold, face=side)
    s.off(actor, 3.0 if event else 1.4, side=-side, hold=hold)
    for _ in range(int(rng.integers(1, 4))):
        z = float(np.clip(s.z + rng.uniform(-0.12, 0.12), 0.05, 0.97))
        person = s.person(s.x + side * rng.uniform(0.7, 1.7), z, s.t0 - rng.uniform(0, 0.8), side=side)
        person.until(s.t0 + 0.1 + rng.uniform(0, 0.4) * event, "stand", face=-side)
        if event and rng.random() < 0.6:
            person.do("fall", 0.6, dx=0.2 * side).until(s.t1, "lie").do("rise", 0.9)
            s.off(person)
        elif event:
            s.off(person, 3.2, side=side)
        else:
            person.until(s.t1, str(rng.choice(["cheer", "stand", "shake"])))
            s.off(person)
