"""The commands of the prompt loop: lines that begin with "/" and are not sent to the model."""
