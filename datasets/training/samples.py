"""Samples: the rows of some windows, padded, normalised, and what is worked out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.signal import lfilter

from metasim.datasets.training.fields import FINAL, OBS, SAMPLE
from metasim.datasets.training.index import Field
from metasim.datasets.training.normalisation import Normaliser
from metasim.datasets.training.rows import Rows

Array = Any
Sample = dict[str, Any]


class Span(NamedTuple):
    """Rows of an episode, and where they stand in a window.

    Attributes:
        episode: Number of the episode.
        begin: Its first row.
        low: Row of the window that this one is.
        high: Row of the window behind the last one.
        steps: Steps of the whole episode.
    """

    episode: int
    begin: int
    low: int
    high: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class Cutter:
    """Cuts samples out of episodes.

    Attributes:
        fields: What is read.
        rows: Reads it.
        window: Rows of a window.
        include: What samples have besides observations.
        dtype: Of real numbers.
        discount: Of the returns to go.
        normaliser: The scaling, by key.
        factors: ``sample/<factor>`` to a value for each episode.
    """

    fields: Sequence[Field]
    rows: Rows
    window: int
    include: tuple[str, ...]
    dtype: np.dtype[Any]
    discount: float
    normaliser: Normaliser
    factors: Mapping[str, Array]
    _numbers: dict[str, int] = field(init=False)
    _scaling: dict[str, tuple[Array, Array]] = field(init=False)

    def __post_init__(self) -> None:
        """Look up what every sample needs."""
        shift, scale = self.normaliser.shift, self.normaliser.scale
        scaling = {k: (shift[k].astype(self.dtype), scale[k].astype(self.dtype)) for k in shift}
        object.__setattr__(self, "_scaling", scaling)
        object.__setattr__(self, "_numbers", {about.key: k for k, about in enumerate(self.fields)})

    def cut(self, spans: Sequence[Span]) -> Sample:
        """Return windows, one for each span, stacked."""
        sample: Sample = {}
        for k, about in enumerate(self.fields):
            folder, _, name = about.key.partition("/")
            if folder == OBS:
                self._observe(sample, k, about, name, spans)
            elif folder != FINAL and about.key in self.include:
                sample[about.key] = self._scaled(about.key, self._windows(k, about, spans))
        if "returns_to_go" in self.include:
            sample["returns_to_go"] = self._returns(spans)
        if "timesteps" in self.include:
            sample["timesteps"] = self._timesteps(spans)
        episodes = [span.episode for span in spans]
        sample |= {f"{SAMPLE}{name}": values[episodes] for name, values in self.factors.items()}
        return sample

    def _observe(self, sample: Sample, k: int, about: Field, name: str, spans: Sequence[Span]) -> None:
        """Add an observation, and those after each action and after the last one of the episode."""
        made = {OBS: self._windows(k, about, spans)}
        if "next_obs" in self.include:
            made["next_obs"] = self._following(made[OBS], k, about, spans)
        if FINAL in self.include:
            made[FINAL] = np.concatenate([self._row(self._final(about), about, span.episode, 0) for span in spans])
        for folder, array in made.items():
            array = self._scaled(about.key, array)
            if name:
                sample.setdefault(folder, {})[name] = array
            else:
                sample[folder] = array

    def _windows(self, k: int, about: Field, spans: Sequence[Span]) -> Array:
        out = np.empty((len(spans), self.window, *about.shape), self._kind(about))
        for window, span in zip(out, spans, strict=True):
            self.rows.read(k, span.episode, span.begin, window[span.low : span.high])
            _pad(window, span)
        return out

    def _following(self, now: Array, k: int, about: Field, spans: Sequence[Span]) -> Array:
        out = np.empty_like(now)
        for window, then, span in zip(now, out, spans, strict=True):
            then[span.low : span.high - 1] = window[span.low + 1 : span.high]
            end = span.begin + span.high - span.low
            last = (k, end) if end < span.steps else (self._final(about), 0)
            then[span.high - 1] = self._row(last[0], about, span.episode, last[1])[0]
            _pad(then, span)
        return out

    def _final(self, about: Field) -> int:
        return self._numbers[about.key.replace(OBS, FINAL, 1)]

    def _row(self, k: int, about: Field, episode: int, row: int) -> Array:
        out = np.empty((1, *about.shape), self._kind(about))
        self.rows.read(k, episode, row, out)
        return out

    def _returns(self, spans: Sequence[Span]) -> Array:
        out = np.empty((len(spans), self.window), self.dtype)
        for window, span in zip(out, spans, strict=True):
            rewards = np.empty(span.steps - span.begin)
            self.rows.read(self._numbers["rewards"], span.episode, span.begin, rewards)
            coming = lfilter([1.0], [1.0, -self.discount], rewards[::-1])[::-1]
            window[span.low : span.high] = coming[: span.high - span.low]
            _pad(window, span)
        return out

    def _timesteps(self, spans: Sequence[Span]) -> Array:
        out = np.empty((len(spans), self.window), np.int64)
        for window, span in zip(out, spans, strict=True):
            window[span.low : span.high] = np.arange(span.begin, span.begin + span.high - span.low)
            _pad(window, span)
        return out

    def _scaled(self, key: str, array: Array) -> Array:
        if key in self._scaling:
            shift, scale = self._scaling[key]
            array -= shift
            array /= scale
        return array

    def _kind(self, about: Field) -> np.dtype[Any]:
        return self.dtype if about.dtype.kind == "f" else about.dtype


def masks(window: int, spans: Sequence[Span]) -> Array:
    """Return which rows of windows are steps of the episode, ``(n, window)``."""
    mask = np.zeros((len(spans), window), bool)
    for row, span in zip(mask, spans, strict=True):
        row[span.low : span.high] = True
    return mask


def _pad(window: Array, span: Span) -> None:
    """Repeat the first and the last row of the episode where the window reaches beyond it."""
    if span.low:
        window[: span.low] = window[span.low]
    if span.high < len(window):
        window[span.high :] = window[span.high - 1]
