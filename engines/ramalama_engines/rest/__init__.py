"""What both REST APIs have in common: streams, answers, builds."""
