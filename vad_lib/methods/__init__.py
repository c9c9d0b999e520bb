"""The compared methods, one file each; :mod:`vad_lib.registry` names them."""
