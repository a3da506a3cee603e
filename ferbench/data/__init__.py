"""The data path: samples, the pack they are decoded into, splits, and batches on the training device."""
