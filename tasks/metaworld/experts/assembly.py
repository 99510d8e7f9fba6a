"""Plans for parts that fit each other: assembly, disassemble, peg-unplug-side."""
