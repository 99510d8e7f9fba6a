"""Content that no dataset of ours has: whatever it is, it is refused with a sentence, and never run or followed."""

import ast
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import metasim.datasets
from metasim.core.errors import DatasetError
from metasim.datasets import Dataset, checking, inspect, merge

from .made import retell

MASK, STATS = "mask/metaworld.reach-v3", "stats/metaworld.reach-v3"


def checked(path: Path) -> None:
    with Dataset(path) as data:
        checking.check(data.file, path)


def loaded(path: Path) -> None:
    with Dataset(path) as data:
        for demo in data:
            demo.load()
        for name in data.masks:
            data.mask(name)
        for task in data.header.tasks:
            data.stats(task)


def merged(path: Path) -> None:
    out = path.with_name("out.h5")
    merge([path], out)
    out.unlink()


WAYS: tuple[Callable[[Path], object], ...] = (checked, merged, loaded, inspect)


def edit(path: Path, change: Callable[[Any], None]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


class Payload:
    """Makes a folder, whose name it is, when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("where", ["attribute", "header", "label", "array", "mask", "object"])
def test_reading_never_runs_what_a_file_holds(where: str, copy: Path, tmp_path: Path) -> None:
    payload = pickle.dumps(Payload(tmp_path / "ran"))
    opaque = np.void(payload)
    with h5py.File(copy, "r+") as opened:
        file: Any = opened
        if where == "object":
            kind = h5py.vlen_dtype(np.uint8)
            file["data/demo_0/initial/sample"].create_dataset("more", (1,), kind)[0] = np.frombuffer(payload, np.uint8)
        elif where in ("array", "mask"):
            file["data/demo_0/initial/sample" if where == "array" else "mask"]["more"] = opaque
        else:
            places = {"attribute": ("data", "more"), "header": ("data", "tasks"), "label": ("data/demo_0", "task")}
            group, name = places[where]
            file[group].attrs[name] = opaque
    for way in WAYS:
        try:
            way(copy)
        except DatasetError:
            continue
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]
    pickle.loads(payload)
    assert (tmp_path / "ran").is_dir()  # it would have


def test_nothing_that_reads_datasets_can_run_code() -> None:
    """By what the modules import and call."""
    bad = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "eval", "exec", "allow_pickle"}
    root, found = Path(metasim.datasets.__file__).parent, list[str]()
    for file in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []
            names += [node.arg or ""] if isinstance(node, ast.keyword) else []
            found += [f"{file.relative_to(root)}: {name}" for name in names if name.partition(".")[0] in bad]
    assert found == []


def sample(**keywords: Any) -> Callable[[Any], None]:
    return lambda file: file["data/demo_1/initial/sample"].create_dataset("more", **keywords)


def link(name: str, target: Any) -> Callable[[Any], None]:
    def act(file: Any) -> None:
        del file[name]
        file[name] = target

    return act


def header(name: str, value: Any) -> Callable[[Any], None]:
    return lambda file: file["data"].attrs.__setitem__(name, value)


def virtual(file: Any) -> None:
    shape = file["data/demo_1/rewards"].shape
    layout = h5py.VirtualLayout(shape=shape, dtype="f8")
    layout[:] = h5py.VirtualSource("other.h5", "rewards", shape=shape)
    del file["data/demo_1/rewards"]
    file["data/demo_1"].create_virtual_dataset("rewards", layout)


ELSEWHERE: dict[str, Callable[[Any], None]] = {
    "raw bytes": sample(shape=(9,), dtype="u1", external=[("other.h5", 0, 9)]),
    "virtual": virtual,
    "demo": link("data/demo_1", h5py.ExternalLink("other.h5", "/data/demo_1")),
    "soft": link("data/demo_1", h5py.SoftLink("/data/demo_0")),
    "all": link("data", h5py.ExternalLink("other.h5", "/data")),
    "mask": link(MASK, h5py.ExternalLink("other.h5", "/data/demo_1/dones")),
    "stats": link("stats", h5py.ExternalLink("other.h5", "/stats")),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_nothing_is_read_from_another_file(what: str, copy: Path) -> None:
    shutil.copy(copy, copy.with_name("other.h5"))
    edit(copy, ELSEWHERE[what])
    for way in (checked, loaded) if what in ("stats", "mask", "soft") else (checked, merged, loaded):
        with pytest.raises(DatasetError, match=r"copy\.h5"):
            way(copy)


ODD: dict[str, Callable[[Any], None]] = {
    "8 TB": sample(shape=(1 << 40,), dtype="f8"),
    "8 TB in chunks": sample(shape=(1 << 40,), dtype="f8", chunks=(1024,)),
    "no shape": sample(data=h5py.Empty("f8")),
    "a type": lambda file: file["data/demo_1/initial/sample"].__setitem__("more", np.dtype("f8")),
    "a reference": sample(shape=(), dtype=h5py.ref_dtype),
    "texts": sample(data=["a", "b"], dtype=h5py.string_dtype()),
    "versions": header("versions", "[1]"),
    "version": header("versions", '{"mujoco": 4}'),
    "infinite": header("total", np.inf),
    "deep": header("tasks", "[" * 100_000),
    "no stats": lambda file: file.__delitem__("stats"),
    "other stats": lambda file: file[f"{STATS}/actions/mean"].__setitem__(0, 7.0),
    "mask twice": lambda file: file["mask"].__setitem__("more", np.array([b"demo_0", b"demo_0"])),
    "mask of a task": lambda file: file[MASK].__setitem__(1, b"demo_0"),
    "mask of numbers": lambda file: file["mask"].__setitem__("more", np.zeros(3)),
    "mask no group": link("mask", np.zeros(3)),
    "split": lambda file: retell(file["data/demo_1"], split="tryin"),
    "rate": lambda f: header("tasks", f["data"].attrs["tasks"].replace('period_s": 0.0', 'period_s": 0.1'))(f),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_content_is_refused_with_a_sentence(what: str, copy: Path) -> None:
    """By the check; other ways of reading refuse it as well, or do not meet it."""
    edit(copy, ODD[what])
    with pytest.raises(DatasetError, match=r"copy\.h5"):
        checked(copy)
    for way in WAYS:
        try:
            way(copy)
        except DatasetError as error:
            assert "copy.h5" in str(error)
