"""vad_lib: the library behind the paper companion (weakly supervised video anomaly detection).

Data flows one way: video -> snippets -> features -> bags -> model -> scores -> metrics -> tables and
figures. A module imports only from modules above it in that order (``tests/project/test_imports.py``).
"""

__version__ = "0.1.0"
