"""Worker processes on this host: long-lived, each with its share of the machine, replaced when one dies."""
