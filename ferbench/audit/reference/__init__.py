"""What well-known datasets are like, so that a copy that is not the real thing is found out."""
