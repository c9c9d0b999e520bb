"""The runner: reads ``notebooks/manifest.yml``, checks parameter names, executes notebooks with papermill.

``python -m vad_lib.reproduce --profile quick`` runs the whole chain. Finished work is skipped when the
notebook, its parameters, the library and the inputs are the same as last time.
"""

import argparse
import sys
import time
from typing import Any

from vad_lib.config import PROFILES, get_profile
from vad_lib.errors import ConfigError, command_line
from vad_lib.storage.paths import Layout
from vad_lib.storage.reading import parse_yaml


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, parse_yaml(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE with a value in YAML, got {text!r} ({error})") from None


def _each_once(parameters: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in parameters]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ConfigError(f"parameter {', '.join(twice)}: expected once, given several times; leave all but one out.")
    return dict(parameters)


@command_line("run the same command again to go on from here")
def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    # imported here, because torch takes seconds to load: Ctrl-C meanwhile is one line too
    import joblib

    from vad_lib.report import reproduction
    from vad_lib.runner.execution import is_done, reproduce
    from vad_lib.runner.manifest import check_folders, plan, read_manifest
    from vad_lib.runner.parameters import listing

    parser = argparse.ArgumentParser(prog="python -m vad_lib.reproduce", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--profile", default="quick", help=f"one of {', '.join(PROFILES)} (default: quick)")
    add("--only", action="append", default=[], help="a notebook or paper item (table4, fig3, ...); may be repeated")
    add("--dataset", action="append", default=[], help="folder name of a data set; may be repeated (default: the built-in two)")
    add("--out", default="", help="folder that gets results/ and figures/ (default: the project)")
    add("--data", default="", help="folder of data sets, one folder each (default: data/<profile> in the project)")
    add(
        "--parameter",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        help="a notebook parameter; may be repeated",
    )
    add("--parameters", action="store_true", help="print what each notebook parameter takes, its default and meaning, and stop")
    add("--force", action="store_true", help="execute notebooks again (finished training runs are still kept)")
    add("--jobs", type=int, default=0, help="notebooks executed at a time (default: 2, if there are two cores and no GPU is used)")
    add("--wait", action="store_true", help="wait while another process writes the same results or data, instead of stopping")
    add("--reference", action="store_true", help="execute notebooks 02 to 10 on the committed results; trains nothing")
    add("--list", action="store_true", help="print what would run, and stop")
    options = parser.parse_args(arguments)
    if options.parameters:
        print(listing())
        return 0
    get_profile(options.profile)
    layout = Layout.create(options.profile, options.out, options.data, "reference" if options.reference else "own")
    manifest = read_manifest(layout.manifest)
    check_folders(manifest, layout, tuple(options.dataset))
    parameters = _each_once(options.parameter)
    executions = plan(manifest, layout, only=tuple(options.only), datasets=tuple(options.dataset), parameters=parameters)
    if options.list:
        for execution in executions:
            state = "there" if is_done(layout, execution) else f"about {execution.entry.minutes.get(options.profile, '?')} min"
            print(f"{execution.name}: {execution.entry.title} ({state})")
        return 0
    started = time.perf_counter()
    on_cpu = str(parameters.get("device", "cpu")).startswith("cpu")
    jobs = options.jobs or (min(2, joblib.cpu_count()) if on_cpu else 1)
    ran = reproduce(layout, executions, force=options.force, wait=options.wait, jobs=jobs)
    minutes = (time.perf_counter() - started) / 60
    print(f"{len(ran)} of {len(executions)} notebooks run in {minutes:.1f} min; tables: {layout.tables}")
    if layout.profile in ("quick", "study") and layout.source == "own" and not options.only and not options.dataset:
        found = reproduction.write_reproduction(layout, Layout.reference(layout.profile), manifest.datasets)
        print(f"{found.yardsticks} {found.sentence()} Value by value: {layout.reproduction / 'reproduction.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
