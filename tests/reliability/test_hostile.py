"""Files that were made to do harm: pickles that run code, names and links that lead elsewhere, headers that claim terabytes."""

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vad_lib import config
from vad_lib.config import FeatureSettings, SyntheticSettings, TrainSettings
from vad_lib.data import extraction, prompts, synthetic, video, video_files, video_writing
from vad_lib.data.annotations import read_video_csv
from vad_lib.data.backbones import clip_weights, i3d_weights
from vad_lib.data.backbones.clip_image import load_clip_image
from vad_lib.data.dataset import load_dataset
from vad_lib.data.feature_store import FeatureContract, FeatureStore
from vad_lib.data.importing import discover, findings, import_record, public_lists, write
from vad_lib.data.importing import settings as importing_settings
from vad_lib.data.importing.layouts import files_below, walk
from vad_lib.data.synthetic import render
from vad_lib.errors import DataError, MissingFileError
from vad_lib.runner import manifest
from vad_lib.runs import trained_model, trainer
from vad_lib.runs.checkpoint import CHECKPOINT
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import read_array, read_arrays, read_json
from vad_lib.storage.safe_names import LINKS_VARIABLE, plain_name
from vad_lib.storage.writing import partial_folder, write_json

OWN = importing_settings.ImportSettings(dataset="mine", dimension=4)
VIDEOS = (
    "video,split,category,n_frames,intervals\na,train,Normal,32,\nb,test,Arson,32,0-9\n"
    "c,train,Normal,32,\nd,train,Arson,32,\ne,train,Arson,32,\n"
)
needs_links = pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="needs links")


@pytest.fixture(autouse=True)
def _links_are_not_allowed(monkeypatch):
    monkeypatch.delenv(LINKS_VARIABLE, raising=False)


def own_folder(folder: Path, **arrays: np.ndarray) -> Path:
    (folder / "features").mkdir(parents=True)
    (folder / "videos.csv").write_text(VIDEOS)
    for number, name in enumerate("abcde"):
        np.save(folder / "features" / f"{name}.npy", arrays.get(name, np.arange(8, dtype=np.float32).reshape(2, 4) + number))
    return folder


def checked(folder: Path, settings: importing_settings.ImportSettings = OWN) -> None:
    """All that a check finds wrong, raised."""
    findings.refuse_errors(discover.check_source(folder, settings, progress=False))


# --- pickles ------------------------------------------------------------------------------------------
class Trap:
    """Unpickling an instance would make a file."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = str(sprung)

    def __reduce__(self):
        return open, (self.sprung, "w")


def as_array(trap: Trap) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([trap, 1], dtype=object), allow_pickle=True)
    return stream.getvalue()


def as_archive(trap: Trap) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.array([trap], dtype=object))
    return stream.getvalue()


def as_checkpoint(trap: Trap) -> bytes:
    stream = io.BytesIO()
    torch.save({"state_dict": {"conv1.weight": trap, "visual.conv1.weight": torch.ones(1)}}, stream)
    return stream.getvalue()


def as_old_checkpoint(trap: Trap) -> bytes:
    stream = io.BytesIO()
    torch.save(trap, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def as_torchscript(trap: Trap) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("data.pkl", "constants.pkl"):
            archive.writestr(f"model/{name}", pickle.dumps(trap))
        archive.writestr("model/version", "3\n")
    return stream.getvalue()


MAKERS = (pickle.dumps, as_array, as_archive, as_checkpoint, as_old_checkpoint, as_torchscript)


def a_run(planted_folder: Path, folder: Path) -> Path:
    dataset = load_dataset(planted_folder)
    train = TrainSettings(steps=1, eval_every=1, batch_size=2, num_segments=2, validation_fraction=0.3)
    settings = config.RunSettings(variant="ur-dmu", method="ur-dmu", title="UR-DMU", width=16, train=train)
    trainer.train_run(settings, dataset, None, folder / "seed1", progress=False)
    return folder / "seed1"


def test_the_payloads_would_run(tmp_path):
    for maker in (pickle.dumps, as_array):
        content = maker(Trap(tmp_path / maker.__name__))
        pickle.Unpickler(io.BytesIO(content[content.index(b"\x80") :])).load()
        assert (tmp_path / maker.__name__).exists()


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_no_loader_runs_a_pickle(tmp_path, planted_folder, maker, monkeypatch):
    sprung = tmp_path / "sprung"
    content = maker(Trap(sprung))
    tried = []

    def refused(name: str, load) -> None:
        tried.append(name)
        with pytest.raises((DataError, MissingFileError)):
            load()
        assert not sprung.exists(), f"{name} has run it"

    path = tmp_path / "a.npy"
    path.write_bytes(content)
    refused("array", lambda: read_array(path))
    refused("memory map", lambda: read_array(path, mmap=True))
    refused("arrays", lambda: read_arrays(path))
    refused("text features", lambda: prompts.text_features("file", ("Normal", "Arson"), file=path))

    source = own_folder(tmp_path / "mine")
    (source / "features" / "a.npy").write_bytes(content)
    refused("feature files", lambda: checked(source))
    refused("import", lambda: write.import_dataset(source, None, OWN, progress=False))

    contract = FeatureContract(backbone="noise", dimension=4, crops=("centre",), dtype="float32")
    store = FeatureStore.write(tmp_path / "store", contract, [("a", np.ones((1, 2, 4), np.float32))])
    sidecar = read_json(store.folder / "store.json")
    for part in ("data", "index"):
        file = store.folder / sidecar[part]["file"]
        good = file.read_bytes()
        file.write_bytes(content)
        write_json(store.folder / "store.json", sidecar | {part: {**sidecar[part], "sha256": file_sha256(file)}})
        refused(f"store, {part}", lambda: FeatureStore.open(store.folder))
        file.write_bytes(good)

    for suffix in (".pt", ".pth", ".safetensors", ".npy"):
        weights = tmp_path / f"weights{suffix}"
        weights.write_bytes(content)
        refused(f"I3D {suffix}", lambda weights=weights: i3d_weights.load_i3d(weights))
        refused(f"CLIP {suffix}", lambda weights=weights: clip_weights.read_tower(weights, "text"))
        refused(f"CLIP images {suffix}", lambda weights=weights: load_clip_image("clip-vit-b-16", weights=weights))
        refused(f"CLIP texts {suffix}", lambda weights=weights: prompts.text_features("clip", ("Normal",), weights=weights))
    monkeypatch.setenv("VAD_CACHE", str(tmp_path / "cache"))
    cached = tmp_path / "cache" / "i3d_rgb_kinetics400.safetensors"
    cached.parent.mkdir()
    cached.write_bytes(content)
    refused("I3D cache", lambda: i3d_weights.load_i3d("kinetics400"))
    assert prompts._read_cached(cached) is None

    run = a_run(planted_folder, tmp_path / "runs")
    whole = (run / "weights.safetensors").read_bytes()
    (run / "weights.safetensors").write_bytes(content)
    refused("run", lambda: trained_model.load_model(run))
    partial = partial_folder(run)
    run.rename(partial)
    (partial / "metrics.json").unlink()
    (partial / CHECKPOINT).write_bytes(content)
    assert a_run(planted_folder, tmp_path / "runs") == run  # a damaged checkpoint is not used
    assert (run / "weights.safetensors").read_bytes() == whole
    assert not sprung.exists()
    assert len(tried) == 26


# --- names that lead elsewhere ------------------------------------------------------------------------
OUTSIDE = ["../secret", "..", ".", "/etc/hostname", "a/b", "a\\b", "..\\secret", "C:secret", "a\0b", "a\nb", "\ud800", ""]


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_in_a_list_are_names_only(tmp_path, name):
    assert not plain_name(name)
    with pytest.raises(DataError):
        video_files.find_video(tmp_path, name)
    with pytest.raises(DataError):
        text = VIDEOS.replace("a,train", f'"{name}",train').encode(errors="surrogatepass")
        (tmp_path / "videos.csv").write_bytes(text)
        read_video_csv(tmp_path / "videos.csv", ("Normal", "Arson"))


@pytest.mark.parametrize(
    "name", ["Abuse028_x264", "v=a__#1_label_B1-0-0", "Bad.Boys.1995__#01-11-55", "Übung 3 (ä)", "…", "日本", "a b"]
)
def test_unusual_names_are_fine(name):
    assert plain_name(name)


@pytest.mark.parametrize("file", ["../secret.npy", "/{outside}/secret.npy", "..", "", 5, None, ["a"]])
@pytest.mark.parametrize("part", ["data", "index"])
def test_a_feature_store_reads_its_own_files_only(tmp_path, part, file):
    contract = FeatureContract(backbone="noise", dimension=4, crops=("centre",), dtype="float32")
    store = FeatureStore.write(tmp_path / "store", contract, [("a", np.ones((1, 2, 4), np.float32))])
    sidecar = read_json(store.folder / "store.json")
    secret = tmp_path / "secret.npy"
    secret.write_bytes((store.folder / sidecar[part]["file"]).read_bytes())
    file = file.format(outside=str(tmp_path).lstrip("/")) if isinstance(file, str) else file
    write_json(store.folder / "store.json", sidecar | {part: {**sidecar[part], "file": file}})
    with pytest.raises((DataError, MissingFileError)):
        FeatureStore.open(store.folder)


@needs_links
def test_a_file_of_a_feature_store_that_is_a_link_out_is_not_read(tmp_path, monkeypatch):
    contract = FeatureContract(backbone="noise", dimension=4, crops=("centre",), dtype="float32")
    store = FeatureStore.write(tmp_path / "store", contract, [("a", np.ones((1, 2, 4), np.float32))])
    data = next(store.folder.glob("snippets-*.npy"))
    data.rename(tmp_path / "secret.npy")
    data.symlink_to(tmp_path / "secret.npy")
    with pytest.raises(DataError, match=rf"leads out of .*store \(to .*secret\.npy\) and is not followed.*{LINKS_VARIABLE}=1"):
        FeatureStore.open(store.folder)
    monkeypatch.setenv(LINKS_VARIABLE, "1")
    assert FeatureStore.open(store.folder).videos == ("a",)


@needs_links
@pytest.mark.parametrize("what", ["file", "folder"])
def test_feature_files_behind_a_link_out_are_not_read(tmp_path, monkeypatch, what):
    folder, secret = own_folder(tmp_path / "mine"), tmp_path / "secret"
    if what == "file":
        (folder / "features" / "a.npy").rename(secret)
        (folder / "features" / "a.npy").symlink_to(secret)
    else:
        secret.mkdir()
        (folder / "features" / "a.npy").rename(secret / "a.npy")
        (folder / "features" / "more").symlink_to(secret)
    with pytest.raises(DataError, match=rf"leads out of .*{LINKS_VARIABLE}=1 if such links are meant"):
        checked(folder)
    with pytest.raises(DataError, match="leads out of"):
        write.import_dataset(folder, tmp_path / "out", OWN, progress=False)
    assert not (tmp_path / "out" / "store").exists()
    monkeypatch.setenv(LINKS_VARIABLE, "1")
    assert not discover.check_source(folder, OWN, progress=False).problems


@needs_links
def test_links_within_the_folder_and_a_linked_data_set_are_fine(tmp_path):
    folder = own_folder(tmp_path / "elsewhere")
    (folder / "features" / "a.npy").rename(folder / "kept.npy")
    (tmp_path / "mine").symlink_to(folder)
    (folder / "features" / "a.npy").symlink_to(folder / "features" / "real.npy")
    (folder / "kept.npy").rename(folder / "features" / "real.npy")
    found = files_below(tmp_path / "mine" / "features", (".npy",))
    assert [file.stem for file in found] == ["a", "b", "c", "d", "e", "real"]


@needs_links
def test_folders_that_link_to_themselves_are_entered_once(tmp_path):
    for number in range(10):
        (tmp_path / f"loop{number}").symlink_to(tmp_path)
        (tmp_path / f"file{number}.npy").touch()
    assert [parent for parent, _ in walk(tmp_path, 6)] == [tmp_path]  # ten links, six deep, would be a million folders
    assert len(files_below(tmp_path, (".npy",))) == 10


@needs_links
def test_pipes_and_dangling_links_are_no_files(tmp_path):
    folder = own_folder(tmp_path / "mine")
    (folder / "features" / "gone.npy").symlink_to("nowhere.npy")
    (folder / "features" / "self.npy").symlink_to("self.npy")
    os.mkfifo(folder / "features" / "pipe.npy")
    assert not discover.check_source(folder, OWN, progress=False).problems
    for reader in (read_array, read_arrays, read_json):
        with pytest.raises(DataError, match="no plain file"):
            reader(folder / "features" / "pipe.npy")


def a_clip(path: Path, colour: int = 90) -> Path:
    video_writing.write_video(path, [np.full((48, 64, 3), colour, np.uint8)] * 16, 25)
    return path


@needs_links
def test_a_video_that_is_a_link_out_is_not_read(tmp_path, monkeypatch):
    secret = a_clip(tmp_path / "secret.mp4")
    for place in ("videos", "videos/Arson"):
        (tmp_path / place).mkdir()
        name = Path(place).name
        (tmp_path / place / f"{name}.mp4").symlink_to(secret)
        with pytest.raises(DataError, match="leads out of"):
            video_files.find_video(tmp_path / "videos", name)
    settings = FeatureSettings(short_side=32, crop_size=32, num_crops=1, weights="random")
    report = extraction.extract_dataset(tmp_path / "videos", ["videos", "../secret"], tmp_path / "store", settings, progress=False)
    assert report.store is None
    assert "leads out of" in report.failures["videos"] and "without folder" in report.failures["../secret"]
    monkeypatch.setenv(LINKS_VARIABLE, "1")
    assert video_files.find_video(tmp_path / "videos", "Arson").is_file()


def test_a_list_that_pretends_to_be_a_video_is_not_played(tmp_path):
    """The decoder would show the neighbour's frames."""
    a_clip(tmp_path / "neighbour.mp4")
    texts = {
        "concat": "ffconcat version 1.0\nfile neighbour.mp4\n",
        "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nneighbour.mp4\n#EXT-X-ENDLIST\n",
        "sdp": "v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.mp4").write_text(text)
    (tmp_path / "picture.mp4").write_bytes(cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes())
    for name in (*texts, "picture"):
        with pytest.raises(DataError, match="cannot be opened"):
            list(video.read_frames(tmp_path / f"{name}.mp4"))


def test_public_lists_are_never_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    np.save(secret / "v=z__#1_label_A.npy", np.ones((2, 4), np.float32))
    (tmp_path / "rgb.list").write_text(f"{secret}/v=z__#1_label_A.npy\nC:\\data\\v=y__#1_label_A.npy\n")
    assert public_lists.read_names(tmp_path / "rgb.list") == ("v=z__#1_label_A", "v=y__#1_label_A")
    (tmp_path / "rgb.list").write_text("../secret/v=z__#1_label_A.npy\n")
    with pytest.raises(DataError, match="a path that leaves the folder is not followed"):
        public_lists.read_names(tmp_path / "rgb.list")


@pytest.mark.parametrize("name", ["../../evil", "/tmp", "a/b", ".."])
def test_the_name_of_a_data_set_leads_nowhere(planted_folder, tmp_path, name):
    """Results are written to a folder of this name."""
    about = read_json(planted_folder / "dataset.json")
    write_json(tmp_path / "dataset.json", about | {"name": name})
    (tmp_path / "videos.csv").write_bytes((planted_folder / "videos.csv").read_bytes())
    with pytest.raises(DataError, match=r"name: .*expected the name of a folder"):
        load_dataset(tmp_path, features=False)


def test_the_ledger_of_rendered_videos_deletes_nothing_outside(tmp_path, monkeypatch):
    precious = tmp_path / "precious.mp4"
    precious.touch()
    folder = tmp_path / "synth-crime"
    write_json(folder / "render.json", {"../../precious": ["key", "hash"], str(precious.with_suffix("")): ["key", "hash"]})
    monkeypatch.setattr(render, "_run", lambda *_: [])
    settings = SyntheticSettings(train_per_category=1, test_per_category=1)
    synthetic.render_dataset("synth-crime", folder, settings, progress=False)
    assert precious.exists()
    assert read_json(folder / "render.json") == {}


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/b", ".hidden"])
def test_a_manifest_names_notebooks_of_its_folder(tmp_path, name):
    fields = {"title": "a", "each_dataset": False, "items": {}, "needs": [], "inputs": [], "outputs": [], "minutes": {}}
    (tmp_path / "manifest.yml").write_text(json.dumps({"datasets": [], "notebooks": {name: fields}}))
    with pytest.raises(DataError, match="notebook: "):
        manifest.read_manifest(tmp_path / "manifest.yml")


def test_the_record_of_an_import_names_two_files_only(tmp_path):
    source = own_folder(tmp_path / "mine")
    write.import_dataset(source, None, OWN, progress=False)
    record = read_json(source / "import.json")
    for name in ("../precious", "/dev/zero", "store/store.json"):
        write_json(source / "import.json", record | {"written": {name: "a"}})
        assert import_record.read_import_record(source) == {}
        assert write.import_dataset(source, None, OWN, progress=False).changed


# --- claims of terabytes ------------------------------------------------------------------------------
def claiming(shape: str, descr: str = "<f4") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(1024)


SHAPES = ["(1000000000000, 1024)", "(4611686018427387904,)", "(2147483648, 2147483648)", "(2, 1000000000000, 4)"]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_array_that_claims_terabytes_is_refused_by_its_header(tmp_path, shape):
    folder = own_folder(tmp_path / "mine")
    content = claiming(shape)
    (folder / "features" / "a.npy").write_bytes(content)
    archive = tmp_path / "a.npz"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.npy", content)
    read_array(folder / "features" / "b.npy")
    tracemalloc.start()
    try:
        for read in (
            lambda: read_array(folder / "features" / "a.npy"),
            lambda: read_array(folder / "features" / "a.npy", mmap=True),
            lambda: checked(folder),
        ):
            with pytest.raises(DataError, match=r"its header (promises [\d,]+ bytes of numbers, there are 1,024|says the shape)"):
                read()
        with pytest.raises(DataError, match=r"its header (promises|says)"):
            read_arrays(archive)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_terabytes_is_refused_by_its_directory(tmp_path):
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.zeros(1000))
    content = stream.getvalue()
    at = content.rindex(b"PK\x01\x02")
    (tmp_path / "a.npz").write_bytes(content[: at + 24] + struct.pack("<I", 2**32 - 16) + content[at + 28 :])
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"its arrays have 4,294,967,280 bytes, more than"):
            read_arrays(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_numbers_of_crops_and_frames_take_no_memory(tmp_path):
    folder = own_folder(tmp_path / "mine")
    for name in "abcde":
        (folder / "features" / f"{name}.npy").write_bytes(claiming("(0, 1000000000000, 4)"))
    (folder / "features" / "a__999999999.npy").write_bytes(claiming("(2, 4)"))
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            checked(folder)
        (folder / "features" / "a__999999999.npy").unlink()
        with pytest.raises(DataError, match="1,000,000,000,000 crops cannot be"):
            checked(folder, OWN.replace(layout="t-n-d"))
        (folder / "videos.csv").write_text(VIDEOS.replace("32", "9" * 15))
        with pytest.raises(DataError, match="expected 1 to 100,000,000 frames"):
            read_video_csv(folder / "videos.csv", ("Normal", "Arson"))
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
