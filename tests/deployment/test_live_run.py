"""Live scoring with a small run of the proposed model: the scores are those of the file, and a signal ends it with whole files."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import stream_servers as servers
from live_runs import QUICK, nothing_half_done, rows
from numbered_videos import numbered
from small_runs import TRAIN
from waiting import until

from vad_lib import config
from vad_lib.data.dataset import load_dataset
from vad_lib.data.extraction_workers import backbone
from vad_lib.data.prompts import text_features
from vad_lib.data.video import probe
from vad_lib.data.video_writing import write_video
from vad_lib.deployment import live
from vad_lib.deployment.events import read_events
from vad_lib.deployment.footage_features import video_features
from vad_lib.deployment.model_choice import choose_model
from vad_lib.errors import ConfigError
from vad_lib.runs import trainer
from vad_lib.storage.reading import read_json


@pytest.fixture(scope="module")
def causal_run(small_runs, planted_folder, tmp_path_factory) -> Path:
    """A run that sees nothing later, on the features of the small runs."""
    folder, dataset = tmp_path_factory.mktemp("causal") / "run", load_dataset(small_runs / planted_folder.name)
    options = {"context": "causal"}
    settings = config.RunSettings(variant="causal", method="proposed", title="Causal", width=16, train=TRAIN, options=options)
    trainer.train_run(settings, dataset, text_features("random", dataset.categories), folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def numbered_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("numbered") / "v.mp4"
    write_video(path, (numbered(index) for index in range(16 * 12)), 50.0)
    return path


@pytest.mark.slow
def test_scores_are_those_of_the_file_scored_at_once(causal_run, numbered_file, tmp_path):
    choice = choose_model(causal_run, weights="random")
    settings = QUICK.replace(waiting=99)
    live.score_live(str(numbered_file), choice, tmp_path / "out", threshold=0.9, settings=settings)
    features = video_features(numbered_file, "0" * 64, choice.recipe, tmp_path / "features").features
    assert features.shape == (12, 1, backbone(choice.recipe, "cpu").dimension)
    expected = choice.open().scores(np.asarray(features))
    found = rows(tmp_path / "out" / "scores.csv")
    for name in ("score", "visual", "semantic"):
        assert [float(row[name]) for row in found] == pytest.approx(expected[name].tolist(), abs=1e-5)
    categories = choice.open().categories
    assert [row["category"] for row in found] == [categories[place] for place in expected["alignment"].argmax(axis=1)]


@pytest.mark.slow
def test_a_model_that_sees_what_comes_later(small_runs, numbered_file, tmp_path):
    with pytest.raises(ConfigError, match="expected a model that sees nothing later"):
        live.score_live(str(numbered_file), choose_model(small_runs / "proposed", weights="random"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "silent"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_stopped_from_outside(causal_run, tmp_path, number, silent, transport_stream):
    """In the middle of an event; or while a stream that was there says nothing."""

    def serve(connection):
        connection.sendall(transport_stream)
        if silent:
            time.sleep(60)
        for _ in range(600):
            time.sleep(0.96)
            connection.sendall(transport_stream)

    with servers.tcp_server(serve) as port:
        command = [sys.executable, "-m", "vad_lib.deployment.live", f"tcp://127.0.0.1:{port}", "--model", str(causal_run)]
        command += ["--weights", "random", "--out", str(tmp_path / "out"), "--threshold", "0.01", "--shortest", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                until(lambda: (tmp_path / "out" / "scores.csv").is_file() and len(rows(tmp_path / "out" / "scores.csv")) >= 2, 100)
                began = time.monotonic()
                process.send_signal(number)
                out, err = process.communicate(timeout=30)
                seconds = time.monotonic() - began
            finally:
                process.kill()
    assert process.returncode == 0, err
    assert seconds < 10
    folder = tmp_path / "out"
    scores, summary = rows(folder / "scores.csv"), read_json(folder / "live.json")
    assert (summary["state"], summary["snippets"]) == ("stopped", len(scores))
    [event] = read_events(folder)
    assert probe(folder / event.clip).num_frames == 16 * len(scores)
    assert len(rows(folder / "events.csv")) == 1 and nothing_half_done(folder)
    assert out.rstrip().splitlines()[-1] == f"stopped; results in {folder}"
    assert "Traceback" not in err
