"""What every process does that another one of ours starts."""

import functools
import os
import threading
import time

_LOOK_SECONDS = 0.1  # from one look at whether the process that started this one is still there to the next


@functools.cache
def end_with(parent: int) -> None:
    """Let this process end when the one that started it is killed: nobody would stop it, and its locks would stay.

    Args:
        parent: process id of the one that started this one.
    """

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()
