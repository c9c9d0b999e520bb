"""Other people's folders to a data set of this library."""
