"""Values in exact stored form: units, their digests, and the definitions that they refer to."""
