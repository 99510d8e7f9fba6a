"""The checks, one module per noun; each is a function from a backend factory to measurements."""
