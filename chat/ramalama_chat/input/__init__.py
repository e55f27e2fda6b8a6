"""The user's input for a question: text, files, pictures, schemas."""
