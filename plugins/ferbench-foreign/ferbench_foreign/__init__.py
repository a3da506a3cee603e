"""Other people's systems for facial expressions, as models of ferbench."""
