"""Goals: what a person wants to reach, what they do for it, and how far they are."""
