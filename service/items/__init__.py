"""Items: a name and a description, kept for programs with the scopes of items."""
