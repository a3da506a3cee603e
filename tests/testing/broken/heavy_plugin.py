"""A plugin whose description imports what only its component needs."""

import torch

import ferbench


@ferbench.hookimpl
def ferbench_trackers():
    yield ferbench.TrackerSpec("breaks-light-import", build="heavy_plugin:Quiet", summary=f"torch {torch.__version__}")


class Quiet:
    """Hears how runs end, and is content."""

    def run_finished(self, record):
        pass
