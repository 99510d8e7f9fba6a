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
from metasim.benchmarks.report.choosing import Shots, shown_together, starts, unsolved
from metasim.benchmarks.report.media import Filmstrip, Video
from metasim.benchmarks.results import Results
from metasim.core.errors import MetasimError

if TYPE_CHECKING:
    from metasim.view import Recording

Array = Any
Run = Callable[[EpisodeResult], "Recording"]
Report = Callable[[int, int, str], None]
STRIP = Shots(size=(168, 126), frames=7)
START = Shots(size=(224, 168), frames=1)
VIDEO = Shots(size=(288, 216), fps=10.0)


@dataclass(frozen=True, kw_only=True)
class Films:
    """What was drawn, and a sentence about each episode that could not be."""

    media: tuple[Filmstrip | Video, ...]
    notes: tuple[str, ...]


def filmstrips(results: Results, count: int, *, run: Run | None = None, report: Report | None = None) -> Films:
    """Return a filmstrip of the first ``count`` unsolved episodes of each task, engine and policy's worst conditions.

    Args:
        results: What to draw from.
        count: Episodes per cell; how many cells there are at most, :func:`choosing.unsolved` says.
        run: Runs an episode and draws it; by default what ``metasim eval`` ran is run again.
        report: Called with how many are drawn, how many there are, and the task.
    """
    from metasim.view import jpeg, strip

    again = run or rerun(results, STRIP)
    chosen, left_out = unsolved(results, count)
    found, notes = list[Filmstrip | Video](), list[str]()
    for e, recording in _recorded(chosen, again, notes, report):
        end = f"broken off: {e.error}" if e.error else "not solved"
        image = jpeg(strip([_edged(frame) for frame in recording.frames], STRIP.frames))
        found.append(Filmstrip(task=e.task, label=_label(e, several=True), image=image, caption=end))
    if left_out:
        notes.append(
            f"Filmstrips show the conditions with the lowest success; {left_out} other"
            f" cell{' has' if left_out == 1 else 's have'} failures, too."
        )
    return Films(media=tuple(found), notes=tuple(notes))


def levels(results: Results, *, run: Run, report: Report | None = None) -> Films:
    """Return a filmstrip of each task: its first episode's start under every level; none where there are no levels.

    Args:
        results: What to draw from.
        run: Draws an episode's start; it need not run it.
        report: Called with how many are drawn, how many there are, and the task.
    """
    from metasim.view import grid, jpeg, label

    rows = starts(results)
    found, notes = list[Filmstrip | Video](), list[str]()
    todo = [e for row in rows for e in row]
    drawn = {e.key: recording for e, recording in _recorded(todo, run, notes, report, check=False)}
    for row in rows:
        frames = [label(_edged(drawn[e.key].frames[0]), e.condition.label) for e in row if e.key in drawn]
        if frames:
            first = row[0]
            found.append(
                Filmstrip(
                    task=first.task,
                    label=f"seed {first.seed}, episode {first.episode}",
                    image=jpeg(grid(frames, len(frames))),
                    caption="how it begins at each level",
                    failure=False,
                )
            )
    return Films(media=tuple(found), notes=tuple(notes))


def side_by_side(results: Results, count: int, *, run: Run | None = None, report: Report | None = None) -> Films:
    """Return videos of the first ``count`` starts of each task: engines and policies, or conditions, side by side.

    Args:
        results: What to draw from.
        count: Starts per task and condition; which conditions, :func:`choosing.shown_together` says.
        run: Runs an episode and draws it; by default what ``metasim eval`` ran is run again.
        report: Called with how many are drawn, how many there are, and the task.

    Raises:
        MissingDependency: Without the extra ``video``.
    """
    from metasim.view import ffmpeg, mp4

    ffmpeg()  # refused now rather than after the episodes
    again = run or rerun(results, VIDEO)
    groups = shown_together(results, count)
    several = len({(e.backend, e.policy) for _, group in groups for e in group}) > 1
    clips, notes = dict[Any, bytes](), list[str]()
    todo = sorted((e for _, group in groups for e in group), key=lambda e: e.key)  # neighbours share their worlds
    for e, recording in _recorded(todo, again, notes, report):
        clips[e.key] = mp4(recording.frames, recording.fps)
    found = list[Filmstrip | Video]()
    for name, e in ((name, e) for name, group in groups for e in group if e.key in clips):
        arm, place = f"{e.backend} · {e.policy}", f"seed {e.seed}, episode {e.episode}"
        found.append(
            Video(
                task=e.task,
                label=arm if several or e.condition == Condition() else e.condition.label,
                clip=clips[e.key],
                group=", ".join(part for part in (name, place) if part),
                caption=f"solved after {e.first_success_step} steps" if e.success_any else e.error or "not solved",
            )
        )
    return Films(media=tuple(found), notes=tuple(notes))


def rerun(results: Results, shots: Shots) -> Run:
    """Return what runs an episode of ``metasim eval`` again and draws it.

    Args:
        results: Their configuration says split and horizon.
        shots: What is drawn.
    """
    split, horizons = str(results.config.get("split", "train")), results.config.get("horizon", {})

    def run(e: EpisodeResult) -> Recording:
        from metasim.view import record

        if e.condition != Condition() or results.config.get("goals"):
            what = f"condition {e.condition.label}" if e.condition != Condition() else "a protocol's goals"
            raise CannotRerun(f"episodes with {what} can only be drawn by the protocol that ran them")
        horizon = horizons.get(e.task) if hasattr(horizons, "get") else horizons
        said = {"episode": e.episode, "split": split, "size": shots.size, "horizon": horizon}
        return record(e.task, e.backend, e.policy, e.seed, **said, at=shots.of(e), quick=True)

    return run


class CannotRerun(MetasimError):
    """An episode that cannot be run from its seeds alone."""


def _recorded(
    chosen: Sequence[EpisodeResult], run: Run, notes: list[str], report: Report | None, *, check: bool = True
) -> Iterator[tuple[EpisodeResult, Recording]]:
    """Yield every episode that can be run again and ends as it did; about the others, add a sentence each."""
    for index, e in enumerate(chosen):
        if report is not None:
            report(index, len(chosen), f"{e.task}, {_label(e, several=True)}")
        try:
            recording = run(e)
        except MetasimError as error:
            notes.append(f"Not drawn: {e.task} in {e.backend}: {error}.")
            continue
        wanted, got = (e.success_any, e.length), (recording.success_any, recording.steps)
        if check and wanted != got:
            notes.append(
                f"Not drawn: {e.task}, {_label(e, several=True)}, which ended after {got[1]} steps"
                f" ({'' if got[0] else 'not '}solved) instead of {wanted[1]} ({'' if wanted[0] else 'not '}solved)."
            )
            continue
        yield e, recording
    if report is not None and chosen:
        report(len(chosen), len(chosen), "done")
    notes[:] = list(dict.fromkeys(notes))


def _edged(frame: Array) -> Array:
    """Return a frame with a white right edge, which tells it from its neighbour."""
    frame = frame.copy()
    frame[:, -2:] = 255
    return frame


def _label(e: EpisodeResult, *, several: bool) -> str:
    where = [e.backend, e.policy] if several else []
    under = [e.condition.label] if e.condition != Condition() else []
    return ", ".join([*where, *under, f"seed {e.seed}, episode {e.episode}"])
