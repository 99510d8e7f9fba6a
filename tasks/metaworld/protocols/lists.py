"""Which tasks each benchmark has, in the original's order: the goals of a task depend on its place.

Source: Yu et al., arXiv:1910.10897, and the lists of the benchmark's version 3.
"""

from __future__ import annotations

MT10_NAMES = (
    "reach push pick-place door-open drawer-open drawer-close button-press-topdown peg-insert-side window-open "
    "window-close"
)
MT25_NAMES = (
    f"{MT10_NAMES} coffee-pull pick-out-of-hole disassemble pick-place-wall basketball stick-pull button-press-wall "
    "faucet-open door-lock lever-pull sweep-into faucet-close coffee-button button-press-topdown-wall dial-turn"
)
MT50_NAMES = (
    "assembly basketball bin-picking box-close button-press-topdown button-press-topdown-wall button-press "
    "button-press-wall coffee-button coffee-pull coffee-push dial-turn disassemble door-close door-lock door-open "
    "door-unlock hand-insert drawer-close drawer-open faucet-open faucet-close hammer handle-press-side handle-press "
    "handle-pull-side handle-pull lever-pull pick-place-wall pick-out-of-hole pick-place plate-slide plate-slide-side "
    "plate-slide-back plate-slide-back-side peg-insert-side peg-unplug-side soccer stick-push stick-pull push "
    "push-wall push-back reach reach-wall shelf-place sweep-into sweep window-open window-close"
)
ML10_TRAIN_NAMES = (
    "reach push pick-place door-open drawer-close button-press-topdown peg-insert-side window-open sweep basketball"
)
ML10_TEST_NAMES = "drawer-open door-close shelf-place sweep-into lever-pull"
ML25_TEST_NAMES = "basketball door-close shelf-place sweep button-press"
ML45_TRAIN_NAMES = (
    "assembly basketball button-press-topdown button-press-topdown-wall button-press button-press-wall coffee-button "
    "coffee-pull coffee-push dial-turn disassemble door-close door-open drawer-close drawer-open faucet-open "
    "faucet-close hammer handle-press-side handle-press handle-pull-side handle-pull lever-pull pick-place-wall "
    "pick-out-of-hole push-back pick-place plate-slide plate-slide-side plate-slide-back plate-slide-back-side "
    "peg-insert-side peg-unplug-side soccer stick-push stick-pull push-wall push reach-wall reach shelf-place "
    "sweep-into sweep window-open window-close"
)
ML45_TEST_NAMES = "bin-picking box-close hand-insert door-lock door-unlock"


def _ids(names: str) -> tuple[str, ...]:
    return tuple(f"metaworld/{name}-v3" for name in names.split())


MT10, MT25, MT50 = _ids(MT10_NAMES), _ids(MT25_NAMES), _ids(MT50_NAMES)
ML10_TRAIN, ML10_TEST = _ids(ML10_TRAIN_NAMES), _ids(ML10_TEST_NAMES)
ML25_TRAIN, ML25_TEST = MT25, _ids(ML25_TEST_NAMES)
"""``basketball`` stands in both, as in the original; see docs/protocols.md."""
ML45_TRAIN, ML45_TEST = _ids(ML45_TRAIN_NAMES), _ids(ML45_TEST_NAMES)

MULTI_TASK = {"MT10": MT10, "MT25": MT25, "MT50": MT50}
META = {"ML10": (ML10_TRAIN, ML10_TEST), "ML25": (ML25_TRAIN, ML25_TEST), "ML45": (ML45_TRAIN, ML45_TEST)}
