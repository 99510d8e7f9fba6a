"""Tasks with objects carried to a place.

These are pick-place-wall, pick-out-of-hole, bin-picking, shelf-place, hand-insert, basketball, box-close.
"""
