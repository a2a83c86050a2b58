"""The numbers of the README: `python -m benchmarks` measures them and prints one table."""
