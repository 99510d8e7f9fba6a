"""The dataset of torch: the same windows as tensors, through loaders with any workers, in an order of its own."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metasim.core.errors import InvalidConfig
from metasim.datasets.training import Windows

from .made import episode, write

torch: Any = pytest.importorskip("torch", reason="the extra learn is not installed")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six short episodes, two of them by another policy."""
    made = [episode(i, 5 + i, pictures=True, policy="random" if i % 3 == 0 else "expert") for i in range(6)]
    return write(tmp_path_factory.mktemp("sequences") / "a.h5", made)


def sequences(path: Path, **settings: Any) -> Any:
    from metasim.datasets.training import SequenceDataset

    return SequenceDataset(path, **{"length": 4, "include": ("actions", "rewards"), **settings})


def test_samples_are_the_windows_as_tensors(path: Path) -> None:
    data, windows = sequences(path, obs=("front_image", "hand")), Windows(path, length=4, obs=("front_image", "hand"))
    assert isinstance(data, torch.utils.data.Dataset) and len(data) == len(windows) == 45
    sample, batch = data[7], data[torch.tensor([7, 3])]
    assert sample["obs"]["front_image"].dtype == torch.uint8 and sample["rewards"].dtype == torch.float32
    np.testing.assert_array_equal(sample["obs"]["hand"].numpy(), windows[7]["obs"]["hand"])
    assert torch.equal(batch["obs"]["front_image"][0], sample["obs"]["front_image"])
    assert int(sample["episode"]) == 1


@pytest.mark.parametrize(("start", "workers", "kinds"), [("fork", 2, (False, True)), ("spawn", 1, (True,))])
def test_many_workers_read_the_same(path: Path, start: str, workers: int, kinds: tuple[bool, ...]) -> None:
    for in_memory in kinds:
        data = sequences(path, in_memory=in_memory)
        data[0]  # files are open here before the workers begin
        alone = list(data.loader(7, seed=3))
        context = {"workers": workers, "multiprocessing_context": start}
        for a, b in itertools.zip_longest(alone, data.loader(7, seed=3, **context)):
            assert all(torch.equal(a[name], b[name]) for name in a)


def test_torchs_own_loader_and_sampler_work_as_well(path: Path) -> None:
    data = sequences(path)
    sampler = torch.utils.data.WeightedRandomSampler(data.weights(quality={"random": 1}), 40)
    batches = list(torch.utils.data.DataLoader(data, batch_size=8, sampler=sampler))
    drawn = torch.cat([batch["episode"] for batch in batches]).tolist()
    assert len(drawn) == 40 and set(drawn) <= {0, 3}
    assert batches[0]["obs"].shape == (8, 4, 5)


def test_memory_is_shared_with_the_workers(path: Path) -> None:
    blocks = sequences(path, in_memory=True).windows._cutter.rows._blocks
    assert blocks and all(block.is_shared() for block in blocks)


def test_the_order_depends_on_seed_and_epoch_alone(path: Path) -> None:
    from metasim.datasets.training import Order

    order = Order(50, seed=1)
    first, second = list(order), list(order)
    assert sorted(first) == sorted(second) == list(range(50)) and first != second
    later = Order(50, seed=1)
    later.epoch = 1
    assert list(later) == second != list(Order(50, seed=2))
    assert list(Order(5, shuffle=False)) == [0, 1, 2, 3, 4]
    weighted = list(Order(4, weights=[0, 3, 1, 0], draws=4000))
    assert set(weighted) == {1, 2} and 0.72 < weighted.count(1) / 4000 < 0.78
    with pytest.raises(InvalidConfig, match="once"):
        Order(4, draws=5)
    with pytest.raises(InvalidConfig, match="4 weights"):
        Order(4, weights=[1, 2])
    loader = sequences(path).loader(8, seed=5)
    assert loader.sampler.sampler.epoch == 0


def test_a_policy_undoes_the_scaling_with_tensors(path: Path) -> None:
    data = sequences(path, normalise="standard")
    plain = sequences(path)
    back = data.normaliser.invert("obs", data[3]["obs"])
    torch.testing.assert_close(back, plain[3]["obs"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(data.normaliser.apply("obs", plain[3]["obs"]), data[3]["obs"], rtol=1e-5, atol=1e-5)
    assert data.normaliser.apply("actions", 1.5) == 1.5
