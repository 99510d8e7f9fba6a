"""TorchRL's EnvBase: its own checker, its collector, and a few updates of its PPO."""

import numpy as np
import pytest

import metasim
from metasim.core.errors import InvalidConfig

pytest.importorskip("torchrl", reason='TorchRL is not installed (pip install "torchrl>=0.14,<0.15")')
torch = pytest.importorskip("torch")

from tensordict.nn import TensorDictModule, TensorDictSequential  # noqa: E402  # pyright: ignore[reportMissingImports]
from torchrl.envs.utils import check_env_specs, step_mdp  # noqa: E402  # pyright: ignore[reportMissingImports]

from metasim.adapters.torchrl import TorchRLEnv  # noqa: E402

N = 4
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.mark.parametrize("mode", ["state", "dict"])
def test_their_checker_accepts_it(cart_pole, mode: str) -> None:
    env = TorchRLEnv(cart_pole, N, seed=0, obs_mode=mode)
    check_env_specs(env, seed=0)
    assert env.batch_size == torch.Size([N])
    env.close()


def test_it_steps_like_the_batch_and_resets_what_is_done(cart_pole) -> None:
    """The batch with resets in the same step is the oracle: both run the same episodes."""
    env = TorchRLEnv(cart_pole, N, seed=2, horizon=8)
    batch = metasim.make_vec(cart_pole, N, horizon=8, autoreset_mode="same_step")
    wanted, _ = batch.reset(seed=2)
    data, rng, ended = env.reset(), np.random.default_rng(0), 0
    for _ in range(20):
        np.testing.assert_array_equal(data["observation"], wanted.astype(np.float32))
        action = rng.uniform(-1, 1, (N, 1)).astype(np.float32)
        data["action"] = torch.from_numpy(action)
        stepped, data = env.step_and_maybe_reset(data)
        wanted, reward, terminated, truncated, info = batch.step(action)
        np.testing.assert_array_equal(stepped["next", "reward"][:, 0], reward.astype(np.float32))
        np.testing.assert_array_equal(stepped["next", "terminated"][:, 0], terminated)
        np.testing.assert_array_equal(stepped["next", "truncated"][:, 0], truncated)
        np.testing.assert_array_equal(stepped["next", "done"][:, 0], terminated | truncated)
        for row in np.flatnonzero(terminated | truncated):
            ended += 1
            np.testing.assert_array_equal(
                stepped["next", "observation"][row], info["final_obs"][row].astype(np.float32)
            )
    assert ended > N
    env.close()
    batch.close()


def test_a_seed_repeats(cart_pole) -> None:
    env = TorchRLEnv(cart_pole, N)
    env.set_seed(5)
    first = env.reset()["observation"]
    env.set_seed(5)
    assert (env.reset()["observation"] == first).all() and len(first.unique(dim=0)) == N
    assert step_mdp(env.rand_step(env.reset()))["observation"].shape == (N, 4)
    env.close()


def test_an_environment_that_resets_itself_is_refused(cart_pole) -> None:
    batch = metasim.make_vec(cart_pole, N, autoreset_mode="same_step")
    with pytest.raises(InvalidConfig, match="disabled"):
        TorchRLEnv(batch)
    batch.close()


def test_the_library_trains(cart_pole) -> None:
    from tensordict.nn.distributions import NormalParamExtractor  # pyright: ignore[reportMissingImports]
    from torchrl.collectors import Collector  # pyright: ignore[reportMissingImports]
    from torchrl.modules import ProbabilisticActor, TanhNormal, ValueOperator  # pyright: ignore[reportMissingImports]
    from torchrl.objectives import ClipPPOLoss  # pyright: ignore[reportMissingImports]
    from torchrl.objectives.value import GAE  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    env = TorchRLEnv(cart_pole, N, seed=0, horizon=30)
    net = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2), NormalParamExtractor())
    module = TensorDictSequential([TensorDictModule(net, ["observation"], ["loc", "scale"])])
    actor = ProbabilisticActor(
        module, spec=env.action_spec, in_keys=["loc", "scale"], distribution_class=TanhNormal, return_log_prob=True
    )
    critic = ValueOperator(torch.nn.Linear(4, 1), in_keys=["observation"])
    loss, advantage = ClipPPOLoss(actor, critic), GAE(gamma=0.99, lmbda=0.95, value_network=critic)
    optimizer = torch.optim.Adam(loss.parameters(), 1e-3)
    before = [p.detach().clone() for p in actor.parameters()]
    collector = Collector(env, actor, frames_per_batch=N * 16, total_frames=N * 32)
    for batch in collector:
        advantage(batch)
        values = loss(batch.reshape(-1))
        optimizer.zero_grad()
        (values["loss_objective"] + values["loss_critic"]).backward()
        optimizer.step()
    collector.shutdown()
    assert any((a != b).any() for a, b in zip(before, actor.parameters(), strict=True))
