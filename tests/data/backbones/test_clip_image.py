"""CLIP features of snippets: open_clip's own numbers, crop by crop, and stores that nobody takes for I3D's."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from vad_lib.config import FeatureSettings
from vad_lib.data import extraction, video, video_writing
from vad_lib.data import snippets as data_snippets
from vad_lib.data.annotations import VideoList, VideoRecord, write_video_csv
from vad_lib.data.backbones import clip_image
from vad_lib.data.backbones.clip_image import load_clip_image
from vad_lib.data.backbones.clip_weights import PUBLISHED, find_weights
from vad_lib.data.dataset import load_dataset
from vad_lib.data.extraction import extract_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.storage.hashing import content_hash, file_sha256

PATCHES = {"clip-vit-b-16": 16, "clip-vit-b-32": 32}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Videos of 64 x 80 pixels: 37 frames, so three snippets, the last one not full; and 16."""
    folder = tmp_path_factory.mktemp("videos")
    for name, count in (("a", 37), ("b", 16)):
        generator = np.random.default_rng(ord(name))
        frames = [np.kron(generator.integers(0, 255, (8, 10, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(count)]
        video_writing.write_video(folder / f"{name}.mp4", frames, fps=25)
    return folder


def settings(weights, name="clip-vit-b-32", **changes):
    values = {"short_side": 64, "crop_size": 64, "num_crops": 1, "batch_size": 3, "dtype": "float32"} | changes
    return FeatureSettings(backbone=name, weights=str(weights), **values)


def expected_features(model, frames, pixels=64):
    """open_clip's own transform and tower, frame by frame."""
    import open_clip

    transform = open_clip.image_transform(pixels, is_train=False)
    return torch.cat([model.encode_image(transform(Image.fromarray(frame))[None]) for frame in frames]).numpy()


# --- the tower --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PATCHES)
def test_features_are_open_clip_s_own(small_clip, name):
    model, path = small_clip(PATCHES[name])
    network = load_clip_image(name, "middle", path)
    assert (network.backbone, network.dimension, network.pixels) == (f"{name}-middle", 16, 64)
    assert network.weights_note == f"own CLIP weights tiny-{PATCHES[name]}.safetensors"
    frames = np.random.default_rng(1).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    found = network(data_snippets.network_input(frames[:, None])).numpy()
    np.testing.assert_allclose(found, expected_features(model, frames), rtol=1e-4, atol=1e-5)
    assert (abs(np.linalg.norm(found, axis=1) - 1) > 0.1).all()  # not normalised


def test_several_frames_give_the_mean_of_their_features(small_clip):
    network = load_clip_image("clip-vit-b-32", "mean", small_clip(32)[1])
    snippets = data_snippets.network_input(np.random.default_rng(2).integers(0, 255, (2, 16, 64, 64, 3), dtype=np.uint8))
    one_by_one = torch.stack([network(snippets[:, :, [frame]]) for frame in range(16)])
    torch.testing.assert_close(network(snippets), one_by_one.mean(dim=0), rtol=1e-4, atol=1e-5)


def seen_by_tower(network, frame, short_side):
    seen = []
    hook = network.tower.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    size = data_snippets.resized_size(*frame.shape[:2], short_side, network.pixels)
    network(data_snippets.network_input(data_snippets.crop_views(network.resize(frame, *size)[None], network.pixels, 1)))
    hook.remove()
    return seen[0][0]


@pytest.mark.parametrize("size", [(240, 360), (360, 240), (448, 600), (100, 150), (224, 298)])
def test_pixels_are_prepared_as_open_clip_does(small_clip, size):
    import open_clip

    network = load_clip_image("clip-vit-b-32", "middle", small_clip(32, 224)[1])
    frame = np.random.default_rng(3).integers(0, 255, (*size, 3), dtype=np.uint8)  # noise: the hardest case for a resizer
    ours = seen_by_tower(network, frame, short_side=224)
    theirs = open_clip.image_transform(224, is_train=False)(Image.fromarray(frame))
    difference = (ours - theirs).abs()
    level = 1 / 255 / min(clip_image.STD)
    assert difference.max() <= 2.01 * level and difference.mean() < 0.2 * level
    # what I3D's frames are resized with is something else
    other = data_snippets.resize_frame(frame, *data_snippets.resized_size(*size, 224, 224))
    if other is not frame:
        crop = data_snippets.crop_views(other[None], 224, 1)[0, 0].astype(int)
        back = (theirs * torch.tensor(clip_image.STD).view(3, 1, 1) + torch.tensor(clip_image.MEAN).view(3, 1, 1)) * 255
        assert np.abs(crop - back.permute(1, 2, 0).numpy()).mean() > 2


def test_a_side_that_does_not_come_out_even_differs_by_less_than_a_pixel(small_clip):
    model, path = small_clip(32, 224)
    network = load_clip_image("clip-vit-b-32", "middle", path)
    rows, columns = np.mgrid[:240, :320]
    frame = np.stack([rows, columns * 0.7, 120 + 100 * np.sin(columns / 20)], axis=-1).astype(np.uint8)
    ours = network.tower(seen_by_tower(network, frame, short_side=224)[None])  # 224 x 299 here, 224 x 298 there
    theirs = torch.from_numpy(expected_features(model, [frame], 224))
    assert torch.nn.functional.cosine_similarity(ours, theirs) > 0.999


# --- extraction -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PATCHES)
def test_middle_frame_and_mean_of_frames_by_hand(small_clip, videos, tmp_path, name):
    model, path = small_clip(PATCHES[name])
    frames = list(video.read_frames(videos / "a.mp4"))
    each = expected_features(model, frames)
    for choice, expected in (
        ("middle", each[[8, 24, 36]]),  # the last frame stands for frame 40, which is not there
        ("mean", np.stack([each[:16].mean(0), each[16:32].mean(0), (each[32:36].sum(0) + 12 * each[36]) / 16])),
    ):
        report = extract_dataset(videos, ["a", "b"], tmp_path / choice, settings(path, name, clip_frames=choice), progress=False)
        store = report.store
        assert report.done == ("a", "b")
        np.testing.assert_allclose(store.snippets("a")[0], expected, rtol=1e-3, atol=1e-4)
        assert (store.num_snippets("b"), store.dimension, store.contract.backbone) == (1, 16, f"{name}-{choice}")
        assert (store.contract.short_side, store.contract.crop_size, store.contract.stride) == (64, 64, 16)


@pytest.mark.parametrize("crops", [5, 10])
def test_crops_are_those_of_i3d(small_clip, videos, tmp_path, crops):
    model, path = small_clip(32)
    asked = settings(path, num_crops=crops, batch_size=7)
    store = extract_dataset(videos, ["a"], tmp_path / "store", asked, progress=False).store
    assert store.contract.crops == data_snippets.CROP_NAMES[crops]
    frame = list(video.read_frames(videos / "a.mp4"))[24]  # 64 x 80: corners differ sideways only
    views = [frame[:, 8:72], frame[:, :64], frame[:, 16:], frame[:, :64], frame[:, 16:]]
    views += [view[:, ::-1] for view in views] if crops == 10 else []
    np.testing.assert_allclose(store.snippets("a")[:, 1], expected_features(model, views), rtol=1e-3, atol=1e-4)


def test_float16_is_rounded_float32(small_clip, videos, tmp_path):
    path = small_clip(16)[1]
    stores = [
        extract_dataset(videos, ["b"], tmp_path / dtype, settings(path, "clip-vit-b-16", dtype=dtype), progress=False).store
        for dtype in ("float32", "float16")
    ]
    assert [store.snippets("b").dtype for store in stores] == [np.float32, np.float16]
    np.testing.assert_array_equal(stores[0].snippets("b").astype(np.float16), stores[1].snippets("b"))


@pytest.mark.slow
def test_several_processes_a_bad_video_and_resuming(small_clip, videos, tmp_path):
    asked = settings(small_clip(32)[1])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as workers have
    try:
        alone = extract_dataset(videos, ["a", "b", "gone"], tmp_path / "alone", asked, progress=False)
        together = extract_dataset(videos, ["a", "b", "gone"], tmp_path / "together", asked, progress=False, jobs=2)
    finally:
        torch.set_num_threads(threads)
    assert alone.store.content_hash == together.store.content_hash
    assert list(alone.failures) == list(together.failures) == ["gone"]
    again = extract_dataset(videos, ["a", "b"], tmp_path / "alone", asked, progress=False)
    assert (again.done, again.skipped) == ((), ("a", "b"))
    # features of another making are not kept
    mean = extract_dataset(videos, ["a", "b"], tmp_path / "alone", asked.replace(clip_frames="mean"), progress=False)
    assert mean.done == ("a", "b")


def test_crops_that_clip_cannot_take(small_clip, videos, tmp_path):
    with pytest.raises(ConfigError, match="crop_size 48: clip-vit-b-32 takes squares of 64 pixels; set crop_size"):
        extract_dataset(videos, ["a"], tmp_path / "store", settings(small_clip(32)[1], crop_size=48))
    assert not (tmp_path / "store").exists()


# --- contracts --------------------------------------------------------------------------------------
def test_clip_features_are_not_taken_for_others(small_clip, videos, tmp_path):
    store = extract_dataset(videos, ["b"], tmp_path, settings(small_clip(32)[1]), progress=False).store
    for wanted in ("i3d-kinetics400", "clip-vit-b-16-middle", "clip-vit-b-32-mean"):
        with pytest.raises(DataError, match=f"backbone of the features is 'clip-vit-b-32-middle', expected '{wanted}'"):
            FeatureStore.open(tmp_path, expect={"backbone": wanted})
    assert FeatureStore.open(tmp_path, expect={"backbone": "clip-vit-b-32-middle"}).content_hash == store.content_hash


def test_contracts_of_i3d_features_are_what_they_were():
    """A run finds its features by this hash, also where they were extracted before CLIP's were known."""
    contract = FeatureContract(
        weights_sha256="ab" * 32,
        short_side=256,
        crop_size=224,
        crops=data_snippets.CROP_NAMES[10],
        source="extracted by vad_lib from the data set's videos",
    )
    assert content_hash(contract.model_dump(mode="json")) == "767e9a77d59f2e4a9526d03ff82f48b3df4c451c9515eaac07da88aa95142886"


# --- weights ----------------------------------------------------------------------------------------
@pytest.mark.slow
def test_random_weights_are_seeded_and_say_so(tmp_path):
    one, other = (load_clip_image("clip-vit-b-32", "middle", "random") for _ in range(2))
    assert (one.dimension, one.pixels, one.weights_note) == (512, 224, "random CLIP weights")
    assert one.weights_sha256 == other.weights_sha256
    before = torch.get_rng_state()
    load_clip_image("clip-vit-b-32", "middle", "random")
    assert torch.equal(before, torch.get_rng_state())


def test_a_file_of_the_other_model_is_refused(small_clip):
    with pytest.raises(DataError, match=r"tiny-16.*expected the image tower of ViT-B/32, with patches of 32 pixels, got .* of 16"):
        load_clip_image("clip-vit-b-32", "middle", small_clip(16)[1])


def test_files_that_are_no_clip_image_tower(small_clip, tmp_path):
    whole = load_file(small_clip(32)[1])
    files = {
        "text": ({name: value for name, value in whole.items() if not name.startswith("visual.")}, "ViT as image tower"),
        "resnet": (
            {"visual.conv1.weight": torch.ones(4, 3, 3, 3), "visual.attnpool.positional_embedding": torch.ones(5, 4)},
            "ViT",
        ),
        "part": ({name: value for name, value in whole.items() if name != "visual.ln_post.bias"}, r"ln_post\.bias"),
        "nan": ({**whole, "visual.proj": whole["visual.proj"] * float("nan")}, r"visual\.proj holds NaN"),
    }
    for name, (state, message) in files.items():
        save_file(state, tmp_path / f"{name}.safetensors")
        with pytest.raises(DataError, match=message):
            load_clip_image("clip-vit-b-32", "middle", tmp_path / f"{name}.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(small_clip(32)[1].read_bytes()[:5000])
    with pytest.raises(DataError, match="cannot be read safely"):
        load_clip_image("clip-vit-b-32", "middle", tmp_path / "cut.safetensors")
    with pytest.raises(MissingFileError, match=r"none\.pt: no such CLIP checkpoint; expected 'openai', 'random', or the path"):
        load_clip_image("clip-vit-b-32", "middle", tmp_path / "none.pt")


def test_a_state_dict_of_torch_save_is_the_same(small_clip, tmp_path):
    model, path = small_clip(32)
    torch.save({"state_dict": {f"module.{name}": value for name, value in model.state_dict().items()}}, tmp_path / "own.pt")
    one, other = (load_clip_image("clip-vit-b-32", "middle", file) for file in (path, tmp_path / "own.pt"))
    assert one.weights_sha256 == other.weights_sha256


@pytest.mark.parametrize(("name", "size"), [("clip-vit-b-16", 599), ("clip-vit-b-32", 605)])
def test_without_weights_nothing_is_extracted_and_the_fix_is_said(unreachable_hub, videos, tmp_path, name, size):
    message = rf"CLIP ViT-B/{PATCHES[name]} weights: not in .*download open_clip_model\.safetensors of {PUBLISHED[name].hub[0]}"
    with pytest.raises(MissingFileError, match=rf"{message} \({size} MB\) and give its path as weights\.$"):
        extract_dataset(videos, ["a"], tmp_path / "store", FeatureSettings(backbone=name))
    assert not (tmp_path / "store").exists()


def test_openai_s_weights_need_no_note(unreachable_hub, small_clip):
    repository, name = PUBLISHED["clip-vit-b-16"].hub
    folder = unreachable_hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / name).write_bytes(small_clip(16)[1].read_bytes())
    assert file_sha256(find_weights("clip-vit-b-16")) == file_sha256(small_clip(16)[1])
    network = load_clip_image("clip-vit-b-16")
    assert (network.weights_note, network.backbone) == ("", "clip-vit-b-16-middle")


# --- the command ------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_command_line_keeps_a_store_for_each_backbone(small_clip, videos, tmp_path, capsys):
    folder = tmp_path / "yard"
    (folder / "videos").mkdir(parents=True)
    for name in ("a", "b"):
        (folder / "videos" / f"{name}.mp4").write_bytes((videos / f"{name}.mp4").read_bytes())
    about = {"name": "yard", "title": "Yard", "categories": ["Normal", "Arson"], "headline_metric": "auc", "fps": 25.0}
    (folder / "dataset.json").write_text(json.dumps({**about, "source": "noise", "synthetic": True}))
    records = (VideoRecord("a", "train", ("Normal",), 37), VideoRecord("b", "train", ("Arson",), 16))
    write_video_csv(folder / "videos.csv", VideoList(("Normal", "Arson"), records))
    common = ["--dataset", "yard", "--data", str(tmp_path), "--profile", "smoke", "--device", "cpu"]
    with pytest.raises(MissingFileError, match=r"store/clip-vit-b-32, found none; .*--backbone clip-vit-b-32` makes it"):
        load_dataset(folder, backbone="clip-vit-b-32")

    assert extraction.main([*common, "--weights", "random"]) == 0
    of_i3d = load_dataset(folder).store.content_hash
    clip = ["--backbone", "clip-vit-b-32", "--weights", str(small_clip(32, 224)[1])]
    assert extraction.main([*common, *clip, "--clip-frames", "mean"]) == 0
    store = load_dataset(folder, expect={"dimension": 16}, backbone="clip-vit-b-32").store
    contract = store.contract
    assert (contract.backbone, contract.short_side, contract.crop_size) == ("clip-vit-b-32-mean", 224, 224)
    assert load_dataset(folder).store.content_hash == of_i3d
    with pytest.raises(MissingFileError, match=r"store/5-crops, found none; .*--dataset yard --crops 5` makes it"):
        load_dataset(folder, crops=5)
    assert extraction.main([*common, "--weights", "random", "--crops", "5"]) == 0
    assert load_dataset(folder, crops=5).store.num_crops == 5 and load_dataset(folder).store.num_crops == 1
    capsys.readouterr()

    # I3D's store written again leaves the others alone, and each finds its own
    assert extraction.main([*common, "--weights", "random"]) == 0
    assert extraction.main([*common, *clip, "--clip-frames", "mean"]) == 0
    assert capsys.readouterr().out.count("0 videos extracted, 2 were there already") == 2
    assert load_dataset(folder, backbone="clip-vit-b-32").store.content_hash == store.content_hash
    assert load_dataset(folder, crops=5).store.num_crops == 5
    assert extraction.main([*common, "--backbone", "clip-vit-b-16", "--weights", str(tmp_path / "none.pt")]) == 1
    assert "error: " in capsys.readouterr().err
