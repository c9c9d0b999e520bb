"""A grid of questions small enough to be trained in a test."""

from vad_lib.config import Profile, get_profile
from vad_lib.evaluation.bootstrap import Bootstrap
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.runs.finished_runs import find_runs
from vad_lib.runs.scored_runs import scored_rows
from vad_lib.storage.paths import Layout

FEW = Bootstrap(num_draws=60)
SEEDS = (1, 2)
ASKED = ("gate", "features", "zero-shot")


def tiny() -> Profile:
    profile = get_profile("smoke").replace(text_features="random")
    return profile.replace(train=profile.train.replace(steps=3, eval_every=3, batch_size=4, num_segments=4))


def proposed_rows(layout: Layout) -> tuple[ScoredVideos, ...]:
    """Test scores of the proposed model's runs on the planted bags."""
    return scored_rows(find_runs(layout, "runs", "planted", "proposed"))
