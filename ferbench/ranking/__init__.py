"""What finished runs say, read from their records alone."""
