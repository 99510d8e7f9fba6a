"""Plans for tools and parts: assembly, disassemble, hammer, stick-push, stick-pull, peg-unplug-side."""
