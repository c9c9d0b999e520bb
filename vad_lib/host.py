"""Complete an environment that has its own PyTorch, such as Colab's: ``python -m vad_lib.host``.

Installs those packages of the project that are missing and leaves the others as they are, PyTorch above all: another one would
be a download of gigabytes, and the host's fits its GPU. Packages that are older than the ones that our numbers were made with are
named; the lessons work with them, the numbers may differ in the last digits. Needs nothing but Python itself.
"""

import importlib.metadata
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

KEPT = ("torch", "torchvision", "numpy")  # never changed, whatever the packages that are installed ask for


def requirements() -> list[tuple[str, str]]:
    """(name, lowest version) of what the installed package needs without its extras."""
    found = []
    for line in importlib.metadata.requires("vad_lib") or ():
        match = re.match(r"([\w.-]+)\s*(?:>=\s*([\w.]+))?", line)
        if match and "extra ==" not in line:
            found.append((match.group(1), match.group(2) or ""))
    return found


def installed(name: str) -> str:
    """Version of an installed package; empty if it is missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def older(version: str, lowest: str) -> bool:
    """Whether a version lies below another one, by the numbers in front.

    Example:
        >>> older("2.9.1+cpu", "2.15"), older("2.15", "2.15")
        (True, False)
    """
    numbers = [[int(part) for part in re.findall(r"\d+", text.partition("+")[0])] for text in (version, lowest)]
    return numbers[0] < numbers[1]


def main(run: Callable[[Sequence[str]], object] = subprocess.check_call) -> int:
    """Install what is missing; returns the exit status."""
    needed = requirements()
    missing = [f"{name}>={lowest}" if lowest else name for name, lowest in needed if not installed(name)]
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder, "constraints.txt")
            constraints.write_text("".join(f"{name}=={installed(name)}\n" for name in KEPT if installed(name)))
            quiet = ["--quiet", "--no-warn-conflicts"]
            run([sys.executable, "-m", "pip", "install", *quiet, "--constraint", str(constraints), *missing])
    for name, lowest in needed:
        if lowest and installed(name) and older(installed(name), lowest):
            print(f"{name} {installed(name)} is kept; our numbers were made with {lowest} or newer.")
    print(f"{len(missing)} packages installed, {len(needed) - len(missing)} were there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
