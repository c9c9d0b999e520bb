"""What the maintainer's command keeps of a figure, and how it adds answers to packed runs."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_results import FEATURES
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vad_lib.config import get_profile
from vad_lib.data.dataset import load_dataset
from vad_lib.errors import DataError
from vad_lib.open_questions.answers import answer_runs
from vad_lib.open_questions.questions import BASE, answer_place, base_place
from vad_lib.reference import PARTS, all_runs, release, release_questions, small_png
from vad_lib.runs import experiments, finished_runs
from vad_lib.runs.packed_runs import pack, packed
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage import paths
from vad_lib.storage.paths import Layout


def test_a_small_figure_looks_the_same_and_keeps_its_texts(tmp_path):
    pixels = np.full((40, 60, 4), 255, dtype=np.uint8)
    pixels[10:20, 5:50, :3] = (0, 114, 178)
    texts = PngInfo()
    texts.add_text("Description", "made by a test")
    Image.fromarray(pixels).save(tmp_path / "figure.png", pnginfo=texts)
    small_png(tmp_path / "figure.png", tmp_path / "small.png")
    with Image.open(tmp_path / "small.png") as small:
        assert small.mode == "P" and small.text["Description"] == "made by a test"
        assert np.array_equal(np.asarray(small.convert("RGB")), pixels[..., :3])


@pytest.mark.parametrize(("profile", "command"), [("study", "make study"), ("quick", "make reproduce PROFILE=quick")])
def test_rows_without_all_seeds_are_no_reference(tmp_path, profile, command):
    own = Layout.create(profile, tmp_path, Layout.reference().data)
    with pytest.raises(DataError, match=f"missing: 2022, 2023, .*`{command}` trains them"):
        release(own, own, ["synth-crime"])


def test_answers_trained_elsewhere_are_added_with_the_model_that_they_are_compared_with(made_up, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT_ROOT", tmp_path / "project")
    reference, own, name = Layout.reference(), made_up.layout, "synth-crime"

    def answer(question: str, words: str, seed: int, **config) -> str:
        made = made_up.write(name, "pcl", seed, **config)
        place = own.results.joinpath(*answer_place(name, question, words), f"seed{seed}")
        place.parent.mkdir(parents=True, exist_ok=True)
        made.rename(place)
        return place.relative_to(own.results).as_posix()

    for seed in (1, 2):
        made_up.write(name, "proposed", seed)
        answer("text", "one-hot", seed)
    pack(reference.packed_runs(name), all_runs(own, name, PARTS))
    was = {run.place: (run.scores(), run.measured) for run in packed(reference.packed_runs(name))}

    shutil.rmtree(own.results)
    elsewhere = {"features": FEATURES | {"content_hash": "from another processor"}}
    made_up.write(name, "proposed", 1, **elsewhere)
    new = answer("gate", "fixed at 0.5", 1, **elsewhere)
    release_questions(own, reference, [name])  # reads and writes the same archive: what was read before is not kept
    found = {run.place: run for run in packed(reference.packed_runs(name))}
    assert set(found) == {*was, new, "/".join((*base_place(name), "seed1"))}
    assert np.array_equal(np.argsort(found[new].scores()["score"]), np.argsort(RunInFolder(own.results / new).scores()["score"]))
    assert "alignment" in found["/".join((*base_place(name), "seed1"))].scores()  # the question of unseen categories needs it
    for old, (scores, measured) in was.items():
        assert found[old].measured == measured
        assert all(np.array_equal(array, found[old].scores()[key]) for key, array in scores.items())

    dataset = SimpleNamespace(name=name, categories=("Normal", "Arson"), counterpart="UCF-Crime")
    features = {question: answer_runs(reference, dataset, question)[BASE][0].config["features"] for question in ("gate", "text")}
    assert features == {"gate": elsewhere["features"], "text": FEATURES}


@pytest.mark.parametrize("profile", ["quick", "study"])
@pytest.mark.parametrize("dataset", ["synth-crime", "synth-violence"])
def test_the_reference_was_made_with_today_s_settings(profile, dataset):
    """Else the report of a person's own run would call every row *other settings*."""
    layout = Layout.reference("quick") if profile == "quick" else Layout.reference()
    counterpart = load_dataset(layout.dataset(dataset), features=False).counterpart
    for row in ("sultani-mil", "ur-dmu", "vadclip", "proposed"):
        run = finished_runs.find_runs(layout, "runs", dataset, row)[0]
        today = experiments.run_settings(row, get_profile(profile), run.seed, counterpart=counterpart)
        assert run.config["train"] == today.train.model_dump(mode="json")
        assert run.config["options"] == today.options and run.config["width"] == today.width
