"""What the pages are put together from: templates with their style and script, and words that are safe in HTML.

The templates of ``vad_lib/deployment/web`` have places ``{{name}}``. Style and script become part of the page, and its policy
lets no other code run and nothing be asked of a network.
"""

import html
import math

from vad_lib.report.figures import style
from vad_lib.report.web_files import offline_page, put, web_file


def filled(name: str, parts: dict[str, str]) -> str:
    """A template with its style, its script and these parts; what is put in is not looked at again."""
    colours = {colour: getattr(style, colour.upper()) for colour in ("blue", "green", "orange", "vermilion", "sky")}
    template, script, css = (web_file("vad_lib.deployment", file) for file in (f"{name}.html", f"{name}.js", "page.css"))
    return offline_page(template, put(css, colours), script, "data: file: 'self'", parts)


def escaped(text: str) -> str:
    """The text as HTML shows it, within attributes too."""
    return html.escape(valid(text))


def valid(text: str) -> str:
    """The text with a mark for each part of a file name that is no Unicode and could not be written."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clock(seconds: float, digits: int = 1) -> str:
    """Seconds as a person reads them.

    Example:
        >>> clock(75.25), clock(3725.96), clock(59.96), clock(4, 0)
        ('1:15.3', '1:02:06.0', '1:00.0', '0:04')
    """
    unit = 10**digits
    whole, part = divmod(math.floor(seconds * unit + 0.5), unit)
    hours, rest = divmod(whole, 3600)
    text = f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
    return f"{text}.{part:0{digits}}" if digits else text
