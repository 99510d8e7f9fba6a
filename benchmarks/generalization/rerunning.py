"""Episodes of a protocol's results run again and drawn, for filmstrips and videos."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from metasim.benchmarks.episode import EpisodeResult
from metasim.benchmarks.generalization.frozen import Frozen, load
from metasim.benchmarks.generalization.tiles import Shard, Tile, Workshop
from metasim.benchmarks.results import Results
from metasim.core.errors import InvalidConfig
from metasim.randomize import scene_key

if TYPE_CHECKING:
    from metasim.envs import Episodes
    from metasim.view import Recording

Array = Any


def rerun(
    results: Results, size: tuple[int, int], fps: float, frozen: Frozen | None = None
) -> Callable[[EpisodeResult], Recording]:
    """Return what runs an episode of :func:`metasim.benchmarks.generalization.bench` again and draws it.

    Args:
        results: What ``bench`` returned, or several of it merged.
        size: Width and height in pixels.
        fps: Frames per second wanted; the nearest that is a whole number of steps is taken.
        frozen: The protocol; by default that of the results' name.

    Raises:
        UnknownName: If there is no protocol of that name.
        InvalidConfig: If it is another version of it.
    """
    protocol = frozen or load(results.protocol)
    if protocol.sha256 != results.protocol_sha256:
        raise InvalidConfig(
            f"the results are of {results.protocol} with the digest {results.protocol_sha256 or 'of no file'}, and"
            f" there is {protocol.sha256} here"
        )
    cells = {(cell.task, cell.arm.condition): cell for cell in protocol.cells}

    def run(e: EpisodeResult) -> Recording:
        cell = cells[e.task, e.condition]
        variation = protocol.variation(cell, e.episode)
        tile = Tile(
            job=0,
            task=e.task,
            backend=e.backend,
            split=cell.arm.split,
            scene=scene_key(variation),
            indices=(e.episode,),
            samples=protocol.samples(e.task, cell.arm.split, [e.episode]),
            variations=(variation,),
        )
        horizon = {e.task: int(results.config["horizon"][e.task])}
        rows = int(results.config["tile"])
        name = _member(results, e)
        shard = Shard(policies={e.task: name}, seed=protocol.seed, rows=rows, horizon=horizon, tiles=(tile,))
        return _recorded(shard, tile, size, fps)

    return run


def _member(results: Results, e: EpisodeResult) -> str:
    said = results.config["trained"].get(e.policy, {})
    return str(said.get("members", {}).get(e.task, e.policy))


def _recorded(shard: Shard, tile: Tile, size: tuple[int, int], fps: float) -> Recording:
    from metasim.view import Recording
    from metasim.view.pictures import picture

    frames, drawn, strides = list[Array](), dict[str, str](), list[float]()

    def watch(episodes: Episodes, steps: int, over: bool) -> None:
        stride = max(1, round(1.0 / (fps * episodes.control_period_s)))
        if steps % stride == 0 or over:
            shown = picture(episodes, "", size)
            frames.append(shown.rgb)
            drawn["by"] = shown.renderer
            strides[:] = [1.0 / (stride * episodes.control_period_s)]

    workshop = Workshop(shard)
    try:
        rows, _ = workshop.run(tile, watch)
    finally:
        workshop.close()
    row = rows[tile.indices[0]]
    return Recording(
        frames=tuple(frames),
        fps=strides[0],
        success_any=row["success_any"],
        success_last=row["success_last"],
        steps=row["length"],
        error=row["error"] or "",
        renderer=drawn["by"],
    )
