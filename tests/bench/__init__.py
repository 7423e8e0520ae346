"""Benchmarks: what the service takes beside the least that the same work can take, and beside its peers.

`python -m tests.bench` prints one table. Contenders take turns on one machine and one PostgreSQL, so that what disturbs
one disturbs all; ratios of medians count, absolute times are this machine's. A missed target is shown, and is no error.
"""
