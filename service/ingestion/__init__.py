"""Records of other systems, pulled page by page into tables: nothing lost, nothing doubled, no silent difference."""
