"""What a user can tell the prompt loop, instead of asking the model: lines that begin with "/"."""
