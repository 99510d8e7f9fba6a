"""Plans for the other buttons: button-press, button-press-wall, button-press-topdown-wall."""
