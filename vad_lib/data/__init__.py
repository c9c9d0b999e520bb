"""Videos to snippets, features, data sets and batches."""
