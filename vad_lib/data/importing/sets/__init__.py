"""The public data sets, a module each: a table of facts, and a reader of the lists as they are released."""
