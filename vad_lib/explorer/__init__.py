"""The explorer: scored test videos to look at, in a notebook (``Explorer``) or as a page from disk (``page.write_page``).

One JavaScript file, ``web/explorer.js``, draws both. What it shows lies in ``results/explorer`` and is made by
``python -m vad_lib.explorer --make``. The widget needs the extra ``notebooks``; the page does not.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vad_lib.explorer.widget import Explorer

__all__ = ["Explorer"]


def __getattr__(name: str) -> Any:
    # only who asks for the widget needs anywidget
    if name == "Explorer":
        from vad_lib.explorer import widget

        return widget.Explorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
