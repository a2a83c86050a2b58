"""Workers: cells in other processes, by HTTP."""
