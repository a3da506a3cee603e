"""One run on several devices: a process, a rank, for each."""
