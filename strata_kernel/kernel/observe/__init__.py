"""What a cell does to the process and the world while it runs, and how the process is set again."""
