"""Versions of ferbench and of what it promises to plugins."""

__version__ = "0.1.0"

#: The version of the plugin interface. It rises when a plugin written for the one before may break, and when so much is
#: new that a plugin must be able to ask for it; a plugin says with ``FERBENCH_API`` which one it is written for.
API_VERSION = 2
