"""Why an accelerator is not used."""
