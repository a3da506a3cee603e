"""The built-in components, registered through the same hooks and entry point as everyone else's."""
