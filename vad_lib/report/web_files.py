"""Pages that open from disk: one file that holds its style and script, and whose policy lets nothing be asked of a network."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

# no other code runs than the script that is named by its hash
_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src data:; media-src {media}; base-uri 'none'; "
    "form-action 'none'"
)


def web_file(package: str, name: str) -> str:
    """The text of a file of a package's folder ``web``."""
    return (resources.files(package) / "web" / name).read_text(encoding="utf-8")


def offline_page(template: str, css: str, script: str, media: str, parts: Mapping[str, str]) -> str:
    """A page with its style, its script and their policy.

    Args:
        template: HTML with places ``{{name}}``: ``style``, ``script``, ``policy`` and those of ``parts``.
        css: the style.
        script: the only code that may run.
        media: where videos may come from, as the policy says it.
        parts: name of a place -> HTML.
    """
    policy = _POLICY.format(script=_hash(script), style=_hash(css), media=media)
    return put(template, {**parts, "style": css, "script": script, "policy": policy})


def put(template: str, parts: Mapping[str, str]) -> str:
    """The template with its places ``{{name}}`` filled; what is put in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)


def as_script(content: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _hash(code: str) -> str:
    """How a policy names code."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
