"""What test_bad_input.py runs: a dataset with one bit changed, or cut off, read in every way, hundreds of times.

In a process of its own, since a crash of the HDF5 library ends it. Arguments: the dataset, a folder, a seed, how often,
and of how many files one is replayed too. A line of JSON before each file says what is done to it, and one after it
what came of it: "refused", "same", "another" (it was taken for good and is not), or an error's name.
"""

import json
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError
from metasim.datasets import Dataset, checking, inspect, merge, verify

Way = Callable[[Path], Any]


def content(path: Path) -> list[Any]:
    """Everything that a user can read from a dataset."""
    found: list[Any] = [repr(inspect(path)).replace(str(path), "")]
    with Dataset(path) as data:
        checking.check(data.file, path)
        found.append(repr(data.header))
        for demo in data:
            fields = vars(demo.load())
            flat = {
                f"{name}/{k}": v for name, value in fields.items() if isinstance(value, dict) for k, v in value.items()
            }
            arrays = {name: value for name, value in {**fields, **flat}.items() if isinstance(value, np.ndarray)}
            found += [repr(fields["info"]), {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()}]
        found += [{name: data.mask(name) for name in data.file["mask"]}]  # type: ignore[union-attr]
        found += [repr(data.stats(task)) for task in data.header.tasks]
    return found


def joined(path: Path) -> list[Any]:
    """Everything that a user can read from a merge."""
    out = path.with_name("joined.h5")
    out.unlink(missing_ok=True)
    return content(merge([path], out))


def describing(path: Path) -> list[int]:
    """Where the bytes are that are not zero and no array's: half of the changes are made to them."""
    inside = np.frombuffer(path.read_bytes(), np.uint8) != 0

    def leave_out(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.id.get_offset() is not None:
            inside[item.id.get_offset() : item.id.get_offset() + item.nbytes] = False

    with h5py.File(path) as file:
        file.visititems(leave_out)
    return np.flatnonzero(inside).tolist()


def outcome(path: Path, right: dict[Way, list[Any]], replay: bool) -> str:
    """Read a file in every way."""
    came: set[str] = set()
    for way in [*right, *([verify] if replay else [])]:
        try:
            found = way(path)
            came.add("same" if way is verify or found == right[way] else "another")
        except DatasetError as error:
            assert str(path) in str(error), error
            came.add("refused")
    return next(word for word in ("another", "refused", "same") if word in came)


def main() -> None:
    """Change, read, say."""
    good, folder, seed, times, replays = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
    luck, whole, places = random.Random(seed), good.read_bytes(), describing(good)
    right: dict[Way, list[Any]] = {way: way(good) for way in (content, joined)}
    path = folder / "changed.h5"
    for i in range(times):
        data = bytearray(whole)
        place = luck.choice(places) if luck.random() < 0.5 else luck.randrange(len(data))
        bit = luck.randrange(8)
        if i % 10 == 0:
            del data[place:]
        else:
            data[place] ^= 1 << bit
        path.write_bytes(data)
        sys.stdout.write(json.dumps({"cut" if i % 10 == 0 else "bit": place * 8 + bit}) + "\n")
        sys.stdout.flush()
        try:
            came = outcome(path, right, i % replays == 1)
        except Exception as error:
            came = type(error).__name__
            traceback.print_exc(limit=-3)
        sys.stdout.write(json.dumps(came) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
