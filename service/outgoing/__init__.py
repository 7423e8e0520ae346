"""HTTP towards others, as far as every partner is called in the same way."""
