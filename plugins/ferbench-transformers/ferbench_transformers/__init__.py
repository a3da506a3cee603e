"""Hugging Face image classifiers as models of ferbench."""
