"""Results: what is written is read back, equal results have equal bytes, a bad file is refused by field."""

import dataclasses
import json
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasim.benchmarks.condition import Condition
from metasim.benchmarks.results import EpisodeResult, InvalidResults, Results, load, merge, parse, save
from metasim.core.errors import MetasimError

SETTLED = settings(derandomize=True, deadline=None, database=None, max_examples=50)
TEXT = st.text(min_size=1, max_size=12)
COUNT = st.integers(0, 2**63)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def episodes(draw) -> EpisodeResult:
    length = draw(COUNT)
    first = draw(st.none() | st.integers(0, length))
    error = draw(st.none() | TEXT)
    factor = draw(st.just("") | TEXT)
    return EpisodeResult(
        **{name: draw(TEXT) for name in ("task", "backend", "policy")},
        **{name: draw(COUNT) for name in ("seed", "episode")},
        success_any=first is not None,
        success_last=first is not None and error is None and draw(st.booleans()),
        first_success_step=first,
        episode_return=draw(FLOAT | st.integers(-100, 100)),
        length=length,
        error=error,
        level=draw(st.just("") | TEXT),
        factor=factor,
        value=draw(st.none() | st.booleans() | st.integers() | FLOAT | TEXT) if factor else None,
        variation=draw(st.dictionaries(TEXT, TREES, max_size=2)),
    )


LEAVES = st.none() | st.booleans() | st.integers() | FLOAT | st.text(max_size=5)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
RESULTS = st.builds(
    Results,
    protocol=TEXT,
    config=st.dictionaries(st.text(max_size=5), TREES, max_size=4),
    episodes=st.lists(episodes(), max_size=6, unique_by=lambda e: e.key).map(tuple),
    protocol_version=st.just("") | TEXT,
    protocol_sha256=st.sampled_from(["", "0123456789abcdef" * 4]),
)


@SETTLED
@given(RESULTS)
def test_reading_what_was_written_gives_the_same_results_and_bytes(results):
    again = parse(results.to_bytes())
    assert again == results
    assert again.to_bytes() == results.to_bytes()
    assert pickle.loads(pickle.dumps(results)) == results


@SETTLED
@given(RESULTS, st.randoms(use_true_random=False))
def test_bytes_do_not_depend_on_order(results, random):
    shuffled = list(results.episodes)
    random.shuffle(shuffled)
    keys = list(results.config)
    random.shuffle(keys)
    again = dataclasses.replace(results, episodes=tuple(shuffled), config={key: results.config[key] for key in keys})
    assert again.to_bytes() == results.to_bytes()


@SETTLED
@given(RESULTS, st.data())
def test_every_cut_short_file_is_refused(results, data):
    whole = results.to_bytes()
    cut = data.draw(st.integers(0, len(whole.rstrip()) - 1))
    with pytest.raises(InvalidResults):
        parse(whole[:cut])


@SETTLED
@given(st.binary(max_size=60) | TREES.map(lambda tree: json.dumps(tree).encode()))
def test_no_bytes_whatever_crash_the_reader(data):
    with pytest.raises(InvalidResults):
        parse(data)


def test_the_file_is_plain_json_of_the_published_schema(results, tmp_path):
    tree = json.loads(save(results, tmp_path / "new" / "results.json").read_bytes())
    assert set(tree) == {"schema", "protocol", "config", "episodes"}
    assert tree["schema"] == "metasim.results/2"
    said_only_if_varied = {"level", "factor", "value", "variation"}
    fields = {field.name for field in dataclasses.fields(EpisodeResult)}
    assert set(tree["episodes"][0]) == fields - said_only_if_varied
    assert len(tree["episodes"]) == 60


def test_saving_leaves_one_readable_file_and_replaces_an_old_one(results, tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    assert load(save(results, path)) == results
    assert os.listdir(tmp_path) == ["results.json"]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_failed_save_leaves_the_old_file_and_no_rubbish(results, tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    path.write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(results, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.json"]


def test_results_are_read_only_and_own_their_configuration(make):
    source = {"tasks": ["a"], "physics": {"gravity": np.float32(-9.5), "substeps": np.int64(5)}}
    results = Results(protocol="p", config=source, episodes=(make(),))
    source["tasks"].append("b")
    assert results.config["tasks"] == ("a",)
    assert json.loads(results.to_bytes())["config"]["physics"] == {"gravity": -9.5, "substeps": 5}
    with pytest.raises(TypeError):
        results.config["physics"]["gravity"] = 0.0  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        results.protocol = "q"  # type: ignore[misc]


def test_returns_of_equal_value_have_equal_bytes(make):
    """An integer 0, 0.0 and -0.0 compare equal, so the files must not differ."""
    files = {Results(protocol="p", config={}, episodes=(make(episode_return=r),)).to_bytes() for r in (0, 0.0, -0.0)}
    assert len(files) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": ""}, r"EpisodeResult.task: expected a non-empty string, got str ''"),
        ({"seed": -1}, r"EpisodeResult.seed: expected an integer of 0 or more, got int -1"),
        ({"seed": True}, r"EpisodeResult.seed: expected an integer of 0 or more, got true"),
        ({"length": 3.0}, r"EpisodeResult.length: expected an integer of 0 or more, got float 3.0"),
        ({"success_any": np.True_}, r"EpisodeResult.success_any: expected true or false, got bool np.True_"),
        (
            {"episode_return": float("nan")},
            r"EpisodeResult.episode_return: expected a finite number, got float nan",
        ),
        (
            {"episode_return": 10**400},
            r"EpisodeResult.episode_return: expected a finite number, got int 1000",
        ),
        (
            {"success_any": False, "first_success_step": None},
            r"success_last is true while success_any is false",
        ),
        ({"first_success_step": None}, r"success_any is True while first_success_step is None"),
        ({"first_success_step": 101}, r"first_success_step 101 lies beyond length 100"),
        ({"error": "diverged"}, r"success_last is true while error is 'diverged'"),
        ({"level": None}, r"EpisodeResult.level: expected a string, got null"),
        ({"factor": "mass", "value": [1]}, r"EpisodeResult.value: expected a number, string, true, false or null"),
        ({"factor": "mass", "value": float("inf")}, r"EpisodeResult.value: expected a number"),
        ({"factor": "mass", "value": ""}, r"EpisodeResult.value: expected a number"),
        ({"value": 1.5}, r"value is 1.5 while factor is empty"),
        ({"variation": {"a": object()}}, r"EpisodeResult.variation.a: expected plain JSON data"),
    ],
)
def test_an_episode_that_cannot_be_is_refused(make, changes, message):
    with pytest.raises(InvalidResults, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": {"b": [1, float("inf")]}}, r"Results.config.a.b\[1\]: expected a finite number, got inf"),
        ({"a": {1: 2}}, r"Results.config.a: expected names as keys, got int 1"),
        ({"rng": object()}, r"Results.config.rng: expected plain JSON data, got object <object"),
        ([], r"Results.config: expected an object, got a list of 0"),
    ],
)
def test_a_configuration_that_json_cannot_hold_is_refused(config, message):
    with pytest.raises(InvalidResults, match=message):
        Results(protocol="p", config=config, episodes=())


def edited(results: Results, edit) -> bytes:
    tree = json.loads(results.to_bytes())
    return json.dumps(edit(tree) or tree).encode()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda t: t.update(schema="metasim.results/9"),
            r"f.schema: expected 'metasim.results/2' or the older 'metasim.results/1', got 'metasim.results/9'; this",
        ),
        (
            lambda t: t.update(schema=None),
            r"f.schema: expected 'metasim.results/2' or the older 'metasim.results/1', got None",
        ),
        (lambda t: t.pop("schema") and None, r"f.schema: missing; expected 'metasim.results/2'"),
        (lambda t: t.pop("protocol") and None, r"f.protocol: missing; expected a non-empty string"),
        (lambda t: t.update(config=[1]), r"f.config: expected an object, got a list of 1"),
        (lambda t: t.update(episodes={}), r"f.episodes: expected a list of episodes, got an object of 0"),
        (lambda t: t.update(eposides=[]), r"f: unknown field str 'eposides'; did you mean \['episodes'\]"),
        (lambda t: [1, 2], r"f: expected an object with \['schema', .*got a list of 2"),
        (
            lambda t: t["episodes"][3].update(length="x"),
            r"f.episodes\[3\].length: expected an integer .* got str 'x'",
        ),
        (
            lambda t: t["episodes"][3].pop("seed") and None,
            r"f.episodes\[3\].seed: missing; expected an integer",
        ),
        (lambda t: t["episodes"].__setitem__(2, 5), r"f.episodes\[2\]: expected an object with .* got int 5"),
        (
            lambda t: t["episodes"][0].update(sucess=True),
            r"f.episodes\[0\]: unknown field str 'sucess'; did you mean",
        ),
        (
            lambda t: t["episodes"][-1].update(first_success_step=999),
            r"f.episodes\[59\]: .*999 lies beyond length 100",
        ),
        (
            lambda t: t["episodes"].append(t["episodes"][0]),
            r"f: episode lab/open-v0 .* seed 0 / episode 0 occurs twice",
        ),
    ],
)
def test_a_file_of_the_wrong_shape_is_refused_by_field(results, edit, message):
    with pytest.raises(InvalidResults, match=message):
        parse(edited(results, edit), "f")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"f: not JSON at line 1, column 1: .* was it cut short\?"),
        (b'{"schema": "metasim.results/1",', r"f: not JSON at line 1, column \d+"),
        (b"{'schema': 1}", r"f: not JSON at line 1, column 2"),
        (b"\x89HDF\r\n", r"f: not a JSON text file: byte 0 is not UTF-8"),
        (b'{"schema": NaN}', r"f: not a results file: NaN is not a number that JSON has"),
        (b'{"schema": 1, "schema": 2}', r"f: not a results file: field 'schema' occurs twice in one object"),
        (b"[" * 100_000, r"f: not a results file"),
        (b'{"schema": 1' + b"0" * 5000 + b"}", r"f: not a results file: "),
    ],
)
def test_a_file_that_is_no_json_is_refused(data, message):
    with pytest.raises(InvalidResults, match=message):
        parse(data, "f")


def test_a_configuration_nested_too_deeply_is_refused(results):
    deep = results.to_bytes().replace(b'"horizon": 100', b'"horizon": ' + b"[" * 800 + b"]" * 800)
    with pytest.raises(InvalidResults, match="too deep|recursion"):
        parse(deep)


def test_an_episode_without_error_field_is_read(results):
    data = edited(results, lambda t: [e.pop("error") for e in t["episodes"] if e["error"] is None] and None)
    assert parse(data) == results


def test_a_file_of_the_schema_before_is_read(results):
    old = results.to_bytes().replace(b"metasim.results/2", b"metasim.results/1")
    assert parse(old) == results and parse(old).to_bytes() == results.to_bytes()
    newer = edited(results, lambda t: t.update(schema="metasim.results/1", protocol_version="2"))
    with pytest.raises(InvalidResults, match="unknown field str 'protocol_version'"):
        parse(newer)


def test_a_condition_is_part_of_what_names_an_episode(make):
    rows = tuple(make(factor="mass", value=value, variation={"puck": value}) for value in (1.5, 0.5, True, 1, "1"))
    results = Results(protocol="p", config={}, episodes=(*rows, make(level="L1"), make()))
    again = parse(results.to_bytes())
    assert again == results and len(again.episodes) == 7
    assert [e.condition.label for e in again.episodes][:2] == ["all episodes", "mass = 1"]
    assert sorted((e.condition for e in rows), key=lambda c: c.order)[0].value == 0.5
    assert [e.variation for e in again.only(condition=rows[0].condition).episodes] == [{"puck": 1.5}]
    with pytest.raises(InvalidResults, match="/ mass = 1.5 / seed 7 / episode 0 occurs twice"):
        Results(protocol="p", config={}, episodes=(rows[0], rows[0]))


def test_conditions_stand_in_the_order_of_a_person():
    names = [("L10", "", None), ("", "mass", 2), ("L2", "", None), ("", "mass", 0.5), ("control", "", None)]
    made = [Condition(level=level, factor=factor, value=value) for level, factor, value in names]
    labels = [c.label for c in sorted(made, key=lambda c: c.order)]
    assert labels == ["control", "L2", "L10", "mass = 0.5", "mass = 2"]


def test_a_protocols_version_and_digest_are_kept_and_hold_parts_together(results):
    said = dataclasses.replace(results, protocol_version="3", protocol_sha256="ab" * 32)
    assert parse(said.to_bytes()) == said != results
    assert merge([said, said]) == said
    with pytest.raises(InvalidResults, match="cannot merge protocol sha256 '' into 'abab"):
        merge([said, dataclasses.replace(said, protocol_sha256="")])
    with pytest.raises(InvalidResults, match="protocol_sha256: expected 64 hexadecimal digits"):
        dataclasses.replace(results, protocol_sha256="abc")


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InvalidResults, match=r"none.json: cannot be read \(No such file or directory\)"):
        load(tmp_path / "none.json")
    with pytest.raises(MetasimError, match="cannot be read"):
        load(tmp_path)


def test_shards_merge_into_what_one_run_gives(results):
    shards = [dataclasses.replace(results, episodes=results.episodes[index::3]) for index in range(3)]
    assert merge(shards).to_bytes() == merge(reversed(shards)).to_bytes() == results.to_bytes()
    assert merge([results, *shards]) == results


def test_results_of_two_engines_merge(results):
    parts = []
    for backend in ("mujoco", "pybullet"):
        config = {
            **results.config,
            "backends": [backend],
            "versions": {backend: results.config["versions"][backend]},
        }
        mine = tuple(e for e in results.episodes if e.backend == backend)
        parts.append(Results(protocol="lab-v1", config=config, episodes=mine))
    assert merge(parts) == results


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "lab-v2"}, "cannot merge protocol 'lab-v2' into 'lab-v1'"),
        ({"config": {"horizon": 200}}, "config.horizon is 100 in one part and 200 in another"),
        (
            {"config": {"versions": {"mujoco": "4.1.0"}}},
            "config.versions.mujoco is '4.0.0' in one part and '4.1.0'",
        ),
        ({"config": {"horizon": {"a": 1}}}, r"config.horizon is 100 in one part and \{'a': 1\}"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(results, changes, message):
    with pytest.raises(InvalidResults, match=message):
        merge([results, dataclasses.replace(results, **{"episodes": (), **changes})])


def test_conflicting_duplicates_are_refused(results):
    changed = dataclasses.replace(results.episodes[0], episode_return=-1.0)
    with pytest.raises(InvalidResults, match=r"lab/open-v0 / mujoco .* has episode_return 0.0 in one part and -1.0"):
        merge([results, dataclasses.replace(results, episodes=(changed,))])
    with pytest.raises(InvalidResults, match="nothing to merge"):
        merge([])
