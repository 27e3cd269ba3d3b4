"""The exchanges of the execution API specification, against a shard that holds the specification's chain."""
