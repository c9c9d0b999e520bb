"""Methods in the form in which public codes are written: independent of the library's modules, slow, easy to check.

Channels first between layers, every convolution an ``nn.Conv1d``, videos or crops visited one by one in selections and
losses, dense T x T masks with -1e9 and distance matrices rebuilt at every call, nothing stacked, shared or multiplied out.
Of the settings only the official defaults are here, for sequences of equal length with the normal half of the batch
first. ``tests/reference/test_reference_forms.py`` and ``benchmarks/bench_methods.py`` compare the library with them.

Shapes: B videos, N crops, S = B x N sequences, T segments, D features, C categories.
"""
