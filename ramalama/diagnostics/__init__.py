"""Find out why an accelerator is not used."""
