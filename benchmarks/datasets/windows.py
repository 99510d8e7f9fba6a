"""Random access to windows of steps and to pictures: ours, plain h5py, robomimic's, and the bare decoder.

All sides read the same windows of the same file, in turns. Ours makes tensors, the observation in one piece in single
precision; h5py reads the same rows through datasets that are open already; robomimic's class has no cache.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import h5py
import numpy as np

from metasim.benchmarks.datasets.windows_files import FRAME, LAYOUT, made_file
from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.benchmarks.throughput.rounds import Lap, Rounds, Side, alternate, pilot
from metasim.core.errors import EngineFailure, InvalidConfig

Array = Any
SCRIPT = Path(__file__).with_name("peer_windows.py")
ARRAYS = ("actions", "rewards", "dones")
OURS, H5PY, ROBOMIMIC, DECODE = "ours", "h5py", "robomimic", "decode"
COLUMNS = (
    Column(key=OURS, heading="ours [µs]", digits=1),
    Column(key=H5PY, heading="plain h5py [µs]", digits=1),
    Column(key=ROBOMIMIC, heading="robomimic [µs]", digits=1),
    Column(key=DECODE, heading="raw decode [µs]", digits=1),
    Column(key="h5py_ratio", heading="ours / h5py", digits=3),
    Column(key="robomimic_ratio", heading="robomimic / ours", digits=1),
    Column(key="decode_ratio", heading="ours / raw decode", digits=3),
)


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """What is read.

    Args:
        episodes: Episodes of state data.
        steps: Steps of each.
        length: Steps of a window.
        pictures: Episodes with pictures, of 40 steps each.
        pixels: Width and height of a picture.
    """

    episodes: int = 200
    steps: int = 500
    length: int = 64
    pictures: int = 6
    pixels: int = 256

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        if min(self.episodes, self.steps, self.length, self.pictures, self.pixels) < 1:
            raise InvalidConfig(f"every number must be at least 1, got {self}")


def run(shelf: Shelf, *, seconds: float, rounds: int, robomimic: Path | None, folder: Path | None = None) -> Report:
    """Measure.

    Args:
        shelf: What is read.
        seconds: What a round of one side should take.
        rounds: Rounds of every side.
        robomimic: Interpreter that has robomimic; None to leave it out.
        folder: On the disk to read from; None for that of temporary files.
    """
    rows, versions = dict[str, dict[str, float]](), dict[str, str]()
    with tempfile.TemporaryDirectory(prefix="metasim-windows-", dir=folder) as room, ExitStack() as stack:
        states = made_file(Path(room) / "states.h5", shelf.episodes, shelf.steps, 0)
        sides = _window_sides(states, shelf, stack)
        if robomimic is not None:
            peer = stack.enter_context(Peer(robomimic))
            sides[ROBOMIMIC] = peer.side(states, shelf.length, [name for name, _ in LAYOUT], [])
            versions["robomimic"] = peer.version
        rows[f"windows of {shelf.length} steps"] = _row(_raced(sides, seconds, rounds))
        pictures = made_file(Path(room) / "pictures.h5", shelf.pictures, 40, shelf.pixels)
        sides = _frame_sides(pictures, shelf, stack)
        if robomimic is not None:
            sides[ROBOMIMIC] = stack.enter_context(Peer(robomimic)).side(pictures, 1, [], [FRAME])
        rows[f"frames of {shelf.pixels} x {shelf.pixels}"] = _row(_raced(sides, seconds, rounds))
    first, second = rows.values()
    summary = {"time_over_plain_h5py": first["h5py_ratio"], "frame_time_over_raw_decode": second["decode_ratio"]}
    goals = [Goal(key="time_over_plain_h5py", at_most=1.2), Goal(key="frame_time_over_raw_decode", at_most=1.2)]
    if robomimic is not None:
        summary["times_as_fast_as_robomimic"] = first["robomimic_ratio"]
        goals.append(Goal(key="times_as_fast_as_robomimic", at_least=3.0))
    return Report(
        benchmark="windows",
        settings={**vars(shelf), "seconds": seconds, "rounds": rounds, "robomimic": robomimic is not None},
        columns=COLUMNS,
        rows=rows,
        summary=summary,
        goals=goals,
        versions={"h5py": h5py.__version__, **versions},
    )


class Peer:
    """robomimic's process.

    Raises:
        InvalidConfig: If there is no such interpreter.
        EngineFailure: If the process dies or its library raises.
    """

    def __init__(self, python: Path) -> None:
        self.version = ""
        try:
            self._process = subprocess.Popen(
                [str(python), "-I", str(SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError as error:
            raise InvalidConfig(f"cannot run {str(python)!r}, the interpreter given for robomimic: {error}") from error

    def side(self, path: Path, length: int, low_dim: Sequence[str], rgb: Sequence[str]) -> Side:
        """Open a file, and return its side of a comparison."""
        arrays = list(ARRAYS) if low_dim else ["actions"]
        made = self._ask(do="open", path=str(path), length=length, low_dim=low_dim, rgb=rgb, arrays=arrays)
        self.version = made["version"]
        numbers = Numbers(int(made["windows"]))
        expected = _checksum(path, low_dim[0] if low_dim else rgb[0], length)

        def lap(steps: int) -> Lap:
            said = self._ask(do="read", numbers=numbers.next(steps))
            return Lap(steps, said["seconds"])

        found = self._ask(do="read", numbers=[numbers.count // 2])["sum"]
        if not np.isclose(found, expected(numbers.count // 2), rtol=1e-9):
            raise EngineFailure(f"robomimic's window {numbers.count // 2} of {path.name} is not the one of metasim")
        return lap

    def __enter__(self) -> Peer:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                cast(IO[str], pipe).close()
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, **fields: Any) -> dict[str, Any]:
        asking, answering = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        line = ""
        with contextlib.suppress(BrokenPipeError):
            asking.write(json.dumps(fields) + "\n")
            asking.flush()
            line = answering.readline()
        if not line:
            raise EngineFailure(f"robomimic's process died with exit code {self._process.wait()} at {fields['do']!r}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineFailure(f"robomimic cannot {fields['do']}: {answer['error']}")
        return answer


class Numbers:
    """The same random windows for every side, one after another."""

    def __init__(self, count: int) -> None:
        self.count, self._at = count, 0
        self._order = np.random.default_rng(0).integers(0, count, 1 << 16)

    def next(self, n: int) -> list[int]:
        """Return the next ``n`` numbers."""
        found = self._order.take(np.arange(self._at, self._at + n), mode="wrap")
        self._at += n
        return found.tolist()


def _window_sides(path: Path, shelf: Shelf, stack: ExitStack) -> dict[str, Side]:
    from metasim.datasets.training import SequenceDataset

    data = SequenceDataset(path, length=shelf.length, include=ARRAYS)
    file = stack.enter_context(h5py.File(path))
    names = [*(f"obs/{name}" for name, _ in LAYOUT), *ARRAYS]
    opened = [[cast(h5py.Dataset, file[f"data/demo_{i}/{name}"]) for name in names] for i in range(shelf.episodes)]

    def plain(number: int) -> None:
        demo, start = divmod(number, shelf.steps)
        for dataset in opened[demo]:
            dataset[start : start + shelf.length]

    return {OURS: _side(data.__getitem__, len(data)), H5PY: _side(plain, len(data))}


def _frame_sides(path: Path, shelf: Shelf, stack: ExitStack) -> dict[str, Side]:
    from metasim.datasets.training import SequenceDataset

    data = SequenceDataset(path, length=1, obs=(FRAME,))
    file = stack.enter_context(h5py.File(path, rdcc_nbytes=0))  # else it keeps what it has decoded
    opened = [cast(h5py.Dataset, file[f"data/demo_{i}/obs/{FRAME}"]) for i in range(shelf.pictures)]
    shape = opened[0].shape[1:]

    def plain(number: int) -> Array:
        demo, row = divmod(number, 40)
        return opened[demo][row]

    def decode(number: int) -> Array:
        demo, row = divmod(number, 40)
        _, content = opened[demo].id.read_direct_chunk((row, 0, 0, 0))
        return np.frombuffer(zlib.decompress(content), np.uint8).reshape(shape)

    if not np.array_equal(data[50]["obs"][FRAME][0].numpy(), decode(50)):
        raise EngineFailure(f"frame 50 of {path.name} is not the one that the chunk holds")
    return {kind: _side(read, len(data)) for kind, read in ((OURS, data.__getitem__), (H5PY, plain), (DECODE, decode))}


def _side(read: Callable[[int], Any], count: int) -> Side:
    numbers = Numbers(count)

    def lap(steps: int) -> Lap:
        chosen = numbers.next(steps)
        start = time.perf_counter()
        for number in chosen:
            read(number)
        return Lap(steps, time.perf_counter() - start)

    return lap


def _raced(sides: Mapping[str, Side], seconds: float, rounds: int) -> Rounds:
    return alternate(sides, pilot(sides.values(), seconds, 1 << 14), rounds)


def _row(found: Rounds) -> dict[str, float]:
    row = {side: 1e6 / found.rate(side) for side in found.laps}
    for other in (H5PY, DECODE):
        if other in found.laps:
            row[f"{other}_ratio"] = found.ratio(other, OURS)  # of rates, so of times the other way round
    if ROBOMIMIC in found.laps:
        row["robomimic_ratio"] = found.ratio(OURS, ROBOMIMIC)
    return row


def _checksum(path: Path, name: str, length: int) -> Callable[[int], float]:
    """Return what sums up an observation in a window, its last row repeated beyond the end."""

    def total(number: int) -> float:
        with h5py.File(path) as file:
            demos: Any = file["data"]
            for i in range(len(demos)):
                rows = demos[f"demo_{i}/obs/{name}"]
                if number < len(rows):
                    return float(
                        rows[:][np.minimum(np.arange(number, number + length), len(rows) - 1)].sum(dtype=float)
                    )
                number -= len(rows)
        raise AssertionError("robomimic has more windows than steps")

    return total
