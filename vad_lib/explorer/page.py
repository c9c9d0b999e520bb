"""The explorer as a page that opens from disk, without a server and without a network."""

import base64
import hashlib
import json
import shutil
from pathlib import Path

from vad_lib.explorer.contents import as_json, read_contents, start, web
from vad_lib.storage.writing import atomic_path, write_text

VIDEOS = "explorer"  # folder beside the page

# style, script and data are in the page; its policy lets no other code run and nothing be asked of a network
_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src data:; media-src file: 'self'; base-uri 'none'; "
    "form-action 'none'"
)


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
    state = json.dumps({**start(contents), "data": as_json(contents), "folder": VIDEOS}, separators=(",", ":"), allow_nan=False)
    parts = {
        "policy": _POLICY.format(script=_hash(script), style=_hash(style)),
        "style": style,
        "script": script,
        "state": state.replace("<", "\\u003c"),  # so that no name in it ends the element
    }
    page = web("page.html")
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    return write_text(target / "explorer.html", page)


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
