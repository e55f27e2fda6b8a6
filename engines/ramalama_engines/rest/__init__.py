"""The common parts of both REST APIs: streams, answers, pulls and builds."""
