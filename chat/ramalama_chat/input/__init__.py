"""What a user gives with a question: text, files, pictures, schemas."""
