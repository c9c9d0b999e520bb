"""Tables as CSV and Markdown."""
