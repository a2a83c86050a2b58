"""Property tests of the laws: generated programs and actions, played against a kernel and judged by a fresh process."""
