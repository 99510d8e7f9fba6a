"""Tasks in files of a user's own: loaded by path or module name, and by every process that a run starts.

The environment variable :data:`VARIABLE` holds paths or module names, separated as in ``PATH``; they are
loaded right after the built-in suites. ``metasim ... --task-module FILE`` sets it for the processes it starts.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from metasim.core.errors import InvalidConfig, MetasimError

VARIABLE = "METASIM_TASK_MODULES"
_PREFIX = "metasim_task_file_"


def load_environment() -> None:
    """Load what :data:`VARIABLE` names."""
    for name in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        load_task_module(name)


@contextmanager
def exported(names: Iterable[str]) -> Generator[None]:
    """Have processes started meanwhile load these files and modules, besides what :data:`VARIABLE` names."""
    before = os.environ.get(VARIABLE)
    files = [str(Path(name).resolve()) if _is_file(name) else name for name in names]
    for file in files:
        if os.pathsep in file:
            raise InvalidConfig(f"a task module's path may not contain {os.pathsep!r}: {file!r}")
    named = [name for name in (before or "").split(os.pathsep) if name]
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys([*named, *files]))
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def origins(items: Iterable[type]) -> list[str]:
    """Return files or modules that other processes must load to know these classes; none for metasim's own.

    A class of the main script has none either: processes that are spawned import that script by themselves.
    """
    modules = dict.fromkeys(item.__module__ for item in items)
    foreign = [name for name in modules if name.partition(".")[0] not in ("metasim", "__main__", "__mp_main__")]
    return [_origin(name) for name in foreign]


def contents(items: Iterable[object]) -> str:
    """Return a digest of files that are not metasim's: those that :data:`VARIABLE` names, and where items come from.

    Args:
        items: Classes, functions or instances.
    """
    files = {Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name and _is_file(name)}
    for module in {str(getattr(item, "__module__", "")) for item in items}:
        file = getattr(sys.modules.get(module), "__file__", None)
        if file and module.partition(".")[0] != "metasim":
            files.add(Path(file))
    found = sorted(hashlib.sha256(file.read_bytes()).digest() for file in files if file.is_file())
    return hashlib.sha256(b"".join(found)).hexdigest()


def load_task_module(name: str) -> ModuleType:
    """Import a Python file by its path, or a module by its name, once; what it registers is then there.

    Raises:
        InvalidConfig: If there is no such file or module, or it raises; the message says in which line.
    """
    path = Path(name).resolve()
    key = f"{_PREFIX}{path.stem}_{hashlib.blake2b(str(path).encode(), digest_size=6).hexdigest()}"
    if key in sys.modules:
        return sys.modules[key]
    if _is_file(name) and not path.is_file():
        raise InvalidConfig(f"task module {name!r}: there is no such file; give a .py file, or the name of a module")
    try:
        return _execute(key, path) if _is_file(name) else importlib.import_module(name)
    except MetasimError as error:
        raise InvalidConfig(f"task module {name!r}{_line(error, path)}: {error}") from error
    except Exception as error:  # a stranger's file may raise anything
        raise InvalidConfig(f"task module {name!r}{_line(error, path)}: {type(error).__name__}: {error}") from error


def _origin(module: str) -> str:
    top = module.partition(".")[0]
    if any(finder.find_spec(top, None) for finder in sys.meta_path):  # other than importlib's, blind to sys.modules
        return module
    return str(getattr(sys.modules.get(module), "__file__", None) or module)


def _is_file(name: str) -> bool:
    return name.endswith(".py") or os.sep in name


def _execute(key: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(key, path)
    if spec is None or spec.loader is None:
        raise InvalidConfig("it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[key]
        raise
    return module


def _line(error: BaseException, path: Path) -> str:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""
