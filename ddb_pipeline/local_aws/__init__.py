"""The embedded local AWS: the path from DynamoDB to Athena on a laptop, made from the synthesized template.

moto's server, extended through its backends by what it lacks on this path. Nothing outside this package and the
command line imports it.
"""
