"""Tasks with objects carried to a place: pick-place-wall, pick-out-of-hole, shelf-place, hand-insert."""
