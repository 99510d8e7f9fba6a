"""Tasks with handles: handle-press, handle-press-side, handle-pull, handle-pull-side."""
