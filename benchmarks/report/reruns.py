"""Episodes of results run again from their seeds and drawn: filmstrips of failures, videos side by side.

An episode is a function of its seeds, so what is drawn is what was counted; it is checked all the same, and one that
does not end as the results say is left out with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metasim.benchmarks.condition import Condition
from metasim.benchmarks.episode import EpisodeResult
from metasim.benchmarks.report.media import Filmstrip, Video
from metasim.benchmarks.results import Results
from metasim.core.errors import MetasimError

if TYPE_CHECKING:
    from metasim.view import Recording

Run = Callable[[EpisodeResult], "Recording"]
Report = Callable[[int, int, str], None]
STRIP_PX, STRIP_FRAMES, STRIP_FPS = (160, 160), 7, 4.0
VIDEO_PX, VIDEO_FPS = (256, 256), 20.0


@dataclass(frozen=True, kw_only=True)
class Films:
    """What was drawn, and a sentence about each episode that could not be."""

    media: tuple[Filmstrip | Video, ...]
    notes: tuple[str, ...]


def filmstrips(results: Results, count: int, *, run: Run | None = None, report: Report | None = None) -> Films:
    """Return a filmstrip of the first ``count`` unsolved episodes of each task, engine, policy and condition.

    Args:
        results: What to draw from.
        count: Episodes per cell.
        run: Runs an episode and draws it; by default what ``metasim eval`` ran is run again.
        report: Called with how many are drawn, how many there are, and the task.
    """
    from metasim.view import jpeg, strip

    again = run or rerun(results, STRIP_PX, STRIP_FPS)
    chosen, seen = list[EpisodeResult](), dict[tuple[Any, ...], int]()
    for e in results.episodes:
        if not e.success_any and seen.setdefault(e.key[:6], 0) < count:
            seen[e.key[:6]] += 1
            chosen.append(e)
    found, notes = list[Filmstrip | Video](), list[str]()
    for e, recording in _recorded(chosen, again, notes, report):
        end = f"broken off: {e.error}" if e.error else "not solved"
        image = jpeg(strip(recording.frames, STRIP_FRAMES))
        found.append(Filmstrip(task=e.task, label=_label(e, several=True), image=image, caption=end))
    return Films(media=tuple(found), notes=tuple(notes))


def side_by_side(results: Results, count: int, *, run: Run | None = None, report: Report | None = None) -> Films:
    """Return videos of the first ``count`` starts of each task and condition: every engine and policy side by side.

    Args:
        results: What to draw from.
        count: Starts per task and condition.
        run: Runs an episode and draws it; by default what ``metasim eval`` ran is run again.
        report: Called with how many are drawn, how many there are, and the task.

    Raises:
        MissingDependency: Without the extra ``video``.
    """
    from metasim.view import ffmpeg, mp4

    ffmpeg()  # refused now rather than after the episodes
    again = run or rerun(results, VIDEO_PX, VIDEO_FPS)
    starts: dict[tuple[Any, ...], dict[tuple[int, int], list[EpisodeResult]]] = {}
    for e in results.episodes:
        starts.setdefault((e.task, *e.key[3:6]), {}).setdefault((e.seed, e.episode), []).append(e)
    chosen = [e for cell in starts.values() for key in sorted(cell)[:count] for e in cell[key]]
    found, notes = list[Filmstrip | Video](), list[str]()
    for e, recording in _recorded(chosen, again, notes, report):
        end = f"solved after {e.first_success_step} steps" if e.success_any else e.error or "not solved"
        found.append(
            Video(
                task=e.task,
                label=f"{e.backend} · {e.policy}",
                clip=mp4(recording.frames, recording.fps),
                group=_label(e, several=False),
                caption=end,
            )
        )
    return Films(media=tuple(found), notes=tuple(notes))


def rerun(results: Results, size: tuple[int, int], fps: float) -> Run:
    """Return what runs an episode of ``metasim eval`` again and draws it.

    Args:
        results: Their configuration says split and horizon.
        size: Width and height in pixels.
        fps: Frames per second.
    """
    split, horizons = str(results.config.get("split", "train")), results.config.get("horizon", {})

    def run(e: EpisodeResult) -> Recording:
        from metasim.view import record

        if e.condition != Condition() or results.config.get("goals"):
            what = f"condition {e.condition.label}" if e.condition != Condition() else "a protocol's goals"
            raise CannotRerun(f"episodes with {what} can only be drawn by the protocol that ran them")
        horizon = horizons.get(e.task) if hasattr(horizons, "get") else horizons
        said = {"episode": e.episode, "split": split, "size": size, "fps": fps, "horizon": horizon}
        return record(e.task, e.backend, e.policy, e.seed, **said)

    return run


class CannotRerun(MetasimError):
    """An episode that cannot be run from its seeds alone."""


def _recorded(
    chosen: Sequence[EpisodeResult], run: Run, notes: list[str], report: Report | None
) -> Iterator[tuple[EpisodeResult, Recording]]:
    """Yield every episode that can be run again and ends as it did; about the others, add a sentence each."""
    for index, e in enumerate(chosen):
        if report is not None:
            report(index, len(chosen), e.task)
        try:
            recording = run(e)
        except MetasimError as error:
            notes.append(f"Not drawn: {e.task} in {e.backend}: {error}.")
            continue
        wanted, got = (e.success_any, e.length), (recording.success_any, recording.steps)
        if wanted != got:
            notes.append(
                f"Not drawn: {e.task}, {_label(e, several=True)}, which ended after {got[1]} steps"
                f" ({'' if got[0] else 'not '}solved) instead of {wanted[1]} ({'' if wanted[0] else 'not '}solved)."
            )
            continue
        yield e, recording
    notes[:] = list(dict.fromkeys(notes))


def _label(e: EpisodeResult, *, several: bool) -> str:
    where = [e.backend, e.policy] if several else []
    under = [e.condition.label] if e.condition != Condition() else []
    return ", ".join([*where, *under, f"seed {e.seed}, episode {e.episode}"])
