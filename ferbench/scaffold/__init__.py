"""Starting a plugin: a package, or a single file, that works as it is and is there to be changed."""
