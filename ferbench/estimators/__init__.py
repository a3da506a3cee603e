"""Models of scikit-learn: fitted at once, kept without pickle, and then models like any other."""
