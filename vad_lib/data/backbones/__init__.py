"""Networks that turn snippets and prompts into features, and their weights."""
