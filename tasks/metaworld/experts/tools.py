"""Plans for tools: hammer, stick-push, stick-pull."""
