"""Tasks with doors and locks: door-close, door-lock, door-unlock."""
