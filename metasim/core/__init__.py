"""The contracts: scene, state, backend, task, policy; numpy and the standard library only."""
