"""The contracts: scene, state, backend, task, policy; numpy and the standard library only.

Import from the modules: ``from metasim.core.scene import Scene``. Nothing is imported here, so that importing one
contract does not import them all.
"""

__all__: list[str] = []
