"""vad_lib: the library behind the paper companion (weakly supervised video anomaly detection).

Data flow one way: videos, snippets, features, bags, model, scores, metrics, runs, tables and figures. Start with ``model``,
``losses`` and ``metrics``, which read like the paper's sections 2.1 to 2.3 and 3.1. The order of all rooms stands in
``[tool.importlinter]`` in ``pyproject.toml``.
"""

__version__ = "0.1.0"
