"""The two rendered data sets: their categories, stories and places."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from vad_lib.data.synthetic import acts

_OUTDOORS = ("street", "square", "parking")

ROADS = ("street", "parking")


class Story(NamedTuple):
    """How a category is acted, and where it can happen."""

    act: acts.Act
    scenes: tuple[str, ...]


@dataclass(frozen=True)
class SetSpec:
    """One of the two built-in data sets."""

    title: str
    metric: Literal["auc", "ap"]
    counterpart: str
    stories: dict[str, Story]
    moving_camera: bool
    second_label: float  # probability of a second category where there is room for one

    @property
    def categories(self) -> tuple[str, ...]:
        """The normal one first."""
        return ("Normal", *self.stories)


DATASETS: dict[str, SetSpec] = {
    "synth-crime": SetSpec(
        title="SynthCrime",
        metric="auc",
        counterpart="UCF-Crime",
        stories={
            "Arson": Story(acts.arson, _OUTDOORS),
            "Explosion": Story(acts.explosion, _OUTDOORS),
            "Fighting": Story(acts.fighting, (*_OUTDOORS, "shop", "hall")),
            "RoadAccidents": Story(acts.accident, ROADS),
            "Shoplifting": Story(acts.shoplifting, ("shop",)),
            "Stealing": Story(acts.stealing, (*_OUTDOORS, "hall")),
            "Vandalism": Story(acts.vandalism, (*_OUTDOORS, "hall")),
        },
        moving_camera=False,
        second_label=0.0,
    ),
    "synth-violence": SetSpec(
        title="SynthViolence",
        metric="ap",
        counterpart="XD-Violence",
        stories={
            "Abuse": Story(acts.abuse, ("hall", "parking", "square")),
            "CarAccident": Story(acts.accident, ROADS),
            "Explosion": Story(acts.explosion, _OUTDOORS),
            "Fighting": Story(acts.fighting, (*_OUTDOORS, "shop", "hall")),
            "Riot": Story(acts.riot, ("street", "square")),
            "Shooting": Story(acts.shooting, (*_OUTDOORS, "shop", "hall")),
        },
        moving_camera=True,
        second_label=0.6,
    ),
}
