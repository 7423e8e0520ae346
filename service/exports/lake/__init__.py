"""The data lake as exports see it: which tables there are (`catalog`), and who runs queries over them (`engine`)."""
