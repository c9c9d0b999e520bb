"""Checking the notebooks' parameters by name, type and range, and listing what each takes."""

import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from vad_lib.errors import ConfigError, did_you_mean
from vad_lib.runner.declared_parameters import OF_NOTEBOOK, NotebookParameters

# Parameters that say which run this is: an option of the command sets them, and folders and names of results follow from it.
OPTIONS = {"profile": "--profile", "dataset": "--dataset", "datasets": "--dataset", "out": "--out", "data": "--data"}
OPTIONS["source"] = "--reference"


def declared(notebook: str) -> type[NotebookParameters]:
    """The declaration of a notebook's parameters.

    Raises:
        ConfigError: there is none.
    """
    if notebook not in OF_NOTEBOOK:
        raise ConfigError(
            f"{notebook}: its parameters are not declared; add them to OF_NOTEBOOK in vad_lib/runner/declared_parameters.py."
        )
    return OF_NOTEBOOK[notebook]


def check_free(names: Iterable[str]) -> None:
    """Check that no parameter says what an option of the command says.

    Raises:
        ConfigError: one does; the message names the option.
    """
    for name in names:
        if name == "source":
            raise ConfigError("parameter source: --reference sets it (reads the committed results), else it is 'own'; write that.")
        if name in OPTIONS:
            option = OPTIONS[name]
            raise ConfigError(
                f"parameter {name}: {option} sets it, and names of results follow from it; write {option} VALUE instead."
            )


def checked(notebook: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters of a notebook, checked by name, type and range; relative paths made whole.

    Args:
        notebook: its name in the manifest.
        values: name -> value; the others keep their defaults.

    Returns:
        the given names with the values to pass on.

    Raises:
        ConfigError: an unknown name, or a value that it cannot have; the message says what it takes.
    """
    kind = declared(notebook)
    try:
        found = kind(**values)
    except ValidationError as error:
        problems = dict.fromkeys(_problem(notebook, kind, values, dict(item)) for item in error.errors())
        raise ConfigError(f"{'; '.join(problems)}. `--parameters` lists what each takes.") from None
    return {name: getattr(found, name) for name in values}


def check_own(notebook: str, namespace: Mapping[str, Any]) -> None:
    """Check the parameters of a notebook from inside it, before anything is read or trained.

    Args:
        notebook: its name in the manifest.
        namespace: ``globals()`` of the notebook.

    Raises:
        ConfigError: a value that a parameter cannot have; the message says what it takes.
    """
    checked(notebook, {name: namespace[name] for name in declared(notebook).model_fields if name in namespace})


def _problem(notebook: str, kind: type[NotebookParameters], values: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    """One error of pydantic in words."""
    name = str(item["loc"][0]) if item["loc"] else ""
    if item["type"] == "extra_forbidden":
        return f"{notebook} has no parameter {name}{did_you_mean(name, kind.model_fields)}; it has {', '.join(kind.model_fields)}"
    label = OPTIONS.get(name, f"parameter {name}") if name else "parameter"
    if "error" in item.get("ctx", {}):
        return f"{label}{':' * bool(name)} {str(item['ctx']['error']).rstrip('.')}"
    value, schema = values[name], kind.model_json_schema()["properties"][name]
    hint = f"; write '{name}=[{value}]'" if schema["type"] == "array" and isinstance(value, str) else ""
    return f"{label}: expected {takes(schema)}, got {reprlib.repr(value)}{hint}"


def takes(schema: Mapping[str, Any]) -> str:
    """What a parameter takes, in words, from its JSON schema.

    Example:
        >>> takes({"type": "integer", "minimum": 1, "maximum": 1000}), takes({"type": "number", "minimum": 0.01})
        ('a whole number from 1 to 1,000', 'a number of at least 0.01')
    """
    kind, least, most = schema["type"], schema.get("minimum"), schema.get("maximum")
    if "enum" in schema:
        return "one of " + ", ".join(name or '""' for name in schema["enum"])
    if kind == "array":
        items = takes(schema["items"])
        return "a list of one or more " + (items.removeprefix("one ") if "enum" in schema["items"] else "texts")
    words = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "object": "a mapping"}
    end = "" if least is None else f" from {least:,} to {most:,}" if most is not None else f" of at least {least:,}"
    return words.get(kind, "a text" if "pattern" not in schema else "a text such as cpu or cuda:0") + end


def listing() -> str:
    """Every parameter with what it takes, its default, its notebooks and its meaning, as text for a terminal."""
    found: dict[str, dict[str, list[str]]] = {}
    for notebook, kind in OF_NOTEBOOK.items():
        for name, schema in kind.model_json_schema()["properties"].items():
            if name not in OPTIONS:
                default = str(schema["default"]).lower() if schema["type"] == "boolean" else schema["default"]
                words = f"  {takes(schema)}; default {'empty' if default == '' else default}\n  {schema['description']}"
                found.setdefault(name, {}).setdefault(words, []).append(notebook[:2])
    lines = [
        f"{name} (notebook {', '.join(notebooks)})\n{words}" for name, ways in found.items() for words, notebooks in ways.items()
    ]
    by_option = ", ".join(f"{name} ({option})" for name, option in OPTIONS.items())
    return "\n".join((*lines, f"Set by options and not by --parameter: {by_option}."))
