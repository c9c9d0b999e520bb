"""Make the environment without ``make``: ``python3.11 scripts/setup.py``, on Windows ``py -3.11 scripts/setup.py``.

Creates ``.venv`` with the pinned packages and the project, and fetches the I3D weights. Needs nothing but Python itself.
A complete environment is kept; one whose making was stopped is made again. Then, with ``.venv/bin/python`` or, on Windows,
``.venv\\Scripts\\python``::

    .venv/bin/python -m vad_lib.reproduce
    .venv/bin/python -m pytest
"""

import argparse
import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ((3, 11), (3, 12), (3, 13))
PINNED = ("requirements.lock", "pyproject.toml")
STAMP = ".installed"  # in a complete environment: what it was made from


def refusal(version: tuple) -> str:
    """Why this Python cannot make the environment; empty if it can."""
    if tuple(version[:2]) not in SUPPORTED:
        names = ", ".join("{}.{}".format(*supported) for supported in SUPPORTED)
        return "expected Python {}; this is {}.{}. Install one of them and start this script with it.".format(names, *version)
    missing = [module for module in ("venv", "ensurepip") if importlib.util.find_spec(module) is None]
    if missing:
        return f"this Python lacks {' and '.join(missing)}. Install them (on Debian and Ubuntu the package python3-venv)."
    return ""


def python_of(folder: Path, windows: bool = os.name == "nt") -> Path:
    """The interpreter of an environment."""
    return folder / "Scripts" / "python.exe" if windows else folder / "bin" / "python"


def contents(project: Path = ROOT) -> str:
    """SHA-256 of the files that say what is installed."""
    return hashlib.sha256(b"".join((project / name).read_bytes() for name in PINNED)).hexdigest()


def commands(folder: Path, *, create: bool) -> list:
    """The command lines that make an environment, or bring a complete one up to date."""
    made = [[sys.executable, "-m", "venv", "--clear", str(folder)]] if create else []
    pip = [str(python_of(folder)), "-m", "pip", "--disable-pip-version-check", "--require-virtualenv", "install"]
    return [*made, [*pip, "-r", "requirements.lock"], [*pip, "--no-deps", "--no-build-isolation", "-e", "."]]


def install(folder: Path, run=subprocess.check_call, project: Path = ROOT) -> None:
    """Make ``folder`` an environment with the pinned packages and the project; a complete one is left as it is."""
    stamp, wanted = folder / STAMP, contents(project)
    complete = stamp.is_file()
    if complete and stamp.read_text() == wanted:
        print(f"{folder} is complete")
    else:
        stamp.unlink(missing_ok=True)  # what is stopped half-way from here on is made from nothing
        for command in commands(folder, create=not complete):
            print(" ".join(command), flush=True)
            run(command, cwd=project)
    stamp.write_text(wanted)  # again, for its time: `make` compares it with the files' times


def main(arguments=None, run=subprocess.check_call) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="folder of the environment (default: .venv)")
    parser.add_argument("--no-weights", action="store_true", help="do not fetch the I3D weights (47 MB, once per user)")
    parser.add_argument("--check", action="store_true", help="only say whether this Python can make the environment")
    options = parser.parse_args(arguments)
    problem = refusal(sys.version_info)
    if problem or options.check:
        print(problem, file=sys.stderr)
        return 1 if problem else 0
    try:
        install(options.venv, run)
        if not options.no_weights:
            run([str(python_of(options.venv)), "-m", "vad_lib.data.backbones.i3d_weights", "--fetch"], cwd=ROOT)
    except subprocess.CalledProcessError as error:
        print(f"stopped: {error}. Its message stands above; then start this script again.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
