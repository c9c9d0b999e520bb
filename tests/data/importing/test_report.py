"""The report of a check for programs, and the command line."""

import ast
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from importing_folders import WHOLE, rows

import vad_lib.data
from vad_lib.data.finding import Finding, printable, refuse
from vad_lib.data.importing import findings, report
from vad_lib.data.importing.__main__ import main
from vad_lib.errors import DataError, MissingFileError

KEYS = {"format", "dataset", "source", "result", "kind", "layout", "mask_rule", "videos", "counts", "findings"}


def run(folder, command, *options, dataset="mine"):
    """Exit status and report of a command."""
    path = folder.path.parent / "report.json"
    path.unlink(missing_ok=True)
    common = ["--dataset", dataset, "--source", str(folder.path), "--dimension", "8", "--report", str(path)]
    status = main([command, *common, *options])
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content.keys() == KEYS and content["format"] == 1
    for one in content["findings"]:
        assert one.keys() == {"level", "code", "subject", "message", "fix"} and all(isinstance(text, str) for text in one.values())
        assert one["code"] in report.CODES
    return status, content


def test_a_report_of_a_folder_with_nothing_wrong(whole):
    status, content = run(whole, "check")
    assert status == 0 and content["result"] == "ok"
    assert (content["kind"], content["layout"], content["mask_rule"]) == ("features", "single", "frames")
    assert (content["videos"], content["counts"]) == ({"train": 4, "test": 2}, {"error": 0, "warning": 0, "note": 1})
    assert (content["dataset"], content["source"]) == ("mine", str(whole.path))


@pytest.mark.parametrize("command", ["check", "import"])
def test_a_report_of_all_that_is_wrong(folder, command):
    folder.list(WHOLE.replace("100-300", "100-5000").replace("Riot", "Loitering")).all_features()
    folder.features("calm_1", np.zeros((10, 8), np.float32))
    status, content = run(folder, command)
    assert (status, content["result"]) == (1, "refused")
    assert content["counts"] == {"error": 2, "warning": 1, "note": 1}
    assert [(f["level"], f["code"], f["subject"]) for f in content["findings"]] == [
        ("warning", "category-without-prompt", "category Loitering"),
        ("note", "snippet-counting", ""),
        ("error", "interval-late", "video riot_3"),
        ("error", "features-zero", "video calm_1"),
    ]
    assert all(f["fix"] for f in content["findings"] if f["level"] != "note")
    assert not (folder.path / "store").exists()


def test_a_report_of_an_import(whole):
    assert run(whole, "import")[1]["result"] == "ok"
    status, content = run(whole, "import")
    assert (status, content["result"], content["findings"]) == (0, "unchanged", [])


def test_a_report_holds_all_where_the_screen_shows_some(folder, capsys):
    text = WHOLE + "".join(f"extra_{n},train,Normal,160,\n" for n in range(40))
    folder.list(text).all_features(rows(text))
    for number in range(40):
        folder.features(f"extra_{number}", np.zeros((10, 8), np.float32))
    _, content = run(folder, "check")
    assert sum(f["code"] == "features-zero" for f in content["findings"]) == 40
    shown = capsys.readouterr().out
    assert shown.count("its features are all zero") == findings.MOST_SHOWN
    assert "error: 28 more like these (features-zero); --report FILE holds all." in shown


@pytest.mark.parametrize("command", ["check", "import"])
def test_a_report_where_there_is_no_folder(folder, command, capsys):
    os.rmdir(folder.path)
    status, content = run(folder, command)
    assert (status, content["result"], content["kind"]) == (1, "refused", "")
    (finding,) = content["findings"]
    assert finding["code"] == "folder" and "expected the folder of mine, found none" in finding["message"]
    assert capsys.readouterr().err.startswith("error: ")


def test_a_report_where_there_is_nothing_to_read(folder):
    status, content = run(folder, "check")
    assert status == 1 and [f["code"] for f in content["findings"]] == ["list-missing", "data-missing"]
    _, content = run(folder, "check", "--partial", dataset="ucf-crime")
    assert [f["code"] for f in content["findings"]] == ["list-missing", "data-missing"]


def test_broken_files_are_named_even_without_a_list(folder):
    (folder.path / "features").mkdir()
    (folder.path / "features" / "a.npy").write_bytes(b"no array")
    assert [f["code"] for f in run(folder, "check")[1]["findings"]] == ["list-missing", "feature-broken"]
    (folder.path / "features" / "a.npy").unlink()
    (folder.path / "videos").mkdir()
    (folder.path / "videos" / "a.mp4").write_bytes(b"no video")
    assert [f["code"] for f in run(folder, "check")[1]["findings"]] == ["list-missing", "video-broken"]


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="names of folders are text there")
def test_a_report_of_a_folder_whose_name_is_no_text(whole, capsys):
    target = Path(os.fsdecode(os.fsencode(whole.path.parent) + b"/caf\xe9"))
    whole.path.rename(target)
    whole.path = target
    assert run(whole, "check")[1]["source"].endswith(r"caf\xe9")
    assert run(whole, "import")[0] == 0 and r"caf\xe9: written" in capsys.readouterr().out


def test_decoding_and_headers_exclude_each_other(whole, capsys):
    with pytest.raises(SystemExit):
        run(whole, "check", "--decode", "--headers")
    assert "--decode and --headers exclude each other" in capsys.readouterr().err


def test_the_help_says_what_a_check_does(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "Of every video it decodes the first frames and looks whether the end is there." in words
    assert "decode all videos whole, to find every damage and count frames exactly" in words


def test_headers_read_no_features(whole):
    whole.features("calm_1", np.full((10, 8), np.nan, np.float32))
    assert run(whole, "check", "--headers")[0] == 0
    assert run(whole, "check")[0] == 1


def codes_in_use():
    """Texts that stand where a finding has its code."""
    places = {"Finding": 1, "error_at": 0}
    for path in Path(vad_lib.data.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in places:
                place = places[node.func.id]
                if len(node.args) > place and isinstance(node.args[place], ast.Constant):
                    yield node.args[place].value


def test_every_code_is_explained_and_in_use():
    assert set(codes_in_use()) == set(report.CODES)


# --- findings ---------------------------------------------------------------------------------------
def test_a_finding_is_a_sentence():
    assert (
        str(Finding("error", "frames", "video a", "it is too short", "make it longer"))
        == "video a: it is too short; make it longer."
    )
    assert str(Finding("note", "frames", "", "all is well")) == "all is well."
    assert str(Finding("error", "a", "caf\udce9", "\ud800", "")) == r"caf\xe9: \ud800."
    assert printable("日本 Ü") == "日本 Ü"


def test_only_errors_are_refused():
    for level in ("warning", "note"):
        refuse(Finding(level, "frames", "", "a", "b"))
    with pytest.raises(DataError, match=r"^a; b\.$"):
        refuse(Finding("error", "frames", "", "a", "b"))


def test_what_is_raised_depends_on_what_is_wrong():
    missing, other = Finding("error", "list-missing", "", "a", "b"), Finding("error", "frames", "", "c", "d")
    findings.refuse_errors(findings.Findings("mine", (Finding("warning", "frames", "", "c", "d"),)))
    with pytest.raises(MissingFileError, match=r"^mine: a; b\.$"):
        findings.refuse_errors(findings.Findings("mine", (missing,)))
    with pytest.raises(DataError, match=r"^mine: 2 things are wrong:\n  - a; b\.\n  - c; d\.$"):
        findings.refuse_errors(findings.Findings("mine", (missing, other)))
