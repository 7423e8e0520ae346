"""`python -m service endpoint new`: a feature of the house, written by one command into a checkout."""
