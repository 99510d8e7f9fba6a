"""Tasks with tools: hammer, stick-push, stick-pull."""
