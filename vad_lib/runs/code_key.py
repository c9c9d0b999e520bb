"""A hash of what code means: it walks the definitions that a run uses, and leaves out comments and docstrings.

A run is repeated only when something that it uses has changed. Hashes of whole files would repeat a run for every
comment, and lists of files kept by hand forget some. Here a definition (function, class or constant at the top of a
module) is followed to every other definition of this package that its source names, wherever it lies.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from vad_lib.errors import ConfigError
from vad_lib.storage.hashing import content_hash

PACKAGE = Path(__file__).resolve().parents[1]
# These lists name parts of all methods; a run uses those of one, which its caller gives as roots.
NOT_FOLLOWED = frozenset({"vad_lib.registry.METHODS", "vad_lib.methods.fast_cpu.FAST"})


class _Module(NamedTuple):
    """A parsed module.

    Attributes:
        definitions: name -> its statements (more than one where a name is made in steps).
        imports: local name -> (module, name in it, or None for the module itself).
        loose: statements that define nothing and run when the module is imported.
    """

    definitions: dict[str, list[ast.stmt]]
    imports: dict[str, tuple[str, str | None]]
    loose: list[ast.stmt]


def code_key(*roots: str, package: Path = PACKAGE) -> str:
    """Hash of the meaning of some definitions and of all that they use.

    Args:
        roots: dotted names, such as ``vad_lib.methods.rtfm.SPEC``; a module stands for all its definitions.
        package: folder of the package; the library's own by default.

    Raises:
        ConfigError: a root that is not there.
    """
    return content_hash(meanings(roots, package))


def meanings(roots: Iterable[str], package: Path = PACKAGE) -> dict[str, str]:
    """Dotted name -> meaning (its syntax tree as text) of everything that the roots use, themselves included."""
    found: dict[str, str] = {}
    waiting = [definition for root in roots for definition in _resolved(root, package)]
    while waiting:
        module, name = waiting.pop()
        dotted = f"{module}.{name}"
        if dotted in found or dotted in NOT_FOLLOWED:
            continue
        found[dotted], uses = _definition(module, name, package)
        waiting += uses
    return found


@cache
def _definition(module: str, name: str, package: Path) -> tuple[str, list[tuple[str, str]]]:
    """Meaning of a definition, and the definitions of the package that it names."""
    parsed = _parsed(module, package)
    statements = parsed.loose if name == "<loose>" else parsed.definitions[name]
    uses = {use for statement in statements for use in _uses(statement, module, parsed, package)}
    if parsed.loose:
        uses.add((module, "<loose>"))
    return "\n".join(_meaning(statement) for statement in statements), sorted(uses)


def file_meaning(source: str) -> str:
    """The meaning of a whole file, for keys that a comment should not change."""
    return "\n".join(_meaning(statement) for statement in ast.parse(source).body)


def _meaning(statement: ast.stmt) -> str:
    """Syntax tree as text, without docstrings; comments, layout and line numbers are not in it anyway."""
    return ast.dump(_WithoutDocstrings().visit(ast.parse(ast.unparse(statement))))


class _WithoutDocstrings(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)


@cache
def _parsed(module: str, package: Path) -> _Module:
    definitions: dict[str, list[ast.stmt]] = {}
    imports: dict[str, tuple[str, str | None]] = {}
    loose: list[ast.stmt] = []
    path = _file(module, package)
    assert path is not None, module
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for statement in tree.body:
        names = list(_defined(statement))
        for name in names:
            definitions.setdefault(name, []).append(statement)
        is_import = isinstance(statement, ast.Import | ast.ImportFrom)
        is_script = isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not (names or is_import or is_script or is_text):
            loose.append(statement)
    for node in ast.walk(tree):  # imports inside functions too
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == package.name:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = (inner, None) if _file(inner, package) else (node.module, alias.name)
                imports[alias.asname or alias.name] = target
    return _Module(definitions, imports, loose)


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))


def _uses(statement: ast.stmt, module: str, parsed: _Module, package: Path) -> Iterator[tuple[str, str]]:
    """Definitions of the package that a statement names."""
    of_modules = set()  # names that stand before a dot: only what follows the dot is used
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            target = parsed.imports.get(node.value.id)
            if target and target[1] is None:
                of_modules.add(node.value)
                yield from _resolved(f"{target[0]}.{node.attr}", package)
    for node in ast.walk(statement):
        if not isinstance(node, ast.Name) or node in of_modules:
            continue
        if node.id in parsed.definitions:
            yield module, node.id
        elif node.id in parsed.imports:
            origin, name = parsed.imports[node.id]
            yield from _resolved(f"{origin}.{name}" if name else origin, package)


def _resolved(dotted: str, package: Path) -> list[tuple[str, str]]:
    """(module, name) of a dotted name, through re-exports; a module stands for all that it defines."""
    if _file(dotted, package):
        return [(dotted, name) for name in _parsed(dotted, package).definitions]
    module, _, name = dotted.rpartition(".")
    if not module or _file(module, package) is None:
        raise ConfigError(f"code key: expected a definition of {package.name}, got {dotted!r}; name its module and itself.")
    parsed = _parsed(module, package)
    if name in parsed.definitions:
        return [(module, name)]
    if name in parsed.imports:
        origin, inner = parsed.imports[name]
        return _resolved(f"{origin}.{inner}" if inner else origin, package)
    if name.startswith("__"):  # what every module has, such as __doc__
        return []
    raise ConfigError(f"code key: {module} defines no {name!r}; name something at the top of the module.")


def _file(module: str, package: Path) -> Path | None:
    parts = module.split(".")[1:]
    for path in (
        package.joinpath(*parts).with_suffix(".py") if parts else package / "__init__.py",
        package.joinpath(*parts, "__init__.py"),
    ):
        if path.is_file():
            return path
    return None
