"""A trained method outside the chain: own videos, ONNX, smaller models, streams."""
