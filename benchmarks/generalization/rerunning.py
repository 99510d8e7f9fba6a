"""Episodes of a protocol's results run again and drawn, for filmstrips and videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metasim.benchmarks.episode import EpisodeResult
from metasim.benchmarks.generalization.frozen import Frozen, load
from metasim.benchmarks.generalization.tiles import Shard, Tile, Workshop
from metasim.benchmarks.report.choosing import Shots
from metasim.benchmarks.results import Results
from metasim.core.errors import InvalidConfig
from metasim.randomize import scene_key

if TYPE_CHECKING:
    from metasim.envs import Episodes
    from metasim.view import Recording

Array = Any


class Rerun:
    """Runs episodes of :func:`metasim.benchmarks.generalization.bench` again and draws them; close it afterwards.

    Called with episodes task by task, it compiles each scene once, and keeps the worlds and the renderer of the episode
    before where the scene and the engine are the same.

    Args:
        results: What ``bench`` returned, or several of it merged.
        shots: What is drawn.
        frozen: The protocol; by default that of the results' name.

    Raises:
        UnknownName: If there is no protocol of that name.
        InvalidConfig: If it is another version of it.
    """

    def __init__(self, results: Results, shots: Shots, frozen: Frozen | None = None) -> None:
        self._results, self._shots, self._protocol = results, shots, frozen or load(results.protocol)
        if self._protocol.sha256 != results.protocol_sha256:
            raise InvalidConfig(
                f"the results are of {results.protocol} with the digest {results.protocol_sha256 or 'of no file'}, and"
                f" there is {self._protocol.sha256} here"
            )
        self._cells = {(cell.task, cell.arm.condition): cell for cell in self._protocol.cells}
        self._workshop: Workshop | None = None
        self._place: tuple[str, str] = ("", "")

    def __call__(self, e: EpisodeResult) -> Recording:
        """Run an episode and draw it; where only its start is drawn, nothing is run, and it counts as unsolved."""
        from metasim.view import Recording
        from metasim.view.pictures import picture

        shots, tile = self._shots, self._tile(e)
        frames, drawn, wanted, period_s = list[Array](), set[str](), set[int](), list[float]()

        def watch(episodes: Episodes, steps: int, over: bool) -> bool:
            if not steps:
                period_s.append(episodes.control_period_s)
                wanted.update(shots.of(e)(*period_s))
            if steps in wanted:
                shown = picture(episodes, "", shots.size, quick=True)
                frames.append(shown.rgb)
                drawn.add(shown.renderer)
            return shots.frames != 1

        rows, _ = self._of(e).run(tile, watch)
        row = rows[e.episode]
        return Recording(
            frames=tuple(frames),
            fps=shots.rate(e, *period_s),
            success_any=row["success_any"],
            success_last=row["success_last"],
            steps=row["length"],
            error=row["error"] or "",
            renderer=", ".join(sorted(drawn)),
        )

    def close(self) -> None:
        """Free worlds and renderers; may be called twice."""
        if self._workshop is not None:
            self._workshop.close()
        self._workshop = None

    def _tile(self, e: EpisodeResult) -> Tile:
        cell = self._cells[e.task, e.condition]
        variation = self._protocol.variation(cell, e.episode)
        return Tile(
            job=0,
            task=e.task,
            backend=e.backend,
            split=cell.arm.split,
            scene=scene_key(variation),
            indices=(e.episode,),
            samples=self._protocol.samples(e.task, cell.arm.split, [e.episode]),
            variations=(variation,),
        )

    def _of(self, e: EpisodeResult) -> Workshop:
        """Return the workshop of an episode's task and policy; what there was of others is freed."""
        config = self._results.config
        said = config["trained"].get(e.policy, {})
        name = str(said.get("members", {}).get(e.task, e.policy))
        if self._workshop is None or self._place != (e.task, name):
            self.close()
            self._place = e.task, name
            horizon = {e.task: int(config["horizon"][e.task])}
            self._workshop = Workshop(
                Shard(
                    policies={e.task: name},
                    seed=self._protocol.seed,
                    rows=int(config["tile"]),
                    horizon=horizon,
                    tiles=(),
                )
            )
        return self._workshop
