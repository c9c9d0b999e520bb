"""The card of a shipped model as a page: everything on it comes from the content of ``NAME.json``."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class About(NamedTuple):
    """What must be said of a shipped model and cannot be measured.

    Attributes:
        date: on which it was trained; the command writes this date, so that it makes the same bytes on another day.
        command: makes the files again.
        licence: of the weights, and of what they were made from.
        data: sentences on the training and test videos.
        protocol: sentences on training and choice.
        never_seen: what no training video shows.
        use: sentences on what the scores may be used for.
    """

    date: str
    command: str
    licence: tuple[str, ...]
    data: tuple[str, ...]
    protocol: tuple[str, ...]
    never_seen: tuple[str, ...]
    use: tuple[str, ...]


_PROTOCOL = (
    "Method, width and what a score may look back on are chosen by four folds of the training videos. Each fold holds a "
    "quarter of the clips back (a video that shares nothing with others is one clip): what is left is for training, and "
    "what was held back is for measuring, by the share of events that are found where 5 % of the normal frames are called "
    "abnormal. A clip that stands in no normal video is such an event. The candidate with the best mean is shipped. It is "
    "trained once more on all training videos but two, which the training loop sets aside for its log.",
    "All runs have the same seed and number of steps, and the weights are those of the last step. In training every video "
    "starts at a random segment (the part before it is put behind the end).",
    "Only labels of whole videos are used. The suggested threshold is the lowest score that at most 1 % of the frames of normal "
    "training videos reach. The model has learned from them, so more frames of new footage will reach it.",
    "Test videos had no part in this choice and were scored for this card.",
    "Weights are rounded to half precision, and all numbers on test videos are those of the rounded weights. Intervals are "
    "95 %, over the test videos (bootstrap, normal and abnormal videos drawn apart). They do not cover other footage or "
    "other seeds.",
)
_TRIALS = (
    "Test scores of earlier trials had been seen when the list of candidates and the number of steps were fixed. An earlier rule, "
    "which held whole videos back instead of clips, was given up: it preferred models that know the training clips by heart."
)
_TEXT = (
    "Text features (where the method uses them) are sentence features of all-MiniLM-L6-v2, not CLIP's. They stand among the "
    "weights: no text encoder is needed to score. They were never trained on pictures."
)
_NETWORK = "Network that made the features: I3D of DeepMind, trained on Kinetics-400, Apache-2.0. Its weights are not in this file."
_USE = (
    "A score orders moments of footage that is like the training videos. It says that something looks like them, not that a crime "
    "was committed and not who is seen.",
    "Measure it on footage of your own before you rely on it, and set the threshold on normal footage of your own. Let a person "
    "look at every event. Do not use it for decisions about people.",
)

ABOUT: dict[str, About] = {
    "fights": About(
        date="2026-11-28",
        command="python -m vad_lib.deployment.train_shipped fights --source FIGHT_BAGS",
        licence=(
            "Weights: MIT, as this library.",
            "Clips that the features come from: Surveillance Camera Fight Dataset (Akti, Tataroglu, Ekenel: Vision-based Fight "
            "Detection from Surveillance Cameras, IPTA 2019), MIT, copyright 2020 Seymanur Akti.",
            _NETWORK,
        ),
        data=(
            "FIGHT_BAGS is a folder with videos.csv and I3D features of all 300 clips of the data set, each about two seconds "
            "long, half of them with a fight. The clips were cut from YouTube videos of surveillance cameras.",
            "The clips are laid end to end into 140 training and 60 test videos; half of each have fights among other clips. No "
            "YouTube video gives clips to both training and test. Scenes change every two seconds, which footage of one camera "
            "does not do.",
            "A clip stands in up to 25 training videos. Clips of one fold and of another may come from one YouTube video, so "
            "numbers on what the folds hold back are too good. They serve the choice only.",
            "Two categories: Normal and Fighting.",
        ),
        protocol=(*_PROTOCOL, _TRIALS, _TEXT),
        never_seen=(
            "other anomalies: weapons, theft, vandalism, accidents, fire, falls",
            "cameras, places and countries other than those of some dozens of YouTube videos",
            "dense crowds, sport, dancing, embraces and play, which may look like fights",
            "hours of one camera without any event: alarms per hour on such footage are not known",
            "much of night, rain, snow, fog, strong compression, thermal cameras, moving cameras and views from far above",
            "sound",
        ),
        use=_USE,
    ),
    "rendered": About(
        date="2026-11-30",
        command="python -m vad_lib.deployment.train_shipped rendered",
        licence=(
            "Weights and rendered videos: MIT, as this library.",
            _NETWORK,
        ),
        data=(
            "The two sets that this library renders (SynthViolence and SynthCrime, profile study, 936 training videos): drawn "
            "figures and things, 144 x 192 pixels, 7 to 14 seconds, eleven abnormal categories.",
            "I3D features of one centre crop of 96 pixels, the shorter side resized to 110.",
        ),
        protocol=(*_PROTOCOL, _TEXT),
        never_seen=("any real footage: this model is for lessons and for trying the commands, not for cameras",),
        use=("Use it to learn how the library works. On real footage its scores mean nothing.",),
    ),
}


def card_page(name: str, content: Mapping[str, Any]) -> str:
    """The card.

    Args:
        name: of the model.
        content: of ``NAME.json``.

    Returns:
        Markdown.
    """
    about, config, numbers = ABOUT[name], content["config"], content["measured"]
    half = ", ".join(f"{kind} {value:.1e}" for kind, value in numbers["half_precision"].items())
    parts = [
        f"# {name}: {config['title']}",
        _bullets(
            [
                f"method `{config['method']}`, encoder width {config['width']}, {config['parameters']:,} parameters; "
                + _depends(config["options"]),
                f"categories: {', '.join(config['categories'])}",
                f"trained {about.date}, seed {config['seed']}",
                f"`{content['weights']['file']}`: {content['weights']['bytes']:,} bytes, {content['weights']['dtype']}, "
                f"sha256 `{content['weights']['sha256']}`",
                f"made again by `{about.command}`",
            ]
        ),
        "## Data",
        _bullets(about.data),
        _features(config["features"]),
        "## Test",
        _test_table(numbers),
        _threshold(numbers["at_threshold"]),
        f"Largest differences that half precision makes on the test videos: {half}.",
        "## Training and choice",
        _bullets(about.protocol),
        _candidates(content["choice"]),
        "## What it has never seen",
        _bullets(about.never_seen),
        "## What it may be used for",
        _bullets(about.use),
        "## Licence",
        _bullets(about.licence),
        "## Made with",
        _made_with(content["made_with"]),
    ]
    return "\n\n".join(parts) + "\n"


def _depends(options: Mapping[str, Any]) -> str:
    if options.get("context") != "causal":
        return "every score depends on the whole video"
    lookback = options["lookback"]
    seen = "its own snippet" if lookback == 1 else f"the last {lookback} snippets"
    return f"a score depends on {seen} and on nothing that comes later, so that streams are scored as files are"


def _bullets(sentences: tuple[str, ...] | list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _features(contract: Mapping[str, Any]) -> str:
    return (
        f"Features that it takes: {contract['backbone']} (sha256 of the weights `{contract['weights_sha256'][:12]}`), "
        f"{contract['dimension']:,} numbers per {contract['frames_per_snippet']} frames, crops: {', '.join(contract['crops'])}; "
        f"shorter side {contract['short_side']}, crop {contract['crop_size']} pixels. Hash of the training features: "
        f"`{contract['content_hash'][:12]}`."
    )


def _test_table(numbers: Mapping[str, Any]) -> str:
    rows = ["| test videos | AUC % | AP % | recall % at 1 % false alarms | chance AP % |", "| --- | ---: | ---: | ---: | ---: |"]
    for title, found in {"all": numbers["test"], **numbers.get("parts", {})}.items():
        cells = [
            f"{100 * found[key]['value']:.1f} [{100 * found[key]['low']:.1f}, {100 * found[key]['high']:.1f}]"
            for key in ("auc", "ap", "recall_at_1_percent")
        ]
        videos = f"{title}: {found['videos']}, of which {found['abnormal_videos']} abnormal; {found['frames']:,} frames"
        rows.append(f"| {videos} | {' | '.join(cells)} | {100 * found['abnormal_share']:.1f} |")
    text = "\n".join(rows)
    if (accuracy := numbers.get("category_accuracy_abnormal_videos")) is not None:
        text += f"\n\nOf the abnormal test videos {100 * accuracy:.0f} % have their own category as the most likely abnormal one."
    return text


def _threshold(found: Mapping[str, Any]) -> str:
    false_alarms = f"{100 * found['false_alarm_rate']:.1f} % of the normal frames"
    return (
        f"Suggested threshold: {found['threshold']:.4f}, which 1 % of the frames of normal training videos reach. On the "
        f"test videos it finds {100 * found['recall']:.1f} % of the abnormal frames, calls {false_alarms} "
        f"abnormal ({found['false_alarms_per_hour']:.0f} false alarms per hour) and misses {found['missed']} of "
        f"{found['events']} events. On other footage these numbers will differ."
    )


def _candidates(choice: Mapping[str, Any]) -> str:
    rows = [
        f"Chosen: `{choice['candidate']}`. On what the folds held back, mean and standard deviation over folds:",
        "",
        "| candidate | parameters | events found % | AUC of videos % | cross-entropy of videos (nats) |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in choice["candidates"]:
        events, auc = (f"{100 * row[name]:.1f} ± {100 * row[f'{name}_sd']:.1f}" for name in ("events", "auc"))
        bce = f"{row['bce']:.2f} ± {row['bce_sd']:.2f}"
        rows.append(f"| {row['candidate']} | {row['parameters']:,} | {events} | {auc} | {bce} |")
    return "\n".join(rows)


def _made_with(found: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"{versions}; {found['processor']} ({found['instructions']}), {found['threads']} thread."
