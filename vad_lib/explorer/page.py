"""The explorer as a page that opens from disk, without a server and without a network."""

import shutil
from pathlib import Path

from vad_lib.explorer.contents import as_json, read_contents, start, web
from vad_lib.report.web_files import as_script, offline_page
from vad_lib.storage.writing import atomic_path, write_text

VIDEOS = "explorer"  # folder beside the page


def write_page(folder: Path, target: Path) -> Path:
    """Write ``explorer.html`` and, beside it, a folder ``explorer`` with the videos.

    Its address may say what is shown at first, such as ``explorer.html#dataset=synth-crime&video=test_Arson_000&threshold=0.7``.

    Args:
        folder: what is shown, made by ``python -m vad_lib.explorer --make``.
        target: folder that gets both; made if missing.

    Returns:
        path of the page.

    Raises:
        MissingFileError, DataError: ``folder`` is not complete.
        OutputError: ``target`` cannot be written.
    """
    contents = read_contents(folder)
    for data in contents.values():
        for video in data.videos:
            with atomic_path(target / VIDEOS / data.file(video.name)) as temporary:
                shutil.copyfile(folder / data.file(video.name), temporary)
    # the module as a plain script: a page from disk may not import modules
    script = web("explorer.js").replace("export default { render };", "") + web("page.js")
    style = web("explorer.css") + web("page.css")
    state = as_script({**start(contents), "data": as_json(contents), "folder": VIDEOS})
    return write_text(target / "explorer.html", offline_page(web("page.html"), style, script, "file: 'self'", {"state": state}))
