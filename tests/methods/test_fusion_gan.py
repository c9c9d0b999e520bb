"""The stand-in for FusionNet+LSTM+GAN: its parts worked by hand, what it reads, and that it finds what cannot be predicted."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from vad_lib.config import PROFILES, RunSettings, TrainSettings
from vad_lib.data.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.data.dataset import Dataset, DatasetInfo
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.video import read_frames
from vad_lib.data.video_writing import write_video
from vad_lib.errors import ConfigError, DataError, MissingFileError, TrainingError
from vad_lib.losses import total_loss
from vad_lib.methods.fusion_gan import learner as fusion_gan
from vad_lib.methods.fusion_gan import losses, networks, scoring
from vad_lib.methods.fusion_gan.frames import reduced_frame, training_frames
from vad_lib.runs.learner import learner_maker
from vad_lib.runs.record import run_key
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.runs.trainer import Trainer, check_finite, train_run

TINY = networks.FusionGANSettings(
    side=16, widths=(3, 6), discriminator_widths=(2, 3, 4, 5), context=2, frame_stride=1, steps=4, batch_size=2, memory_mb=4
)  # fmt: skip


def grey_frames(count: int, first: int = 0) -> list[np.ndarray]:
    """Plain frames whose brightness tells their number."""
    return [np.full((32, 48, 3), 4 * (first + number) + 4, dtype=np.uint8) for number in range(count)]


def numbers(frames: np.ndarray) -> np.ndarray:
    """Which of :func:`grey_frames` these are, (n, C, H, W) to (n,); decoding darkens them by two to four."""
    return np.round((frames.reshape(len(frames), -1).mean(axis=1) - 1) / 4).astype(int)


def make_dataset(
    folder, videos: dict[str, list[np.ndarray]], abnormal: tuple[str, ...] = (), test: tuple[str, ...] = ()
) -> Dataset:
    """A data set of made-up videos, without features."""
    records = []
    for name, frames in videos.items():
        write_video(folder / "videos" / f"{name}.mp4", frames, fps=25)
        split = "test" if name in test else "train"
        category = "Square" if name in abnormal else "Normal"
        spans = ((0, 1),) if split == "test" and category == "Square" else ()
        records.append(VideoRecord(name, split, (category,), len(frames), spans))
    info = DatasetInfo(
        name="made-up",
        title="Made up",
        categories=("Normal", "Square"),
        headline_metric="auc",
        source="tests",
        synthetic=True,
        fps=25,
    )
    return Dataset(folder, info, VideoList(("Normal", "Square"), tuple(records)), None)


@pytest.fixture
def generator() -> networks.Generator:
    network = networks.Generator(TINY)
    with torch.no_grad():  # residual blocks start as the identity: let them take part
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.fixture
def greys(tmp_path) -> Dataset:
    """Two normal training videos of 40 and 23 frames, an abnormal one, a test video."""
    videos = {"a": grey_frames(40), "b": grey_frames(23, first=40), "bad": grey_frames(30), "t": grey_frames(37)}
    return make_dataset(tmp_path, videos, abnormal=("bad",), test=("t",))


# --- labels of the row --------------------------------------------------------------------------------
def test_the_row_is_labelled_as_a_stand_in():
    assert fusion_gan.SPEC.title == "FusionNet+LSTM+GAN (our stand-in)"
    assert fusion_gan.SPEC.paper.startswith("for ")
    assert "reproduces nothing" in " ".join(fusion_gan.__doc__.split())


def test_each_profile_has_its_preset():
    assert set(networks.PRESETS) == set(PROFILES)
    assert networks.PRESETS["paper"] == networks.FusionGANSettings()


# --- networks -----------------------------------------------------------------------------------------
def test_the_default_size_is_the_one_in_the_docstring():
    settings = networks.FusionGANSettings()
    stated = [int(number.replace(",", "")) for number in re.findall(r"\d+(?:,\d+)+(?= parameters|\.\n)", fusion_gan.__doc__)]
    counted = [sum(p.numel() for p in network(settings).parameters()) for network in (networks.Generator, networks.Discriminator)]
    assert counted == stated == [14_235_105, 2_759_105]


@pytest.mark.parametrize(("channels", "context", "widths"), [(1, 2, (3, 6)), (3, 1, (4,)), (1, 4, (2, 3, 4, 5))])
def test_shapes_and_range(channels, context, widths):
    settings = TINY.replace(channels=channels, context=context, widths=widths)
    frames = torch.rand(3, 2 * context, channels, 16, 16) * 2 - 1
    predicted = networks.Generator(settings)(frames)
    assert predicted.shape == (3, channels, 16, 16)
    assert predicted.abs().max() < 1
    assert networks.Discriminator(settings)(predicted).shape == (3, 1, 1, 1)


def test_the_discriminator_judges_patches():
    assert networks.Discriminator(TINY.replace(side=64))(torch.zeros(2, 1, 64, 64)).shape == (2, 1, 4, 4)


def test_a_level_adds_its_residual_block():
    level = networks.Level(1, 1)
    kernels = [level.first, level.block[0], level.block[2], level.block[4], level.last]
    with torch.no_grad():
        for kernel, value in zip(kernels, (2.0, 3.0, 1.0, -0.5, 10.0)):
            kernel.weight.zero_()[0, 0, 1, 1] = value
    # 2 x = 4, the block makes -6 of it: nothing is left; with +0.5 it makes 6
    assert level(torch.full((1, 1, 1, 1), 2.0)).item() == 0
    with torch.no_grad():
        level.block[4].weight[0, 0, 1, 1] = 0.5
    assert level(torch.full((1, 1, 1, 1), 2.0)).item() == pytest.approx(100)


def test_a_fresh_residual_block_is_the_identity():
    level, x = networks.Level(2, 3), torch.rand(1, 2, 5, 5)
    assert torch.equal(level(x), level.last(level.first(x).relu()).relu())


def test_skips_of_the_two_frames_beside_are_added(generator):
    seen = {}
    generator.enlarge[0].register_forward_hook(lambda *call: seen.update(enlarged=call[2]))
    generator.up[0].register_forward_hook(lambda *call: seen.update(entered=call[1][0]))
    encoded = generator.encode(torch.rand(6, 1, 16, 16))
    generator.predict(encoded, torch.tensor([[0, 1, 3, 4], [1, 2, 4, 5]]))
    skip = encoded.skips[0]
    torch.testing.assert_close(seen["entered"], seen["enlarged"] + (skip[[1, 2]] + skip[[3, 4]]) / 2)
    assert skip.shape == (6, 3, 16, 16)


def test_the_lstm_by_hand():
    lstm = networks.ConvLSTM(1)
    with torch.no_grad():
        lstm.from_state.weight.zero_()
        lstm.from_state.weight[:, 0, 1, 1] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert lstm.from_input.bias[1] == 1  # the forget gate
    first, second = torch.tensor([0.5, -1.0, 1.0, 0.7]), torch.tensor([-0.2, 0.3, 0.4, -0.6])

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    cell = sigmoid(0.5) * np.tanh(0.7)
    hidden = sigmoid(1.0) * np.tanh(cell)
    assert lstm([first.view(1, 4, 1, 1)]).item() == pytest.approx(hidden, abs=1e-6)
    cell = sigmoid(0.3 + 0.2 * hidden) * cell + sigmoid(-0.2 + 0.1 * hidden) * np.tanh(-0.6 + 0.4 * hidden)
    hidden = sigmoid(0.4 + 0.3 * hidden) * np.tanh(cell)
    assert lstm([first.view(1, 4, 1, 1), second.view(1, 4, 1, 1)]).item() == pytest.approx(hidden, abs=1e-6)


def test_reversing_time_swaps_the_two_directions(generator):
    generator.backwards.load_state_dict(generator.forwards.state_dict())
    frames = torch.rand(4, 1, 16, 16) * 2 - 1
    places = torch.arange(4)[None]
    onwards, back = generator.temporal(generator.encode(frames), places)
    onwards_reversed, back_reversed = generator.temporal(generator.encode(frames.flip(0)), places)
    torch.testing.assert_close(onwards_reversed, back)
    torch.testing.assert_close(back_reversed, onwards)
    assert not torch.allclose(onwards, back, atol=1e-3)


def test_each_direction_ends_beside_the_missing_frame(generator):
    """Frames 0, 1, [2], 3, 4: forwards 0 then 1, backwards 4 then 3."""
    encoded = generator.encode(torch.rand(5, 1, 16, 16))
    onwards, back = generator.temporal(encoded, torch.tensor([[0, 1, 3, 4]]))
    torch.testing.assert_close(onwards, generator.forwards([encoded.forward_gates[[0]], encoded.forward_gates[[1]]]))
    torch.testing.assert_close(back, generator.backwards([encoded.backward_gates[[4]], encoded.backward_gates[[3]]]))
    assert not torch.allclose(onwards, generator.temporal(encoded, torch.tensor([[1, 0, 3, 4]]))[0], atol=1e-4)


def test_frames_encoded_once_predict_what_windows_do(generator):
    frames = torch.rand(7, 1, 16, 16) * 2 - 1
    places = torch.tensor([[0, 1, 3, 4], [1, 2, 4, 5], [2, 3, 5, 6]])
    torch.testing.assert_close(generator.predict(generator.encode(frames), places), generator(frames[places]))


# --- losses -------------------------------------------------------------------------------------------
def test_ssim_agrees_with_plain_loops():
    a, b = torch.rand(2, 1, 13, 12) * 2 - 1, torch.rand(2, 1, 13, 12) * 2 - 1
    away = np.arange(11) - 5.0
    window = np.exp(-(away[:, None] ** 2 + away**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for x, y in zip(a[:, 0].double().numpy(), b[:, 0].double().numpy()):
        for top in range(3):
            for left in range(2):
                u, v = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
                mu, mv = (window * u).sum(), (window * v).sum()
                su, sv, suv = ((window * p).sum() for p in ((u - mu) ** 2, (v - mv) ** 2, (u - mu) * (v - mv)))
                c1, c2 = 0.02**2, 0.06**2
                values.append((2 * mu * mv + c1) * (2 * suv + c2) / ((mu**2 + mv**2 + c1) * (su + sv + c2)))
    assert losses.ssim(a, b).item() == pytest.approx(np.mean(values), abs=1e-5)
    assert losses.ssim(a, a).item() == pytest.approx(1, abs=1e-5)


def test_gradient_difference_looks_at_both_axes_and_sizes_only():
    real = torch.zeros(1, 1, 2, 2)
    real[..., 0, 0] = 1  # one of the two differences along either axis
    assert losses.gradient_difference(torch.zeros_like(real), real).item() == pytest.approx(0.5 + 0.5)
    assert losses.gradient_difference(-real, real).item() == 0


def test_motion_difference_wants_as_much_change():
    previous, real = torch.zeros(2), torch.tensor([0.5, 0.0])
    assert losses.motion_difference(real, real, previous).item() == 0
    assert losses.motion_difference(previous, real, previous).item() == pytest.approx(0.25)  # a copy of the previous frame
    assert losses.motion_difference(torch.tensor([0.5, 0.2]), real, previous).item() == pytest.approx(0.1)


def test_terms_and_their_weights():
    predicted, real, previous = (torch.full((1, 1, 16, 16), value) for value in (0.25, 0.75, 0.0))
    terms = losses.generator_terms(TINY, predicted, real, previous, torch.tensor([0.0, 0.5]))
    similarity = 1 - (2 * 0.25 * 0.75 + 0.0004) / (0.25**2 + 0.75**2 + 0.0004)
    expected = {
        "intensity": (0.25, 1.0),
        "gradient": (0.0, 1.0),
        "similarity": (similarity, 1.0),
        "motion": (0.5, 2.0),
        "adversarial": ((1 + 0.25) / 4, 0.05),
    }
    assert {name: (pytest.approx(term.value.item(), abs=1e-4), term.weight) for name, term in terms.items()} == expected
    assert total_loss(terms).item() == pytest.approx(sum(value * weight for value, weight in expected.values()), abs=1e-4)


def test_motion_and_discriminator_can_be_left_out():
    frames = torch.zeros(1, 1, 16, 16)
    terms = losses.generator_terms(TINY.replace(motion_weight=0), frames, frames, frames, None)
    assert list(terms) == ["intensity", "gradient", "similarity"]


def test_the_discriminator_wants_real_at_1_and_predicted_at_0():
    assert losses.discriminator_loss(torch.ones(3), torch.zeros(3)).item() == 0
    assert losses.discriminator_loss(torch.tensor([0.0]), torch.tensor([0.5])).item() == pytest.approx((1 + 0.25) / 2)


# --- frames -------------------------------------------------------------------------------------------
def test_all_frames_are_kept_where_memory_allows(greys):
    data = training_frames(greys, greys.videos.records[:2], TINY, seed=0)
    assert data.frames.shape == (63, 1, 16, 16)
    np.testing.assert_array_equal(numbers(data.frames.numpy()), np.arange(63))
    # no window lies across two videos
    np.testing.assert_array_equal(data.starts, [*range(36), *range(40, 59)])
    np.testing.assert_array_equal(data.owners, [0] * 36 + [1] * 19)


def test_every_second_frame(greys):
    data = training_frames(greys, greys.videos.records[:2], TINY.replace(frame_stride=2), seed=0)
    np.testing.assert_array_equal(numbers(data.frames.numpy()), [*range(0, 40, 2), *range(40, 63, 2)])


def test_beyond_the_bound_excerpts_are_kept(tmp_path):
    settings = TINY.replace(side=256, widths=(2,), memory_mb=1)  # 16 frames: three windows
    videos = {f"v{i}": grey_frames(n, first) for i, (n, first) in enumerate([(30, 0), (4, 30), (20, 34), (8, 54)])}
    dataset = make_dataset(tmp_path, videos)
    firsts = set()
    for seed in range(6):
        data = training_frames(dataset, dataset.videos.records, settings, seed)
        assert data.frames.shape == (15, 1, 256, 256)
        np.testing.assert_array_equal(data.starts, [0, 5, 10])
        found = numbers(data.frames.numpy()).reshape(3, 5)
        np.testing.assert_array_equal(found - found[:, :1], np.tile(np.arange(5), (3, 1)))  # successive frames
        for row, owner in zip(found, data.owners):  # of one video, which is long enough
            first = [0, 30, 34, 54][owner]
            assert first <= row[0] <= row[-1] < first + len(videos[f"v{owner}"])
        firsts.add(tuple(found[:, 0]))
    assert len(firsts) > 1


def test_a_video_that_ends_early_gives_the_windows_that_it_has(greys):
    records = [VideoRecord("b", "train", ("Normal",), 30)]  # 23 in truth
    data = training_frames(greys, records, TINY, seed=0)
    np.testing.assert_array_equal(data.starts, np.arange(19))
    with pytest.raises(DataError, match="of at least 25 frames, got none"):
        training_frames(greys, records, TINY.replace(context=12), seed=0)


def test_colour_frames(greys):
    frame = np.zeros((32, 48, 3), dtype=np.uint8)
    frame[..., 0] = 200
    reduced = reduced_frame(frame, TINY.replace(channels=3))
    assert reduced.shape == (3, 16, 16)
    assert reduced[:, 0, 0].tolist() == [200, 0, 0]


# --- training -----------------------------------------------------------------------------------------
def make_learner(dataset, records, settings, seed=0) -> fusion_gan.FusionGANLearner:
    torch.manual_seed(seed)
    run = RunSettings(
        variant="fusion-gan",
        method="fusion-gan",
        title="",
        options=settings.model_dump(mode="json"),
        train=TrainSettings(seed=seed),
    )
    return fusion_gan.FusionGANLearner(run, dataset, records)


def trained(dataset, settings, seed=0, records=None) -> tuple[fusion_gan.FusionGANLearner, list[dict[str, float]]]:
    """A learner after all its steps, and the rows of its log."""
    learner = make_learner(dataset, records or dataset.videos.split("train"), settings, seed)
    rows = []
    for index in range(learner.num_steps):
        rows.append(learner.step(index))
        check_finite("fusion-gan", index + 1, rows[-1], learner.videos)
    return learner, rows


def test_only_normal_videos_are_read(greys):
    (greys.folder / "videos" / "bad.mp4").unlink()
    learner, rows = trained(greys, TINY)
    assert [record.name for record in learner.normal] == ["a", "b"]
    assert len(rows) == learner.num_steps == learner.eval_every == 4
    terms = [f"loss/{name}" for name in ("intensity", "gradient", "similarity", "motion", "adversarial")]
    assert {"loss", "discriminator", *terms} <= set(rows[0])
    assert all(np.isfinite(value) for row in rows for value in row.values())


def test_without_adversarial_weight_there_is_no_discriminator(greys):
    _, rows = trained(greys, TINY.replace(adversarial_weight=0))
    assert not {"discriminator", "loss/adversarial"} & set(rows[0])


def test_the_same_seed_gives_the_same_bytes(greys):
    def scores(seed):
        learner, _ = trained(greys, TINY, seed)
        return learner.snippet_scores(greys.videos.split("test"))["t"]["score"].tobytes()

    assert scores(1) == scores(1) != scores(2)


def test_a_learner_goes_on_from_its_state(greys):
    whole, rows = trained(greys, TINY)
    half = make_learner(greys, greys.videos.split("train"), TINY)
    for index in range(2):
        half.step(index)
    other = make_learner(greys, greys.videos.split("train"), TINY, seed=5)
    other.seed = 0
    other.load_state(half.state())
    assert [other.step(index) for index in (2, 3)] == rows[2:]
    for name, weight in whole.weights().items():
        assert torch.equal(weight, other.weights()[name]), name


def test_it_goes_through_the_loop_of_all_methods(tmp_path):
    """Evaluated at its end only; stopped, it goes on; its weights can be loaded and score as before."""
    names = ("n1", "n2", "a1", "a2", "n3", "a3")
    videos = {name: grey_frames(24, first=place) for place, name in enumerate(names)}
    made = make_dataset(tmp_path / "data", videos, abnormal=("a1", "a2", "a3"), test=("n3", "a3"))
    contract = FeatureContract(backbone="noise", dimension=2, crops=("centre",), dtype="float32")
    arrays = ((name, np.zeros((1, 2, 2), np.float32)) for name in names)
    dataset = dataclasses.replace(made, store=FeatureStore.write(tmp_path / "data" / "store", contract, arrays))
    write_video_csv(dataset.folder / "videos.csv", dataset.videos)
    train = TrainSettings(validation_fraction=0.5, checkpoint_every=2, seed=3)
    options = TINY.replace(steps=5).model_dump(mode="json")
    run = RunSettings(variant="fusion-gan", method="fusion-gan", title="", options=options, train=train)
    assert train_run(run, dataset, None, tmp_path / "whole", progress=False)
    log = RunInFolder(tmp_path / "whole").log()
    assert log["step"].tolist() == [1, 2, 3, 4, 5]
    assert log["test/auc"].notna().tolist() == [False] * 4 + [True]

    key = run_key(run, dataset, None)
    stopped = Trainer(run, dataset, learner_maker(run), tmp_path, key)
    stopped.learner.num_steps = 3
    stopped.run()
    resumed = Trainer(run, dataset, learner_maker(run), tmp_path, key)
    outcome = resumed.run()
    assert resumed.rows[0]["step"] == 1 and len(outcome.log) == 5
    whole = RunInFolder(tmp_path / "whole")
    assert all(torch.equal(weight, outcome.weights[name]) for name, weight in whole.weights().items())
    again = learner_maker(run)(run, dataset, ())
    again.load_weights(whole.weights())
    scores = again.snippet_scores(dataset.videos.split("test"))
    assert np.array_equal(np.concatenate([value["score"] for value in scores.values()]), whole.scores()["score"])


# --- scoring ------------------------------------------------------------------------------------------
def test_psnr_by_hand():
    torch.testing.assert_close(scoring.psnr(torch.tensor([4.0, 0.4, 0.004])), torch.tensor([0.0, 10.0, 30.0]))
    assert scoring.psnr(torch.zeros(1)).item() == pytest.approx(96.02, abs=0.01)


def test_scores_are_stretched_to_the_whole_range():
    np.testing.assert_allclose(scoring.normalised(np.array([32.0, 30.0, 28.0, 31.0])), [0, 0.5, 1, 0.25])


def test_rounding_is_not_stretched():
    assert scoring.normalised(np.array([30.0, 30.0000004, 30.0])).tolist() == [0, 0, 0]
    assert scoring.normalised(np.array([30.0])).tolist() == [0]


def test_frames_without_a_score_copy_the_nearest():
    found = scoring.spread(np.array([0.1, 0.2, 0.3]), 16, first=2, frame_stride=2)  # frames 4, 6 and 8
    np.testing.assert_allclose(found, [0.1] * 6 + [0.2] * 2 + [0.3] * 8)
    found = scoring.spread(np.array([0.1, 0.2]), 9, first=1, frame_stride=3)  # frames 3 and 6
    np.testing.assert_allclose(found, [0.1] * 5 + [0.2] * 4)


def test_snippets_are_means_of_their_own_frames():
    frames = np.concatenate([np.zeros(16), np.ones(8), np.zeros(8), np.full(3, 0.25)])
    found = scoring.snippet_means(frames)
    assert found.dtype == np.float32
    assert found.tolist() == [0, 0.5, 0.25]


@pytest.mark.parametrize("frame_stride", [1, 2])
def test_streaming_in_chunks_is_scoring_all_windows(greys, generator, frame_stride):
    """Chunks smaller than the context, and one chunk for all, give what every window by itself gives."""
    path = greys.folder / "videos" / "t.mp4"
    frames = np.stack([reduced_frame(frame, TINY) for frame in read_frames(path)])[::frame_stride]
    frames = torch.from_numpy(frames).float() / 127.5 - 1
    with torch.inference_mode():
        windows = torch.stack([frames[start : start + 5] for start in range(len(frames) - 4)])
        error = (generator(windows[:, [0, 1, 3, 4]]) - windows[:, 2]).square().mean(dim=(1, 2, 3))
    for batch in (1, 3, 100):
        generator.settings = TINY.replace(scoring_batch=batch, frame_stride=frame_stride)
        found, num_frames = scoring.predicted_psnr(generator, path)
        assert num_frames == 37
        np.testing.assert_allclose(found, scoring.psnr(error).numpy(), atol=1e-3)


def test_chunks_are_bounded(greys):
    settings = TINY.replace(scoring_batch=4, frame_stride=3)
    found = [(len(chunk), covered) for chunk, covered in scoring._chunks(greys.folder / "videos" / "t.mp4", settings)]
    assert found == [(4, 12), (4, 12), (4, 12), (1, 1)]


def test_scores_have_one_value_per_snippet(greys, generator):
    scores = scoring.score_videos(generator, greys, greys.videos.records)
    assert {name: len(values) for name, values in scores.items()} == {"a": 3, "b": 2, "bad": 2, "t": 3}
    for values in scores.values():
        assert values.dtype == np.float32
        assert 0 <= values.min() < values.max() <= 1


def test_a_constant_or_very_short_video_scores_zero(tmp_path, generator):
    dataset = make_dataset(tmp_path, {"constant": grey_frames(1) * 40, "short": grey_frames(4)})
    scores = scoring.score_videos(generator, dataset, dataset.videos.records)
    assert scores["constant"].tolist() == [0, 0, 0]
    assert scores["short"].tolist() == [0]


def test_an_appearing_square_is_found(tmp_path):
    """Static scenes in training; in one test video a square jumps about during the fourth of eight snippets."""
    rng = np.random.default_rng(3)

    def scene() -> np.ndarray:
        coarse = rng.integers(60, 160, size=(6, 8, 1), dtype=np.uint8)
        return np.repeat(np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8)), 3, axis=2)

    def film(count: int, square: range = range(0)) -> list[np.ndarray]:
        background, frames = scene(), []
        for number in range(count):
            frame = np.clip(background + rng.normal(0, 2, background.shape), 0, 255).astype(np.uint8)
            if number in square:
                top, left = rng.integers(0, 32), rng.integers(0, 48)
                frame[top : top + 14, left : left + 14] = 250
            frames.append(frame)
        return frames

    videos = {f"train{i}": film(24) for i in range(6)} | {"square": film(128, range(48, 64)), "empty": film(64)}
    dataset = make_dataset(tmp_path, videos, abnormal=("square",), test=("square", "empty"))
    settings = networks.SMOKE.replace(frame_stride=2, steps=40)
    learner, rows = trained(dataset, settings)
    assert rows[-1]["loss/intensity"] < rows[0]["loss/intensity"] / 2
    scores = scoring.score_videos(learner.generator, dataset, dataset.videos.split("test"))
    assert scores["square"].argmax() == 3
    others = np.delete(scores["square"], [2, 3, 4])  # neighbours have the square in their frames' context
    assert scores["square"][3] > others.max() + 0.3


# --- errors -------------------------------------------------------------------------------------------
def test_features_without_videos_are_refused(planted_folder):
    from vad_lib.data.dataset import load_dataset

    dataset = load_dataset(planted_folder)
    with pytest.raises(DataError, match="this row needs the videos themselves"):
        trained(dataset, TINY)
    with pytest.raises(DataError, match="this row needs the videos themselves"):
        scoring.score_videos(networks.Generator(TINY), dataset, dataset.videos.split("test"))


def test_a_missing_video_is_named(greys):
    (greys.folder / "videos" / "a.mp4").unlink()
    for read in (
        lambda: training_frames(greys, greys.videos.records[:2], TINY, seed=0),
        lambda: scoring.score_videos(networks.Generator(TINY), greys, greys.videos.records[:2]),
    ):
        with pytest.raises(MissingFileError, match="a: no such video"):
            read()


@pytest.mark.parametrize(("videos", "settings"), [(["bad"], {}), (["a", "b"], {"context": 20}), (["a"], {"frame_stride": 13})])
def test_normal_videos_must_be_there_and_long_enough(greys, videos, settings):
    records = [record for record in greys.videos.records if record.name in videos]
    with pytest.raises(DataError, match="needs normal training videos of at least"):
        trained(greys, TINY.replace(**settings), records=records)


def test_a_loss_that_is_not_finite_names_step_and_videos(greys):
    with pytest.raises(
        TrainingError,
        match=r"fusion-gan, step \d+: (loss/\w+|discriminator) is (nan|inf), expected a finite number. Videos of the batch: a",
    ):
        trained(greys, TINY.replace(lr=1e30), records=greys.videos.records[:1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": 18, "widths": (2, 3, 4)}, "side must be a multiple of 4"),
        ({"widths": (2, 0)}, "widths must be positive"),
        ({"widths": ()}, "widths"),
        ({"side": 1024, "memory_mb": 4}, "memory_mb must hold one window of 5 frames"),
        ({"channels": 2}, "channels"),
        ({"side": 8}, "side"),
        ({"colour": 1}, "colour"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        TINY.replace(**changes)
