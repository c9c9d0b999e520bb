"""A data set by name, ready to train on: rendered or imported, and its features extracted."""

from vad_lib.config import Profile
from vad_lib.data import extraction, prompts, synthetic
from vad_lib.data.dataset import Dataset, load_dataset
from vad_lib.data.importing import import_record, set_checks, settings, write
from vad_lib.data.prompts import TextFeatures
from vad_lib.errors import DataError
from vad_lib.storage.paths import Layout


def prepare_dataset(
    layout: Layout,
    profile: Profile,
    name: str,
    device: str = "cpu",
    progress: bool = True,
    importing: settings.ImportSettings | None = None,
) -> Dataset:
    """Video -> snippets -> features: render the set if it is a built-in one, import or extract what is missing, open it.

    Args:
        layout: where the data sets lie.
        profile: how to render and to extract.
        name: folder of the data set.
        device: of torch.
        progress: True for bars on a terminal, and a summary.
        importing: how a person's own folder is read; None for the settings of its last import, or the defaults.

    Raises:
        MissingFileError: not a built-in set and no folder of that name; or the weights are missing.
        DataError: videos that cannot be read (all others are extracted first), a folder that cannot be imported, or too few
            videos of a class to train, to validate or to measure.
    """
    folder = layout.dataset(name)
    if name in synthetic.DATASETS:
        synthetic.render_dataset(name, folder, profile.synthetic, progress=progress)
    elif write.prepare_folder(folder, name, importing, progress=progress):
        _check_split(name, load_dataset(folder, features=False))
        return load_dataset(folder)
    dataset = load_dataset(folder, features=False)
    _check_split(name, dataset)
    videos = dataset.videos
    names = [record.name for record in videos.records]
    report = extraction.extract_dataset(
        import_record.videos_folder(folder),
        names,
        layout.features(name, profile.features.backbone),
        profile.features_of(dataset.counterpart),
        device=device,
        progress=progress,
    )
    if report.failures:
        raise DataError(f"{name}: {report}\nMake these videos again, or take them out of videos.csv; the others are done.")
    return load_dataset(folder, backbone=profile.features.backbone)


def _check_split(name: str, dataset: Dataset) -> None:
    """Refuse a data set that cannot be trained on or measured with, before hours go into its features."""
    errors = [str(finding) for finding in set_checks.split_findings(dataset.videos) if finding.level == "error"]
    if errors:
        raise DataError(f"{name}: {' '.join(errors)}")


def dataset_text(profile: Profile, dataset: Dataset) -> TextFeatures:
    """Text features of a data set's categories from the source that the profile names."""
    path = profile.text_file or None
    if profile.text_features == "clip":
        return prompts.text_features("clip", dataset.categories, weights=path)
    return prompts.text_features(profile.text_features, dataset.categories, file=path)
