"""An endpoint that looks up what documents say about a question, and passes all else on."""
