"""Completing a host's environment: what is missing comes, what is there stays, PyTorch above all."""

from vad_lib import host


def completed(monkeypatch, there):
    """The pip call that a host with these packages would get, and its constraints."""
    monkeypatch.setattr(host, "requirements", lambda: [("torch", "2.15"), ("numpy", "2.4"), ("pydantic", "2.14"), ("joblib", "")])
    monkeypatch.setattr(host, "installed", lambda name: there.get(name, ""))
    calls = []

    def run(command):
        place = command.index("--constraint") + 1
        with open(command[place]) as file:
            calls.append((command[place + 1 :], file.read().split()))

    assert host.main(run) == 0
    return calls


def test_only_what_is_missing_is_installed_and_torch_is_held(monkeypatch, capsys):
    calls = completed(monkeypatch, {"torch": "2.9.1+cu126", "numpy": "2.0.2"})
    assert calls == [(["pydantic>=2.14", "joblib"], ["torch==2.9.1+cu126", "numpy==2.0.2"])]
    assert "torch 2.9.1+cu126 is kept" in capsys.readouterr().out


def test_a_complete_environment_is_left_alone(monkeypatch, capsys):
    assert completed(monkeypatch, {"torch": "2.15.0", "numpy": "2.4.1", "pydantic": "2.14", "joblib": "1"}) == []
    assert "kept" not in capsys.readouterr().out


def test_requirements_are_those_of_the_package_without_extras():
    names = [name for name, _ in host.requirements()]
    assert "torch" in names and "pydantic" in names and "pytest" not in names and "jupyterlab" not in names
