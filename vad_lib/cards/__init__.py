"""A card for every result: data, features, method, seeds, numbers and files in one JSON file that others can check."""
